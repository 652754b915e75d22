"""Pieces between newlines as dolma counts them: blank ones too, and of a repeated one all copies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class PieceCounts(NamedTuple):
    """int64, shape (rows,) each.

    Attributes:
        pieces: Newlines and one more.
        star_bullet_pieces: Those that begin with * or -, no white space before it.
        ellipsis_pieces: Those that end with the character …
        copied_pieces: Those that are equal to another one.
        copied_piece_characters: Characters of these.
    """

    pieces: np.ndarray
    star_bullet_pieces: np.ndarray
    ellipsis_pieces: np.ndarray
    copied_pieces: np.ndarray
    copied_piece_characters: np.ndarray


def piece_counts(texts: pa.Array) -> PieceCounts:
    """Counts the pieces of each text.

    Args:
        texts: string or large_string, shape (rows,), without nulls.

    Source:
        dolma, tagger ``gopher_v1``.
    """
    lists = pc.split_pattern(texts, "\n")
    row_of, pieces = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)

    def in_each_text(chosen: np.ndarray, amounts: np.ndarray | None = None) -> np.ndarray:
        # Sums of whole numbers are exact in the float64 that bincount weighs with.
        return np.bincount(row_of, chosen if amounts is None else chosen * amounts, len(texts)).astype(np.int64)

    copied = _has_equal(row_of, pieces)
    return PieceCounts(
        in_each_text(np.ones(len(pieces))),
        in_each_text(pc.match_substring_regex(pieces, r"^[*-]").to_numpy(zero_copy_only=False)),
        in_each_text(pc.ends_with(pieces, "\u2026").to_numpy(zero_copy_only=False)),
        in_each_text(copied),
        in_each_text(copied, pc.utf8_length(pieces).to_numpy()),
    )


def _has_equal(row_of: np.ndarray, pieces: pa.Array) -> np.ndarray:
    """Whether another piece of the same text is equal: bool, shape (pieces,)."""
    numbers = pc.dictionary_encode(pieces).indices.to_numpy().astype(np.int64)
    in_row = row_of.astype(np.int64) * (numbers.max(initial=0) + 1) + numbers
    _, place, times = np.unique(in_row, return_inverse=True, return_counts=True)
    return times[place] > 1
