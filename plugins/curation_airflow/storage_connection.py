"""Credentials of the object storage, from the Airflow Connection that the deployment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

#: Id of an Airflow Connection with the storage's credentials; none: the environment, or the machine, has them.
CONNECTION_VARIABLE = "CURATE_STORAGE_CONNECTION"

#: Keys of a Connection's extra, as Airflow's Amazon provider names them, and what botocore reads.
_EXTRA: Mapping[str, str] = {
    "endpoint_url": "AWS_ENDPOINT_URL",
    "region_name": "AWS_DEFAULT_REGION",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
}


def storage_credentials() -> dict[str, str]:
    """What a stage needs in its environment to reach the storage; empty when no Connection is named.

    They go to the environment of a process or to a Kubernetes Secret: never into a command line, an XCom or a log.

    Raises:
        AirflowFailException: There is no such Connection, or it holds no credentials.
    """
    name = os.environ.get(CONNECTION_VARIABLE)
    if not name:
        return {}
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(name)
    except AirflowNotFoundException:
        raise AirflowFailException(
            f"there is no Airflow Connection {name!r}, which {CONNECTION_VARIABLE} names\n"
            f"  what to do: airflow connections add {name} --conn-type aws --conn-login KEY --conn-password SECRET"
        ) from None
    return _environment_of(connection, name)


def _environment_of(connection: Any, name: str) -> dict[str, str]:
    extra = connection.extra_dejson or {}
    found = {variable: str(extra[key]) for key, variable in _EXTRA.items() if extra.get(key)}
    # An address that only the storage has stands under service_config in the form of the Amazon provider.
    service = (extra.get("service_config") or {}).get("s3") or {}
    if service.get("endpoint_url"):
        found["AWS_ENDPOINT_URL"] = str(service["endpoint_url"])
    if connection.login:
        found |= {"AWS_ACCESS_KEY_ID": connection.login, "AWS_SECRET_ACCESS_KEY": connection.password or ""}
    if not found.get("AWS_ACCESS_KEY_ID") or not found.get("AWS_SECRET_ACCESS_KEY"):
        raise AirflowFailException(
            f"the Airflow Connection {name!r} has no key and secret\n  what to do: give it --conn-login KEY --conn-password SECRET"
        )
    return found
