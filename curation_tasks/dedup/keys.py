"""Keys of exact deduplication: what of a document is compared, as a 128-bit hash."""

from __future__ import annotations

import inspect

import numpy as np
import pyarrow as pa
import xxhash

from curation_tasks.dedup.catalog import COMPARABLE, ExactParameters
from curation_tasks.errors import ConfigError
from curation_tasks.functions import load_function
from curation_tasks.kernels.identity import text_hashes
from curation_tasks.kernels.normalization import normalize
from curation_tasks.schema import column_type
from curation_tasks.storage.shard import is_stringlike


def key_hashes(batch: pa.RecordBatch, parameters: ExactParameters) -> tuple[np.ndarray, np.ndarray]:
    """What is compared, hashed.

    Args:
        batch: With ``parameters.columns``.
        parameters: Of the reduction.

    Returns:
        ``(hashes, valid)``: uint64 of shape (rows, 2), the halves of the hash; bool of shape (rows,), false where a value is
        null, so that the document is nobody's duplicate. The hash of a single text is its XXH3-128.

    Raises:
        ConfigError: A function of the user's own gave something else than one value a row.
    """
    columns = [_own_key(batch, parameters)] if parameters.key else [batch.column(name) for name in parameters.columns]
    valid = np.ones(len(batch), bool)
    for column in columns:
        if column.null_count:
            valid &= column.is_valid().to_numpy(zero_copy_only=False)
    hashes = [text_hashes(_compared(column, parameters)) for column in columns]
    return (hashes[0] if len(hashes) == 1 else _together(hashes)), valid


def _own_key(batch: pa.RecordBatch, parameters: ExactParameters) -> pa.Array:
    function = load_function(parameters.key)
    values = function(batch.select(list(parameters.columns)))
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    found = column_type(values.type) if isinstance(values, pa.Array) else type(values).__name__
    if found not in COMPARABLE or len(values) != len(batch):
        shape = f" of {len(values):,} values for {len(batch):,} rows" if isinstance(values, pa.Array) else ""
        code = getattr(inspect.unwrap(function), "__code__", None)
        raise ConfigError(
            f"the function {parameters.key} (`key`) returned {found}{shape}",
            where=f"{code.co_filename}:{code.co_firstlineno}" if code else parameters.key,
            expected=f"a pyarrow.Array with one value for each row, of type {' or '.join(COMPARABLE)}",
            remedy="return `pyarrow.array(values)`, null for a document that is nobody's duplicate; a float as text or whole number",
        )
    return values


def _compared(values: pa.Array, parameters: ExactParameters) -> pa.Array:
    if not is_stringlike(values.type):
        return values.cast(pa.string())
    if "url" in parameters.normalization:
        from curation_tasks.kernels.url_normalization import normalize_urls  # compiled, and seldom needed

        values = normalize_urls(values, parameters.tracking_parameters)
    return normalize(values, [step for step in parameters.normalization if step != "url"])


def _together(hashes: list[np.ndarray]) -> np.ndarray:
    """The XXH3-128 of the hashes of several columns side by side."""
    joined, width = memoryview(np.hstack(hashes).astype(">u8").tobytes()), 16 * len(hashes)
    digests = b"".join([xxhash.xxh3_128_digest(joined[at : at + width]) for at in range(0, len(joined), width)])
    return np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)


def hex_hashes(high: np.ndarray, low: np.ndarray) -> pa.Array:
    """Hashes as 32 hexadecimal digits each: string, shape (rows,)."""
    return pa.array([f"{upper:016x}{lower:016x}" for upper, lower in zip(high.tolist(), low.tolist(), strict=True)], pa.string())
