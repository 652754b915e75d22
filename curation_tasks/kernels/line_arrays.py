"""Lines as rows of an Arrow array, so that Arrow's functions judge them, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, kernel
from curation_tasks.kernels.line_scan import copy
from curation_tasks.kernels.utf8 import string_array, text_buffers


def split_lines(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """What stands between line feeds.

    Args:
        texts: string or large_string, shape (rows,). A null has one line, as the empty text has.

    Returns:
        ``(lines, first_lines)``: large_string, shape (lines,), without line feeds; int64, shape (rows + 1,): the lines of row i are
        ``lines[first_lines[i]:first_lines[i + 1]]``.
    """
    offsets, data = text_buffers(texts)
    breaks = np.flatnonzero(data[offsets[0] : offsets[-1]] == 10)
    first_lines = np.searchsorted(breaks, offsets - offsets[0]) + np.arange(len(offsets))
    lines = int(first_lines[-1])
    line_offsets, kept = np.zeros(lines + 1, np.int64), np.empty(offsets[-1] - offsets[0] - len(breaks), np.uint8)
    _split(data, offsets, line_offsets, kept)
    return pa.Array.from_buffers(pa.large_string(), lines, [None, pa.py_buffer(line_offsets), pa.py_buffer(kept)]), first_lines


def join_lines(texts: pa.Array, lines: pa.Array, first_lines: np.ndarray, keep: np.ndarray) -> pa.Array:
    """The texts made of some of their lines.

    Args:
        texts: As ``split_lines`` got them.
        lines: What it gave.
        first_lines: What it gave.
        keep: bool, shape (lines,).

    Returns:
        The type and rows of ``texts``, nulls stay null.
    """
    offsets, data = text_buffers(lines)
    written = np.empty(int(offsets[-1] - offsets[0]) + len(lines), np.uint8)
    new_offsets = np.zeros(len(first_lines), np.int64)
    _join(data, offsets, first_lines.astype(np.int64), keep, written, new_offsets)
    return string_array(texts, new_offsets, written[: new_offsets[-1]])


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], uint8[::1])")
def _split(data, offsets, line_offsets, kept):
    line = to = 0
    for row in range(offsets.shape[0] - 1):
        for at in range(offsets[row], offsets[row + 1]):
            if data[at] == 10:
                line += 1
                line_offsets[line] = to
            else:
                kept[to] = data[at]
                to += 1
        line += 1
        line_offsets[line] = to


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], boolean[::1], uint8[::1], int64[::1])")
def _join(data, offsets, first_lines, keep, written, new_offsets):
    to = 0
    for row in range(first_lines.shape[0] - 1):
        first = True
        for line in range(first_lines[row], first_lines[row + 1]):
            if keep[line]:
                if not first:
                    written[to] = 10
                    to += 1
                first = False
                to = copy(data, offsets[line], offsets[line + 1], written, to)
        new_offsets[row + 1] = to
