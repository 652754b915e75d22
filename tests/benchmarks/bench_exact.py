"""Exact deduplication: megabytes of text per second and core, beyond reading and writing Parquet.

    python tests/benchmarks/bench_exact.py [--corpus FILE.parquet]

Without a file, stories of about 700 bytes are made up. The stages are those of ``dedup.exact``; reading the text column
and reading and writing a shard, which every stage pays, are measured apart.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.catalog import ExactParameters
from curation_tasks.dedup.exact import exact
from curation_tasks.kernels.identity import document_ids
from curation_tasks.manifest import Dataset, Manifest, write_list
from curation_tasks.storage.shard import ShardWriter, read_shard

SCHEMA = {"doc_id": "string", "text": "string"}
FLOOR_MB_PER_SECOND = 200


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--corpus", type=Path, help="a Parquet file with a column `text`")
    corpus = arguments.parse_args().corpus
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as folder:
        batches = list(_corpus(corpus) if corpus else _stories())
        dataset, writing = _timed(lambda: _dataset(Path(folder), batches))
        megabytes = sum(shard.text_bytes for shard in dataset.shards) / 1e6
        _, reading = _timed(lambda: [batch.num_rows for shard in dataset.shards for batch in dataset.read(shard, SCHEMA)])
        context = ReductionContext(
            pipeline="bench", snapshot="all", stage="dedup", folder=folder, work=f"{folder}/work",
            map=lambda step, function, items, *arguments: [function(item, *arguments) for item in items],
        )  # fmt: skip
        decisions, total = _timed(lambda: exact(dataset, ExactParameters(), context))
    own = total - reading
    print(f"{dataset.rows:,} documents, {megabytes:,.0f} MB of text; removed {decisions.counters['removed']:,}")
    print(f"write a shard {megabytes / writing:8,.0f} MB/s   read it {megabytes / reading:8,.0f} MB/s")
    print(f"dedup.exact   {megabytes / total:8,.0f} MB/s with reading, {megabytes / own:,.0f} MB/s beyond it")
    return 0 if megabytes / own >= FLOOR_MB_PER_SECOND else 1


def _timed(work: Callable) -> tuple:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def _stories() -> Iterator[pa.RecordBatch]:
    generator = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(3000)])
    for first in range(0, 100_000, 20_000):
        texts = [" ".join(story) for story in words[generator.integers(0, len(words), (20_000, 88))]]
        texts[::10] = texts[:2000]
        yield pa.record_batch([document_ids("stories", first, len(texts)), pa.array(texts)], names=list(SCHEMA))


def _corpus(path: Path) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in read_shard(str(path), ["text"]):
        yield pa.record_batch([document_ids(path.name, first, len(batch)), batch.column("text")], names=list(SCHEMA))
        first += len(batch)


def _dataset(folder: Path, batches: list[pa.RecordBatch]) -> Dataset:
    with ShardWriter(str(folder), "part-0.parquet", SCHEMA) as writer:
        for batch in batches:
            writer.write(batch)
    kinds = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
    content = {
        "stage": "bench",
        "kind": "operations",
        "schema": SCHEMA,
        "shards": write_list(str(folder), "shards", [vars(writer.shard)], kinds),
    }
    return Dataset(Manifest(f"{folder}/manifest.json", content, {"key": "0" * 32}))


if __name__ == "__main__":
    sys.exit(main())
