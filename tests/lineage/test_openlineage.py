"""OpenLineage events, as a collector receives them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from curation_tasks.cli.run import run_pipeline
from curation_tasks.errors import CurationError, TransientError
from curation_tasks.lineage import openlineage
from curation_tasks.lineage.openlineage import StageEvents, is_configured
from curation_tasks.manifest import read_manifest

PARENT = "http://airflow/instance/dag.task/01941c2e-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def _no_other_configuration(monkeypatch, tmp_path):
    """The client rewrites some of its variables in the environment of its process; nothing of that stays."""
    before = {name: value for name, value in os.environ.items() if name.startswith("OPENLINEAGE")}
    for name in before:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def collector(monkeypatch) -> Iterator[list[dict]]:
    """An HTTP server that OpenLineage is configured to send to; the events that it got."""
    events: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "tests")
    yield events
    server.shutdown()
    thread.join()
    server.server_close()


def of(events: list[dict], stage: str) -> list[dict]:
    return [event for event in events if event["job"]["name"] == f"curation.demo.{stage}"]


def test_a_run_tells_of_each_stage_what_it_read_and_wrote(pipeline, tmp_path, collector, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", PARENT)
    monkeypatch.setenv("OPENLINEAGE_ROOT_PARENT_ID", "http://airflow/instance/dag/01941c2e-0000-7000-8000-000000000000")
    outcomes = {item["stage"]: item for item in run_pipeline(pipeline(), "all", str(tmp_path / "data"))}
    for stage in outcomes:
        assert [event["eventType"] for event in of(collector, stage)] == ["START", "COMPLETE"], stage
        assert len({event["run"]["runId"] for event in of(collector, stage)}) == 1
    done = of(collector, "refine")[1]
    manifest = read_manifest(outcomes["refine"]["manifest"])
    assert done["job"]["namespace"] == "tests"
    assert [item["name"] for item in done["inputs"]] == [f"{tmp_path}/data/demo/all/lines"]
    [output] = done["outputs"]
    assert (output["namespace"], output["name"]) == ("file", f"{tmp_path}/data/demo/all/refine")
    assert output["facets"]["version"]["datasetVersion"] == manifest.digest
    assert {"name": "characters", "type": "int64"} in [
        {name: field[name] for name in ("name", "type")} for field in output["facets"]["schema"]["fields"]
    ]
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["fileCount"]) == (manifest.counts["documents"], 6)
    funnel = done["run"]["facets"]["curation_funnel"]
    assert (funnel["documentsIn"], funnel["documents"], funnel["rejected"]) == (
        240, manifest.counts["documents"], manifest.counts["rejected"],
    )  # fmt: skip
    assert funnel["reasons"] == [{"reason": "too_short", "documents": manifest.counts["rejected"]}]
    assert done["run"]["facets"]["curation_stage"]["key"] == manifest.key
    parent = done["run"]["facets"]["parent"]
    assert (parent["job"]["namespace"], parent["job"]["name"]) == ("http://airflow/instance", "dag.task")
    assert parent["root"]["job"]["name"] == "dag"
    assert [item["name"] for item in of(collector, "lines")[0]["inputs"]] == [f"lines-{number}" for number in range(6)]


def test_a_stage_that_was_done_before_says_so(pipeline, tmp_path, collector):
    path = pipeline()
    run_pipeline(path, "all", str(tmp_path / "data"))
    collector.clear()
    run_pipeline(path, "all", str(tmp_path / "data"))
    done = [event for event in collector if event["eventType"] == "COMPLETE"]
    assert len(done) == 7
    assert all(event["run"]["facets"]["curation_funnel"]["reused"] for event in done)


def test_a_failure_is_told_without_what_documents_say(pipeline, tmp_path, collector):
    with pytest.raises(TransientError):
        run_pipeline(pipeline(**{"documents: 40": "documents: 40, failing: transient"}), "all", str(tmp_path / "data"))
    failed = of(collector, "lines")[-1]
    assert failed["eventType"] == "FAIL"
    assert "the network is away" in failed["run"]["facets"]["errorMessage"]["message"]
    StageEvents("demo", "all", "lines").fail(ValueError("secret text of a document"))
    assert collector[-1]["run"]["facets"]["errorMessage"]["message"] == "ValueError"


def test_a_long_stage_says_that_it_is_running(pipeline, tmp_path, collector, monkeypatch):
    """One unit is all there is to do, and it takes a while."""
    monkeypatch.setattr(openlineage, "RUNNING_SECONDS", 0.2)
    monkeypatch.setenv("CURATE_TEST_UNIT_DELAY", "1")
    run_pipeline(pipeline(**{"units: 6": "units: 1"}), "all", str(tmp_path / "data"), until="lines")
    kinds = [event["eventType"] for event in of(collector, "lines")]
    assert (kinds[0], kinds[-1]) == ("START", "COMPLETE")
    assert len(kinds) > 3
    assert set(kinds[1:-1]) == {"RUNNING"}
    assert len({event["run"]["runId"] for event in of(collector, "lines")}) == 1


def test_a_run_that_cannot_be_resolved_says_so(tmp_path, collector):
    path = tmp_path / "demo.yaml"
    path.write_text("name: demo\nstages:\n  - id: lines\n    source: jsonl\n    parameters: {files: [nowhere/*.jsonl]}\n", encoding="utf-8")
    with pytest.raises(CurationError):
        run_pipeline(path, "all", str(tmp_path / "data"))
    assert [event["eventType"] for event in of(collector, "resolve")] == ["START", "FAIL"]


def test_a_collector_that_is_down_fails_no_stage(pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", '{"type": "http", "url": "http://127.0.0.1:9", "timeout": 1, "retry": {"total": 0}}')
    outcomes = run_pipeline(pipeline(), "all", str(tmp_path / "data"), until="lines")
    assert outcomes[-1]["stage"] == "lines"


def test_nothing_is_sent_without_a_configuration(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert not is_configured()
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    assert is_configured()
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    assert not is_configured()
