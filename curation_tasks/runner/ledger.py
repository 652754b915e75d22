"""The ledger of a unit: the documents that were rejected, why, and a few samples of each reason."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.runner.units import unit_name
from curation_tasks.runner.work import Work
from curation_tasks.schema import REJECTION_COLUMNS, arrow_type
from curation_tasks.storage.shard import Shard, ShardWriter

SAMPLES_PER_REASON = 3
SAMPLE_CHARACTERS = 400


class Ledger:
    """Writes the rejected documents of one unit, counts reasons and keeps a few samples."""

    def __init__(self, work: Work, index: int):
        self._work, self._columns = work, work.ledger_columns()
        self._writer = ShardWriter(work.context.folder, f"ledger-{unit_name(index)}.parquet", self._columns)
        self.reasons: Counter[str] = Counter()
        self._samples: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> Ledger:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def write(self, batch: pa.RecordBatch, operation: str) -> None:
        """Appends rejected rows: document columns, rejection columns, and where there are any signals and evidence."""
        if len(batch) == 0:
            return
        rows = {
            "stage": pa.repeat(pa.scalar(self._work.context.stage), len(batch)),
            "operation": pa.repeat(pa.scalar(operation), len(batch)),
            "reason": batch.column("reject_reason"),
            "value": batch.column("reject_value"),
            "threshold": batch.column("reject_threshold"),
        }
        for name, kind in self._columns.items():
            if name not in rows:
                rows[name] = batch.column(name) if name in batch.schema.names else pa.nulls(len(batch), arrow_type(kind))
        self._writer.write(pa.RecordBatch.from_arrays([rows[name] for name in self._columns], names=list(self._columns)))
        for item in pc.value_counts(batch.column("reject_reason")):
            self.reasons[item["values"].as_py()] += item["counts"].as_py()
        self._sample(batch, operation)

    def _sample(self, batch: pa.RecordBatch, operation: str) -> None:
        reasons = batch.column("reject_reason")
        for reason in reasons.unique().to_pylist():
            kept = self._samples.setdefault(reason, [])
            rows = pc.indices_nonzero(pc.equal(reasons, reason))[: SAMPLES_PER_REASON - len(kept)]
            for row in rows.to_pylist() if len(kept) < SAMPLES_PER_REASON else []:
                text = batch.column("text")[row].as_py() or ""
                kept.append({
                    "doc_id": batch.column("doc_id")[row].as_py(), "operation": operation, "reason": reason,
                    "value": batch.column("reject_value")[row].as_py(), "text": text[: 4 * SAMPLE_CHARACTERS],
                })  # fmt: skip

    def samples(self) -> list[dict[str, Any]]:
        """A few rejected documents of each reason, cut and redacted: fit to be shown in a report."""
        samples = [sample for reason in sorted(self._samples) for sample in self._samples[reason]]
        if not samples:
            return []
        from curation_tasks.pii.samples import redact_samples  # compiled kernels, which most units never need

        redacted = redact_samples([sample["text"] for sample in samples])
        return [
            sample | {"text": text[:SAMPLE_CHARACTERS] + ("…" if len(text) > SAMPLE_CHARACTERS else "")}
            for sample, text in zip(samples, redacted, strict=True)
        ]

    def described(self) -> dict[str, Any]:
        shard = self._writer.shard
        return dataclasses.asdict(shard) if shard else {}


def unit_result(shards: list[Shard], ledger: Ledger, counts: Mapping[str, int], counters: Mapping[str, int]) -> dict[str, Any]:
    return {
        "shards": [dataclasses.asdict(shard) for shard in shards],
        "ledger": ledger.described(),
        "counts": dict(counts),
        "reasons": dict(sorted(ledger.reasons.items())),
        "counters": dict(sorted(counters.items())),
        "samples": ledger.samples(),
    }


def split_rejected(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
    """The rows to keep, without rejection columns, and the rejected rows with them (None when there are none)."""
    if "reject_reason" not in batch.schema.names:
        return batch, None
    plain = batch.select([name for name in batch.schema.names if name not in REJECTION_COLUMNS])
    keep = batch.column("reject_reason").is_null()
    if keep.true_count == len(batch):
        return plain, None
    return plain.filter(keep), batch.filter(pc.invert(keep))
