"""Quality of fuzzy de-duplication against exact truth, and speed of its signatures.

    python tests/benchmarks/bench_fuzzy_quality.py [--near-duplicates FOLDER] [--corpus FILE.parquet]

``--near-duplicates`` is a folder with ``docs.NAME.jsonl.gz`` (id, text) and ``truth.NAME.{char24,word5}.csv.gz`` (a, b, jaccard:
all pairs from 0.4 on, lower-cased, white space collapsed, words by ``\\w+``). ``--corpus`` is a Parquet file with a column
``text``, and for the planted duplicates ``dup_kind`` and ``dup_of``. Without either, stories are made up for the speed alone.
"""

import argparse
import csv
import gzip
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.fuzzy import fuzzy, fuzzy_scheme
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.dedup.rank import ties
from curation_tasks.kernels.shingles import distinct_shingles, jaccard
from curation_tasks.manifest import Dataset, Manifest, write_list
from curation_tasks.storage.shard import ShardWriter

SCHEMA = {"doc_id": "string", "text": "string", "rank": "uint64"}
SHARD_LIST = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
UNITS = {"words": "word5", "characters": "char24"}
THRESHOLD = 0.8
FLOOR_MB_PER_SECOND = 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--near-duplicates", type=Path)
    parser.add_argument("--corpus", type=Path)
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    if arguments.near_duplicates:
        for documents in sorted(arguments.near_duplicates.glob("docs.*.jsonl.gz")):
            for unit, name in UNITS.items():
                near_duplicates(documents, documents.with_name(f"truth.{documents.name.split('.')[1]}.{name}.csv.gz"), unit)
    if arguments.corpus:
        planted(arguments.corpus)
    texts = pq.read_table(arguments.corpus, columns=["text"])["text"].combine_chunks() if arguments.corpus else made_up()
    return 0 if min(speed(texts, unit) for unit in UNITS) >= FLOOR_MB_PER_SECOND else 1


def run(ids: Sequence[str], texts: pa.Array, folder: str, **parameters: Any) -> tuple[dict[str, dict[str, Any]], Mapping[str, int], float]:
    """Removed document → evidence, counters and CPU seconds. Documents rank by the hash of their identity."""
    with ShardWriter(folder, "part-0.parquet", SCHEMA) as writer:
        for start in range(0, len(ids), 5000):
            names = pa.array(ids[start : start + 5000])
            writer.write(pa.record_batch([names, texts.slice(start, 5000), ties(names)], names=list(SCHEMA)))
    shards = write_list(folder, "shards", [vars(writer.shard)], SHARD_LIST)
    manifest = Manifest(
        f"{folder}/manifest.json", {"stage": "bench", "kind": "operations", "schema": SCHEMA, "shards": shards}, {"key": "0"}
    )
    context = ReductionContext(
        pipeline="bench", snapshot="all", stage="dedup", folder=folder, work=f"{folder}/work",
        map=lambda step, function, items, *arguments: [function(item, *arguments) for item in items],
    )  # fmt: skip
    keep = {"policy": "score", "column": "rank", "prefer": "min"}
    started = time.process_time()
    decisions = fuzzy(Dataset(manifest), FuzzyParameters.model_validate({"keep": keep, **parameters}), context)
    seconds = time.process_time() - started
    rows = pq.read_table(decisions.uris[0]).to_pylist() if decisions.uris[0] else []
    return {ids[row["row"]]: row for row in rows}, {**decisions.counters, **decisions.effort}, seconds


# --- near-duplicates with exact truth -----------------------------------------------------------------------------------


def near_duplicates(documents: Path, truth_file: Path, unit: str) -> None:
    """Prints precision and recall of pairs, clusters, and removals without a kept twin."""
    with gzip.open(documents, "rt", encoding="utf8") as file:
        rows = [json.loads(line) for line in file]
    ids, texts = [row["id"] for row in rows], pa.array([row["text"] for row in rows])
    with gzip.open(truth_file, "rt", encoding="utf8") as file:
        truth = {tuple(sorted((row["a"], row["b"]))): float(row["jaccard"]) for row in csv.DictReader(file)}
    for verify in ("two_stage", "exact"):
        with tempfile.TemporaryDirectory() as folder:
            removed, counters, _ = run(ids, texts, folder, shingles=unit, verify=verify, report_pairs=True)
            listed, told = pq.read_table(f"{folder}/pairs.parquet"), pq.read_table(f"{folder}/clusters.parquet")
        pairs = set(zip(listed["a"].to_pylist(), listed["b"].to_pylist(), strict=True))
        cluster = {name: name for name in ids} | dict(zip(told["doc_id"].to_pylist(), told["cluster"].to_pylist(), strict=True))
        similar = {pair for pair, value in truth.items() if value >= THRESHOLD}
        unsafe, best = removals(ids, truth, set(removed))
        true = components(ids, similar)
        print(
            f"{documents.name} {unit} {verify}: precision {len(pairs & similar) / len(pairs):.4f} "
            f"recall {len(pairs & similar) / len(similar):.4f}; ARI of pairs {adjusted_rand(components(ids, pairs), true):.4f}, "
            f"of clusters {adjusted_rand(cluster, true):.4f}; removed {len(removed)}, of greedy with the same ranks "
            f"{len(removed) / best:.4f}; without a kept twin {unsafe}; {counters['grey_pairs']} pairs went to the texts"
        )


