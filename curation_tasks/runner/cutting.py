"""Cutting spans out of texts, as a reduction decided, and a list of what was cut so that nothing vanishes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.runner.units import unit_name
from curation_tasks.schema import CUT_COLUMNS, arrow_type, with_columns
from curation_tasks.storage.shard import ShardWriter

if TYPE_CHECKING:
    from curation_tasks.runner.work import Work


class Cutter:
    """Cuts the texts of one unit and writes what was cut to ``cuts-{unit}.parquet``. Use as a context manager.

    Args:
        work: Of the stage.
        index: Of the unit.
        operation: Name of the reduction.

    Attributes:
        counts: Of documents that stay: ``cut_documents``, ``cut_spans``, ``cut_characters``; of rejected ones:
            ``cut_spans_of_rejected``.
    """

    def __init__(self, work: Work, index: int, operation: str):
        self._work, self._operation = work, operation
        self._columns = dict(CUT_COLUMNS) | dict(work.signals) | ({"text": "string"} if work.ledger_text else {})
        self._writer = ShardWriter(work.context.folder, f"cuts-{unit_name(index)}.parquet", self._columns)
        self.counts: Counter[str] = Counter(cut_documents=0, cut_spans=0, cut_characters=0, cut_spans_of_rejected=0)

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def cut(self, batch: pa.RecordBatch, cuts: pa.Table, first_row: int, stays: np.ndarray) -> pa.RecordBatch:
        """The batch with its texts cut.

        What was cut from a rejected document is listed without the text, which the ledger has whole.

        Args:
            batch: Rows of a shard.
            cuts: Columns of ``schema.CUT_FIELDS``, of these rows, sorted.
            first_row: Position of the batch in the shard.
            stays: bool, shape (rows,): false where a document is rejected.
        """
        if not len(cuts):
            return batch
        from curation_tasks.kernels.text_units import cut, pieces  # compiled, and needed by few stages

        texts = batch.column("text")
        rows, starts, ends = (cuts[name].to_numpy() - (first_row if name == "row" else 0) for name in ("row", "start", "end"))
        # Of the text only what is cut: a whole one for each of its spans would be many times the batch.
        taken = batch.select([name for name in self._columns if name in batch.schema.names and name != "text"]).take(pa.array(rows))
        gone = pieces(texts, rows, starts, ends).cast(pa.string())
        kept = stays[rows]
        characters = pc.utf8_length(gone).cast(pa.int64())
        columns = {
            "stage": pa.repeat(pa.scalar(self._work.context.stage), len(cuts)),
            "operation": pa.repeat(pa.scalar(self._operation), len(cuts)),
            "characters": characters,
            "text": pc.if_else(pa.array(kept), gone, None),
            **{name: cuts[name].combine_chunks() for name in ("reason", "start", "end", "survivor", "survivor_snapshot")},
        }
        for name, kind in self._columns.items():
            if name not in columns:
                columns[name] = taken.column(name) if name in taken.schema.names else pa.nulls(len(cuts), arrow_type(kind))
        self._writer.write(pa.RecordBatch.from_arrays([columns[name] for name in self._columns], names=list(self._columns)))
        self.counts.update(
            cut_documents=len(np.unique(rows[kept])), cut_spans=int(kept.sum()),
            cut_characters=int(characters.to_numpy()[kept].sum()), cut_spans_of_rejected=int((~kept).sum()),
        )  # fmt: skip
        return with_columns(batch, {"text": cut(texts, rows, starts, ends)})

    def described(self) -> dict[str, Any]:
        return dataclasses.asdict(self._writer.shard)
