"""Fuzzy de-duplication beside datatrove's four MinHash stages and rensa: megabytes of text a CPU second.

    python tests/benchmarks/bench_fuzzy.py --corpus FILE.parquet [--rows N] [--environments FOLDER] [--no-peers]

The peers are installed from the package index into an environment of their own outside the repository, once, and run there
on the same rows. Ours is measured three ways: signatures alone (normalisation included), all steps in one process with its
files in memory (``/dev/shm``), and a pipeline with two workers through Parquet on disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.fuzzy import fuzzy, fuzzy_scheme
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.kernels.identity import document_ids
from curation_tasks.logs import configure_logs
from curation_tasks.manifest import Dataset, Manifest, write_list
from curation_tasks.storage.shard import ShardWriter, text_bytes_of

HERE = Path(__file__).parent
REQUIREMENTS = ("datatrove[processing]==0.10.1", "spacy", "nltk", "pyarrow", "rensa")
SCHEMA = {"doc_id": "string", "text": "string"}
SIGNATURES_FLOOR, SIGNATURES_RATIO, END_TO_END_RATIO = 100, 200, 50
PIPELINE = """
name: bench
stages:
  - id: documents
    source: parquet
    parameters: {files: ["%s"]}
  - id: cut
    compact: {shard_text_bytes: 16000000}
  - id: fuzzy
    reduction: dedup.fuzzy
