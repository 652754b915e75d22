"""Paragraphs that hold a phrase, removed in a compiled loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import LINE_FEEDS, copy, scan_line
from curation_tasks.kernels.phrases import PHRASES, find_phrases, phrase_table
from curation_tasks.kernels.utf8 import string_array, text_buffers

#: What is counted for each text; all 0 where nothing is removed.
COUNTS = ("words", "removed_paragraphs", "removed_words")
_WORDS, _REMOVED_PARAGRAPHS, _REMOVED_WORDS = range(3)
_NO_LIMIT = 2**62


def remove_paragraphs(texts: pa.Array, phrases: Sequence[str], *, only_edges: bool) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """The texts without paragraphs that hold one of some phrases.

    Paragraphs stand between two or more line feeds; those kept keep the line feeds before them, the first one aside. A text in
    which nothing is removed keeps every byte.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        phrases: The case of ASCII letters is ignored.
        only_edges: Whether only the unbroken runs at the top and at the bottom go.

    Returns:
        ``(texts, counts)``: the same type and rows; the names of ``COUNTS`` → int64, shape (rows,).
    """
    offsets, data = text_buffers(texts)
    written = np.empty(offsets[-1] - offsets[0], np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    counts = np.zeros((len(texts), len(COUNTS)), np.int64)
    _remove(data, offsets, phrase_table(phrases), only_edges, written, new_offsets, counts)
    return string_array(texts, new_offsets, written[: new_offsets[-1]]), {name: counts[:, column] for column, name in enumerate(COUNTS)}


@inlined
def _next_paragraph(data, at, end):
    """``(begin, finish)`` of the next paragraph from ``at`` on; ``begin`` is ``end`` when there is none."""
    while at < end and data[at] == 10:
        at += 1
    begin = at
    while at < end and not (data[at] == 10 and at + 1 < end and data[at + 1] == 10):
        at += 1
    finish = at
    # One line feed at the end of the text belongs to no paragraph.
    if finish == end and finish > begin and data[finish - 1] == 10:
        finish -= 1
    return begin, finish


@inlined
def _words(data, at, end):
    total = 0
    while at < end:
        _, _, _, at, words, _ = scan_line(data, at, end, LINE_FEEDS, False, _NO_LIMIT)
        total += words
    return total


@kernel(f"void({BYTES}, {OFFSETS}, {PHRASES}, boolean, uint8[::1], int64[::1], int64[:, ::1])")
def _remove(data, offsets, phrases, only_edges, written, new_offsets, counts):
    to = 0
    for row in range(offsets.shape[0] - 1):
        start, end, begin_of_text = offsets[row], offsets[row + 1], to
        count = counts[row]
        if find_phrases(data, start, end, phrases) == 0:
            to = copy(data, start, end, written, to)
            new_offsets[row + 1] = to
            continue
        # First the paragraphs up to the last one that stays: what follows goes, if it is all flagged.
        first_clean = last_clean = -1
        paragraph, at = 0, start
        while at < end:
            begin, finish = _next_paragraph(data, at, end)
            if begin == end:
                break
            if find_phrases(data, begin, finish, phrases) == 0:
                first_clean = paragraph if first_clean < 0 else first_clean
                last_clean = paragraph
            paragraph, at = paragraph + 1, finish
        paragraph, at = 0, start
        while at < end:
            begin, finish = _next_paragraph(data, at, end)
            if begin == end:
                break
            inside = only_edges and first_clean < paragraph < last_clean
            if not inside and find_phrases(data, begin, finish, phrases):
                count[_REMOVED_PARAGRAPHS] += 1
                count[_REMOVED_WORDS] += _words(data, begin, finish)
            else:
                to = copy(data, at if to > begin_of_text else begin, finish, written, to)
            paragraph, at = paragraph + 1, finish
        if count[_REMOVED_PARAGRAPHS] == 0:
            to = copy(data, start, end, written, begin_of_text)
        else:
            count[_WORDS] = _words(data, start, end)
        new_offsets[row + 1] = to
