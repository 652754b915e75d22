"""Fuzzy de-duplication at scale: shards of made-up documents to decisions, step by step, with time, memory and storage.

    python tests/benchmarks/bench_fuzzy_scale.py [--documents 1e6] [--workers 2] [--memory 2e9] [--earlier] [--folder DIR] [--corpus FILE]

Documents have 30 words, about 200 bytes. A third of them are copies with a few words changed at the end, of texts of which
some are copied often; 2 % are one text, 1 % nearly one text, and 0.5 % a template: alike, but below the threshold. With
``--earlier`` an index is written, and the documents are then compared with it as if they were a later snapshot. The option
``--corpus`` is taken for the sake of `make bench` and not used.
"""

import argparse
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.context import EarlierIndex, ReductionContext
from curation_tasks.dedup.estimate import Assumptions, Size, totals, worker_bytes
from curation_tasks.dedup.estimate_near import near
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.manifest import Dataset, Decisions, Manifest, write_list
from curation_tasks.storage.shard import ShardWriter

SCHEMA = {"doc_id": "string", "text": "string"}
SHARD_LIST = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
WORDS, VOCABULARY, SHARD_ROWS, BLOCK = 30, 50_000, 500_000, 100_000
#: Words changed at the end of a copy, and how often; similarity to the original is (26 − changed) ÷ (26 + changed).
CHANGED, SHARES = [0, 1, 2, 3, 4, 6], [0.15, 0.3, 0.2, 0.15, 0.1, 0.1]
TEMPLATE_CHANGED = 6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=float, default=1e5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", type=float, default=2e9, help="bytes of a task")
    parser.add_argument("--earlier", action="store_true", help="write an index, and compare the documents with it")
    parser.add_argument("--folder", help="where to work; a temporary folder by default")
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        dataset = make_dataset(Path(folder), int(arguments.documents))
        print(f"{dataset.rows:,} documents, {sum(shard.text_bytes for shard in dataset.shards) / 1e6:,.0f} MB of text")
        index = run(dataset, arguments, folder, "first", ())
        if arguments.earlier:
            run(dataset, arguments, folder, "later", (EarlierIndex("first", index["uri"], index["digest"]),), index["documents"])
    return 0


def run(
    dataset: Dataset, arguments: argparse.Namespace, folder: str, name: str, earlier: tuple[EarlierIndex, ...], indexed: int = 0
) -> dict[str, Any] | None:
    """Runs all steps and prints what they took; the index, if one is wanted."""
    steps = Steps(arguments.workers, Path(folder) / name)
    context = ReductionContext(
        pipeline="bench", snapshot="all", stage="dedup", folder=folder, work=f"{folder}/{name}", map=steps,
        memory_per_task=int(arguments.memory), earlier=earlier, index=f"{folder}/{name}-index" if arguments.earlier else "",
    )  # fmt: skip
    started, cpu = time.perf_counter(), time.process_time()
    decisions = fuzzy(dataset, FuzzyParameters(), context)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    steps.report()
    beside_the_model(dataset, decisions, steps, arguments, indexed)
    print(" · ".join(f"{name} {count:,}" for name, count in {**decisions.counters, **decisions.effort}.items()))
    later = seconds - steps.seconds["signatures"]
    print(f"shards to decisions {seconds:,.0f} s ({later:,.0f} s from signatures on), {arguments.workers} threads")
    print(f"{cpu:,.0f} core-seconds")
    print(f"peak memory {steps.peak / 1e9:.1f} GB, temporary storage {steps.stored / 1e9:.1f} GB")
    return decisions.index and decisions.index | {"uri": context.index}


