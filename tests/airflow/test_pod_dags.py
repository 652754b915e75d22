"""The same pipelines where the deployment runs stages as pods: what the scheduler sees, and what parsing costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation_airflow.dag_factory import build_dags
from curation_airflow.pod_settings import pod_settings
from curation_airflow.settings import airflow_environment
from curation_tasks.errors import ConfigError

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def load(runner: str, subprocess_environment, pipelines, home: Path) -> dict:
    folders = os.pathsep.join([str(pipelines), str(REPOSITORY / "dags" / "pipelines")])
    ours = {"CURATE_PIPELINES": folders, "CURATE_ROOT": "/data", "CURATE_STAGE_RUNNER": runner, "CURATE_POD_IMAGE": "curation-worker:cpu"}
    environment = airflow_environment(home, LOGGING__LOGGING_LEVEL="ERROR") | dict(subprocess_environment) | ours
    done = subprocess.run([sys.executable, str(HERE / "dag_facts.py")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def as_pods(subprocess_environment, pipelines, tmp_path_factory) -> dict:
    return load("pod", subprocess_environment, pipelines, tmp_path_factory.mktemp("pods"))


@pytest.fixture(scope="module")
def as_processes(subprocess_environment, pipelines, tmp_path_factory) -> dict:
    return load("process", subprocess_environment, pipelines, tmp_path_factory.mktemp("processes"))


def test_the_dags_are_the_same_but_for_their_operator(as_pods, as_processes):
    assert as_pods["import_errors"] == {}
    assert set(as_pods["dags"]) == set(as_processes["dags"])
    for name, dag in as_pods["dags"].items():
        if "maintenance" in dag["tags"]:
            continue  # housekeeping has something more to do where there are pods
        other = as_processes["dags"][name]
        assert dag["tags"] == other["tags"]
        for task_id, task in dag["tasks"].items():
            same = {key: value for key, value in task.items() if key not in ("type", "links")}
            assert same == {key: value for key, value in other["tasks"][task_id].items() if key not in ("type", "links")}
    assert {task["type"] for task in as_pods["dags"]["fruit"]["tasks"].values()} == {"StagePodOperator"}
    assert {task["type"] for task in as_processes["dags"]["fruit"]["tasks"].values()} == {"StageOperator"}


def test_no_engine_is_imported_and_the_kubernetes_client_only_for_pods(as_pods, as_processes):
    assert as_processes["heavy"] == []
    assert as_pods["heavy"] == ["kubernetes"]


def test_parsing_stays_cheap(as_processes):
    """What it loads beyond what Airflow has loaded itself; in modules, since seconds depend on the machine."""
    assert as_processes["modules"] < 150


def test_each_stage_links_to_its_dashboard(as_pods):
    assert as_pods["dags"]["fruit"]["tasks"]["sorted"]["links"] == ["Dask dashboard"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CURATE_POD_CLUSTER", "kubernets", "one of: kubernetes, local"),
        ("CURATE_POD_DEFERRABLE", "yes", "one of: true, false"),
        ("CURATE_POD_LOG_SECONDS", "soon", "'soon' is not a number of seconds"),
        ("CURATE_POD_STARTUP_SECONDS", "-1", "'-1' is not a number of seconds"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=variable) as caught:
        pod_settings()
    assert said in str(caught.value)


def test_a_pool_without_template_names_the_others(monkeypatch, tmp_path):
    (tmp_path / "cpu.yaml").write_text("kind: Pod")
    monkeypatch.setenv("CURATE_POD_TEMPLATES", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no pod template for the pool 'gpu'(?s:.)*one of: cpu"):
        pod_settings().template("gpu")


def test_a_wrong_deployment_is_shown_by_every_dag(monkeypatch):
    monkeypatch.setenv("CURATE_STAGE_RUNNER", "pods")
    dag = build_dags([REPOSITORY / "dags" / "pipelines"], "/data")["quickstart"]
    assert "invalid" in dag.tags
    assert "CURATE_STAGE_RUNNER: stages cannot run as 'pods'; did you mean 'pod'" in dag.doc_md
