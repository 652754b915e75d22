"""A stage that reads a source: each unit into shards, each document given its identity."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.kernels.identity import document_ids
from curation_tasks.manifest import read_list, write_list
from curation_tasks.parts import SourceUnit
from curation_tasks.runner.ledger import Ledger, split_rejected, unit_result
from curation_tasks.runner.resolve import UNIT_COLUMNS
from curation_tasks.runner.stage import PROCESSES_TEXT_BYTES, Stage
from curation_tasks.runner.units import run_units, unit_name
from curation_tasks.runner.work import Work
from curation_tasks.schema import DOCUMENT_COLUMNS, REJECTION_COLUMNS, with_columns
from curation_tasks.spec import RESOLVE
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import SHARD_TEXT_BYTES, Shard, ShardWriter

if TYPE_CHECKING:
    from distributed import Client

QUARANTINE_LIST = {"unit": "int64", "path": "string", "error": "string"}
SOURCE_LIST = UNIT_COLUMNS | {"hash": "string", "records": "int64", "documents": "int64", "rejected": "int64"}


class SourceStage(Stage):
    """Reads documents; what cannot be read is quarantined, up to a share."""

    def digests(self) -> dict[str, str]:
        return {RESOLVE: self.resolved.content["sources"][self.spec["id"]]["digest"]}

    def files_read(self) -> list[dict[str, Any]]:
        rows = read_list(self.resolved, f"units-{self.spec['id']}")
        return [row | {"options": json.loads(row["options"])} for row in rows]

    def input_bytes(self) -> int:
        """A file of unknown size is taken for a large one; a trial reads next to nothing."""
        if self.resolved.content["limit"] is not None:
            return 0
        return sum(PROCESSES_TEXT_BYTES if unit["bytes"] < 0 else unit["bytes"] for unit in self.files_read())

    def results(self, client: Client) -> list[dict[str, Any]]:
        part = load_catalog().find("source", self.spec["calls"][0]["use"])
        parameters = part.parameters.model_validate(self.spec["calls"][0]["parameters"])
        self.schema = dict(DOCUMENT_COLUMNS) | part.provides_of(parameters)
        self.units = self.files_read()
        items = [{"index": index, "unit": unit} for index, unit in enumerate(self.units)]
        work, limit = self._work(self.schema), self.resolved.content["limit"]
        if limit is None:
            results = self._units(client, read_source, items, work, quarantine=True)
        else:
            # The first records in the order of the units, so one unit after the other.
            results = []
            for item in items:
                remaining = limit - sum(result["counts"]["records"] for result in results if "counts" in result)
                if remaining <= 0:
                    break
                step = f"unit{item['index']}"
                [result] = run_units(client, self.folder, step, read_source, [item | {"limit": remaining}], (work,), quarantine=True)
                results.append(result)
        self._note_quarantine(results)
        self.extra_lineage = {"source_files": write_list(self.folder, "source_files", self._source_files(results), SOURCE_LIST)}
        return results

    def counts(self, results: list[dict[str, Any]]) -> dict[str, int]:
        done = [result for result in results if "quarantined" not in result]
        none = {"records": 0, "documents": 0, "rejected": 0, "text_bytes": 0}
        return none | super().counts(done) | {"units": len(results), "quarantined_units": len(results) - len(done)}

    def _note_quarantine(self, results: list[dict[str, Any]]) -> None:
        bad = [(index, result["quarantined"]) for index, result in enumerate(results) if "quarantined" in result]
        allowed = self.spec["options"]["max_quarantined_ratio"]
        if len(bad) > allowed * len(results):
            shown = "\n".join(f"  {self.units[index]['path']}: {error}".replace("\n", "\n    ") for index, error in bad[:5])
            shown += f"\n  … and {len(bad) - 5:,} more" if len(bad) > 5 else ""
            raise InputError(
                f"{len(bad)} of {len(results)} units cannot be read:\n{shown}",
                where=f"stage {self.spec['id']}",
                expected=f"at most {allowed:.1%} (max_quarantined_ratio)",
                remedy="mend or remove the files, or raise max_quarantined_ratio to go on without them",
            )
        if bad:
            rows = [{"unit": index, "path": self.units[index]["path"], "error": error} for index, error in bad]
            self.extra_content = {"quarantine": write_list(self.folder, "quarantine", rows, QUARANTINE_LIST)}

    def _source_files(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = []
        for unit, result in zip(self.units, results, strict=False):
            counts = result.get("counts", {})
            numbers = {name: counts.get(name, 0) for name in ("records", "documents", "rejected")}
            rows.append(unit | {"options": json.dumps(unit["options"], sort_keys=True), "hash": result.get("source_hash", "")} | numbers)
        return rows


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
    for batch in batches:
        yield batch.slice(0, min(limit, len(batch)))
        if len(batch) >= limit:
            context.count("beyond_limit", len(batch) - limit)
            break
        limit -= len(batch)
    if isinstance(batches, Generator):
        batches.close()  # what it counts at its end is to be counted now


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
            raise InputError(
                f"the source declares column {name!r} and did not yield it",
                where=unit.uri,
                remedy="mend the source: each batch has all columns that `provides` declares, nulls where there is no value",
            )
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
