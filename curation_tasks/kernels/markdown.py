"""Markdown to plain text with RE2 on whole Arrow arrays.

Rules that need the same character see only the rows that hold it, each of them only those with its whole mark, and its second
pass only those that the first has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

#: An emphasis opens where no letter, digit or mark stands before it and no space behind it, and closes the other way round: so
#: ``snake_case_name``, ``2*3*4`` and ``a * b * c`` are none. RE2 looks at no character twice, so one whose neighbour has just ended
#: an emphasis is found by a second pass.
_OUTSIDE = r"[^\pL\pN_*~\\]"


def _emphasis(mark: str) -> tuple[str, str, str, int]:
    escaped = "".join(f"\\{character}" for character in mark)
    one = f"[^{escaped[:2]}\n]"
    inner = f"[^\\s{escaped[:2]}](?:{one}*[^\\s{escaped[:2]}])?"
    return mark, rf"(^|{_OUTSIDE}){escaped}({inner}){escaped}($|{_OUTSIDE})", r"\1\2\3", 2


_LINK = r'\[([^\]\[\n]+)\]\(\s*<?((?:[^()\s<>]|\([^()\s<>]*\))+)>?(?:\s+(?:"[^"\n]*"|\'[^\'\n]*\'))?\s*\)'
#: Kind → ``(what a text must hold, pattern, replacement, passes)``, in the order in which they are made.
RULES: dict[str, list[tuple[str, str, str, int]]] = {
    "fences": [(fence, rf"(?m)^ {{0,3}}{fence}[^`\n]*(?:\n|$)", "", 1) for fence in ("```", "~~~")],
    "headings": [("#", r"(?m)^ {0,3}#{1,6}[ \t]+([^\n]*?)(?:[ \t]+#+)?[ \t]*$", r"\1", 1)],
    "quotes": [(">", r"(?m)^ {0,3}(?:> ?)+", "", 1)],
    "images": [("![", r"!\[([^\]\[\n]*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)", r"\1", 1)],
    "links": [("](", _LINK, r"\1", 1)],
    "link_urls": [("](", _LINK, r"\2", 1)],
    "emphasis": [_emphasis(mark) for mark in ("***", "**", "*", "___", "__", "_")],
    "strikethrough": [_emphasis("~~")],
    "code": [("`", r"`([^`\n]+)`", r"\1", 1)],
}


def remove_markdown(texts: pa.Array, kinds: Sequence[str]) -> tuple[pa.Array, int]:
    """The texts without marks of Markdown.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        kinds: Keys of ``RULES``, in any order.

    Returns:
        ``(texts, changed)``: the same type and rows, and the number of rows that differ.
    """
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = texts.cast(pa.large_string())
    before = texts
    chosen = [rule for kind in RULES if kind in kinds for rule in RULES[kind]]
    # No rule writes what was not there, so a row without the character has nothing for any rule of the group.
    for character, rules in groupby(chosen, key=lambda rule: rule[0][0]):
        holds = _holds(texts, character)
        if holds.true_count:
            texts = _with(texts, holds, _applied(texts.filter(holds), rules))
    changed = pc.fill_null(pc.not_equal(before, texts), False).true_count
    return (texts, changed) if changed else (before, 0)


def _applied(texts: pa.Array, rules: Iterable[tuple[str, str, str, int]]) -> pa.Array:
    for needed, pattern, replacement, passes in rules:
        rows = _holds(texts, needed)
        for _ in range(passes):
            if not rows.true_count:
                break
            found = texts.filter(rows)
            written = pc.replace_substring_regex(found, pattern, replacement)
            texts, rows = _with(texts, rows, written), pc.replace_with_mask(rows, rows, pc.not_equal(found, written))
    return texts


def _holds(texts: pa.Array, mark: str) -> pa.BooleanArray:
    return pc.fill_null(pc.match_substring(texts, mark), False)


def _with(texts: pa.Array, rows: pa.BooleanArray, written: pa.Array) -> pa.Array:
    """The texts with what was written in place of those rows."""
    return pc.replace_with_mask(texts, rows, written) if rows.true_count < len(texts) else written
