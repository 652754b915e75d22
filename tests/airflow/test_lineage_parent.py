"""The Airflow task as parent of a stage's lineage events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from curation_airflow.lineage_parent import lineage_parent, lineage_transport

TRANSPORT = {"type": "http", "url": "http://collector:5000", "auth": {"type": "api_key", "api_key": "secret"}}


@pytest.fixture
def context():
    run = SimpleNamespace(conf={}, logical_date=None, run_after=datetime(2026, 1, 1, tzinfo=UTC), clear_number=0)
    ti = SimpleNamespace(dag_id="fruit", task_id="sorted", try_number=2, map_index=-1, dag_run=run)
    ti.get_template_context = lambda: {"dag_run": run}
    return {"ti": ti}


def test_without_openlineage_nothing_is_handed_on(context, monkeypatch):
    monkeypatch.delenv("AIRFLOW__OPENLINEAGE__TRANSPORT", raising=False)
    assert lineage_parent(context) == {}
    assert lineage_transport() == {}


def test_the_task_and_its_run_are_the_parents(context, monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(TRANSPORT))
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__NAMESPACE", "orchard")
    handed = lineage_parent(context)
    assert handed["OPENLINEAGE_NAMESPACE"] == "orchard"
    assert handed["OPENLINEAGE_PARENT_ID"].startswith("orchard/fruit.sorted/")
    assert handed["OPENLINEAGE_ROOT_PARENT_ID"].startswith("orchard/fruit/")
    assert "secret" not in "".join(handed.values())
    again = context["ti"]
    again.try_number = 3
    assert lineage_parent({"ti": again})["OPENLINEAGE_PARENT_ID"] != handed["OPENLINEAGE_PARENT_ID"]


def test_a_process_sends_its_events_where_airflow_does(monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(TRANSPORT))
    assert json.loads(lineage_transport()["OPENLINEAGE__TRANSPORT"]) == TRANSPORT
