"""The model of costs against runs: files exactly, rows and bytes of each step within a factor."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation_tasks.dedup.catalog import PARTS, ExactParameters, ParagraphsParameters, SentencesParameters
from curation_tasks.dedup.estimate import Assumptions, Size, exact, repeated, totals, worker_bytes
from curation_tasks.dedup.estimate_near import near
from curation_tasks.dedup.exact import exact as run_exact
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters, SimhashParameters
from curation_tasks.dedup.repeated import paragraphs, sentences
from curation_tasks.dedup.simhash import simhash

MEMORY = 2_000_000
DOCUMENTS, SHARDS = 6_000, 3


class Written:
    """Runs items one after the other, and notes the files that each step leaves: some are deleted by a later one.

    Args:
        work: The folder of intermediate files.
        run: Of a context.
    """

    def __init__(self, work, run):
        self.work, self.run = Path(work), run
        self.files = {}
        self.steps = []
        self.most = 0

    def __call__(self, step, function, items, *arguments):
        results = self.run(step, function, items, *arguments)
        self.steps.append(step)
        there = {path: path.stat().st_size for path in self.work.rglob("*.parquet")}
        self.most = max(self.most, sum(there.values()))
        self.files |= {path: (pq.read_metadata(path).num_rows, size) for path, size in there.items() if path not in self.files}
        return results

    @property
    def passes(self):
        return sum(step.startswith("compare-") and step.endswith("-0") for step in self.steps)

    @property
    def folders(self):
        return {_base(path.relative_to(self.work).parts[0]) for path in self.files}

    def of(self, *folders):
        """Rows, bytes and files that were written into some folders."""
        found = [values for path, values in self.files.items() if _base(path.relative_to(self.work).parts[0]) in folders]
        return sum(rows for rows, _ in found), sum(size for _, size in found), len(found)


def _base(name):
    """``texts-0`` → ``texts``, ``hot.parquet`` → ``hot``."""
    return name.removesuffix(".parquet").rstrip("-0123456789")


@pytest.fixture
def watched(make_context, in_process_map, tmp_path):
    """A context of which the map notes what is written, with an index to write."""
    context = make_context(tmp_path / "work", Written(tmp_path / "work", in_process_map()), memory_per_task=MEMORY)
    return dataclasses.replace(context, index=str(tmp_path / "index"))


@pytest.fixture(scope="module")
def make_documents(make_dataset, tmp_path_factory):
    """``make_documents(kind)``: 6,000 documents of six lines; two of them are common. By kind every fifth is a copy of another one,
    or one but for its last word."""

    def make(kind):
        generator = np.random.default_rng(11)
        letters = ["".join(chr(97 + letter) for letter in word) for word in generator.integers(0, 26, (3000, 9))]
        words = [word[: 2 + number % 8] for number, word in enumerate(letters)]
        lengths = generator.integers(4, 14, 4 * DOCUMENTS + 400)
        lines = [" ".join(words[k] for k in generator.integers(0, 3000, length)) + "." for length in lengths]
        common, texts = lines[:400], []
        for number in range(DOCUMENTS):
            if kind != "own" and number % 5 == 4:
                other = texts[int(generator.integers(0, len(texts)))]
                texts.append(other if kind == "copies" else f"{other.rpartition(' ')[0]} {words[number % 3000]}.")
            else:
                own = lines[400 + 4 * number : 404 + 4 * number]
                texts.append("\n".join([*own, *(common[k] for k in generator.integers(0, 400, 2))]))
        ids = [f"{number:016x}" for number in generator.integers(0, 2**62, DOCUMENTS)]
        cut = DOCUMENTS // SHARDS
        shards = [slice(first, first + cut) for first in range(0, DOCUMENTS, cut)]
        columns = {"doc_id": ("string", [ids[part] for part in shards])}
        return make_dataset(tmp_path_factory.mktemp("estimate"), [texts[part] for part in shards], columns=columns)

    return make


def size_of(dataset, **assumed):
    text_bytes = sum(shard.text_bytes for shard in dataset.shards)
    return Size(dataset.rows, text_bytes, MEMORY, len(dataset.shards), Assumptions(**assumed))


def compare(steps, measured, factor=1.6):
    """Every step's figures are near the measured ones. Small files have a footer each that the model leaves out."""
    for step in steps:
        if step.kept:
            continue
        rows, size, files = measured.of(*(step.folders or (step.name,)))
        footers = 2_500 * files
        assert step.files == pytest.approx(files, rel=0.35), step.name
        assert rows / factor <= step.rows <= rows * factor, (step, rows)
        assert size / factor - footers <= step.bytes <= size * factor, (step, size)


@pytest.mark.parametrize(("keep", "indexing"), [("first", False), ("longest", True)])
def test_exact(make_documents, watched, keep, indexing):
    dataset = make_documents("copies")
    parameters = ExactParameters(keep=keep)
    context = watched if indexing else dataclasses.replace(watched, index=None)
    decisions = run_exact(dataset, parameters, context)
    steps = exact(
        parameters, size_of(dataset, identity_bytes=18, duplicate_ratio=decisions.counters["removed"] / dataset.rows), index=indexing
    )
    compare(steps, context.map)
    if indexing:
        assert steps[-1].bytes == pytest.approx(decisions.index["bytes"], rel=0.4)
        assert steps[-1].rows == decisions.index["documents"]


