"""A stage of operations: each shard through a chain, one read and one write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.errors import CurationError
from curation_tasks.parts import OperationPart, Parameters
from curation_tasks.runner.ledger import Ledger, split_rejected, unit_result
from curation_tasks.runner.stage import Stage, common_schema
from curation_tasks.runner.units import unexpected, unit_name
from curation_tasks.runner.work import Work
from curation_tasks.storage.shard import ShardWriter, one_batch, read_shard, text_bytes_of

if TYPE_CHECKING:
    from distributed import Client


class OperationsStage(Stage):
    """Cleans, annotates and rejects."""

    def results(self, client: Client) -> list[dict[str, Any]]:
        work = self.operations_work()
        return self._units(client, run_operations, self._shard_items(self.datasets()), work)

    def operations_work(self) -> Work:
        """What the workers are told."""
        columns = common_schema(self.datasets())
        self.schema, signals = dict(columns), {}
        for call in self.spec["calls"]:
            part = load_catalog().find("operation", call["use"])
            added = part.adds_of(part.parameters.model_validate(call["parameters"]))
            signals |= {name: kind for name, kind in added.items() if name not in columns}
            self.schema |= added
        return self._work(self.schema, signals)

    def thresholds(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for call in self.spec["calls"]:
            part = load_catalog().find("operation", call["use"])
            bounds = part.thresholds_of(part.parameters.model_validate(call["parameters"]))
            found |= {reason: list(bound) for reason, bound in bounds.items()}
        return found


def run_operations(item: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """One shard through the stage's chain of operations, one read and one write."""
    context = work.unit_context()
    counts = Counter(documents_in=0, text_bytes_in=0)
    with (
        Ledger(work, item["index"]) as ledger,
        ShardWriter(context.folder, f"part-{unit_name(item['index'])}-0.parquet", work.columns) as writer,
    ):
        batches = _counted(read_shard(item["uri"]), counts)
        for name, part, parameters in work.parts("operation"):
            batches = _through(name, part, parameters, batches, ledger, counts, context, item["uri"])
        for batch in batches:
            writer.write(batch)
    came = counts["documents_in"] + counts["split"] - counts["joined"]
    done = {"documents": writer.rows, "text_bytes": writer.text_bytes, "rejected": came - writer.rows}
    return unit_result([writer.shard], ledger, dict(counts) | done, context.counters)


def _counted(batches: Iterator[pa.RecordBatch], counts: Counter[str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        counts["documents_in"] += len(batch)
        counts["text_bytes_in"] += text_bytes_of(batch.column("text"))
        yield batch


def _through(
    name: str, part: OperationPart, parameters: Parameters, batches: Iterator[pa.RecordBatch], ledger: Ledger, counts: Counter[str],
    context: RunContext, where: str,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """What an operation keeps of each batch; what it rejects goes to the ledger, rows made or joined are counted."""
    if part.rows != "kept":
        counts[part.rows] += 0  # stands in the manifest although it may be none
    for batch in whole_groups(batches, part.group_by) if part.rows == "joined" else batches:
        result = applied(name, part, parameters, batch, context, where)
        if part.rows != "kept":
            counts[part.rows] += abs(len(result) - len(batch))
        kept, rejected = split_rejected(result)
        if rejected is not None:
            ledger.write(rejected, name)
        yield kept


def whole_groups(batches: Iterator[pa.RecordBatch], column: str) -> Iterator[pa.RecordBatch]:
    """The same rows in batches that end where a run of equal values ends; memory holds a batch and a run."""
    pending: pa.RecordBatch | None = None
    for batch in batches:
        if pending is not None:
            batch = one_batch(pa.Table.from_batches([pending, batch]))
        if len(batch) == 0:
            pending = batch
            continue
        values = batch.column(column)
        others = np.flatnonzero(~pc.fill_null(pc.equal(values, values[-1]), False).to_numpy(zero_copy_only=False)[:-1])
        end = int(others[-1]) + 1 if len(others) else 0
        if end:
            yield batch.slice(0, end)
        pending = batch.slice(end)
    if pending is not None:
        yield pending


def applied(
    name: str, part: OperationPart, parameters: Parameters, batch: pa.RecordBatch, context: RunContext, where: str
) -> pa.RecordBatch:
    """What an operation makes of a batch; what goes wrong says where, and quotes no document."""
    try:
        result = part.load()(batch, parameters, context)
    except (CurationError, MemoryError):
        raise
    except Exception as error:
        raise unexpected(error, f"operation {name} on {where}") from None
    if part.rows == "kept" and len(result) != len(batch):
        raise CurationError(
            f"operation {name} returned {len(result)} rows for {len(batch)}", where=where, expected="as many rows, in the same order"
        )
    return result
