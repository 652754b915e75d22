"""How a task reacts to the ways in which a stage can end, seen with a stand-in for the command ``curate``."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import Asset
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from curation_airflow.stage_operator import StageOperator
from curation_tasks.plan import CommandCall, StageCall
from curation_tasks.spec import Resources

RESOLVED = {
    "manifest": "/data/resolve/manifest.json",
    "key": "k",
    "digest": "r",
    "stage": "resolve",
    "counts": {"units": 1},
    "reused": False,
}
CRATE = RESOLVED | {"manifest": "/data/crate/manifest.json", "digest": "c", "stage": "crate", "counts": {"documents": 7}}


@pytest.fixture(autouse=True)
def _outside_of_airflow(monkeypatch, fake_curate, tmp_path):
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    monkeypatch.setenv("CURATE_COMMAND", shlex.join([sys.executable, str(fake_curate)]))
    monkeypatch.setenv("FAKE_CURATE_CALLS", str(tmp_path / "calls"))


@pytest.fixture
def behave(monkeypatch):
    """Sets how the stage ``sorted`` ends."""
    return lambda **behaviour: monkeypatch.setenv("FAKE_CURATE", json.dumps({"sorted": behaviour}))


@pytest.fixture
def calls(tmp_path):
    """What the command was called with."""
    return lambda: [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def operator(stage: str = "sorted", **more) -> StageOperator:
    inputs = {"resolve": "{resolve}"} if stage != "resolve" else {}
    resources = Resources(workers=3) if stage == "sorted" else Resources()
    call = StageCall("fruit", "all", stage, inputs, resources, pipeline_file="/p/fruit.yaml", root="/data")
    return StageOperator(task_id=stage, call=more.pop("call", call), retries=2, **more)


def context(attempt: int = 1, cleared: int = 0, partition_key: str | None = None, **params) -> dict:
    """A run's context: the ``attempt``-th try after the task was cleared ``cleared`` times with all tries used."""
    first = cleared * 3
    results = {"resolve": RESOLVED, "crate": CRATE}
    ti = SimpleNamespace(try_number=first + attempt, max_tries=first + 2, xcom_pull=lambda task_ids: results.get(task_ids))
    return {"ti": ti, "params": {"snapshot": "all", "limit": None} | params, "dag_run": SimpleNamespace(partition_key=partition_key)}


def test_a_stage_gets_its_inputs_and_its_result_is_handed_on(calls):
    result = operator().execute(context())
    assert result["manifest"] == "/data/sorted/manifest.json"
    assert result["counts"] == {"documents": 7, "text_bytes": 70}
    [call] = calls()
    assert call["argv"][:-2] == ["stage", "sorted", "--resolved", "/data/resolve/manifest.json", "--workers", "3"]


def test_resolve_gets_snapshot_and_limit_of_the_run(calls):
    operator("resolve").execute(context(snapshot="2026-08", limit=50))
    [call] = calls()
    expected = ["stage", "resolve", "--pipeline", "/p/fruit.yaml", "--snapshot", "2026-08", "--root", "/data", "--limit", "50"]
    assert call["argv"][:-2] == expected


def test_resolve_takes_the_partition_key(calls):
    operator("resolve").execute(context(snapshot=None, partition_key="2026-09"))
    [call] = calls()
    assert call["argv"][call["argv"].index("--snapshot") + 1] == "2026-09"


def test_resolve_is_given_the_parameters_that_the_run_changed(calls):
    operator("resolve", parameters={"fruit": "apple", "shares": {"a": 1}, "rotten": 10}).execute(
        context(fruit="apple", shares={"a": 2}, rotten=3)
    )
    [call] = calls()
    given = [call["argv"][index + 1] for index, word in enumerate(call["argv"]) if word == "--set"]
    assert given == ["rotten=3", 'shares={"a": 2}']


def test_a_run_that_sets_what_nobody_knows_fails_before_anything_starts(calls, tmp_path):
    run = context()
    run["dag_run"].conf = {"snapshot": "all", "rotten": 3, "limt": 50}
    with pytest.raises(AirflowFailException, match=r"the run sets 'limt', .* did you mean 'limit'\?"):
        operator("resolve", parameters={"rotten": 10}).execute(run)
    assert not (tmp_path / "calls").exists()
    del run["dag_run"].conf["limt"]
    operator("resolve", parameters={"rotten": 10}).execute(run)
    assert len(calls()) == 1


def test_a_command_beside_the_stages_runs_as_it_is(calls):
    command = CommandCall("seasons", "discover", ("snapshots", "--refresh"), pipeline_file="/p/seasons.yaml")
    assert operator("discover", call=command).execute(context())["v"] == 1
    [call] = calls()
    assert call["argv"][:-2] == ["snapshots", "--refresh", "--pipeline", "/p/seasons.yaml"]


def test_a_run_that_ends_earlier_skips_the_stage(calls, tmp_path):
    with pytest.raises(AirflowSkipException, match="ends with stage 'basket'"):
        operator(only_for=("sorted", "crate")).execute(context(last_stage="basket"))
    assert not (tmp_path / "calls").exists()
    operator(only_for=("sorted", "crate")).execute(context(last_stage="crate"))
    operator(only_for=("sorted", "crate")).execute(context(last_stage=None))
    assert len(calls()) == 2