@pytest.mark.parametrize("parameters", [ParagraphsParameters(), SentencesParameters(span=2)], ids=["paragraphs", "sentences"])
def test_repeated(make_documents, watched, parameters):
    dataset = make_documents("own")
    run = sentences if isinstance(parameters, SentencesParameters) else paragraphs
    decisions = run(dataset, parameters, watched)
    measured = watched.map
    shares = {
        "unit_bytes": sum(shard.text_bytes for shard in dataset.shards) / measured.of("units")[0],
        "repeated_ratio": measured.of("repeated")[0] / measured.of("items")[0],
        "revised_ratio": measured.of("rejections")[0] / measured.of("repeated")[0],
    }
    size = size_of(dataset, identity_bytes=18, rounds=decisions.counters["rounds"], **shares)
    steps = repeated(parameters, size, index=True)
    compare(steps, measured, factor=2.5)
    assert decisions.index["bytes"] < steps[-1].bytes < 2.5 * decisions.index["bytes"]


def shares_of(dataset, decisions, measured, bands):
    """What depends on the texts, as a run found it."""
    rows = {name: measured.of(name)[0] for name in ("edges", "labels", "compared", "exact", "texts")}
    return {
        "identity_bytes": 18,
        "duplicate_ratio": decisions.counters["removed"] / dataset.rows,
        "identical_ratio": decisions.counters["identical"] / dataset.rows,
        "grouped_ratio": rows["labels"] / dataset.rows,
        "shared_ratio": rows["edges"] / (0.6 * bands * dataset.rows),
        "candidates": decisions.effort["comparisons"] / dataset.rows,
        "listed": rows["compared"] / dataset.rows,
        "grey_ratio": rows["exact"] / max(1, rows["compared"]),
        "text_ratio": rows["texts"] / dataset.rows,
        "passes": measured.passes,
        "compression": sum(shard.bytes for shard in dataset.shards) / sum(shard.text_bytes for shard in dataset.shards),
    }


@pytest.mark.parametrize(
    "parameters", [FuzzyParameters(), FuzzyParameters(verify="exact"), SimhashParameters()], ids=["two_stage", "exact", "simhash"]
)
def test_near_duplicates(make_documents, watched, parameters):
    dataset = make_documents("nearly")
    run, bands = (fuzzy, parameters.banding.bands) if isinstance(parameters, FuzzyParameters) else (simhash, parameters.bands)
    decisions = run(dataset, parameters, watched)
    measured = watched.map
    steps = near(parameters, size_of(dataset, **shares_of(dataset, decisions, measured, bands)), index=True)
    compare(steps, measured, factor=1.6)
    assert steps[-1].bytes == pytest.approx(decisions.index["bytes"], rel=0.3)
    # Nothing is written that the model does not know; temporary storage is what lies there at one time.
    known = {folder for step in steps for folder in step.folders or (step.name,)}
    assert measured.folders - {"ranks", "cuts"} <= known
    assert totals(steps)["temporary_bytes"] == pytest.approx(measured.most, rel=0.25)


@pytest.mark.parametrize("verify", ["two_stage", "exact"])
def test_crowded_tasks(make_dataset, watched, tmp_path, monkeypatch, verify):
    """A family that is alike, and not enough, in a run that calls few pairs many."""
    monkeypatch.setattr("curation_tasks.dedup.comparison._FEW_EDGES", 500)
    texts = [" ".join(f"w{word}" for word in [*range(88), *range(1000 * (number + 1), 1000 * (number + 1) + 12)]) for number in range(600)]
    dataset = make_dataset(tmp_path / "shards", [texts[:300], texts[300:]])
    parameters = FuzzyParameters(width=1, verify=verify)
    decisions = fuzzy(dataset, parameters, dataclasses.replace(watched, index=None))
    assert decisions.effort["crowded_tasks"] == 1
    shares = shares_of(dataset, decisions, watched.map, parameters.banding.bands)
    steps = near(parameters, size_of(dataset, **shares | {"crowded_ratio": watched.map.of("labels")[0] / dataset.rows}))
    [step] = [step for step in steps if step.name == "crowded"]
    compare([step], watched.map)


def test_every_reduction_can_be_reckoned_for_a_crawl():
    size = Size(10**11, 4 * 10**14)
    for part in PARTS:
        parameters = part.parameters.model_validate(dict(part.example))
        steps = part.load_costs()(parameters, size, index=part.indexes)
        total = totals(steps)
        assert 0 < total["temporary_bytes"] < 1.2 * size.text_bytes, part.name
        # A worker is given twice the memory of its task.
        assert worker_bytes(0) < worker_bytes(total["memory_bytes"]) <= 2 * size.memory_bytes, part.name
        assert 100 < total["core_hours"] < 10**5, part.name
        assert json.loads(json.dumps(total)) == total
        assert (total["kept_bytes"] > 0) == part.indexes
