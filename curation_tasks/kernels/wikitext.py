"""Wikitext to plain text, in two passes over UTF-8 buffers: brackets are matched, then the text is written.

What a page loses and keeps:

- Templates are dropped, but those that carry words of a sentence are written out (``wikitext_templates``).
- References, comments, galleries, categories, links to other languages and magic words are dropped.
- Of a link the label stays, of a heading and an item of a list the text.
- Tables, formulas, captions and source code: by ``WikitextOptions``.
- Where something was dropped, no double space, empty bracket or space before a comma stays.

Names of namespaces come from the dump's ``<siteinfo>``, besides the English ones. Entities become their characters.
Source: https://www.mediawiki.org/wiki/Help:Formatting and the preprocessor's grammar,
https://www.mediawiki.org/wiki/Preprocessor_ABNF. Links, brackets and elements that nothing closes lose their signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, kernel
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.kernels.wikitext_brackets import match_brackets
from curation_tasks.kernels.wikitext_emission import write_page
from curation_tasks.kernels.wikitext_expansion import ARGUMENT_ROWS
from curation_tasks.kernels.wikitext_output import (
    CATEGORIES,
    FRAMES,
    HEADINGS,
    KEEP_CAPTIONS,
    MARKDOWN,
    ROW,
    STATE_SIZE,
    TEXT_TABLES,
)
from curation_tasks.kernels.wikitext_tables import TABLES, WikitextOptions, WikitextTables

__all__ = ["CleanPages", "WikitextCleaner", "WikitextOptions"]

#: No construct writes more than twice its own bytes: a heading or an item as Markdown, an entity of two characters.
_GROWTH, _SLACK = 2, 64


@dataclass(frozen=True)
class CleanPages:
    """What was made of pages; all of shape (rows,).

    Attributes:
        texts: string.
        section_titles: list<string>: the headings that stand in the text, in order.
        section_levels: list<int64>: their levels, 1 to 6.
        categories: list<string>: names without the namespace.
    """

    texts: pa.Array
    section_titles: pa.Array
    section_levels: pa.Array
    categories: pa.Array


class WikitextCleaner:
    """Makes text of wikitext for one wiki.

    Args:
        namespaces: Number of a namespace → its names in this wiki; those of files and categories are needed.
        options: What belongs to the text.
    """

    def __init__(self, namespaces: Mapping[int, Iterable[str]] | None = None, options: WikitextOptions | None = None):
        self._options = options or WikitextOptions()
        self._tables = WikitextTables(namespaces or {}, self._options).arrays

    def clean(self, texts: pa.Array) -> CleanPages:
        """The text of pages.

        Args:
            texts: string or large_string, shape (rows,): wikitext in valid UTF-8; a null counts as empty.
        """
        offsets, data = text_buffers(texts)
        longest = int(np.diff(offsets).max(initial=0))
        used = data[offsets[0] : offsets[-1]]
        out = np.empty(_GROWTH * len(used) + _SLACK, np.uint8)
        out_offsets = np.zeros(len(offsets), np.int64)
        headings = np.empty((int(np.count_nonzero(used == ord("="))) // 2 + 1, 4), np.int64)
        categories = np.empty((int(np.count_nonzero(used == ord("["))) // 2 + 1, 3), np.int64)
        state = np.zeros(STATE_SIZE, np.int64)
        state[TEXT_TABLES] = self._options.tables == "text"
        state[KEEP_CAPTIONS] = self._options.captions == "keep"
        state[MARKDOWN] = self._options.layout == "markdown"
        match, opened = np.empty(longest + 1, np.int32), np.empty(longest // 2 + 1, np.int64)
        frames, arguments = np.empty((FRAMES, 3), np.int64), np.empty((ARGUMENT_ROWS, 4), np.int64)
        _clean(data, offsets, self._tables, match, opened, frames, arguments, state, headings, categories, out, out_offsets)
        headings, categories = headings[: state[HEADINGS]], categories[: state[CATEGORIES]]
        kind = pa.string() if out_offsets[-1] < 2**31 else pa.large_string()
        width = np.int32 if kind == pa.string() else np.int64
        text = pa.Array.from_buffers(
            kind, len(texts), [None, pa.py_buffer(out_offsets.astype(width)), pa.py_buffer(out[: out_offsets[-1]])]
        )
        places = _list_offsets(headings[:, 0], len(texts))
        return CleanPages(
            text,
            pa.ListArray.from_arrays(places, _slices(out, headings[:, 2], headings[:, 3])),
            pa.ListArray.from_arrays(places, pa.array(headings[:, 1])),
            pa.ListArray.from_arrays(_list_offsets(categories[:, 0], len(texts)), _slices(data, categories[:, 1], categories[:, 2])),
        )


def _list_offsets(rows: np.ndarray, count: int) -> pa.Array:
    """The offsets of lists whose items belong to the given rows, in ascending order."""
    return pa.array(np.searchsorted(rows, np.arange(count + 1)).astype(np.int32))


def _slices(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Strings that are parts of a buffer."""
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int32)
    joined = np.empty(offsets[-1], np.uint8)
    for begin, start, end in zip(offsets.tolist(), starts.tolist(), ends.tolist(), strict=False):
        joined[begin : begin + end - start] = data[start:end]
    return pa.Array.from_buffers(pa.string(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])


@kernel(
    f"void({BYTES}, {OFFSETS}, {TABLES}, int32[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[:, ::1], "
    "int64[:, ::1], uint8[::1], int64[::1])"
)
def _clean(data, offsets, tables, match, opened, frames, arguments, state, headings, categories, out, out_offsets):
    w = np.int64(0)
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        state[ROW] = row
        match_brackets(data, start, end, tables, match, opened)
        w = write_page(data, start, end, tables, match, frames, arguments, state, headings, categories, out, w)
        out_offsets[row + 1] = w
