"""The columns of a document, of a rejection and of a ledger.

Types are named by strings so that a plan can be made (and a DAG file parsed) without loading Arrow;
``arrow_type`` turns a name into the Arrow type where an engine runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Columns that every document has, whatever its source.
DOCUMENT_COLUMNS: Mapping[str, str] = {"doc_id": "string", "text": "string", "source": "string", "snapshot": "string"}

#: What an operation fills in to reject a row. Absent or null ``reject_reason`` means: keep.
REJECTION_COLUMNS: Mapping[str, str] = {
    "reject_reason": "string",
    "reject_value": "double",
    "reject_threshold": "double",
    "failed_rules": "list<string>",
}

#: Why a reduction removed a document.
EVIDENCE_FIELDS: Mapping[str, str] = {
    "cluster": "string",
    "survivor": "string",
    "similarity": "double",
    "similarity_kind": "string",
}

#: The columns of a reduction's decisions: position in the shard, and why the document goes. ``value`` and ``threshold`` may be left
#: out; then the similarity is the value. ``survivor_snapshot`` is as in ``ORIGIN_COLUMNS``.
DECISION_FIELDS: Mapping[str, str] = {
    "row": "int64",
    "reason": "string",
    **EVIDENCE_FIELDS,
    "value": "double",
    "threshold": "double",
    "survivor_snapshot": "string",
}

#: What ledgers and lists of cuts have beyond their fixed columns where snapshots are compared: the snapshot whose index names the
#: survivor, null for one of the same snapshot. The same ``doc_id`` may be there in several.
ORIGIN_COLUMNS: Mapping[str, str] = {"survivor_snapshot": "string"}

#: The columns of the spans that a reduction cuts from texts: ``text[start:end]`` in bytes of UTF-8, why, and the ``doc_id`` of the
#: document in which the same text stays.
CUT_FIELDS: Mapping[str, str] = {
    "row": "int64",
    "start": "int64",
    "end": "int64",
    "reason": "string",
    "survivor": "string",
    "survivor_snapshot": "string",
}

#: The columns of the list of what was cut, from rejected documents too; the text follows, null for those: the ledger has it whole.
CUT_COLUMNS: Mapping[str, str] = {
    "doc_id": "string",
    "url": "string",
    "stage": "string",
    "operation": "string",
    "reason": "string",
    "start": "int64",
    "end": "int64",
    "characters": "int64",
    "survivor": "string",
}

#: The fixed columns of a ledger; the signal columns of the stage and the text follow.
LEDGER_COLUMNS: Mapping[str, str] = {
    "doc_id": "string",
    "url": "string",
    "stage": "string",
    "operation": "string",
    "reason": "string",
    "value": "double",
    "threshold": "double",
    "failed_rules": "list<string>",
    "evidence": "evidence",
}

COLUMN_TYPES = (
    "string", "binary", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double",
    "date32", "timestamp[us]", "list<string>", "list<int64>", "list<double>", "evidence", "list<span>",
)  # fmt: skip


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a column type's name.

    Raises:
        ValueError: The name is none of ``COLUMN_TYPES``.
    """
    import pyarrow as pa

    if name == "evidence":
        return pa.struct([(field, arrow_type(kind)) for field, kind in EVIDENCE_FIELDS.items()])
    if name == "span":
        return pa.struct([("start", pa.int32()), ("end", pa.int32()), ("entity", pa.string()), ("score", pa.float32())])
    if name == "timestamp[us]":
        return pa.timestamp("us", tz="UTC")
    if name.startswith("list<") and name.endswith(">"):
        return pa.list_(arrow_type(name[5:-1]))
    if name not in COLUMN_TYPES:
        raise ValueError(f"unknown column type {name!r}; known: {', '.join(COLUMN_TYPES)}")
    return pa.type_for_alias(name)


