"""The golden hash of what each operation makes of `tests/corpus`, against the committed `data_versions.lock`.

`python tests/data_versions.py --write` renews the lock, after `data_version` of what changed was raised.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pyarrow as pa

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.parts import Part, file_parameters
from curation_tasks.storage.shard import CanonicalHash

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "data_versions.lock"


def corpus() -> pa.RecordBatch:
    """The hand-written traps, as one batch of documents."""
    lines = (ROOT / "tests" / "corpus" / "documents.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = [json.loads(line) for line in lines]
    text = pa.array([row["text"] for row in rows], pa.string())
    constant = {"source": "corpus", "snapshot": "all"}
    return pa.record_batch(
        {"doc_id": [row["id"] for row in rows], "text": text, **{name: [value] * len(rows) for name, value in constant.items()}}
    )


def example_files(part: Part) -> dict[str, str]:
    """The files that a part's example names → their stand-ins below ``tests/corpus``, under the same names."""
    parameters = part.parameters.model_validate(dict(part.example))
    return {name: str(ROOT / "tests" / "corpus" / name) for name in file_parameters(parameters)}


def golden_hashes() -> dict[str, dict[str, object]]:
    """Name of each packaged operation and generating source → its data version and the hash of its output."""
    catalog = load_catalog()
    context = RunContext("golden", "all", "golden", "memory://golden")
    hashes = {}
    for name, part in sorted(catalog.operations.items()):
        output = CanonicalHash()
        parameters = part.parameters.model_validate(dict(part.example))
        batch = corpus()
        if "segment_of" in part.reads_of(parameters):  # every three documents were one
            batch = batch.append_column("segment_of", pa.array([f"whole-{row // 3}" for row in range(len(batch))], pa.string()))
        output.update(part.load()(batch, parameters, dataclasses.replace(context, files=example_files(part))))
        hashes[name] = {"data_version": part.data_version, "hash": output.hexdigest()}
    generator = catalog.sources["story_generator"]
    parameters = generator.parameters.model_validate(dict(generator.example))
    output = CanonicalHash()
    for unit in generator.load_units()(parameters, "all"):
        for batch in generator.load()(unit, parameters, context):
            output.update(batch)
    hashes["story_generator"] = {"data_version": generator.data_version, "hash": output.hexdigest()}
    return hashes


if __name__ == "__main__":
    if "--write" not in sys.argv:
        sys.exit(__doc__)
    LOCK.write_text(json.dumps(golden_hashes(), indent=1) + "\n", encoding="utf-8")