@pytest.mark.parametrize("run", [{"snapshot": None}, {"snapshot": "2026-08", "partition_key": "2026-09"}])
def test_a_run_with_no_snapshot_or_two_fails_before_anything_starts(run, tmp_path):
    with pytest.raises(AirflowFailException, match="snapshot"):
        operator("resolve").execute(context(**run))
    assert not (tmp_path / "calls").exists()


def test_a_stage_without_the_result_of_its_input_fails():
    call = StageCall("fruit", "all", "sorted", {"resolve": "{resolve}", "basket": "{basket}"}, Resources())
    with pytest.raises(AirflowFailException, match="'basket' left no result"):
        operator(call=call).execute(context())


def test_the_stage_does_not_see_settings_of_airflow(calls, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://user:password@host/db")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", "s3://key:secret@")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store")
    operator().execute(context())
    [call] = calls()
    assert [name for name in call["environment"] if "AIRFLOW" in name] == []
    assert "AWS_ENDPOINT_URL" in call["environment"]
    assert "CURATE_LOG_FORMAT" in call["environment"]


# --- failures: (exit code, attempt) → tried again? -----------------------------------------------------------------------


@pytest.mark.parametrize("code", [2, 65, 78])
def test_what_cannot_get_better_fails_at_once(code, behave):
    behave(exit=code, say=["error: fruit.yaml:3: unknown key 'parametres'", "  what to do: say parameters"])
    with pytest.raises(AirflowFailException, match=f"exit code {code}.*(?s:.)*unknown key 'parametres'(?s:.)*say parameters"):
        operator().execute(context())


@pytest.mark.parametrize("attempt", [1, 2, 3])
@pytest.mark.parametrize("code", [75, 143])
def test_what_may_get_better_is_left_to_airflow_to_try_again(code, attempt, behave):
    behave(exit=code)
    with pytest.raises(AirflowException) as caught:
        operator().execute(context(attempt))
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("cleared", [0, 1, 2])
@pytest.mark.parametrize("behaviour", [{"exit": 70}, {"exit": 137}, {"signal": 9}, {"exit": 1}, {"exit": 99}])
def test_unexpected_errors_and_kills_are_tried_once_more(behaviour, cleared, behave):
    behave(**behaviour)
    with pytest.raises(AirflowException) as caught:
        operator().execute(context(1, cleared))
    assert not isinstance(caught.value, AirflowFailException)
    with pytest.raises(AirflowFailException):
        operator().execute(context(2, cleared))


def test_out_of_memory_names_the_resource_to_raise(behave):
    behave(signal=signal.SIGKILL)
    with pytest.raises(AirflowException, match=r"exit code 137.*memory(?s:.)*resources\.memory"):
        operator().execute(context())


def test_an_error_without_a_message_of_ours_shows_the_end_of_the_output(behave):
    behave(exit=1, say=[*(f"line {number}" for number in range(9)), "ZeroDivisionError: division by zero"])
    with pytest.raises(AirflowException, match="ZeroDivisionError") as caught:
        operator().execute(context())
    assert "line 3" not in str(caught.value)


def test_a_stage_that_writes_no_result_is_tried_again(behave):
    behave(forgets_result=True)
    with pytest.raises(AirflowException, match="left no result"):
        operator().execute(context())


def test_a_result_too_large_for_an_xcom_is_refused(behave):
    behave(padding=5000)
    with pytest.raises(AirflowFailException, match="4096"):
        operator().execute(context())


# --- events, kills -------------------------------------------------------------------------------------------------------


def test_a_publish_task_describes_the_event_of_each_dataset():
    asset = Asset(name="fruit.crate", uri="x-curation://fruit/crate")
    call = StageCall("fruit", "all", "published", {"resolve": "{resolve}", "crate": "{crate}"}, Resources())
    events = {asset: SimpleNamespace(extra={})}
    task = operator("published", call=call, datasets={"crate": asset})
    task.execute(context() | {"outlet_events": events})
    assert task.outlets == [asset]
    assert events[asset].extra == {
        "manifest": "/data/crate/manifest.json",
        "digest": "c",
        "counts": {"documents": 7},
        "published": "/data/published/000001.json",
        "reused": False,
    }


def test_a_killed_task_leaves_no_process(behave, tmp_path):
    place = tmp_path / "pid"
    behave(grandchild=str(place), sleep=600)
    task = operator()

    def kill_when_started() -> None:
        while not (place.exists() and place.read_text()):
            time.sleep(0.05)
        task.on_kill()

    killer = threading.Thread(target=kill_when_started)
    killer.start()
    with pytest.raises(AirflowException, match="exit code 143"):
        task.execute(context())
    killer.join()
    assert task.process is not None
    assert task.process._process is not None
    for pid in (task.process._process.pid, int(place.read_text())):
        assert _has_ended(pid)


def _has_ended(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_a_limited_run_that_would_publish_is_refused_by_its_first_task(calls):
    resolve = operator("resolve", publish_stages=["published"])
    for last_stage in (None, "published"):
        with pytest.raises(AirflowFailException, match=r"limited to 50 records(?s:.)*all\+trial(?s:.)*before published"):
            resolve.execute(context(limit=50, last_stage=last_stage))
    resolve.execute(context(snapshot="all+trial", limit=50))
    resolve.execute(context(limit=50, last_stage="crate"))
    assert len(calls()) == 2
