"""A dataset on disk and a reduction's context without a cluster."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation_tasks.context import ReductionContext
from curation_tasks.manifest import Dataset, Manifest, write_list
from curation_tasks.schema import arrow_type
from curation_tasks.storage.shard import Shard, ShardWriter

SCHEMA = {"doc_id": "string", "text": "string"}


class InProcessMap:
    """Runs items one after the other and keeps finished ones, as the runner does.

    Args:
        reverse: Last item first.
        crash_at: Number of calls after which the process "dies", once.
    """

    def __init__(self, reverse: bool = False, crash_at: int | None = None):
        self.reverse, self.crash_at = reverse, crash_at
        self.finished: dict[tuple[str, int], dict[str, Any]] = {}
        self.calls = 0

    def __call__(self, step: str, function: Callable[..., dict[str, Any]], items: Sequence[Any], *arguments: Any) -> list[dict[str, Any]]:
        order = range(len(items))
        for index in reversed(order) if self.reverse else order:
            if (step, index) in self.finished:
                continue
            result = function(items[index], *arguments)
            self.calls += 1
            if self.calls == self.crash_at:
                # The item's files are written, its result is not: it will be run again.
                raise KeyboardInterrupt
            self.finished[step, index] = result
        return [self.finished[step, index] for index in order]


def _make_dataset(
    folder: Path,
    shards: Sequence[Sequence[str | None]],
    row_group: int | None = None,
    columns: Mapping[str, tuple[str, Sequence[Sequence[Any]]]] | None = None,
) -> Dataset:
    written: list[dict[str, Any]] = []
    columns = columns or {}
    schema = SCHEMA | {name: kind for name, (kind, _) in columns.items()}
    for ordinal, texts in enumerate(shards):
        with ShardWriter(str(folder), f"part-{ordinal}.parquet", schema) as writer:
            step = row_group or max(1, len(texts))
            for start in range(0, len(texts), step):
                rows = slice(start, min(start + step, len(texts)))
                values = {"doc_id": [f"doc-{ordinal}-{row}" for row in range(rows.start, rows.stop)], "text": texts[rows]}
                values |= {name: shard_values[ordinal][rows] for name, (_, shard_values) in columns.items()}
                writer.write(
                    pa.record_batch([pa.array(values[name], arrow_type(kind)) for name, kind in schema.items()], names=list(schema))
                )
                writer._flush()
        written.append(vars(writer.shard))
    kinds = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
    assert set(kinds) == set(Shard.__dataclass_fields__)
    content = {"stage": "clean", "kind": "operations", "schema": schema, "shards": write_list(str(folder), "shards", written, kinds)}
    return Dataset(Manifest(f"{folder}/manifest.json", content, {"key": "0" * 32}))


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Dataset]:
    """``make_dataset(folder, texts of each shard, row_group=None, columns={name: (type, values of each shard)})``.

    Identities are ``doc-{shard}-{row}``.
    """
    return _make_dataset


@pytest.fixture(scope="session")
def in_process_map() -> type[InProcessMap]:
    return InProcessMap


@pytest.fixture(scope="session")
def make_context() -> Callable[..., ReductionContext]:
    """``make_context(work, map=…, memory_per_task=…)``."""

    def make(work: Path, task_map: InProcessMap | None = None, memory_per_task: int = 2**30) -> ReductionContext:
        return ReductionContext(
            pipeline="p", snapshot="all", stage="dedup", folder=str(work), map=task_map or InProcessMap(), work=str(work),
            memory_per_task=memory_per_task,
        )  # fmt: skip

    return make
