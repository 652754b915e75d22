"""A real Airflow (api-server, scheduler, dag-processor, triggerer) on PostgreSQL, with its data in a real S3 store.

Discovery against a local HTTP server, a backfill of three snapshots of which one runs twice at the same time, a stage
killed in the middle, a new snapshot found and run on schedule, and a blend that follows both its inputs. What is published
is equal to what plain ``curate run`` makes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from curation_airflow.asset_events import PartitionAssetManager
from curation_airflow.postgres import PostgresServer
from curation_tasks.lineage.published import published_snapshots

pytestmark = pytest.mark.service

FRUIT = {"apples": "apple", "pears": "pear", "plums": "plum"}
PRODUCER = """
name: {name}
partitions: snapshot
stages:
  - id: {name}-basket
    source: fruit_parts:season
    parameters: {{fruit: {fruit}, origin: "{origin}"}}
  - id: crate
    export: fruit_parts:lines
  - id: published
    publish: {{}}
"""
CONSUMER = """
name: salad
partitions: snapshot
schedule: inputs
stages:
  - id: apples
    source: published
    parameters: {pipeline: apples, dataset: crate}
  - id: pears
    source: published
    parameters: {pipeline: pears, dataset: crate}
  - id: mixed
    needs: [apples, pears]
    blend: {weights: {apples: 2, pears: 1}, unit: documents}
  - id: bowl
    export: fruit_parts:lines
  - id: published
    publish: {}
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, radosgw_environment, origin, airflow_with) -> Iterator[Any]:
    from s3fs import S3FileSystem

    folder = tmp_path_factory.mktemp("airflow")
    pipelines = {name: PRODUCER.format(name=name, fruit=fruit, origin=origin[0]) for name, fruit in FRUIT.items()}
    store = {
        **radosgw_environment,
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    transport = {"type": "file", "log_file_path": f"{folder}/events.jsonl", "append": True}
    settings = (
        # Results of stages in a store instead of the database.
        "CORE__XCOM_BACKEND=airflow.providers.common.io.xcom.backend.XComObjectStorageBackend",
        f"COMMON_IO__XCOM_OBJECTSTORAGE_PATH=file://{folder}/xcom", "COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD=0",
        f"OPENLINEAGE__TRANSPORT={json.dumps(transport)}", "OPENLINEAGE__NAMESPACE=orchard",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.items():
            patch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        S3FileSystem().mkdir("end-to-end")
        root = "s3://end-to-end/data"
        with airflow_with(folder, root, pipelines | {"salad": CONSUMER}, "postgres", settings, CURATE_TEST_UNIT_DELAY="0.5") as found:
            yield found


def kill_a_stage(name: str) -> None:
    """Kills the first process ``curate stage {name}`` there is, as a machine out of memory does."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if "stage" in line and name in line and "--resolved" in line:
                with contextlib.suppress(psutil.NoSuchProcess):
                    # Within the delay of its first unit.
                    time.sleep(1)
                    process.send_signal(signal.SIGKILL)
                    return
        time.sleep(0.2)
    raise AssertionError(f"no stage {name!r} was started")


@pytest.mark.timeout(3600)
def test_snapshots_from_discovery_to_the_blend(deployment, origin):
    listed = origin[1]
    for dag in ("discovery", "salad"):
        deployment.unpause(dag)
    deployment.discover()
    for dag in ("apples", "pears"):
        deployment.knows(dag, "2026-07")

    # A backfill of three; unpausing also schedules the newest, so 2026-07 runs twice at the same time.
    window = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-12-31T00:00:00Z"}
    body = window | {"dag_id": "apples", "run_backwards": True, "max_active_runs": 1, "reprocess_behavior": "none", "dag_run_conf": {}}
    dry = deployment.client.post("/api/v2/backfills/dry_run", json=body).raise_for_status().json()
    assert dry["total_entries"] == 3
    deployment.client.post("/api/v2/backfills", json=body).raise_for_status()
    for dag in ("apples", "pears"):
        deployment.unpause(dag)
    kill_a_stage("apples-basket")
    deployment.wait("the backfill", lambda: {"2026-02", "2026-05", "2026-07"} <= set(deployment.succeeded("apples")))
    deployment.wait("the scheduled run", lambda: deployment.succeeded("pears") == ["2026-07"])
    deployment.wait("both runs of 2026-07", lambda: deployment.succeeded("apples").count("2026-07") == 2)
    tries = [
        instance["try_number"]
        for run in deployment.runs("apples")
        for instance in deployment.get(f"/dags/apples/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
        if instance["task_id"] == "apples-basket"
    ]
    assert max(tries) == 2, tries

    # Both inputs have 2026-07, so the blend has run for it, and for no other.
    deployment.wait("the blend of 2026-07", lambda: set(deployment.succeeded("salad")) == {"2026-07"})

    listed.append("2026-09 2026-09-01")
    deployment.discover()
    for dag in ("apples", "pears"):
        deployment.wait(f"2026-09 of {dag}", lambda dag=dag: "2026-09" in deployment.succeeded(dag))
    deployment.wait("the blend of 2026-09", lambda: set(deployment.succeeded("salad")) == {"2026-07", "2026-09"})

    [event, *_] = deployment.get("/assets/events", limit=1, order_by="-timestamp")["asset_events"]
    assert event["partition_key"] == "2026-09"
    assert {"manifest", "digest", "counts", "published"} <= set(event["extra"])
    refused = deployment.client.post("/api/v2/dags/apples/dagRuns", json={"logical_date": None, "partition_key": "2026-08"})
    assert refused.status_code == 400
    assert "did you mean" in refused.text

    # What was curated is curated again on demand, and finds all of its work done.
    window = {"from_date": "2026-05-01T00:00:00Z", "to_date": "2026-05-01T00:00:00Z"}
    again = body | window | {"reprocess_behavior": "completed"}
    deployment.client.post("/api/v2/backfills", json=again).raise_for_status()
    deployment.wait("2026-05 once more", lambda: deployment.succeeded("apples").count("2026-05") == 2)
    results = [json.loads(path.read_text()) for path in (deployment.home.parent / "xcom").rglob("*") if path.is_file()]
    stages = [result for result in results if isinstance(result, dict) and "manifest" in result]
    assert sum(result["reused"] for result in stages) >= 4
    assert max(len(json.dumps(result)) for result in stages) <= 4096

    # The events of a stage name the run of its Airflow task as their parent.
    events = [json.loads(line) for line in (deployment.home.parent / "events.jsonl").read_text().splitlines()]
    tasks = {event["run"]["runId"] for event in events if event["job"]["name"] == "apples.crate"}
    stages = [event for event in events if event["job"]["name"] == "curation.apples.crate"]
    assert {"START", "COMPLETE"} == {event["eventType"] for event in stages}
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in stages} <= tasks
    assert {event["run"]["facets"]["parent"]["root"]["job"]["name"] for event in stages} == {"apples"}

    published = {name: deployment.digests(name) for name in ("apples", "pears", "salad")}
    assert {name: sorted(found) for name, found in published.items()} == {
        "apples": ["2026-02", "2026-05", "2026-07", "2026-09"], "pears": ["2026-07", "2026-09"], "salad": ["2026-07", "2026-09"],
    }  # fmt: skip
    plain = "s3://end-to-end/plain"
    environment = {name: value for name, value in os.environ.items() if name != "CURATE_TEST_UNIT_DELAY"}
    for name, found in published.items():
        for snapshot in sorted(found):
            command = [str(Path(sys.executable).with_name("curate")), "run", str(deployment.pipelines / f"{name}.yaml")]
            subprocess.run([*command, "--root", plain, "--snapshot", snapshot, "--no-report"], env=environment, check=True)
        assert {key: entry["digest"] for key, entry in published_snapshots(plain, name).items()} == found


@pytest.mark.timeout(2400)
def test_backfills_from_the_command_line(deployment, origin):
    """``airflow backfill create`` in both directions, and what it does with snapshots that were run before."""
    deployment.unpause("discovery")
    deployment.discover()
    deployment.knows("plums", origin[1][-1].split()[0])

    def backfill(*more: str) -> str:
        return deployment.airflow("backfill", "create", "--dag-id", "plums", "--from-date", "2026-01-01", "--to-date", "2026-06-30", *more)

    def done(backfills: int) -> list[dict[str, Any]]:
        """The runs of backfills in the order in which they began, when so many backfills are complete and no run is going on."""

        def complete() -> bool:
            listed = deployment.get("/backfills", dag_id="plums")["backfills"]
            return len(listed) == backfills and all(item["completed_at"] for item in listed)

        deployment.wait(f"backfill number {backfills} of plums", complete)
        runs = [run for run in deployment.runs("plums") if run["run_type"] == "backfill"]
        return sorted(runs, key=lambda run: run["start_date"])

    def keys(printed: str) -> list[str]:
        """The snapshots of a dry run, in its order."""
        return re.findall(r"\| (2026-\d\d) ", printed)

    assert keys(backfill("--dry-run")) == ["2026-02", "2026-05"]
    assert keys(backfill("--dry-run", "--run-backwards")) == ["2026-05", "2026-02"]

    # One run fails: its configuration names another snapshot than its key.
    deployment.unpause("plums")
    backfill("--max-active-runs", "1", "--dag-run-conf", '{"snapshot": "2026-02"}')
    first = done(1)
    assert [(run["partition_key"], run["state"]) for run in first] == [("2026-02", "success"), ("2026-05", "failed")]
    assert first[0]["end_date"] <= first[1]["start_date"]

    assert keys(backfill("--dry-run", "--reprocess-behavior", "none")) == []
    assert keys(backfill("--dry-run", "--reprocess-behavior", "failed")) == ["2026-05"]
    assert keys(backfill("--dry-run", "--reprocess-behavior", "completed")) == ["2026-02", "2026-05"]
    backfill("--max-active-runs", "1", "--reprocess-behavior", "failed")
    assert [(run["partition_key"], run["state"]) for run in done(2)[2:]] == [("2026-05", "success")]

    backfill("--max-active-runs", "1", "--reprocess-behavior", "completed", "--run-backwards")
    again = done(3)[3:]
    assert [(run["partition_key"], run["state"]) for run in again] == [("2026-05", "success"), ("2026-02", "success")]
    assert again[0]["end_date"] <= again[1]["start_date"]


@pytest.mark.timeout(2400)
def test_events_of_two_inputs_at_once_wait_in_one_row(deployment):
    """Airflow's own manager locks assets, so that each of two would get a row, and the blend would wait for ever."""
    from airflow.models.asset import AssetModel, AssetPartitionDagRun
    from airflow.models.dag import DagModel
    from sqlalchemy import create_engine, delete, select
    from sqlalchemy.orm import Session

    engine = create_engine(PostgresServer(deployment.home).address)
    key = "at-once"

    def gather(session: Session, asset: str) -> int:
        return PartitionAssetManager._get_or_create_apdr(
            session=session, target_key=key, target_partition_date=None, target_dag=session.get(DagModel, "salad"), rollup_fingerprint={},
            asset_id=session.scalar(select(AssetModel.id).where(AssetModel.name == asset)),
        ).id  # fmt: skip

    def gather_and_commit(asset: str) -> int:
        with Session(engine) as session, session.begin():
            return gather(session, asset)

    with Session(engine) as first, ThreadPoolExecutor(1) as pool:
        row = gather(first, "apples.crate")
        second = pool.submit(gather_and_commit, "pears.crate")
        time.sleep(1)
        assert not second.done()
        first.commit()
        assert second.result(60) == row
        first.execute(delete(AssetPartitionDagRun).where(AssetPartitionDagRun.partition_key == key))
        first.commit()
    engine.dispose()
