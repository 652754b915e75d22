"""Markdown to plain text with RE2 on whole Arrow arrays; rows without its mark are passed over by each rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: An emphasis opens where no letter, digit or mark stands before it and no space behind it, and closes the other way round: so
#: ``snake_case_name``, ``2*3*4`` and ``a * b * c`` are none. RE2 looks at no character twice, so one whose neighbour has just ended
#: an emphasis is found by a second pass.
_OUTSIDE = r"[^\pL\pN_*~\\]"


def _emphasis(mark: str) -> tuple[str, str, str]:
    escaped = "".join(f"\\{character}" for character in mark)
    one = f"[^{escaped[:2]}\n]"
    inner = f"[^\\s{escaped[:2]}](?:{one}*[^\\s{escaped[:2]}])?"
    return mark, rf"(^|{_OUTSIDE}){escaped}({inner}){escaped}($|{_OUTSIDE})", r"\1\2\3"


_LINK = r'\[([^\]\[\n]+)\]\(\s*<?((?:[^()\s<>]|\([^()\s<>]*\))+)>?(?:\s+(?:"[^"\n]*"|\'[^\'\n]*\'))?\s*\)'
#: Kind → replacements in the order in which they are made, each with what a text must hold for it.
RULES: dict[str, list[tuple[str, str, str]]] = {
    "fences": [(fence, rf"(?m)^ {{0,3}}{fence}[^`\n]*(?:\n|$)", "") for fence in ("```", "~~~")],
    "headings": [("#", r"(?m)^ {0,3}#{1,6}[ \t]+([^\n]*?)(?:[ \t]+#+)?[ \t]*$", r"\1")],
    "quotes": [(">", r"(?m)^ {0,3}(?:> ?)+", "")],
    "images": [("![", r"!\[([^\]\[\n]*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)", r"\1")],
    "links": [("](", _LINK, r"\1")],
    "link_urls": [("](", _LINK, r"\2")],
    "emphasis": [_emphasis(mark) for mark in ("***", "**", "*", "___", "__", "_") for _ in range(2)],
    "strikethrough": [_emphasis("~~")] * 2,
    "code": [("`", r"`([^`\n]+)`", r"\1")],
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
    for needed, pattern, replacement in (rule for kind in RULES if kind in kinds for rule in RULES[kind]):
        mask = pc.fill_null(pc.match_substring(texts, needed), False)
        if mask.true_count:
            texts = pc.replace_with_mask(texts, mask, pc.replace_substring_regex(texts.filter(mask), pattern, replacement))
    differs = pc.fill_null(pc.not_equal(before, texts), False)
    changed = int(np.count_nonzero(differs.to_numpy(zero_copy_only=False)))
    return (texts, changed) if changed else (before, 0)