def removals(ids: Sequence[str], truth: Mapping[tuple[str, ...], float], removed: set[str]) -> tuple[int, int]:
    """Removed documents without a kept one at the threshold, and how many greedy on the truth removes."""
    neighbours = defaultdict(set)
    for (left, right), value in truth.items():
        if value >= THRESHOLD:
            neighbours[left].add(right)
            neighbours[right].add(left)
    unsafe = sum(not neighbours[name] - removed for name in removed)
    kept: set[str] = set()
    for name in np.array(ids)[np.argsort(ties(pa.array(ids)), kind="stable")].tolist():
        if not neighbours[name] & kept:
            kept.add(name)
    return unsafe, len(ids) - len(kept)


def components(ids: Iterable[str], pairs: Iterable[tuple[str, ...]]) -> dict[str, str]:
    parent = {name: name for name in ids}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for left, right in pairs:
        parent[root(left)] = root(right)
    return {name: root(name) for name in parent}


def adjusted_rand(found: Mapping[str, str], true: Mapping[str, str]) -> float:
    def pairs(counts: Iterable[int]) -> int:
        return sum(count * (count - 1) // 2 for count in counts)

    both = pairs(Counter((found[name], true[name]) for name in true).values())
    left, right, total = pairs(Counter(found.values()).values()), pairs(Counter(true.values()).values()), pairs([len(true)])
    expected = left * right / total
    return (both - expected) / ((left + right) / 2 - expected)


# --- duplicates planted in a corpus -------------------------------------------------------------------------------------


def planted(path: Path) -> None:
    """Prints what became of planted duplicates, and whether candidates meet as often as theory says."""
    table = pq.read_table(path)
    texts = table["text"].combine_chunks()
    ids = [f"corpus:{row}" for row in range(len(texts))]
    for unit in UNITS:
        parameters = FuzzyParameters(shingles=unit)
        with tempfile.TemporaryDirectory() as folder:
            removed, counters, seconds = run(ids, texts, folder, shingles=unit)
        scheme = fuzzy_scheme(parameters)
        kept = [text for text, name in zip(texts.to_pylist(), ids, strict=True) if name not in removed]
        redundant, still = len(ids) - len(set(texts.to_pylist())), len(kept) - len(set(kept))
        row_of = {name: row for row, name in enumerate(ids)}
        left = np.array([row_of[name] for name in removed])
        right = np.array([row_of[evidence["survivor"]] for evidence in removed.values()])
        exact = exact_similarity(texts, left, right, scheme)
        print(
            f"{path.name} {unit}: {len(ids):,} documents, removed {len(removed):,} in {seconds:.1f} core-seconds; "
            f"{redundant - still:,} of {redundant:,} redundant texts; {int((exact < THRESHOLD).sum())} removals below the threshold "
            f"(lowest {exact.min():.4f}); {counters['grey_pairs']:,} pairs went to the texts"
        )
        if "dup_of" in table.schema.names:
            meetings(texts, table["dup_of"].to_numpy(), np.array(table["dup_kind"].to_pylist()), parameters)


def exact_similarity(texts: pa.Array, left: np.ndarray, right: np.ndarray, scheme: Any) -> np.ndarray:
    found = np.empty(len(left))
    for start in range(0, len(left), 2000):
        a, b = left[start : start + 2000], right[start : start + 2000]
        rows, place = np.unique(np.concatenate([a, b]), return_inverse=True)
        offsets, shingles = distinct_shingles(texts.take(pa.array(rows)), scheme.shingling)
        found[start : start + 2000] = jaccard(offsets, shingles, place[: len(a)], place[len(a) :])
    return found


def meetings(texts: pa.Array, original: np.ndarray, kind: np.ndarray, parameters: FuzzyParameters) -> None:
    """Of planted near-duplicates in a bin of similarity, the share that shares a bucket, beside the theory's."""
    scheme, banding = fuzzy_scheme(parameters), parameters.banding
    near = np.flatnonzero(kind == "near")
    other = original[near].astype(np.int64)
    similarity = exact_similarity(texts, near, other, scheme)
    met = np.zeros(len(near), bool)
    for start in range(0, len(near), 2000):
        chosen = slice(start, start + 2000)
        here, there = (scheme.signatures(texts.take(pa.array(rows[chosen]))).bands for rows in (near, other))
        met[chosen] = (here == there).any(axis=0)
    for low, high in pairwise([0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0001]):
        rows = (similarity >= low) & (similarity < high)
        if rows.sum() >= 20:
            chance = np.array([banding.recall(value) for value in similarity[rows]])
            spread = max(1e-9, float(np.sqrt((chance * (1 - chance)).sum())))
            off = (met[rows].sum() - chance.sum()) / spread
            shares = f"met {met[rows].mean():.4f}, theory {chance.mean():.4f} ({off:+.1f} σ)"
            print(f"  similarity {low:.2f}–{min(high, 1):.2f}: {rows.sum():5} pairs, {shares}")


# --- speed --------------------------------------------------------------------------------------------------------------


def made_up() -> pa.Array:
    generator = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(3000)])
    return pa.array([" ".join(story) for story in words[generator.integers(0, len(words), (50_000, 120))]])


def speed(texts: pa.Array, unit: str) -> float:
    """MB of text a CPU second that one core makes signatures of, normalisation included."""
    scheme = fuzzy_scheme(FuzzyParameters(shingles=unit))
    parts = [texts.slice(start, 5000) for start in range(0, len(texts), 5000)]
    scheme.signatures(parts[0].slice(0, 10))
    _, seconds = timed(lambda: [scheme.signatures(part) for part in parts])
    megabytes = sum(len(text.encode()) for text in texts.to_pylist()) / 1e6
    print(f"signatures of {unit}: {megabytes / seconds:,.0f} MB/s of {megabytes:,.0f} MB")
    return megabytes / seconds


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
