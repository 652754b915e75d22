"""The DAGs that pipeline files become."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from curation_airflow.dag_factory import MAINTENANCE_DAGS, build_dags, pipeline_folders
from curation_airflow.settings import airflow_environment

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


@pytest.fixture(scope="module")
def facts(subprocess_environment, pipelines, tmp_path_factory) -> dict:
    """What Airflow sees of the test pipelines and of the repository's own."""
    airflow = airflow_environment(tmp_path_factory.mktemp("airflow"), LOGGING__LOGGING_LEVEL="ERROR")
    folders = os.pathsep.join([str(pipelines), str(REPOSITORY / "dags" / "pipelines")])
    environment = airflow | dict(subprocess_environment) | {"CURATE_PIPELINES": folders, "CURATE_ROOT": "/data"}
    done = subprocess.run([sys.executable, str(HERE / "dag_facts.py")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_dag_files_load_without_errors(facts):
    assert facts["import_errors"] == {}


def test_parsing_loads_no_engine(facts):
    assert facts["heavy"] == []


def test_every_pipeline_file_is_a_dag(facts, pipelines):
    own = {path.stem for path in (REPOSITORY / "dags" / "pipelines").glob("*.yaml")}
    assert set(facts["dags"]) == {path.stem for path in pipelines.glob("*.yaml")} | own | set(MAINTENANCE_DAGS)


def test_only_the_wrong_file_is_invalid(facts):
    assert [name for name, dag in facts["dags"].items() if "invalid" in dag["tags"]] == ["unripe"]


def test_every_dag_follows_the_rules(facts):
    for name, dag in facts["dags"].items():
        assert "curation" in dag["tags"], name
        assert dag["doc"].startswith(f"# {name}"), name
        assert dag["max_active_runs"] == 1, name
        assert dag["catchup"] is False, name
        if name in MAINTENANCE_DAGS:
            assert dag["schedule"] == "CronTriggerTimetable", name
            assert dag["paused"], name
            continue
        assert dag["schedule"] in ("NullTimetable", "SnapshotTimetable", "CronPartitionTimetable", "PartitionedAssetTimetable"), name
        assert dag["schedule"] == "NullTimetable" or dag["paused"], name
        for task, found in dag["tasks"].items():
            assert found["owner"] not in ("", "airflow"), (name, task)
            assert found["doc"], (name, task)
            if "invalid" not in dag["tags"]:
                assert (found["retries"], found["backoff"]) == (5, 2.0), (name, task)


def test_stages_are_tasks_in_the_order_of_their_needs(facts):
    tasks = facts["dags"]["fruit"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "resolve": [],
        "basket": ["resolve"],
        "sorted": ["basket"],
        "crate": ["sorted"],
        "published": ["crate"],
    }
    assert {task["type"] for task in tasks.values()} == {"StageOperator"}
    assert {task["owner"] for task in tasks.values()} == {"orchard"}
    assert facts["dags"]["fruit"]["tags"] == ["curation", "small"]


def test_a_published_dataset_is_an_asset_of_the_publish_task(facts):
    outlets = {name: task["outlets"] for name, task in facts["dags"]["fruit"]["tasks"].items() if task["outlets"]}
    assert outlets == {"published": ["x-curation://fruit/crate"]}


def test_the_form_of_a_pipeline_without_partitions_has_one_snapshot(facts):
    params = facts["dags"]["fruit"]["params"]
    assert params["snapshot"]["value"] == "all"
    assert re.fullmatch(params["snapshot"]["schema"]["pattern"], "all+trial")
    assert not re.fullmatch(params["snapshot"]["schema"]["pattern"], "2026-08")
    assert params["limit"]["value"] is None
    assert params["limit"]["schema"] == {"type": ["null", "integer"], "minimum": 1}


def test_the_form_of_a_partitioned_pipeline_asks_for_the_snapshot(facts):
    snapshot = facts["dags"]["seasons"]["params"]["snapshot"]
    assert snapshot["value"] is None
    assert snapshot["schema"]["type"] == ["null", "string"]


def test_a_pipeline_runs_by_snapshots_by_months_or_by_hand(facts):
    assert {name: facts["dags"][name]["schedule"] for name in ("fruit", "seasons", "months", "salad")} == {
        "fruit": "NullTimetable",
        "seasons": "SnapshotTimetable",
        "months": "CronPartitionTimetable",
        "salad": "PartitionedAssetTimetable",
    }


def test_the_form_has_the_declared_parameters_with_their_types(facts):
    params = facts["dags"]["seasons"]["params"]
    assert params["fruit"]["value"] == "apple"
    assert params["fruit"]["schema"]["type"] == "string"
    assert params["fruit"]["description"] == "What grows."
    assert (params["rotten"]["value"], params["rotten"]["schema"]["type"]) == (10, "integer")
    assert params["last_stage"]["schema"]["enum"] == [None, "resolve", "basket", "sorted", "crate", "published"]


def test_the_page_is_a_runbook(facts):
    page = facts["dags"]["fruit"]["doc"]
    assert "Fruit without what is rotten." in page
    assert r"- **sorted**, after basket: Rejects rotten fruit (fruit\_parts:ripe). May reject for: rotten." in page
    assert "- **78**: the pipeline, its parameters or the deployment are wrong. The task fails at once." in page
    assert "\n    /data/fruit/all/STAGE/KEY/\n" in page
    # A dialog of a third of the window's width shows it.
    assert "|" not in page
    assert "curate explain DOC_ID" in page


def test_an_invalid_dag_says_what_is_wrong_and_where(facts):
    dag = facts["dags"]["unripe"]
    assert "unripe.yaml:5: unknown key 'parametres'; did you mean 'parameters'?" in dag["doc"]
    assert dag["doc"].count("unripe.yaml:") == 1, "nothing that only follows from it"
    assert list(dag["tasks"]) == ["invalid"]


def test_discovery_has_a_task_for_each_pipeline_whose_source_publishes_snapshots(facts):
    tasks = set(facts["dags"]["discovery"]["tasks"])
    assert "seasons" in tasks
    assert not tasks & {"fruit", "months", "salad", "unripe"}


# --- files that are wrong in other ways ----------------------------------------------------------------------------------

VALID = """
name: {name}
stages:
  - id: basket
    source: fruit_parts:basket
"""
WRONG = {
    "not_yaml": "name: [",
    "empty": "",
    "a_list": "- 1",
    "no_stages": "name: no_stages",
    "unknown_part": "name: unknown_part\nstages:\n  - {id: a, source: no.such.source}",
    "broken_code": "name: broken_code\nstages:\n  - {id: a, source: 'broken_parts:a'}",
    "housekeeping": "name: housekeeping\nstages:\n  - {id: a, source: 'fruit_parts:basket'}",
    "odd name!": "name: x\nstages: 3",
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a valid file between wrong ones."""
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "fruit_parts,broken_parts")
    monkeypatch.syspath_prepend(str(HERE / "parts"))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "broken_parts.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    folder = tmp_path / "pipelines"
    folder.mkdir()
    for name, text in WRONG.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "fruit.yaml").write_text(VALID.format(name="fruit"))
    return folder


def test_no_wrong_file_breaks_another(folder):
    dags = build_dags([folder], "/data")
    assert sorted(name for name, dag in dags.items() if "invalid" in dag.tags) == sorted(
        ["bytes", "odd_name_", *(name for name in WRONG if name != "odd name!")]
    )
    assert sorted(dags["fruit"].task_ids) == ["basket", "resolve"]


def test_the_task_of_an_invalid_dag_fails_at_once_with_the_error(folder):
    dag = build_dags([folder], "/data")["broken_code"]
    [task] = dag.tasks
    assert task.retries == 0
    with pytest.raises(AirflowFailException, match="ZeroDivisionError"):
        type(task).execute.__wrapped__(task, {})


def test_two_files_of_one_name_do_not_hide_each_other(folder):
    (folder / "also.yaml").write_text(VALID.format(name="fruit"))
    (folder / "fruit.yml").write_text(VALID.format(name="fruit"))
    dags = build_dags([folder], "/data")
    assert "invalid" not in dags["fruit"].tags
    taken = [name for name, dag in dags.items() if "another pipeline file has the name 'fruit'" in dag.doc_md]
    assert sorted(taken) == ["fruit_2", "fruit_3"]


def test_users_keep_pipelines_in_folders_of_their_own(monkeypatch, tmp_path):
    monkeypatch.delenv("CURATE_PIPELINES", raising=False)
    assert pipeline_folders(tmp_path) == [tmp_path]
    monkeypatch.setenv("CURATE_PIPELINES", os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b")]))
    assert pipeline_folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]


def test_the_dag_file_is_short():
    assert len((REPOSITORY / "dags" / "curation.py").read_text().splitlines()) <= 40
