"""Blends by weight, and pipelines that read what others have published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from curation_tasks.errors import InputError
from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.funnel import funnel, imbalances
from curation_tasks.lineage.graph import draw, lineage_graph
from curation_tasks.lineage.verify import verify
from curation_tasks.manifest import read_manifest
from curation_tasks.plan import plan
from curation_tasks.runner.blend_stage import blend_ratios
from curation_tasks.runner.retention import expired_folders
from curation_tasks.snapshots import discover
from curation_tasks.spec import parse_pipeline

pytestmark = pytest.mark.usefixtures("own_parts")

PRODUCER = """
name: {name}
partitions: snapshot
stages:
  - id: lines-{name}
    source: curation_test_parts:LINES
    parameters: {{units: 3, documents: {documents}}}
  - id: text
    export: curation_test_parts:TEXT
  - id: publish
    publish: {{}}
"""
BLEND = """
name: mix
partitions: snapshot
stages:
  - id: first
    source: published
    parameters: {pipeline: one, columns: {url: string}}
  - id: second
    source: published
    parameters: {pipeline: two, columns: {url: string}}
  - id: mixed
    needs: [first, second]
    blend: {weights: {first: 3, second: 1}, unit: documents, seed: 5}
  - id: publish
    publish: {}
"""


@pytest.fixture
def run_text(tmp_path, run):
    """Runs a pipeline given as text; the results by stage."""

    def runner(text: str, snapshot: str = "s1", order=list) -> dict:
        path = tmp_path / f"{text.split()[1]}.yaml"
        path.write_text(text, encoding="utf-8")
        return run(path, order=order, snapshot=snapshot)

    return runner


@pytest.fixture
def producers(run_text):
    """Two published pipelines of 1,500 and 900 documents."""
    return run_text(PRODUCER.format(name="one", documents=500)), run_text(PRODUCER.format(name="two", documents=300))


def rows(outcome: dict) -> list[dict]:
    dataset = read_manifest(outcome["manifest"]).dataset()
    return [row for shard in dataset.shards for batch in dataset.read(shard) for row in batch.to_pylist()]


def test_documents_of_another_pipeline_keep_their_identity(producers, run_text):
    outcomes = run_text(BLEND)
    assert rows(outcomes["first"]) == rows(producers[0]["lines-one"])


def test_a_blend_has_the_wanted_weights_and_loses_nobody(producers, run_text):
    outcomes = run_text(BLEND)
    kept = [row["doc_id"] for row in rows(outcomes["mixed"])]
    assert len(kept) == len(set(kept))
    # The largest blend of 3 : 1 takes all 1,500 of the first and 500 of the second, give or take what chance does.
    assert outcomes["mixed"]["counts"]["documents"] == pytest.approx(2000, abs=75)
    assert set(kept) >= {row["doc_id"] for row in rows(outcomes["first"])}
    manifest = read_manifest(outcomes["mixed"]["manifest"])
    assert imbalances(funnel(manifest)) == []
    assert manifest.content["reasons"] == {"not_sampled": 2400 - len(kept)}
    left_out = next(row["doc_id"] for row in rows(outcomes["second"]) if row["doc_id"] not in set(kept))
    assert "not_sampled" in str(explain(manifest, left_out))
    assert verify(manifest) == []


def test_which_documents_are_taken_depends_on_identity_and_seed_alone(producers, run_text):
    first = run_text(BLEND)["mixed"]
    assert run_text(BLEND, order=lambda units: units[::-1])["mixed"]["digest"] == first["digest"]
    other = run_text(BLEND.replace("seed: 5", "seed: 6"))["mixed"]
    assert other["digest"] != first["digest"]
    smaller = run_text(BLEND.replace("seed: 5", "seed: 5, size: 1000"))["mixed"]
    assert {row["doc_id"] for row in rows(smaller)} < {row["doc_id"] for row in rows(first)}


def test_a_blend_that_is_too_large_says_how_large_it_can_be(producers, run_text):
    with pytest.raises(InputError, match=r"'first' more than once\n  expected: `size` of at most 2,000"):
        run_text(BLEND.replace("seed: 5", "size: 2001"))


def test_ratios_by_text():
    counts = {"a": {"text_bytes": 1000}, "b": {"text_bytes": 100}}
    options = {"unit": "text_bytes", "weights": {"a": 0.5, "b": 0.5}, "size": None}
    assert blend_ratios(options, counts) == {"a": 0.1, "b": 1.0}
    assert blend_ratios(options | {"size": 50}, counts) == {"a": 0.025, "b": 0.25}
    with pytest.raises(InputError, match="'b' of the blend has no documents"):
        blend_ratios(options, counts | {"b": {"text_bytes": 0}})


def test_what_is_not_published_is_refused_with_the_nearest(producers, run_text):
    with pytest.raises(InputError, match="has published no snapshot 's2'; known: s1"):
        run_text(BLEND, snapshot="s2")
    with pytest.raises(InputError, match="did you mean 'url'"):
        run_text(BLEND.replace("{url: string}", "{urls: string}"))


def test_latest_takes_the_newest_publication(producers, run_text):
    run_text(PRODUCER.format(name="one", documents=10), snapshot="s2")
    outcomes = run_text(BLEND.replace("pipeline: one", "pipeline: one, snapshot: latest"))
    assert outcomes["first"]["counts"]["documents"] == 30


def test_what_is_published_is_a_snapshot_to_discover(producers, tmp_path):
    found = discover(plan(parse_pipeline(BLEND)), str(tmp_path / "data"))
    assert [item.id for item in found.snapshots] == ["s1"]
    assert Path(found.uri).exists()


def test_lineage_reaches_the_source_files_of_other_pipelines(producers, run_text, tmp_path):
    outcomes = run_text(BLEND)
    nodes = lineage_graph(read_manifest(outcomes["publish"]["manifest"]))
    assert [(node.pipeline, node.stage) for node in nodes.values()] == [
        ("one", "lines-one"), ("mix", "first"), ("two", "lines-two"), ("mix", "second"), ("mix", "mixed"), ("mix", "publish"),
    ]  # fmt: skip
    assert len(nodes[producers[0]["lines-one"]["manifest"]].files) == 3
    assert nodes[outcomes["first"]["manifest"]].inputs == [producers[0]["lines-one"]["manifest"]]
    drawing = draw(nodes)
    assert drawing == draw(nodes)
    assert all(name in drawing.decode() for name in ("one/s1: lines-one", "mix/s1: mixed", "3 files", "1,500 documents"))


def test_housekeeping_keeps_what_a_published_blend_was_made_from(producers, run_text, tmp_path):
    run_text(BLEND)
    run_text(PRODUCER.format(name="one", documents=490))
    expired = expired_folders(str(tmp_path / "data"), 7, now=datetime.now(UTC) + timedelta(days=30))
    assert producers[0]["lines-one"]["manifest"].rsplit("/", 1)[0] not in expired
    assert producers[0]["text"]["manifest"].rsplit("/", 1)[0] in expired
