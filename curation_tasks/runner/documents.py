"""What happens to documents inside a unit: operations applied, rejections split off, files written.

These functions run on workers. They take and return plain data; the parts are looked up in the catalogue of the worker.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.errors import CurationError, InputError
from curation_tasks.kernels.identity import document_ids, hashed_uniform
from curation_tasks.parts import OperationPart, Parameters, PartKind, SourceUnit
from curation_tasks.runner.cutting import Cutter
from curation_tasks.runner.units import unexpected, unit_name
from curation_tasks.schema import (
    CUT_FIELDS,
    DECISION_FIELDS,
    EVIDENCE_FIELDS,
    LEDGER_COLUMNS,
    REJECTION_COLUMNS,
    arrow_type,
    reject,
    with_columns,
)
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import (
    SHARD_TEXT_BYTES,
    CanonicalHash,
    FileWriter,
    Shard,
    ShardWriter,
    one_batch,
    read_shard,
    text_bytes_of,
)

SAMPLES_PER_REASON = 3
SAMPLE_CHARACTERS = 400


@dataclass(frozen=True)
class Work:
    """What a worker is told about its stage. Plain data, so that it can be sent anywhere.

    Attributes:
        context: Without counters of a unit.
        calls: ``{"use", "parameters"}`` of each part, defaults filled in.
        signals: Columns that the stage adds, name → type.
        columns: Columns of the output.
        ledger_text: Whether ledgers keep the text.
    """

    context: RunContext
    calls: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, str]
    signals: Mapping[str, str] = field(default_factory=dict)
    ledger_text: bool = True

    def parts(self, kind: PartKind) -> list[tuple[str, Any, Parameters]]:
        """``(name, part, parameters)`` of each call."""
        found = []
        for call in self.calls:
            part = load_catalog().find(kind, call["use"])
            found.append((call["use"], part, part.parameters.model_validate(call["parameters"])))
        return found

    def unit_context(self) -> RunContext:
        return dataclasses.replace(self.context, counters=Counter())

    def ledger_columns(self) -> dict[str, str]:
        text = {"text": "string"} if self.ledger_text else {}
        return dict(LEDGER_COLUMNS) | {name: kind for name, kind in self.signals.items() if name not in LEDGER_COLUMNS} | text


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


def read_source(item: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """One unit of a source into shards; gives each document its identity."""
    context = work.unit_context()
    [(name, part, parameters)] = work.parts("source")
    unit = SourceUnit(**item["unit"])
    shards: list[Shard] = []
    counts: Counter[str] = Counter(records=0, documents=0, rejected=0, text_bytes=0)
    limit = item.get("limit")
    with ExitStack() as stack, Ledger(work, item["index"]) as ledger:
        writer: ShardWriter | None = None
        for batch in _limited(part.load()(unit, parameters, context), limit, context):
            batch = _identified(batch, unit, work, counts["records"])
            counts["records"] += len(batch)
            kept, rejected = split_rejected(batch)
            if rejected is not None:
                ledger.write(rejected, name)
                counts["rejected"] += len(rejected)
            if len(kept) == 0:
                continue
            if writer is not None and writer.text_bytes >= SHARD_TEXT_BYTES:
                stack.pop_all().close()
                shards.append(writer.shard)
                writer = None
            if writer is None:
                writer = stack.enter_context(
                    ShardWriter(context.folder, f"part-{unit_name(item['index'])}-{len(shards)}.parquet", work.columns)
                )
            writer.write(kept)
            counts["documents"] += len(kept)
        stack.pop_all().close()
        if writer is not None:
            shards.append(writer.shard)
    counts["text_bytes"] = sum(shard.text_bytes for shard in shards)
    return unit_result(shards, ledger, counts, context.counters) | {"source_hash": _file_hash(unit)}


def _limited(batches: Iterator[pa.RecordBatch], limit: int | None, context: RunContext) -> Iterator[pa.RecordBatch]:
    """The batches up to the limit; what of the last one lies beyond is counted, and the source told that it is not asked further."""
    if limit is None:
        yield from batches
        return
    with closing(batches):  # type: ignore[type-var]
        for batch in batches:
            yield batch.slice(0, limit)
            if len(batch) >= limit:
                context.count("beyond_limit", len(batch) - limit)
                return
            limit -= len(batch)


def _identified(batch: pa.RecordBatch, unit: SourceUnit, work: Work, first: int) -> pa.RecordBatch:
    """Adds ``doc_id``, ``source`` and ``snapshot`` where the source gives none, and puts the columns in their order."""
    if "doc_id" in batch.schema.names:
        # Documents of another pipeline: who they are was settled there.
        return batch.select([*work.columns, *(name for name in batch.schema.names if name in REJECTION_COLUMNS)])
    missing = pc.is_null(batch.column("native_id")) if "native_id" in batch.schema.names else None
    generated = document_ids(unit.path, first, len(batch))
    prefix = f"{work.context.stage}:"
    if missing is None:
        identities = generated
    else:
        identities = pc.if_else(missing, generated, pc.binary_join_element_wise(prefix, batch.column("native_id"), ""))
    batch = with_columns(
        batch,
        {
            "doc_id": identities,
            "source": pa.repeat(pa.scalar(work.context.stage), len(batch)),
            "snapshot": pa.repeat(pa.scalar(work.context.snapshot), len(batch)),
        },
    )
    for name in work.columns:
        if name not in batch.schema.names:
            raise InputError(f"the source declares column {name!r} and did not yield it", where=unit.uri)
    extra = [name for name in batch.schema.names if name in REJECTION_COLUMNS]
    return batch.select([*work.columns, *extra])


def _file_hash(unit: SourceUnit) -> str:
    """xxh3-128 of a local file, so that ``verify`` can tell a change.

    "" elsewhere, where the store's etag serves, and for a range of a file: size and time serve for one that many units share.
    """
    if filesystem.scheme_of(unit.uri) != "file" or "start" in unit.options or not filesystem.exists(unit.uri):
        return ""
    return file_hash(unit.uri)


def file_hash(uri: str) -> str:
    """xxh3-128 of a file's bytes, hex."""
    digest = xxhash.xxh3_128()
    with filesystem.open_input(uri) as file:
        while block := file.read(2**22):
            digest.update(block)
    return digest.hexdigest()


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
            ledger.write(_removed(batch.take(pa.array(local)), decided), operation)
            if cutter is not None:
                batch = cutter.cut(batch, _of_rows(cuts, documents_in, len(batch)), documents_in)
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


