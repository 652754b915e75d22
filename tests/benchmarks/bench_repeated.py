"""Repeated sentences and paragraphs: megabytes of text per second of CPU, reading included, by step; and of cutting what was decided.

    python tests/benchmarks/bench_repeated.py --corpus FILE.parquet [--profile]

All steps in one process and one thread, files on disk. Without a file, stories are made up, and no bar is held.
"""

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_exact import _corpus, _dataset, _stories

from curation_tasks.context import ReductionContext, RunContext
from curation_tasks.dedup.catalog import ParagraphsParameters, SentencesParameters
from curation_tasks.dedup.repeated import paragraphs, sentences
from curation_tasks.runner.cutting import Cutter
from curation_tasks.runner.work import Work
from curation_tasks.storage.shard import read_shard

FLOOR_MB_PER_SECOND = 20
REDUCTIONS = {"paragraphs": (paragraphs, ParagraphsParameters()), "sentences": (sentences, SentencesParameters())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="a Parquet file with a column `text`")
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    worst = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(Path(folder), list(_corpus(chosen.corpus) if chosen.corpus else _stories()))
        megabytes = sum(shard.text_bytes for shard in dataset.shards) / 1e6
        for name, (run, parameters) in REDUCTIONS.items():
            for attempt in range(2):  # the first one loads the kernels
                seconds: Counter[str] = Counter()
                context = ReductionContext(
                    pipeline="bench", snapshot="all", stage="dedup", folder=folder, work=f"{folder}/{name}-{attempt}", map=_timed(seconds)
                )
                profile = cProfile.Profile() if chosen.profile and attempt else None
                if profile:
                    profile.enable()
                start = time.process_time()
                decisions = run(dataset, parameters, context)
                begun = time.process_time()
                counts = _apply(dataset, decisions, f"{folder}/{name}-cut-{attempt}")
                end = time.process_time()
                if profile:
                    profile.disable()
            print(f"{name}: {megabytes / (begun - start):,.1f} MB/s decided, {megabytes / (end - begun):,.1f} MB/s cut; {counts}")
            print("   " + ", ".join(f"{step} {spent:.2f} s" for step, spent in seconds.most_common(9)))
            if profile:
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            worst = min(worst, megabytes / (begun - start))
    return 0 if not chosen.corpus or worst >= FLOOR_MB_PER_SECOND else 1


def _timed(seconds: Counter[str]) -> Any:
    def run(step, function, items, *arguments):
        start = time.process_time()
        results = [function(item, *arguments) for item in items]
        seconds[step] += time.process_time() - start
        return results

    return run


def _apply(dataset: Any, decisions: Any, folder: str) -> dict[str, int]:
    """Cuts the texts as the runner does, and lists what was cut."""
    context = RunContext(pipeline="bench", snapshot="all", stage="dedup", folder=folder)
    work = Work(context, (), columns=dict(dataset.schema))
    total: Counter[str] = Counter()
    for index, (shard, uri) in enumerate(zip(dataset.shards, decisions.cuts, strict=True)):
        cuts, first_row = pq.read_table(uri) if uri else None, 0
        with Cutter(work, index, "bench") as cutter:
            for batch in read_shard(dataset.uri(shard)):
                if cuts is not None:
                    rows = cuts["row"].to_numpy()
                    low, high = rows.searchsorted([first_row, first_row + len(batch)])
                    cutter.cut(batch, cuts.slice(low, high - low), first_row, np.ones(len(batch), bool))
                first_row += len(batch)
        total.update(cutter.counts)
    return dict(total)


if __name__ == "__main__":
    sys.exit(main())