class Steps:
    """Runs items on threads, and measures each step: wall and CPU seconds, and the highest resident size."""

    def __init__(self, workers: int, work: Path):
        self.pool, self.work = ThreadPoolExecutor(workers), work
        self.seconds: dict[str, float] = {}
        self.rows: list[tuple[str, int, float, float, int]] = []
        self.files: dict[Path, tuple[int, int]] = {}
        self.peak = self.stored = 0

    def __call__(self, step: str, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> list[dict[str, Any]]:
        done = threading.Event()
        highest = [0]
        watcher = threading.Thread(target=self._watch, args=(done, highest))
        watcher.start()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            results = list(self.pool.map(lambda item: function(item, *arguments), items))
        finally:
            done.set()
            watcher.join()
        self.seconds[step] = time.perf_counter() - wall
        self.rows.append((step, len(items), self.seconds[step], time.process_time() - cpu, highest[0]))
        self.peak = max(self.peak, highest[0])
        there = {file: file.stat().st_size for file in self.work.rglob("*.parquet")}
        self.files |= {file: (pq.read_metadata(file).num_rows, size) for file, size in there.items() if file not in self.files}
        self.stored = max(self.stored, sum(there.values()))
        return results

    def written(self, folders: Sequence[str]) -> tuple[int, int, int]:
        """Rows, bytes and files that were written into folders, those of all attempts and what was deleted since among them."""
        of = [values for file, values in self.files.items() if base_name(file.relative_to(self.work).parts[0]) in folders]
        return sum(rows for rows, _ in of), sum(size for _, size in of), len(of)

    def spent(self, maps: Sequence[str]) -> tuple[float, int]:
        """CPU seconds of maps over the cluster, and their highest resident size."""
        of = [(cpu, memory) for step, _, _, cpu, memory in self.rows if base_name(step) in maps]
        return sum(cpu for cpu, _ in of), max((memory for _, memory in of), default=0)

    def _watch(self, done: threading.Event, highest: list[int]) -> None:
        process = psutil.Process()
        while not done.wait(0.1):
            highest[0] = max(highest[0], process.memory_info().rss)

    def report(self) -> None:
        print(f"{'step':16}{'items':>6}{'seconds':>9}{'CPU':>8}{'GB':>6}")
        for step, items, wall, cpu, memory in self.rows:
            if wall >= 0.05:
                print(f"{step:16}{items:6}{wall:9.1f}{cpu:8.1f}{memory / 1e9:6.1f}")


def base_name(name: str) -> str:
    """``compare-1-0`` → ``compare``, ``index-bands-0-sorted`` → ``index-bands-sorted``."""
    return re.sub(r"-\d+(?=-|$)", "", name.removesuffix(".parquet"))


def measured_shares(dataset: Dataset, decisions: Decisions, steps: Steps, bands: int) -> Assumptions:
    """What the model has to be told of these documents."""
    rows = {name: steps.written([name])[0] for name in ("edges", "labels", "compared", "exact", "texts")}
    documents, text_bytes = dataset.rows, sum(shard.text_bytes for shard in dataset.shards)
    return Assumptions(
        identity_bytes=8.6,
        duplicate_ratio=decisions.counters["removed"] / documents,
        identical_ratio=decisions.counters["identical"] / documents,
        grouped_ratio=rows["labels"] / documents,
        shared_ratio=rows["edges"] / (0.6 * bands * documents),
        candidates=decisions.effort["comparisons"] / documents,
        listed=rows["compared"] / documents,
        grey_ratio=rows["exact"] / max(1, rows["compared"]),
        text_ratio=rows["texts"] / documents,
        passes=sum(step.startswith("compare-") and step.endswith("-0") for step, *_ in steps.rows),
        compression=sum(shard.bytes for shard in dataset.shards) / text_bytes,
    )


def beside_the_model(dataset: Dataset, decisions: Decisions, steps: Steps, arguments: argparse.Namespace, indexed: int) -> None:
    """Prints what `curate plan --estimate` says of each step beside what was measured, with the shares of these documents."""
    parameters, text_bytes = FuzzyParameters(), sum(shard.text_bytes for shard in dataset.shards)
    shares = measured_shares(dataset, decisions, steps, parameters.banding.bands)
    size = Size(dataset.rows, text_bytes, int(arguments.memory), len(dataset.shards), shares, indexed)
    print(f"\n{'model / measured':14}{'rows':>25}{'MB':>19}{'files':>11}{'CPU s':>15}{'GB':>11}")
    modelled = near(parameters, size, index=arguments.earlier)
    for step in modelled:
        rows, written, files = steps.written(step.folders or (step.name,))
        cpu, highest = steps.spent(step.maps or (step.name,))
        print(
            f"{step.name:14}{step.rows:13,.0f} /{rows:10,}{step.bytes / 1e6:10,.1f} /{written / 1e6:7,.1f}{step.files:6.0f} /{files:3}"
            f"{step.core_seconds:8.1f} /{cpu:5.1f}{worker_bytes(step.memory_bytes, arguments.workers) / 1e9:6.1f} /{highest / 1e9:3.1f}"
        )
    total = totals(modelled)
    left = {base_name(file.relative_to(steps.work).parts[0]) for file in steps.files} - {
        name for step in modelled for name in step.folders or (step.name,)
    }
    print(f"not in the model: {', '.join(sorted(left)) or 'nothing'}")
    print(f"temporary {total['temporary_bytes'] / 1e9:.2f} / {steps.stored / 1e9:.2f} GB, files {total['files']:.0f} / {len(steps.files)}")
    measured = sum(cpu for _, _, _, cpu, _ in steps.rows)
    print(f"core-seconds {3600 * total['core_hours']:.1f} / {measured:.1f}\n")


def make_dataset(folder: Path, documents: int) -> Dataset:
    """Shards of made-up documents: the same for the same number."""
    generator = np.random.default_rng(7)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = pa.array(["".join(word) for word in letters[generator.integers(0, 26, (VOCABULARY, 6))]])
    originals = generator.integers(0, VOCABULARY, (max(10, documents // 10), WORDS)).astype(np.int32)
    written = []
    for number, first in enumerate(range(0, documents, SHARD_ROWS)):
        with ShardWriter(str(folder), f"part-{number:04}.parquet", SCHEMA) as writer:
            for start in range(first, min(documents, first + SHARD_ROWS), BLOCK):
                writer.write(_block(generator, vocabulary, originals, start, min(BLOCK, documents - start)))
        written.append(vars(writer.shard))
    content = {"stage": "bench", "kind": "operations", "schema": SCHEMA, "shards": write_list(str(folder), "shards", written, SHARD_LIST)}
    return Dataset(Manifest(f"{folder}/manifest.json", content, {"key": "0" * 32}))


def _block(generator: np.random.Generator, vocabulary: pa.Array, originals: np.ndarray, first: int, rows: int) -> pa.RecordBatch:
    words = generator.integers(0, VOCABULARY, (rows, WORDS)).astype(np.int32)
    kind = generator.random(rows)
    copied = kind < 0.315
    source = (len(originals) * generator.random(rows) ** 1.5).astype(np.int64)
    changed = generator.choice(CHANGED, rows, p=SHARES)
    for low, high, original, count in ((0.315, 0.335, 0, 0), (0.335, 0.345, 1, 1), (0.345, 0.35, 2, TEMPLATE_CHANGED)):
        hot = (kind >= low) & (kind < high)
        source[hot], changed[hot], copied = original, count, copied | hot
    same = copied[:, None] & (np.arange(WORDS) < WORDS - changed[:, None])
    words = np.where(same, originals[source], words)
    offsets = pa.array(np.arange(0, rows * WORDS + 1, WORDS, dtype=np.int32))
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, vocabulary.take(pa.array(words.ravel()))), " ")
    identities = pa.array([f"made-up:{number}" for number in range(first, first + rows)])
    return pa.record_batch([identities, texts], names=list(SCHEMA))


if __name__ == "__main__":
    sys.exit(main())