"""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", type=Path, help="a Parquet file with a column `text`")
    arguments.add_argument("--rows", type=int, default=3000, help="documents that the peers get; ours is measured on these and on all")
    arguments.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "curation-peers")
    arguments.add_argument("--no-peers", action="store_true")
    given = arguments.parse_args()
    if not given.corpus:
        print("skipped: give --corpus FILE.parquet (make bench CORPUS=FILE.parquet)")
        return 0
    os.environ["CURATE_LOG_LEVEL"] = "ERROR"
    configure_logs()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    texts = pq.read_table(given.corpus, columns=["text"]).column("text").combine_chunks()
    texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
    passed = True
    alike = texts.slice(0, given.rows)
    for name, chosen in (("the peers' rows", alike), ("all rows", texts)):
        print(f"\n{name}: {len(chosen):,} documents, {text_bytes_of(chosen) / 1e6:,.1f} MB of text; MB a CPU second")
        for unit in ("words", "characters"):
            signed, whole, counters = measure(chosen, FuzzyParameters(shingles=unit))
            passed &= unit != "words" or signed >= SIGNATURES_FLOOR
            told = f"removed {counters['removed']:,}, {counters['comparisons']:,} comparisons, {counters['grey_pairs']:,} by the texts"
            print(f"  ours, {unit:10}  signatures {signed:8,.1f}   all steps in memory {whole:8,.1f}   {told}")
            if name == "the peers' rows" and unit == "words":
                ours = (signed, whole)
    print("  " + two_workers(given.corpus))
    if not given.no_peers and (report := run_peers(given.environments, given.corpus, given.rows)):
        passed &= compare(report, *ours)
    return 0 if passed else 1


def measure(texts: pa.Array, parameters: FuzzyParameters) -> tuple[float, float, dict[str, int]]:
    """MB a CPU second of the signatures and of all steps, and what was counted. Short inputs are measured several times."""
    scheme = fuzzy_scheme(parameters)
    megabytes = text_bytes_of(texts) / 1e6
    times = max(1, round(60 / megabytes))
    scheme.signatures(texts.slice(0, 5))
    batches = [texts.slice(first, 2000) for first in range(0, len(texts), 2000)]
    seconds, _ = timed(lambda: [scheme.signatures(batch) for _ in range(times) for batch in batches])
    whole = 0.0
    for _ in range(times):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            dataset = make_dataset(Path(folder), texts)
            context = ReductionContext(
                pipeline="bench", snapshot="all", stage="fuzzy", folder=folder, work=f"{folder}/work",
                map=lambda step, function, items, *arguments: [function(item, *arguments) for item in items],
            )  # fmt: skip
            spent, decisions = timed(lambda dataset=dataset, context=context: fuzzy(dataset, parameters, context))
            whole += spent
    return megabytes * times / seconds, megabytes * times / whole, {**decisions.counters, **decisions.effort}


def make_dataset(folder: Path, texts: pa.Array) -> Dataset:
    with ShardWriter(str(folder), "part-0.parquet", SCHEMA) as writer:
        for first in range(0, len(texts), 2000):
            piece = texts.slice(first, 2000)
            writer.write(pa.record_batch([document_ids("bench", first, len(piece)), piece], names=list(SCHEMA)))
    kinds = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
    shards = write_list(str(folder), "shards", [vars(writer.shard)], kinds)
    content = {"stage": "bench", "kind": "operations", "schema": SCHEMA, "shards": shards}
    return Dataset(Manifest(f"{folder}/manifest.json", content, {"key": "0" * 32}))


def two_workers(corpus: Path) -> str:
    """A pipeline of the corpus through Parquet on disk, with two workers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(PIPELINE % corpus.resolve(), encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [
            sys.executable,
            "-m",
            "curation_tasks.cli",
            "run",
            str(path),
            "--root",
            f"{folder}/data",
            "--workers",
            "2",
            "--no-report",
            "--json",
        ]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        [stage] = [stage for stage in json.loads(done.stdout)["stages"] if stage["stage"] == "fuzzy"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    megabytes = stage["counts"]["text_bytes_in"] / 1e6
    return (
        f"through Parquet, 2 workers: stage {stage['seconds']:.1f} s wall, {megabytes / stage['seconds']:,.1f} MB a second; "
        f"the whole pipeline {wall:.1f} s wall, {cpu:.1f} s CPU; peak {stage['peak_memory_bytes'] / 1e9:.2f} GB; "
        f"removed {stage['counts']['rejected']:,}"
    )


def environment(environments: Path) -> Path:
    """The Python of an environment with the peers, which is made at the first time."""
    folder = environments / "minhash"
    python = folder / "bin" / "python"
    if not (environments / "minhash.installed").exists():
        print(f"installing {', '.join(REQUIREMENTS)} into {folder}", flush=True)
        uv = shutil.which("uv") or ".tools/bin/uv"
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", version, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS], check=True)
        (environments / "minhash.installed").touch()
    return python


def run_peers(environments: Path, corpus: Path, rows: int) -> dict[str, Any] | None:
    """What the peers' program reports; None when they cannot be installed or fail."""
    try:
        python = environment(environments)
        with tempfile.NamedTemporaryFile(suffix=".json") as output:
            arguments = ["--corpus", str(corpus), "--rows", str(rows), "--output", output.name]
            subprocess.run([str(python), str(HERE / "peers" / "minhash_peers.py"), *arguments], check=True, stdout=subprocess.DEVNULL)
            return json.loads(Path(output.name).read_bytes())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the peers are left out: {error}")
        return None


def compare(report: dict[str, Any], signed: float, whole: float) -> bool:
    """Prints the peers' figures and how many times as fast ours is; whether that is enough."""
    print(f"\npeers on the same {report['documents']:,} documents, and how many times as fast ours is")
    ratios = {}
    for name in ("datatrove", "datatrove_split", "rensa"):
        megabytes = report["few_megabytes"] if name == "datatrove" else report["megabytes"]
        seconds = report[name]["seconds"]
        speed, total = megabytes / seconds["signatures"], megabytes / sum(seconds.values())
        ratios[name] = (signed / speed, whole / total)
        stages = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items())
        print(
            f"  {name:16} signatures {speed:7.2f} MB/s ({ratios[name][0]:,.0f}×)   all {total:7.2f} MB/s ({ratios[name][1]:,.0f}×)   "
            f"{megabytes:.1f} MB: {stages}; left {report[name]['left']:,}"
        )
    return ratios["datatrove"][0] >= SIGNATURES_RATIO and ratios["datatrove"][1] >= END_TO_END_RATIO


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


if __name__ == "__main__":
    sys.exit(main())
