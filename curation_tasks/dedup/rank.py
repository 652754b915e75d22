"""Ranks: the total order of documents by which every reduction of this room decides which duplicate stays.

A document's rank is (snapshot order, policy key, tie, address); the smaller stays. The key is a uint64 made from the
column that the policy looks at, so that its order is that of the policy. The tie is the XXH3-64 of ``doc_id``, and the
address (ordinal of the shard << 32 | row) settles documents of one identity. Documents of earlier snapshots come from
their indexes and are always before those of the dataset: no number stands for it here.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation_tasks.dedup.keep import Keep
from curation_tasks.schema import column_type
from curation_tasks.storage.shard import string_buffers

#: The key of a document about which the policy knows nothing: a null, or a value that is not listed.
LAST = np.uint64(2**64 - 1)

_SIGN = np.uint64(2**63)
# An address is (ordinal of the shard in the manifest) << 32 | (row in the shard).
ROW_BITS = np.uint64(32)
ROW_MASK = np.uint64(2**32 - 1)


def addresses(shard: int, first_row: int, rows: int) -> np.ndarray:
    """Addresses of neighbouring rows of a shard: uint64, shape (rows,)."""
    return np.arange(first_row, first_row + rows, dtype=np.uint64) | (np.uint64(shard) << ROW_BITS)


def policy_keys(batch: pa.RecordBatch | pa.Table, keep: Keep, first: np.ndarray) -> np.ndarray:
    """The policy as numbers: of two documents the one with the smaller key stays.

    Args:
        batch: With the columns ``keep.reads``.
        keep: The policy.
        first: uint64, shape (rows,): addresses, which are the keys of the policy ``first``.

    Returns:
        uint64, shape (rows,). ``longest``: 2⁶⁴ − 1 − characters; ``score``: the number's bits, flipped into its order;
        ``source``: index in the list. Nulls, NaN and values not listed get ``LAST`` or the end of the list.
    """
    if keep.policy == "first":
        return first
    column = batch.column(keep.reads[0])
    if keep.policy == "longest":
        return LAST - pc.fill_null(pc.utf8_length(column), 0).to_numpy().astype(np.uint64)
    if keep.policy == "source":
        found = pc.index_in(column, value_set=pa.array(keep.priority, pa.string()), skip_nulls=True)
        return pc.fill_null(found, len(keep.priority)).to_numpy().astype(np.uint64)
    return _score_keys(column, keep.prefer == "max")


def _score_keys(column: pa.Array | pa.ChunkedArray, largest_first: bool) -> np.ndarray:
    kind = column_type(column.type)
    unknown = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else np.zeros(len(column), bool)
    if kind in ("float", "double"):
        values = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
        unknown = np.isnan(values)
        ascending = ordered_float_bits(values)
    elif kind == "uint64":
        ascending = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    else:
        ascending = _as_int64(column).astype(np.uint64) ^ _SIGN
    return np.where(unknown, LAST, ~ascending if largest_first else ascending)


def ordered_float_bits(values: np.ndarray) -> np.ndarray:
    """uint64 whose order is that of the float64 values: −∞ … −0 = +0 … +∞. Not for NaN.

    Example:
        >>> bool(np.all(np.diff(ordered_float_bits(np.array([-np.inf, -2.5, 0.0, 1e-300, np.inf]))) > 0))
        True
    """
    bits = (values + 0.0).view(np.uint64)  # −0 becomes +0
    return np.where(bits >= _SIGN, ~bits, bits | _SIGN)


def _as_int64(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_temporal(column.type):
        column = column.cast(pa.int64())
    return pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)


def ties(doc_ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """XXH3-64 (seed 0) of each identity: uint64, shape (rows,). A null counts as the empty text."""
    if isinstance(doc_ids, pa.ChunkedArray):
        return np.concatenate([ties(chunk) for chunk in doc_ids.chunks] or [np.zeros(0, np.uint64)])
    if doc_ids.null_count:
        doc_ids = pc.fill_null(doc_ids, "")
    offsets, data = string_buffers(doc_ids)
    view, digest = memoryview(data), xxhash.xxh3_64_intdigest
    return np.array([digest(view[start:end]) for start, end in pairwise(offsets.tolist())], np.uint64)


def rank_order(keys: np.ndarray, tie: np.ndarray, address: np.ndarray) -> np.ndarray:
    """The order of documents by rank, best first.

    Args:
        keys: uint64, shape (rows,), of ``policy_keys``.
        tie: uint64, shape (rows,), of ``ties``.
        address: uint64, shape (rows,).

    Returns:
        int64, shape (rows,): positions.
    """
    return np.lexsort((address, tie, keys))
