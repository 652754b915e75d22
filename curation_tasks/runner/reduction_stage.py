"""A reduction: decisions over the whole dataset, then applied shard by shard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.catalog import load_catalog
from curation_tasks.clusters import memory_per_task
from curation_tasks.context import ReductionContext
from curation_tasks.errors import CurationError
from curation_tasks.manifest import index_folder, read_list
from curation_tasks.runner.cutting import Cutter
from curation_tasks.runner.earlier import opened, write_earlier
from curation_tasks.runner.ledger import Ledger, unit_result
from curation_tasks.runner.stage import Stage
from curation_tasks.runner.units import run_units, unit_name
from curation_tasks.runner.work import WORK_FOLDER, Work
from curation_tasks.schema import CUT_FIELDS, DECISION_FIELDS, EVIDENCE_FIELDS, ORIGIN_COLUMNS, arrow_type, with_columns
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import ShardWriter, read_shard, text_bytes_of

if TYPE_CHECKING:
    from distributed import Client


class ReductionStage(Stage):
    """Removes documents, or spans of their texts, as a reduction decided."""

    def results(self, client: Client) -> list[dict[str, Any]]:
        [dataset] = self.datasets()
        self.schema = dict(dataset.schema)
        call = self.spec["calls"][0]
        part = load_catalog().find("reduction", call["use"])
        context = self._context()
        work = f"{self.folder}/{WORK_FOLDER}"

        def run_step(step: str, function: Callable[..., dict[str, Any]], items: Sequence[Any], *arguments: Any) -> list[dict[str, Any]]:
            return run_units(client, work, step, function, items, arguments, progress=self.around.progress, order=self.around.order)

        fields = {name.name: getattr(context, name.name) for name in dataclasses.fields(context)}
        options, earlier = self.spec["options"], read_list(self.resolved, f"earlier-{self.spec['id']}")
        reduction = ReductionContext(
            **fields,
            map=run_step,
            work=work,
            memory_per_task=memory_per_task(client),
            earlier=opened(self.root, earlier),
            index=index_folder(self.root, self.pipeline, self.snapshot, self.key) if options.get("index") else "",
        )
        decisions = part.load()(dataset, part.parameters.model_validate(call["parameters"]), reduction)
        self.extra_counters = dict(decisions.counters)
        if options.get("index"):
            self.extra_content = {"index": {name: decisions.index[name] for name in ("digest", "documents")}}
        if earlier:
            self.extra_lineage = {"earlier": write_earlier(self.folder, "earlier", earlier)}
        items = [item | {"decisions": uri} for item, uri in zip(self._shard_items([dataset]), decisions.uris, strict=True)]
        if decisions.cuts:
            items = [item | {"cuts": uri} for item, uri in zip(items, decisions.cuts, strict=True)]
        return self._units(client, apply_decisions, items, self._work(self.schema, ORIGIN_COLUMNS if earlier else None))

    def clean_up(self) -> None:
        filesystem.delete(f"{self.folder}/{WORK_FOLDER}", recursive=True)


def apply_decisions(item: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """Removes from one shard the rows that a reduction decided on, and cuts spans from the texts of others.

    Reads nothing but that shard, its decisions and its cuts.
    """
    context = work.unit_context()
    operation = work.calls[0]["use"]
    decisions = _read_decisions(item["decisions"], DECISION_FIELDS)
    cuts = _read_decisions(item["cuts"], CUT_FIELDS) if "cuts" in item else None
    documents_in = bytes_in = 0
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(work, item["index"]))
        writer = stack.enter_context(ShardWriter(context.folder, f"part-{unit_name(item['index'])}-0.parquet", work.columns))
        cutter = stack.enter_context(Cutter(work, item["index"], operation)) if cuts is not None else None
        for batch in read_shard(item["uri"]):
            bytes_in += text_bytes_of(batch.column("text"))
            decided = _of_rows(decisions, documents_in, len(batch))
            local = decided["row"].to_numpy() - documents_in
            keep = np.ones(len(batch), bool)
            keep[local] = False
            ledger.write(_removed(batch.take(pa.array(local)), decided, work.signals), operation)
            if cutter is not None:
                batch = cutter.cut(batch, _of_rows(cuts, documents_in, len(batch)), documents_in, keep)
            documents_in += len(keep)
            writer.write(batch.filter(pa.array(keep)))
    for decided, uri in ((decisions, item["decisions"]), (cuts, item.get("cuts"))):
        if decided is not None and len(decided) and decided["row"][-1].as_py() >= documents_in:
            raise CurationError("a decision names a row that the shard does not have", where=uri, remedy="report this: it is a defect")
    counts = {"documents_in": documents_in, "text_bytes_in": bytes_in, "documents": writer.rows, "text_bytes": writer.text_bytes}
    result = unit_result([writer.shard], ledger, counts | {"rejected": documents_in - writer.rows}, context.counters)
    return result if cutter is None else result | {"cuts": cutter.described(), "counts": result["counts"] | cutter.counts}


def _read_decisions(uri: str, fields: Mapping[str, str]) -> pa.Table:
    """Decisions of one shard; columns that the reduction left out are null."""
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in fields.items()])
    if not uri:
        return schema.empty_table()
    table = pa.Table.from_batches(list(read_shard(uri))).combine_chunks()
    columns = [table[name] if name in table.column_names else pa.nulls(len(table), schema.field(name).type) for name in fields]
    return pa.table(columns, schema=schema)


def _of_rows(table: pa.Table, first_row: int, rows: int) -> pa.Table:
    """The part of a table, sorted by ``row``, that is about some rows."""
    begin, end = np.searchsorted(table["row"].to_numpy(), [first_row, first_row + rows])
    return table.slice(begin, end - begin)


def _removed(batch: pa.RecordBatch, decisions: pa.Table, more: Iterable[str]) -> pa.RecordBatch:
    """Rejected rows as a ledger takes them; ``more``: columns of the decisions that it has too."""
    columns = {name: decisions[name].combine_chunks() for name in decisions.column_names}
    fields = [name for name in EVIDENCE_FIELDS]
    evidence = pa.StructArray.from_arrays([columns[name].cast(arrow_type(EVIDENCE_FIELDS[name])) for name in fields], names=fields)
    return with_columns(
        batch,
        {
            "reject_reason": columns["reason"],
            "reject_value": pc.coalesce(columns["value"], columns["similarity"].cast(pa.float64())),
            "reject_threshold": columns["threshold"],
            "evidence": evidence,
            **{name: columns[name] for name in more},
        },
    )
