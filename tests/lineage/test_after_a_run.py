"""The lineage of what the runner really writes: the other tests build their manifests themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.funnel import funnel, imbalances
from curation_tasks.lineage.report import render_report
from curation_tasks.lineage.verify import verify
from curation_tasks.manifest import Manifest, read_manifest

PIPELINE = """
name: small
stages:
  - id: stories
    source: jsonl
    parameters: {files: [FILES], columns: {id: id, url: url}}
  - id: refine
    operations: [cleaning.quotes, {filters.quality: {rules: tinystories}}]
  - id: exact
    reduction: dedup.exact
  - id: compact
    compact: {}
  - id: lines
    export: jsonl
    needs: [compact]
  - id: table
    export: parquet
    needs: [compact]
  - id: publish
    needs: [lines, table]
    publish: {}
"""


def story(number: int) -> str:
    words = " ".join(f"word{number}x{index}" for index in range(10 if number % 5 == 0 else 100))
    return f"Once \u201cupon\u201d a time {words}." if number % 5 == 1 else f"Once upon a time {words}."


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A run over two files of 20 stories: 8 too short, 2 copies of a kept one, 8 with curly quotes, one line broken."""
    from distributed import Client

    from curation_tasks.plan import plan
    from curation_tasks.runner import StageRequest, Surroundings, run_stage
    from curation_tasks.spec import load_pipeline

    folder = tmp_path_factory.mktemp("run")
    for name, first in (("a", 0), ("b", 20)):
        rows = [{"id": str(n), "url": f"https://example/{n}", "text": story(3 if n in (22, 23) else n)} for n in range(first, first + 20)]
        lines = [json.dumps(row) for row in rows] + (["{broken"] if name == "b" else [])
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    pipeline = folder / "small.yaml"
    pipeline.write_text(PIPELINE.replace("FILES", str(folder / "*.jsonl")))
    outcomes: dict[str, Mapping[str, Any]] = {}
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0") as client:

        @contextmanager
        def one_client(settings: Any) -> Iterator[Client]:
            yield client

        planned = plan(load_pipeline(pipeline))
        for name in ("resolve", *(stage.id for stage in planned.stages)):
            needs = planned.by_id[name].needs if outcomes else ()
            request = StageRequest(
                stage=name, pipeline_file=str(pipeline), root=str(folder / "root"),
                resolved=outcomes["resolve"]["manifest"] if outcomes else None, inputs={need: outcomes[need]["manifest"] for need in needs},
            )  # fmt: skip
            outcomes[name] = run_stage(request, Surroundings(client=one_client))
    return read_manifest(outcomes["publish"]["manifest"])


def test_a_run_verifies_and_its_funnel_adds_up(ran: Manifest) -> None:
    rows = {row["stage"]: row for row in funnel(ran)}

    assert verify(ran) == []
    assert imbalances(list(rows.values())) == []
    assert {stage: (row["documents_in"], row["documents"]) for stage, row in rows.items()} == {
        "stories": (41, 40), "refine": (40, 32), "exact": (32, 30), "compact": (30, 30), "lines": (30, 30), "table": (30, 30),
    }  # fmt: skip
    assert rows["refine"]["reasons"] == {"tinystories.word_count.min": 8}


def test_a_run_explains_documents_through_compaction_to_both_exports(ran: Manifest) -> None:
    rows = explain(ran, "https://example/31")

    assert [(row["stage"], row["outcome"]) for row in rows] == [
        ("stories", "kept"), ("refine", "kept"), ("exact", "kept"), ("compact", "kept"), ("lines", "exported"), ("table", "exported"),
        ("publish", "published"),
    ]  # fmt: skip
    assert [row["text_changed"] for row in rows[:4]] == [None, True, False, False]
    lines = Path(rows[4]["file"]).read_text().splitlines()
    assert json.loads(lines[rows[4]["row"]])["doc_id"] == "stories:31"
    rejected = explain(ran, "stories:23")[-1]
    assert (rejected["stage"], rejected["evidence"]["survivor"]) == ("exact", "stories:3")


def test_a_run_has_its_signals_with_thresholds_in_the_report(ran: Manifest) -> None:
    page = render_report(ran)

    assert "tinystories.word_count.min at 80: 8 rejected" in page
    assert page.count("data-signal=") == 5


def test_a_spoiled_run_is_found_out(ran: Manifest) -> None:
    source = Path(ran.root).parent / "a.jsonl"
    before = source.read_bytes()
    try:
        source.write_bytes(before.replace(b"Once", b"ONCE", 1))
        assert [(item.stage, item.what) for item in verify(ran)] == [("stories", "the source file was changed")]
    finally:
        source.write_bytes(before)
