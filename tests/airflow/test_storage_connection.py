"""Credentials from an Airflow Connection: to the environment of the stage, and nowhere else."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException

from curation_airflow.storage_connection import storage_credentials


@pytest.fixture
def connection(monkeypatch):
    """Defines the Connection ``store`` and names it in the deployment's settings."""

    def define(**fields) -> None:
        monkeypatch.setenv("CURATE_STORAGE_CONNECTION", "store")
        found = Connection(conn_id="store", conn_type="aws", **fields)
        monkeypatch.setattr(Connection, "get", classmethod(lambda cls, conn_id: found))

    return define


def test_without_a_connection_the_environment_has_them(monkeypatch):
    monkeypatch.delenv("CURATE_STORAGE_CONNECTION", raising=False)
    assert storage_credentials() == {}


def test_key_and_secret_are_login_and_password(connection):
    connection(login="key", password="secret", extra=json.dumps({"endpoint_url": "http://store", "region_name": "here"}))
    assert storage_credentials() == {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": "http://store",
        "AWS_DEFAULT_REGION": "here",
    }


def test_they_may_stand_in_the_extra_and_the_address_be_that_of_s3_alone(connection):
    extra = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "service_config": {"s3": {"endpoint_url": "http://s3"}}}
    connection(extra=json.dumps(extra | {"aws_session_token": "token"}))
    assert storage_credentials() == {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL": "http://s3",
    }


def test_a_connection_without_credentials_fails_at_once(connection):
    connection(login="key")
    with pytest.raises(AirflowFailException, match="'store' has no key and secret"):
        storage_credentials()
