"""Texts are split and joined as ``str.split`` and ``str.join`` do it, and every row is accounted for."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.cli.run import run_pipeline
from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.funnel import funnel, imbalances
from curation_tasks.lineage.verify import verify
from curation_tasks.manifest import read_manifest
from curation_tasks.testing import documents

TEXTS = st.lists(st.sampled_from(["|", "||", " ", "word", "\u00e9", "\n", "\u00a0"]), max_size=9).map("".join)


@given(batch=documents(st.none() | TEXTS))
@settings(max_examples=200)
def test_splitting_is_that_of_python(clean, batch):
    result, _ = clean("split", batch, separator="|")
    expected = []
    for row in batch.to_pylist():
        pieces = (row["text"] or "").split("|")
        pieces = [piece for piece in pieces if piece.strip()] or pieces[:1]
        expected += [
            row
            | {"doc_id": f"{row['doc_id']}#{n}", "text": None if row["text"] is None else piece, "segment": n, "segment_of": row["doc_id"]}
            for n, piece in enumerate(pieces)
        ]
    assert result.to_pylist() == expected
    assert result.schema.field("text").type == batch.schema.field("text").type


@given(batch=documents(st.none() | TEXTS, min_rows=1), most=st.none() | st.integers(1, 12))
@settings(max_examples=200)
def test_joining_is_that_of_python(clean, batch, most):
    parts, _ = clean("split", batch, separator="|")
    result, _ = clean("join", parts, separator="<>", max_length=most)
    expected = []
    for row in batch.to_pylist():
        pieces = [part["text"] for part in parts.to_pylist() if part["segment_of"] == row["doc_id"]]
        joined = []
        for piece in pieces:
            if joined and (most is None or len(joined[-1]) + 2 + len(piece) <= most):
                joined[-1] += "<>" + piece
            else:
                joined.append(piece)
        expected += [
            row
            | {"doc_id": row["doc_id"] if most is None else f"{row['doc_id']}#{n}", "text": text, "segment": n, "segment_of": row["doc_id"]}
            for n, text in enumerate(joined)
        ]
    assert result.to_pylist() == expected


def test_rows_without_a_whole_stay_alone(clean):
    batch = pa.record_batch({"doc_id": ["a", "b", "c"], "text": ["x", "y", None], "segment_of": pa.array([None] * 3, pa.string())})
    result, _ = clean("join", batch)
    assert result.column("doc_id").to_pylist() == ["a", "b", "c"]
    assert result.column("text").to_pylist() == ["x", "y", None]


PIPELINE = """
name: segments
stages:
  - id: stories
    source: jsonl
    parameters: {files: [FOLDER/a.jsonl, FOLDER/b.jsonl], columns: {id: id}}
  - id: refine
    operations:
      - cleaning.split: {separator: "|"}
      - filters.quality: {extra_rules: [{signal: word_count, min: 2}]}
  - id: whole
    operations:
      - cleaning.join: {separator: "\\n"}
  - id: lines
    export: jsonl
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Two files of documents with up to four segments, of which those of one word are rejected."""
    folder = tmp_path_factory.mktemp("segments")
    for name in "ab":
        rows = [{"id": f"{name}{n}", "text": "|".join(["two words", "one", "three more words", "x"][: n % 5])} for n in range(1, 60)]
        rows += [{"id": f"{name}-long", "text": "|".join("some words of a long text" for _ in range(200))}]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row["text"]))
    (folder / "segments.yaml").write_text(PIPELINE.replace("FOLDER", str(folder)))
    outcomes = run_pipeline(folder / "segments.yaml", "all", str(folder / "data"), workers=1)
    return {outcome["stage"]: read_manifest(outcome["manifest"]) for outcome in outcomes}


def test_every_row_is_accounted_for(ran):
    rows = {row["stage"]: row for row in funnel(ran["lines"])}
    assert imbalances(list(rows.values())) == []
    refine, whole = rows["refine"], rows["whole"]
    assert refine["documents_in"] + refine["split"] == refine["documents"] + refine["rejected"]
    assert refine["split"] > refine["rejected"] > 0
    assert whole["documents_in"] - whole["joined"] == whole["documents"]
    assert verify(ran["lines"]) == []
    assert "split" not in ran["whole"].counts
    assert {"split", "joined"}.isdisjoint(ran["stories"].counts)


def test_segments_are_joined_across_row_groups(ran, monkeypatch, tmp_path):
    from curation_tasks.storage import shard

    monkeypatch.setattr(shard, "ROW_GROUP_ROWS", 3)
    folder = ran["stories"].root.rsplit("/", 1)[0]
    outcomes = run_pipeline(f"{folder}/segments.yaml", "all", str(tmp_path), workers=1)
    assert [outcome["digest"] for outcome in outcomes[2:]] == [ran[name].digest for name in ("refine", "whole", "lines")]


def test_a_document_is_followed_through_its_segments(ran):
    told = explain(ran["lines"], "stories:a3", show_text=True)
    assert [(row["stage"], row["outcome"], row["doc_id"]) for row in told] == [
        ("stories", "kept", "stories:a3"),
        ("refine", "kept", "stories:a3#0"),
        ("refine", "kept", "stories:a3#2"),
        ("refine", "rejected", "stories:a3#1"),
        ("whole", "kept", "stories:a3"),
        ("lines", "exported", "stories:a3"),
    ]
    assert told[4]["text"] == "two words\nthree more words"
    assert [row["outcome"] for row in explain(ran["lines"], "stories:a3#1")] == ["rejected"]
