"""Fuzzy de-duplication where it hurts: many documents that are the same, nearly the same, or alike to just below the threshold.

    python tests/benchmarks/bench_fuzzy_edges.py [--scale 1] [--case NAME …] [--folder DIR] [--corpus FILE]

Documents are sets of words (shingles of one word, threshold 0.8), so that similarities are what they are said to be:

- ``identical``: one text, a million times.
- ``outsider``: a million nearly identical documents, of which the first, and only it, is similar to an outsider of better rank.
- ``template``: 100,000 documents of similarity 0.7 to each other: all stay, and no pair can be left out.
- ``grey``: 50,000 of similarity 0.79, which no sketch can tell from 0.8.
- ``versions``: 50,000 of similarity 0.82: one stays, but only the texts can say so.
- ``long``: two documents of ten million shingles.

``--scale`` multiplies the numbers of documents. The option ``--corpus`` is taken for the sake of `make bench` and not used.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.manifest import Dataset, Manifest, write_list
from curation_tasks.storage.shard import ShardWriter

SCHEMA = {"doc_id": "string", "text": "string"}
SHARD_LIST = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
BLOCK = 100_000
#: Case → documents, common words, own words of each, and how pairs are judged.
CASES = {
    "identical": (1_000_000, 20, 0, ("two_stage",)),
    "outsider": (1_000_000, 20, 1, ("two_stage", "exact")),
    "template": (100_000, 28, 6, ("two_stage", "exact")),
    "grey": (50_000, 30, 4, ("two_stage", "exact")),
    "versions": (50_000, 73, 8, ("two_stage", "exact")),
    "long": (2, 10_000_000, 500_000, ("two_stage",)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--folder", help="where to work; a temporary folder by default")
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    print(
        f"{'case':10}{'verify':>10}{'documents':>11}{'removed':>11}{'comparisons':>16}{'CPU s':>8}{'ns each':>8}{'GB':>6}  crowded, windows"
    )
    for name in arguments.case:
        documents, common, own, verify = CASES[name]
        if name != "long":
            documents = max(2, int(documents * arguments.scale))
        for how in verify:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                measure(name, how, make_dataset(Path(folder), name, documents, common, own), folder)
    return 0


def measure(name: str, verify: str, dataset: Dataset, folder: str) -> None:
    context = ReductionContext(
        pipeline="bench", snapshot="all", stage="dedup", folder=folder, work=f"{folder}/work", memory_per_task=2**31,
        map=lambda step, function, items, *arguments: [function(item, *arguments) for item in items],
    )  # fmt: skip
    started = time.process_time()
    decisions = fuzzy(dataset, FuzzyParameters(width=1, verify=verify), context)
    seconds, effort = time.process_time() - started, decisions.effort
    each = f"{seconds / effort['comparisons'] * 1e9:8,.0f}" if effort["comparisons"] > 10**7 else f"{'':8}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{name:10}{verify:>10}{dataset.rows:11,}{decisions.counters['removed']:11,}{effort['comparisons']:16,}{seconds:8,.1f}{each}{peak:6.1f}"
        f"  {effort['crowded_tasks']}, {effort['largest_windows']}",
        flush=True,
    )


def make_dataset(folder: Path, name: str, documents: int, common: int, own: int) -> Dataset:
    with ShardWriter(str(folder), "part-0.parquet", SCHEMA) as writer:
        for first, texts in _texts(name, documents, common, own):
            identities = pa.array([f"made-up:{number}" for number in range(first, first + len(texts))])
            writer.write(pa.record_batch([identities, texts], names=list(SCHEMA)))
    shards = write_list(str(folder), "shards", [vars(writer.shard)], SHARD_LIST)
    content = {"stage": "bench", "kind": "operations", "schema": SCHEMA, "shards": shards}
    return Dataset(Manifest(f"{folder}/manifest.json", content, {"key": "0" * 32}))


def _texts(name: str, documents: int, common: int, own: int) -> Iterator[tuple[int, pa.Array]]:
    """Blocks of texts, and the number of the first of each: what all have in common, then words of their own."""
    shared = " ".join(f"w{number}" for number in range(common))
    if name == "outsider":
        # The first of the family has two words that the outsider does not have, and no word of its own.
        yield 0, pa.array([" ".join(["y0", "y1", *shared.split()[:-2]]), shared])
        documents -= 2
    first = 2 if name == "outsider" else 0
    block = 1 if name == "long" else BLOCK
    for start in range(0, documents, block):
        rows = min(block, documents - start)
        numbers = np.arange(start * own, (start + rows) * own)
        words = pc.binary_join_element_wise("x", pa.array(numbers).cast(pa.string()), "")
        offsets = np.arange(0, rows * own + 1, own) if own else np.zeros(rows + 1)
        lists = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), words)
        texts = pc.binary_join_element_wise(shared, pc.binary_join(lists, " "), " ") if own else pa.array([shared] * rows)
        yield first + start, texts


if __name__ == "__main__":
    sys.exit(main())
