"""Runs the operator of stage pods outside of Airflow, on the double of the Kubernetes API."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred
from ruamel.yaml import YAML

from curation_tasks.plan import StageCall
from curation_tasks.spec import Resources

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "tests" / "services")]

from kubernetes_double import Access  # noqa: E402

RESOLVED = {
    "manifest": "/data/resolve/manifest.json",
    "key": "k" * 32,
    "digest": "r",
    "stage": "resolve",
    "counts": {"units": 1},
    "reused": False,
}


def documents(*names: str) -> list[dict[str, Any]]:
    """Objects of manifests below ``k8s``."""
    found: list[dict[str, Any]] = []
    for name in names:
        for path in sorted((REPOSITORY / "k8s").glob(name)):
            found += [document for document in YAML(typ="safe").load_all(path.read_text(encoding="utf-8")) if document]
    return found


def access() -> Access:
    """The rules of ``k8s/base/rbac.yaml``."""
    return Access.of_manifests(documents("base/rbac.yaml"))


class TaskInstance:
    """What an operator sees of its task: one try after the other, with XComs and a store that outlive a try."""

    def __init__(self, task_id: str, retries: int = 2, results: dict[str, Any] | None = None):
        # Labels find the pods of a task again: those of two tests must differ.
        self.dag_id, self.task_id, self.run_id, self.map_index = "fruit", task_id, f"manual__{uuid.uuid4().hex}", -1
        self.try_number, self.max_tries = 1, retries
        self.start_date = None
        self.results = {"resolve": RESOLVED} | (results or {})
        self.xcoms: dict[str, Any] = {}
        self.store: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str) -> Any:
        return self.results.get(task_ids)

    def context(self, **params: Any) -> dict[str, Any]:
        return {
            "ti": self,
            "run_id": self.run_id,
            "dag": SimpleNamespace(parent_dag=None),
            "dag_run": SimpleNamespace(partition_key=None),
            "params": {"snapshot": "all", "limit": None} | params,
            "task_state_store": SimpleNamespace(get=self.store.get, set=self.store.__setitem__),
        }


def call(stage: str = "sorted", **resources: Any) -> StageCall:
    inputs = {"resolve": "{resolve}"} if stage != "resolve" else {}
    file = str(REPOSITORY / "tests" / "airflow" / "pipelines" / "fruit.yaml")
    return StageCall("fruit", "all", stage, inputs, Resources(**resources), pipeline_file=file, root="/data")


def run(operator: Any, context: dict[str, Any]) -> Any:
    """Executes a task as Airflow does: what it defers to the triggerer is waited for, then the task goes on."""
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        return resume(operator, context, deferred)


def resume(operator: Any, context: dict[str, Any], deferred: TaskDeferred) -> Any:
    while True:
        event = asyncio.run(_first(deferred.trigger))
        try:
            return getattr(operator, deferred.method_name)(context, event)
        except TaskDeferred as again:
            deferred = again


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger fired no event")
