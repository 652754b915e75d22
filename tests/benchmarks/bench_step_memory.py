"""Memory of the steps of de-duplication, one task of each alone in a fresh process, beside the model of `curate plan --estimate`.

    python tests/benchmarks/bench_step_memory.py [--documents 1e5 1e6] [--memory 5e8] [--reduction fuzzy …] [--folder DIR] [--corpus FILE]

Documents are those of ``bench_fuzzy_scale.py``, with an index to write. The first task of a step is measured: the others have as
much to do, or less. The option ``--corpus`` is taken for the sake of `make bench` and not used.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyarrow as pa
from bench_fuzzy_scale import base_name, make_dataset
from fresh_process import Memory, run_alone

from curation_tasks.catalog import load_catalog
from curation_tasks.context import ReductionContext
from curation_tasks.dedup.estimate import Assumptions, Size, worker_bytes
from curation_tasks.manifest import Dataset


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=float, nargs="*", default=[1e5])
    parser.add_argument("--memory", type=float, nargs="*", default=[1e9], help="bytes of a task")
    parser.add_argument("--reduction", nargs="*", default=["fuzzy", "exact", "sentences", "paragraphs"])
    parser.add_argument("--folder", help="where to work; a temporary folder by default")
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    pa.set_cpu_count(1)
    for documents in chosen.documents:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            dataset = make_dataset(Path(folder), int(documents))
            for memory in chosen.memory:
                for name in chosen.reduction:
                    measure(dataset, f"dedup.{name}", int(memory), f"{folder}/{name}-{memory:.0f}")
    return 0


def measure(dataset: Dataset, name: str, memory: int, folder: str) -> None:
    part, found = load_catalog().find("reduction", name), dict[str, Memory]()
    parameters = part.parameters.model_validate({})
    context = ReductionContext(
        pipeline="bench", snapshot="all", stage="dedup", folder=folder, work=f"{folder}/work", map=_measuring(found),
        memory_per_task=memory, index=f"{folder}/index",
    )  # fmt: skip
    part.load()(dataset, parameters, context)
    size = Size(dataset.rows, sum(shard.text_bytes for shard in dataset.shards), memory, len(dataset.shards), Assumptions(identity_bytes=9))
    print(f"\n{name}: {dataset.rows:,} documents in {len(dataset.shards)} shards, tasks of {memory / 1e6:,.0f} MB")
    print(f"{'step':22}{'imported':>9}{'task':>8}{'process':>9}{'model':>8}  MB")
    steps = {of: step for step in part.load_costs()(parameters, size, index=True) for of in step.maps or (step.name,)}
    for step, held in found.items():
        modelled = f"{worker_bytes(steps[step].memory_bytes) / 1e6:8,.0f}" if step in steps else ""
        print(f"{step:22}{held.imported / 1e6:9,.0f}{held.task / 1e6:8,.0f}{held.peak / 1e6:9,.0f}{modelled}", flush=True)


def _measuring(found: dict[str, Memory]) -> Callable[..., list[dict[str, Any]]]:
    """A map that runs the first task of each step alone, and puts down the most that any of a step's maps held."""

    def run(step: str, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> list[dict[str, Any]]:
        if not items or step == "layout":
            return [function(item, *arguments) for item in items]
        result, held = run_alone(function, items[0], *arguments)
        name = base_name(step)
        found[name] = max(found.get(name, held), held, key=lambda memory: memory.task)
        return [result, *(function(item, *arguments) for item in items[1:])]

    return run


if __name__ == "__main__":
    sys.exit(main())
