"""What operations that take something out of texts have in common: columns, rejections, and texts that stay in the ledger."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.schema import reject_by_rules, with_columns

#: Reason → (bool, shape (rows,): true where it applies; what was judged, shape (rows,); the bound, NaN for none).
Judgements = Mapping[str, tuple[np.ndarray, np.ndarray, float]]


def removed(
    batch: pa.RecordBatch, new_texts: pa.Array, columns: Mapping[str, np.ndarray], judgements: Judgements, context: RunContext, counter: str
) -> pa.RecordBatch:
    """The batch with new texts and columns. Rows that are rejected keep their old text, so that a ledger shows why.

    Args:
        batch: With a column ``text``.
        new_texts: string or large_string, shape (rows,), of the type of ``text``.
        columns: Columns to add.
        judgements: Reasons in the order in which they are tried.
        context: Whose counter is raised.
        counter: Counts documents whose text differs, rejected ones aside.
    """
    batch = with_columns(batch, columns)
    old_texts = batch.column("text").cast(new_texts.type)
    rejected = np.zeros(len(batch), bool)
    if judgements:
        masks, values, bounds = zip(*judgements.values(), strict=True)
        rejected = np.any(masks, axis=0)
        batch = reject_by_rules(batch, list(judgements), np.array(masks), np.array(values, np.float64), bounds)
    differs = pc.fill_null(pc.not_equal(old_texts, new_texts), False).to_numpy(zero_copy_only=False)
    if changed := int(np.count_nonzero(differs & ~rejected)):
        context.count(counter, changed)
    if not differs.any():
        return batch
    return with_columns(batch, {"text": pc.if_else(pa.array(rejected), old_texts, new_texts) if rejected.any() else new_texts})


def rewritten(batch: pa.RecordBatch, new_texts: pa.Array, context: RunContext, counter: str) -> pa.RecordBatch:
    """The batch with new texts, or itself when none differs; counts the documents that do."""
    differs = pc.fill_null(pc.not_equal(batch.column("text").cast(new_texts.type), new_texts), False)
    if not differs.true_count:
        return batch
    context.count(counter, differs.true_count)
    return with_columns(batch, {"text": new_texts})
