"""An export: each shard as one file of a format for consumers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curation_tasks.runner.stage import Stage, common_schema
from curation_tasks.runner.units import unit_name
from curation_tasks.runner.work import Work
from curation_tasks.storage.shard import CanonicalHash, FileWriter, Shard, read_shard

if TYPE_CHECKING:
    from distributed import Client


class ExportStage(Stage):
    """Writes what consumers read."""

    def results(self, client: Client) -> list[dict[str, Any]]:
        parents = self.datasets()
        self.schema = common_schema(parents)
        return self._units(client, export_shard, self._shard_items(parents), self._work(self.schema))


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