def column_type(kind: pa.DataType) -> str:
    """The name of an Arrow type: the inverse of ``arrow_type``, with large strings and views named ``string``."""
    import pyarrow as pa

    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "binary"
    if pa.types.is_dictionary(kind):
        return column_type(kind.value_type)
    for name in COLUMN_TYPES:
        if arrow_type(name) == kind:
            return name
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{column_type(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp[us]"
    return str(kind)


def reject(
    batch: pa.RecordBatch,
    mask: np.ndarray,
    reason: str,
    *,
    value: np.ndarray | None = None,
    threshold: float | None = None,
) -> pa.RecordBatch:
    """Marks rows as rejected for one reason; rows already rejected keep their first reason.

    Args:
        batch: Any batch, with or without rejection columns.
        mask: bool, shape (rows,): true where the row is to be rejected.
        reason: What the ledger says, as ``incomplete_story`` or ``gopher.mean_word_length.min``.
        value: float64, shape (rows,): the signal's value, shown beside the reason.
        threshold: The bound that was missed.
    """
    import numpy as np

    values = np.full((1, len(batch)), np.nan) if value is None else np.asarray(value, np.float64)[None, :]
    return reject_by_rules(batch, [reason], np.asarray(mask, bool)[None, :], values, [np.nan if threshold is None else threshold])


def reject_by_rules(
    batch: pa.RecordBatch,
    reasons: Sequence[str],
    masks: np.ndarray,
    values: np.ndarray,
    thresholds: Sequence[float],
) -> pa.RecordBatch:
    """Marks rows that fail one of several rules: the first failing rule is the reason, all of them are recorded.

    Args:
        batch: Any batch, with or without rejection columns.
        reasons: One name a rule, in the order in which rules are tried.
        masks: bool, shape (rules, rows): true where the row fails the rule.
        values: float64, shape (rules, rows): what the rule looked at; NaN where it has no number.
        thresholds: One bound a rule; NaN where it has none.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    batch = with_rejection_columns(batch)
    failing = masks.any(axis=0)
    if not failing.any():
        return batch
    first = masks.argmax(axis=0)
    rows = np.arange(len(batch))
    fresh = pa.array(failing & (batch.column("reject_reason").is_null().to_numpy(zero_copy_only=False)))
    names = pa.array(list(reasons), pa.string())

    def choose(column: str, candidates: pa.Array) -> pa.Array:
        return pc.if_else(fresh, candidates, batch.column(column))

    row_of, rule_of = np.nonzero(masks.T)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=len(batch)))]).astype(np.int32)
    failed = pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(rule_of)), mask=pa.array(~failing))
    earlier = batch.column("failed_rules")
    if earlier.null_count < len(earlier):
        failed = pa.array(
            [(old or []) + (new or []) or None for old, new in zip(earlier.to_pylist(), failed.to_pylist(), strict=True)],
            arrow_type("list<string>"),
        )
    return with_columns(
        batch,
        {
            "reject_reason": choose("reject_reason", names.take(pa.array(first))),
            "reject_value": choose("reject_value", pa.array(values[first, rows], from_pandas=True)),
            "reject_threshold": choose("reject_threshold", pa.array(np.asarray(thresholds, np.float64)[first], from_pandas=True)),
            "failed_rules": failed,
        },
    )


def with_rejection_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the rejection columns, all null where they were absent."""
    import pyarrow as pa

    missing = {name: kind for name, kind in REJECTION_COLUMNS.items() if name not in batch.schema.names}
    if not missing:
        return batch
    return with_columns(batch, {name: pa.nulls(len(batch), arrow_type(kind)) for name, kind in missing.items()})


def with_columns(batch: pa.RecordBatch, columns: Mapping[str, Any]) -> pa.RecordBatch:
    """The batch with columns replaced in place or, where new, appended in the given order."""
    import pyarrow as pa

    arrays = {name: batch.column(name) for name in batch.schema.names}
    for name, values in columns.items():
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        arrays[name] = values if isinstance(values, pa.Array) else pa.array(values)
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
