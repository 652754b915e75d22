"""The model of costs against runs: files exactly, rows and bytes of each step within a factor."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation_tasks.dedup.catalog import PARTS, ExactParameters, ParagraphsParameters, SentencesParameters
from curation_tasks.dedup.estimate import Assumptions, Size, exact, near, repeated, totals
from curation_tasks.dedup.exact import exact as run_exact
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters, SimhashParameters
from curation_tasks.dedup.repeated import paragraphs, sentences
from curation_tasks.dedup.simhash import simhash

MEMORY = 2_000_000
DOCUMENTS, SHARDS = 6_000, 3


def written(work):
    """Step → ``(rows, bytes, files)`` of what a run left in its folder of intermediate files."""
    found = {}
    for path in sorted(Path(work).rglob("*.parquet")):
        step = path.relative_to(work).parts[0].split("-")[0]
        rows, size, files = found.get(step, (0, 0, 0))
        found[step] = (rows + pq.read_metadata(path).num_rows, size + path.stat().st_size, files + 1)
    return found


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


def compare(steps, work, renamed=None, skipped=(), factor=1.6):
    """Every step's figures are near the measured ones. Small files have a footer each that the model leaves out."""
    measured = written(work)
    for step in steps:
        if step.kept or step.name in skipped:
            continue
        rows, size, files = (
            sum(values) for values in zip(*(measured[name] for name in (renamed or {}).get(step.name, [step.name])), strict=True)
        )
        footers = 2_500 * files
        assert step.files == pytest.approx(files, rel=0.35), step.name
        assert rows / factor <= step.rows <= rows * factor, (step, rows)
        assert size / factor - footers <= step.bytes <= size * factor, (step, size)


@pytest.mark.parametrize(("keep", "indexing"), [("first", False), ("longest", True)])
def test_exact(make_documents, make_context, tmp_path, keep, indexing):
    dataset = make_documents("copies")
    parameters = ExactParameters(keep=keep)
    context = make_context(tmp_path / "work", memory_per_task=MEMORY)
    context = dataclasses.replace(context, index=str(tmp_path / "index")) if indexing else context
    decisions = run_exact(dataset, parameters, context)
    steps = exact(
        parameters, size_of(dataset, identity_bytes=18, duplicate_ratio=decisions.counters["removed"] / dataset.rows), index=indexing
    )
    compare(steps, tmp_path / "work")
    if indexing:
        assert steps[-1].bytes == pytest.approx(decisions.index["bytes"], rel=0.4)
        assert steps[-1].rows == decisions.index["documents"]


@pytest.mark.parametrize("parameters", [ParagraphsParameters(), SentencesParameters(span=2)], ids=["paragraphs", "sentences"])
def test_repeated(make_documents, make_context, tmp_path, parameters):
    dataset = make_documents("own")
    run = sentences if isinstance(parameters, SentencesParameters) else paragraphs
    context = dataclasses.replace(make_context(tmp_path / "work", memory_per_task=MEMORY), index=str(tmp_path / "index"))
    decisions = run(dataset, parameters, context)
    measured = written(tmp_path / "work")
    shares = {
        "unit_bytes": sum(shard.text_bytes for shard in dataset.shards) / measured["units"][0],
        "repeated_ratio": measured["repeated"][0] / measured["items"][0],
    }
    size = size_of(dataset, identity_bytes=18, rounds=decisions.counters["rounds"], **shares)
    together = {"survivors": ["survivors", "wanted", "names"], "decisions": ["decisions", "cuts"]}
    steps = repeated(parameters, size, index=True)
    compare(steps, tmp_path / "work", together, skipped=("rejections",), factor=2.5)
    assert decisions.index["bytes"] < steps[-1].bytes < 2.5 * decisions.index["bytes"]


@pytest.mark.parametrize("parameters", [FuzzyParameters(), SimhashParameters()], ids=["fuzzy", "simhash"])
def test_near_duplicates(make_documents, make_context, tmp_path, parameters):
    dataset = make_documents("nearly")
    run = fuzzy if isinstance(parameters, FuzzyParameters) else simhash
    context = dataclasses.replace(make_context(tmp_path / "work", memory_per_task=MEMORY), index=str(tmp_path / "index"))
    decisions = run(dataset, parameters, context)
    measured = written(tmp_path / "work")
    bands = parameters.banding.bands if isinstance(parameters, FuzzyParameters) else parameters.bands
    shares = {
        "duplicate_ratio": decisions.counters["removed"] / dataset.rows,
        "grouped_ratio": measured["labels"][0] / dataset.rows,
        "shared_ratio": measured["edges"][0] / (0.6 * bands * dataset.rows),
        "candidates": measured["compared"][0] / dataset.rows,
        "grey_ratio": decisions.effort["grey_pairs"] / max(1, measured["compared"][0]),
    }
    steps = near(parameters, size_of(dataset, identity_bytes=18, **shares), index=True)
    together = {"edges": ["edges", "hot"], "decisions": ["decisions", "followed", "named"]}
    compare(steps, tmp_path / "work", together, skipped=("bands", "texts"), factor=2.0)
    assert steps[-1].bytes == pytest.approx(decisions.index["bytes"], rel=0.3)


def test_every_reduction_can_be_reckoned_for_a_crawl():
    size = Size(10**11, 4 * 10**14)
    for part in PARTS:
        parameters = part.parameters.model_validate(dict(part.example))
        steps = part.load_costs()(parameters, size, index=part.indexes)
        total = totals(steps)
        assert 0 < total["temporary_bytes"] < 1.2 * size.text_bytes, part.name
        assert 0 < total["memory_bytes"] <= size.memory_bytes, part.name
        assert 100 < total["core_hours"] < 10**5, part.name
        assert json.loads(json.dumps(total)) == total
        assert (total["kept_bytes"] > 0) == part.indexes
