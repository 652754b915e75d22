"""The API of Kubernetes as Airflow asks it: which cluster is meant, and what its answers mean."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
from kubernetes.client.exceptions import ApiException

#: What a Connection may say of the way to a cluster.
_OF_A_CLUSTER = ("in_cluster", "kube_config", "kube_config_path")


def names_cluster(connection: str | None) -> bool:
    """Whether there is a Connection that says which cluster it is; else it is that of `KUBECONFIG`, or the one in which Airflow runs."""
    try:
        extra = BaseHook.get_connection(connection).extra_dejson if connection else {}
    except AirflowNotFoundException:
        return False
    return any(value for name, value in extra.items() if name.removeprefix("extra__kubernetes__") in _OF_A_CLUSTER)


def refusal(message: str) -> AirflowException:
    """What it means that the API refused what Airflow asked for (401 or 403)."""
    if "exceeded quota" in message:
        return AirflowException(
            f"the namespace's quota does not allow the stage's pod: {message}\n"
            "  what to do: raise the quota, or run fewer stages at once; the next try asks again"
        )
    if "violates PodSecurity" in message:
        return AirflowFailException(
            f"the namespace does not admit the stage's pod: {message}\n"
            "  what to do: take over securityContext from k8s/pods/cpu.yaml into the pod template"
        )
    return AirflowFailException(
        f"Airflow may not do that in the cluster: {message}\n"
        "  what to do: give the account that Airflow uses the rules of k8s/base/rbac.yaml"
    )


def api_status(error: Exception) -> int:
    """HTTP status of a refused request; 0 for other errors. A refused websocket has it in its text alone."""
    if not isinstance(error, ApiException):
        return 0
    found = re.search(r"Handshake status (\d+)", str(error.reason))
    return error.status or (int(found[1]) if found else 0)


def api_message(error: Any) -> str:
    """What the API says of a refused request."""
    try:
        return json.loads(error.body)["message"]
    except (ValueError, TypeError, KeyError):
        return str(error.reason)


@contextmanager
def without_debug_log(name: str) -> Iterator[None]:
    """Keeps a logger from its debug entries: the Kubernetes client logs whole answers, and the one to a Secret holds it."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(max(logging.INFO, level))
    try:
        yield
    finally:
        logger.setLevel(level)