def _removed(batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
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
        },
    )


#: Why a blend leaves out a document.
NOT_SAMPLED = "not_sampled"


def sample_shard(item: Mapping[str, Any], work: Work, seed: int) -> dict[str, Any]:
    """One shard of a blend's input: each document is taken when the number made of its identity and the seed is below the ratio."""
    documents_in = bytes_in = 0
    with (
        Ledger(work, item["index"]) as ledger,
        ShardWriter(work.context.folder, f"part-{unit_name(item['index'])}-0.parquet", work.columns) as writer,
    ):
        for batch in read_shard(item["uri"]):
            documents_in += len(batch)
            bytes_in += text_bytes_of(batch.column("text"))
            chance = hashed_uniform(batch.column("doc_id"), seed)
            batch = reject(batch, chance >= item["ratio"], NOT_SAMPLED, value=chance, threshold=item["ratio"])
            batch, rejected = split_rejected(batch)
            if rejected is not None:
                ledger.write(rejected, "blend")
            writer.write(batch.select(list(work.columns)))
    counts = {"documents_in": documents_in, "text_bytes_in": bytes_in, "documents": writer.rows, "text_bytes": writer.text_bytes}
    return unit_result([writer.shard], ledger, counts | {"rejected": documents_in - writer.rows}, {}) | {"samples": []}


def merge_shards(item: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """A group of neighbouring shards into shards of the wanted size."""
    folder, index = work.context.folder, item["index"]
    shards: list[Shard] = []
    documents = text_bytes = 0
    writer: ShardWriter | None = None
    with ExitStack() as stack:
        for uri in item["uris"]:
            for batch in read_shard(uri):
                if writer is not None and writer.text_bytes >= item["shard_text_bytes"]:
                    stack.pop_all().close()
                    shards.append(writer.shard)
                    writer = None
                if writer is None:
                    writer = stack.enter_context(ShardWriter(folder, f"part-{unit_name(index)}-{len(shards)}.parquet", work.columns))
                writer.write(batch)
                documents += len(batch)
                text_bytes += text_bytes_of(batch.column("text"))
        stack.pop_all().close()
        if writer is not None:
            shards.append(writer.shard)
    counts = {"documents_in": documents, "documents": documents, "text_bytes_in": text_bytes, "text_bytes": text_bytes, "rejected": 0}
    return {"shards": [dataclasses.asdict(shard) for shard in shards], "counts": counts, "reasons": {}, "counters": {}}


def export_shard(item: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """One shard into one file of the export's format; a shard without documents gives no file."""
    [(_, part, parameters)] = work.parts("export")
    counts: Counter[str] = Counter(
        documents_in=item["rows"], documents=item["rows"], text_bytes_in=item["text_bytes"], text_bytes=item["text_bytes"], rejected=0
    )
    shards: list[dict[str, Any]] = []
    if item["rows"]:
        values = CanonicalHash()
        path = f"part-{unit_name(item['index'])}{part.suffix_of(parameters)}"

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in read_shard(item["uri"]):
                batch = batch.select([name for name in batch.schema.names if name in work.columns])
                values.update(batch)
                yield batch

        with FileWriter(f"{work.context.folder}/{path}") as writer:
            part.load()(batches(), writer.file, parameters)
        file = writer.file
        shards = [
            dataclasses.asdict(Shard(path, item["rows"], file.bytes, item["text_bytes"], values.hexdigest(), file.sha256.hexdigest()))
        ]
    return {"shards": shards, "counts": dict(counts), "reasons": {}, "counters": {}}
