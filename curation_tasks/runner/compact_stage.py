"""Compaction: neighbouring shards into shards of a size, so that filters that keep little leave no many small files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from curation_tasks.runner.stage import Stage, common_schema
from curation_tasks.runner.units import unit_name
from curation_tasks.runner.work import Work
from curation_tasks.storage.shard import Shard, ShardWriter, read_shard, text_bytes_of

if TYPE_CHECKING:
    from distributed import Client


class CompactStage(Stage):
    """Re-cuts shards."""

    def results(self, client: Client) -> list[dict[str, Any]]:
        parents = self.datasets()
        self.schema = common_schema(parents)
        target = self.spec["options"]["shard_text_bytes"]
        groups: list[list[str]] = [[]]
        size = 0
        for dataset in parents:
            for shard in dataset.shards:
                if groups[-1] and size + shard.text_bytes > target:
                    groups.append([])
                    size = 0
                groups[-1].append(dataset.uri(shard))
                size += shard.text_bytes
        items = [{"index": index, "uris": uris, "shard_text_bytes": target} for index, uris in enumerate(groups) if uris]
        return self._units(client, merge_shards, items, self._work(self.schema))


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
