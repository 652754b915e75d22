"""Keys of exact deduplication: what of a document is compared, as a 128-bit hash."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import xxhash

from curation_tasks.dedup.catalog import ExactParameters
from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.functions import load_function
from curation_tasks.kernels.identity import text_hashes
from curation_tasks.kernels.normalization import normalize
from curation_tasks.schema import column_type
from curation_tasks.storage.shard import is_stringlike

#: Types whose equality needs no explanation; floats are left out, since a rounding difference is rarely meant to count.
_COMPARABLE = (
    "string", "binary", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "date32", "timestamp[us]",
)  # fmt: skip


def check_key(parameters: ExactParameters, schema: Mapping[str, str], where: str) -> None:
    """Checks that the compared columns are there and of types that can be compared.

    Raises:
        ConfigError: One is missing or of another type; a function cannot be found.
    """
    allowed = ("string",) if parameters.normalization else _COMPARABLE
    for column in parameters.columns:
        kind = schema.get(column)
        if kind is None:
            raise ConfigError(
                f"column {column!r} holds nothing: it does not exist; {did_you_mean(column, schema)}",
                where=where,
                remedy="name a column in the parameter `column`",
            )
        if kind not in allowed and parameters.key is None:
            raise ConfigError(
                f"column {column!r} holds {kind}", where=where, expected=f"a column of type {' or '.join(allowed)}",
                remedy="name another column, leave `normalization` out, or give a function as `key`",
            )  # fmt: skip
    if parameters.key is not None:
        load_function(parameters.key, where)


def key_hashes(batch: pa.RecordBatch, parameters: ExactParameters) -> tuple[np.ndarray, np.ndarray]:
    """What is compared, hashed.

    Args:
        batch: With ``parameters.columns``.
        parameters: Of the reduction.

    Returns:
        ``(hashes, valid)``: uint64 of shape (rows, 2), the halves of the hash; bool of shape (rows,), false where a value is
        null, so that the document is nobody's duplicate. The hash of a single text is its XXH3-128.

    Raises:
        InputError: A function of the user's own gave something else than one value a row.
    """
    columns = [_own_key(batch, parameters)] if parameters.key else [batch.column(name) for name in parameters.columns]
    valid = np.ones(len(batch), bool)
    for column in columns:
        if column.null_count:
            valid &= column.is_valid().to_numpy(zero_copy_only=False)
    hashes = [text_hashes(_compared(column, parameters)) for column in columns]
    return (hashes[0] if len(hashes) == 1 else _together(hashes)), valid


def _own_key(batch: pa.RecordBatch, parameters: ExactParameters) -> pa.Array:
    values = load_function(parameters.key)(batch.select(list(parameters.columns)))
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    found = column_type(values.type) if isinstance(values, pa.Array) else type(values).__name__
    if found not in _COMPARABLE or len(values) != len(batch):
        shape = f" of {len(values):,} values for {len(batch):,} rows" if isinstance(values, pa.Array) else ""
        raise InputError(
            f"the key {parameters.key} returned {found}{shape}", expected="a pyarrow.Array of strings, bytes or integers, one for each row"
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
