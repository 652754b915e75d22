"""The catalogue of snapshots where DAG files are parsed: never waited for, never lost."""

from __future__ import annotations

import json
import os
import time

import pytest

from curation_airflow import catalogue
from curation_airflow.catalogue import known_snapshots
from curation_tasks.snapshots import FORMAT, catalogue_uri
from curation_tasks.storage import filesystem


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> str:
    """A storage root with a catalogue."""
    root = str(tmp_path / "data")
    document = {"format": FORMAT, "pipeline": "crawl", "snapshots": [{"id": "a", "date": "2026-01-01", "available": ""}]}
    filesystem.write_bytes(catalogue_uri(root, "crawl"), json.dumps(document).encode())
    return root


def ids(root: str, **more) -> list[str]:
    return [item.id for item in known_snapshots(root, "crawl", **more)]


def test_no_catalogue_is_no_snapshots(tmp_path):
    assert known_snapshots(str(tmp_path), "crawl") == ()


def test_a_store_that_does_not_answer_is_not_waited_for(root, monkeypatch):
    assert ids(root) == ["a"]
    monkeypatch.setattr(catalogue.filesystem, "read_bytes", lambda uri: time.sleep(30))
    started = time.monotonic()
    assert ids(root, timeout_seconds=0.1) == ["a"]
    assert time.monotonic() - started < 10


def test_a_damaged_catalogue_leaves_the_last_good_one_in_force(root):
    assert ids(root) == ["a"]
    filesystem.write_bytes(catalogue_uri(root, "crawl"), b"{")
    assert ids(root) == ["a"]


def test_without_a_copy_a_store_out_of_reach_breaks_no_dag(root):
    filesystem.write_bytes(catalogue_uri(root, "crawl"), b"{")
    assert ids(root) == []


def test_an_object_storage_is_read_with_the_connection_that_stages_use(bucket, monkeypatch):
    document = {"format": FORMAT, "pipeline": "crawl", "snapshots": [{"id": "a", "date": "2026-01-01", "available": ""}]}
    filesystem.write_bytes(catalogue_uri(bucket, "crawl"), json.dumps(document).encode())
    extra = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": os.environ["AWS_ACCESS_KEY_ID"], "password": os.environ["AWS_SECRET_ACCESS_KEY"]}
    monkeypatch.setenv("AIRFLOW_CONN_STORAGE", json.dumps(connection | {"extra": extra}))
    monkeypatch.setenv("CURATE_STORAGE_CONNECTION", "storage")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    assert ids(bucket, timeout_seconds=30) == ["a"]
