"""A refine stage as it runs: Unicode repair, all rules for English, language; Parquet read and written.

    python tests/benchmarks/bench_stage.py --corpus FILE.parquet [--gigabytes 4 --workers 2]

The first table is one process, CPU seconds of one core by operation. With ``--gigabytes`` the corpus is repeated so often,
each time with changes, and a pipeline runs over it as a user would run it: once over a quarter and once over all, so that
memory can be seen not to grow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.catalog import load_catalog
from curation_tasks.schema import column_type
from curation_tasks.storage.shard import ShardWriter, read_shard, text_bytes_of
from curation_tasks.testing import context_for

#: NeMo Curator repairs with the defaults of our operation; its cascade for English; the language of the whole text.
OPERATIONS = (("cleaning.unicode", {}), ("filters.quality", {"rules": "nemo_english"}), ("filters.language", {}))

PIPELINE = """
name: repeated
stages:
  - id: documents
    source: parquet
    parameters: {{files: ['{files}']}}
  - id: refine
    operations:
      - cleaning.unicode
      - filters.quality: {{rules: nemo_english}}
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", help="a Parquet file with a column `text`")
    arguments.add_argument("--gigabytes", type=float, default=0, help="text of the repeated corpus; 0 leaves it out")
    arguments.add_argument("--workers", type=int, default=2)
    given = arguments.parse_args()
    if not given.corpus:
        print("skipped: a stage is measured on real text; give --corpus FILE.parquet (make bench CORPUS=FILE.parquet)")
        return
    texts = pq.read_table(given.corpus, columns=["text"]).column("text").combine_chunks()
    with tempfile.TemporaryDirectory() as folder:
        one_process(texts, folder)
    if given.gigabytes:
        print("\n| text | workers | stage | wall seconds | MB/s | peak memory |\n|---|---|---|---|---|---|")
        for gigabytes in (given.gigabytes / 4, given.gigabytes):
            with tempfile.TemporaryDirectory() as folder:
                as_a_pipeline(texts, gigabytes, given.workers, Path(folder))


# One process ----------------------------------------------------------------------------------------------------------


def one_process(texts: pa.Array, folder: str) -> None:
    with ShardWriter(folder, "input.parquet", {"text": "string"}) as writer:
        for start in range(0, len(texts), 4096):
            writer.write(pa.record_batch({"text": texts.slice(start, 4096)}))
    parts = [load_catalog().operations[name] for name, _ in OPERATIONS]
    parameters = [part.parameters.model_validate(given) for part, (_, given) in zip(parts, OPERATIONS, strict=True)]
    calls = [(part.name, part.load(), chosen, context_for(chosen)) for part, chosen in zip(parts, parameters, strict=True)]
    first = next(read_shard(f"{folder}/input.parquet")).slice(0, 10)
    # Tables and models are loaded once a process.
    schema = {field.name: column_type(field.type) for field in run(first, calls, defaultdict(float)).schema}
    seconds: dict[str, float] = defaultdict(float)
    batches = read_shard(f"{folder}/input.parquet")
    with measured(seconds, "Parquet written"), ShardWriter(folder, "output.parquet", schema) as writer:
        while True:
            began = time.process_time()
            batch = next(batches, None)
            seconds["Parquet read"] += (spent := time.process_time() - began)
            seconds["Parquet written"] -= spent
            if batch is None:
                break
            began = time.process_time()
            refined = run(batch, calls, seconds)
            seconds["Parquet written"] -= time.process_time() - began
            writer.write(refined.filter(pc.is_null(refined.column("reject_reason"))))
    size = text_bytes_of(texts) / 1e6
    print(f"{len(texts):,} documents, {size:.0f} MB of text; one core\n\n| step | CPU seconds | MB/s |\n|---|---|---|")
    for name, spent in seconds.items():
        print(f"| {name} | {spent:.2f} | {size / spent:.0f} |")
    without = sum(spent for name, spent in seconds.items() if name != "filters.language")
    print(f"| the stage without language | {without:.2f} | {size / without:.0f} |")
    print(f"| the whole stage | {sum(seconds.values()):.2f} | {size / sum(seconds.values()):.0f} |")


@contextmanager
def measured(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.process_time()
    yield
    seconds[name] += time.process_time() - began


def run(batch: pa.RecordBatch, calls: list, seconds: dict[str, float]) -> pa.RecordBatch:
    for name, operation, parameters, context in calls:
        with measured(seconds, name):
            batch = operation(batch, parameters, context)
    return batch


# A pipeline -----------------------------------------------------------------------------------------------------------


def as_a_pipeline(texts: pa.Array, gigabytes: float, workers: int, folder: Path) -> None:
    size = text_bytes_of(texts)
    copies = max(1, round(gigabytes * 1e9 / size))
    (folder / "corpus").mkdir()
    for copy in range(copies):
        # No two copies are alike: each text has another beginning.
        changed = pc.binary_join_element_wise(f"Copy {copy} of this document.\n", pc.cast(texts, pa.large_string()), "")
        pq.write_table(pa.table({"text": changed}), folder / "corpus" / f"{copy:04}.parquet", row_group_size=4096)
    (folder / "pipeline.yaml").write_text(PIPELINE.format(files=folder / "corpus" / "*.parquet"))
    command = [sys.executable, "-m", "curation_tasks.cli", "run", str(folder / "pipeline.yaml"), "--root", str(folder / "data")]
    command += ["--workers", str(workers), "--no-report", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    for stage in json.loads(done.stdout)["stages"]:
        megabytes, seconds = size * copies / 1e6, stage["seconds"]
        peak = (stage["peak_memory_bytes"] or 0) / 1e6
        print(
            f"| {megabytes:,.0f} MB | {workers} | {stage['stage']} | {seconds:.0f} | {megabytes / seconds:.0f} | {peak:,.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
