"""Markdown to plain text with RE2 on whole Arrow arrays.

Each rule sees only the rows in which it may match (``markdown_marks``), and its second pass only those that the first has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.kernels.markdown_marks import (
    CODE,
    FENCES,
    HEADINGS,
    IMAGES,
    LINKS,
    QUOTES,
    STARS,
    STRIKETHROUGH,
    UNDERSCORES,
    possible_marks,
)
from curation_tasks.kernels.row_replacement import Overlay

#: An emphasis opens where no letter, digit or mark stands before it and no space behind it, and closes the other way round: so
#: ``snake_case_name``, ``2*3*4`` and ``a * b * c`` are none. RE2 looks at no character twice, so one whose neighbour has just ended
#: an emphasis is found by a second pass.
_OUTSIDE = r"[^\pL\pN_*~\\]"


def _emphasis(mark: str, bit: int) -> tuple[int, str, str, str, int]:
    escaped = "".join(f"\\{character}" for character in mark)
    one = f"[^{escaped[:2]}\n]"
    inner = f"[^\\s{escaped[:2]}](?:{one}*[^\\s{escaped[:2]}])?"
    return bit, mark, rf"(^|{_OUTSIDE}){escaped}({inner}){escaped}($|{_OUTSIDE})", r"\1\2\3", 2


_LINK = r'\[([^\]\[\n]+)\]\(\s*<?((?:[^()\s<>]|\([^()\s<>]*\))+)>?(?:\s+(?:"[^"\n]*"|\'[^\'\n]*\'))?\s*\)'
#: Kind → ``(bit of markdown_marks, what a text must hold, pattern, replacement, passes)``, in the order in which they are made.
RULES: dict[str, list[tuple[int, str, str, str, int]]] = {
    "fences": [(FENCES, fence, rf"(?m)^ {{0,3}}{fence}[^`\n]*(?:\n|$)", "", 1) for fence in ("```", "~~~")],
    "headings": [(HEADINGS, "#", r"(?m)^ {0,3}#{1,6}[ \t]+([^\n]*?)(?:[ \t]+#+)?[ \t]*$", r"\1", 1)],
    "quotes": [(QUOTES, ">", r"(?m)^ {0,3}(?:> ?)+", "", 1)],
    "images": [(IMAGES, "![", r"!\[([^\]\[\n]*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)", r"\1", 1)],
    "links": [(LINKS, "](", _LINK, r"\1", 1)],
    "link_urls": [(LINKS, "](", _LINK, r"\2", 1)],
    "emphasis": [
        *(_emphasis(mark, STARS) for mark in ("***", "**", "*")),
        *(_emphasis(mark, UNDERSCORES) for mark in ("___", "__", "_")),
    ],
    "strikethrough": [_emphasis("~~", STRIKETHROUGH)],
    "code": [(CODE, "`", r"`([^`\n]+)`", r"\1", 1)],
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
    rules = [rule for kind in RULES if kind in kinds for rule in RULES[kind]]
    marks = possible_marks(texts)
    written = Overlay(texts)
    for bit, needed, pattern, replacement, passes in rules:
        rows = np.flatnonzero(marks & bit)
        for _ in range(passes):
            rows, found = written.holding(needed, rows)
            if not len(rows):
                break
            changed = pc.replace_substring_regex(found, pattern, replacement)
            differs = pc.not_equal(found, changed)
            rows, changed = rows[differs.to_numpy(zero_copy_only=False)], changed.filter(differs)
            written.put(rows, changed)
            # A mark that went may have stood between others: what is left is looked at anew.
            marks[rows] = possible_marks(changed)
    # No rule puts back what another took away, so what was changed differs.
    return written.whole(), written.changed
