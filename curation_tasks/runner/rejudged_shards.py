"""The shards of a stage that is judged again, put together on a worker from what the stage stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.errors import InputError
from curation_tasks.runner.ledger import Ledger, split_rejected, unit_result
from curation_tasks.runner.units import unit_name
from curation_tasks.runner.work import Work
from curation_tasks.schema import with_columns
from curation_tasks.storage.shard import ShardWriter, read_shard


def rejudge_shard(item: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """One shard of the new dataset, and its ledger; memory holds the shard and its rejected documents."""
    context = work.unit_context()
    name, part, parameters = work.parts("operation")[item["target"]]
    judge = part.judge.load()
    with (
        Ledger(work, item["index"]) as ledger,
        ShardWriter(context.folder, f"part-{unit_name(item['index'])}-0.parquet", work.columns) as writer,
    ):
        for earlier, batch in states(item, name):
            for operation, rows in _by_operation(earlier):
                ledger.write(rows, operation)
            judged, rejected = split_rejected(judge(batch.drop_columns(["_reason", "_operation"]), parameters, context))
            if rejected is not None:
                ledger.write(rejected, name)
            writer.write(judged)
    counts = {
        "documents_in": item["rows"], "text_bytes_in": item["text_bytes"], "documents": writer.rows, "text_bytes": writer.text_bytes,
        "rejected": item["rows"] - writer.rows,
    }  # fmt: skip
    return unit_result([writer.shard], ledger, counts, context.counters)


def states(item: Mapping[str, Any], name: str) -> Iterator[tuple[pa.Table, pa.RecordBatch]]:
    """The documents of one shard as they came to the judged operation, a row group of the stage's input at a time.

    Returns:
        ``(earlier, batch)``: the ledger's rows of operations before it, in the ledger's order; and the documents that reached it, in
        the order of the input, with ``_reason`` and ``_operation`` of those that were rejected by it or behind it.
    """
    kept = _table(item["kept"], ["doc_id", *item["from_stage"]])
    wanted = {
        "doc_id",
        "operation",
        "reason",
        "value",
        "threshold",
        "failed_rules",
        "evidence",
        "url",
        *item["from_stage"],
        *item["earlier_columns"],
    }
    ledger = _table(item["ledger"], sorted(wanted)) if item["ledger"] else None
    identities = pa.chunked_array([batch.column("doc_id") for batch in read_shard(item["input"], ["doc_id"])], pa.string()).combine_chunks()
    if pc.count_distinct(identities).as_py() != len(identities):
        raise InputError(
            "identities are repeated, so that rejected documents cannot be told apart",
            where=item["input"],
            remedy="run the stage with the new rules",
        )
    in_kept = _positions(identities, kept["doc_id"])
    in_ledger = _positions(identities, ledger["doc_id"]) if ledger is not None else np.full(len(identities), -1)
    if ((in_kept < 0) == (in_ledger < 0)).any():
        raise InputError(
            "a document of the input is not in the stage's output, or twice", where=item["kept"], remedy="`curate verify` says more"
        )
    reached = (
        np.isin(ledger["operation"].to_numpy(zero_copy_only=False), [name, *item["later"]]) if ledger is not None else np.zeros(0, bool)
    )
    first = 0
    for batch in read_shard(item["input"], list(dict.fromkeys(["doc_id", *item["from_input"]]))):
        rows = slice(first, first + len(batch))
        first += len(batch)
        kept_rows, ledger_rows = in_kept[rows], in_ledger[rows]
        state = kept_rows >= 0
        state[ledger_rows >= 0] = reached[ledger_rows[ledger_rows >= 0]]
        earlier = np.sort(ledger_rows[(ledger_rows >= 0) & ~state])
        source = np.where(kept_rows >= 0, kept_rows, len(kept) + ledger_rows)[state]
        columns = {column: _taken(kept, ledger, column, source) for column in item["from_stage"]}
        none = pa.nulls(len(kept), pa.string())
        for column, stored in (("_reason", "reason"), ("_operation", "operation")):
            columns[column] = _taken(pa.table({stored: none}), ledger, stored, source)
        yield (
            ledger.take(pa.array(earlier)) if ledger is not None else pa.table({"operation": pa.array([], pa.string())}),
            with_columns(batch.filter(pa.array(state)), columns),
        )


def _table(uri: str, columns: Sequence[str]) -> pa.Table:
    batches = read_shard(uri)
    first = next(batches)
    names = [name for name in dict.fromkeys(columns) if name in first.schema.names]
    return pa.Table.from_batches(list(read_shard(uri, names)))


def _positions(identities: pa.Array, among: pa.ChunkedArray) -> np.ndarray:
    """int64, shape of ``identities``: where each stands, −1 where it does not."""
    return pc.fill_null(pc.index_in(identities, value_set=among.combine_chunks()), -1).to_numpy().astype(np.int64)


def _taken(kept: pa.Table, ledger: pa.Table | None, column: str, rows: np.ndarray) -> pa.Array:
    """Values of rows numbered through the kept and then the rejected documents."""
    chunks = [*kept[column].chunks]
    if ledger is not None:
        chunks += ledger[column].cast(kept[column].type).chunks
    taken = pa.chunked_array(chunks, kept[column].type).take(pa.array(rows))
    return taken.combine_chunks()


def _by_operation(earlier: pa.Table) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of a ledger as an operation gave them, by the operation."""
    operations = earlier["operation"].to_pylist()
    begin = 0
    for end in range(1, len(operations) + 1):
        if end == len(operations) or operations[end] != operations[begin]:
            rows = earlier.slice(begin, end - begin).combine_chunks()
            renamed = {"reason": "reject_reason", "value": "reject_value", "threshold": "reject_threshold"}
            names = [renamed.get(name, name) for name in rows.column_names]
            yield operations[begin], rows.rename_columns(names).to_batches()[0]
            begin = end
