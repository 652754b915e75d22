"""Stages as pods of a real Airflow: the link to Dask's dashboard, and housekeeping of clusters.

A real Airflow whose cluster is the double: the stage pod and the pods of its Dask cluster are processes of this machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]
PARTS = REPOSITORY / "tests" / "airflow" / "parts"
sys.path[:0] = [str(Path(__file__).parent)]
from kubernetes_double import Access, KubernetesDouble  # noqa: E402

pytestmark = [
    pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]  # fmt: skip

PIPELINE = """
name: cellar
description: Fruit that takes its time.
stages:
  - id: basket
    source: fruit_parts:basket
  - id: ripened
    resources: {workers: 1}
    operations:
      - fruit_parts:slow: {seconds: 15}
  - id: published
    publish: {}
"""


@pytest.fixture(scope="module")
def double() -> Iterator[KubernetesDouble]:
    rules = YAML(typ="safe").load_all((REPOSITORY / "k8s" / "base" / "rbac.yaml").read_text(encoding="utf-8"))
    specs = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "k8s" / "base" / "dask").glob("*.yaml")}
    image = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/tmp"), "PYTHONPATH": str(PARTS),
        "CURATE_ALLOWED_PACKAGES": "fruit_parts",
    }  # fmt: skip
    with KubernetesDouble(Access.of_manifests(rules), image) as running:
        running.create("configmaps", "default", {"metadata": {"name": "curate-dask"}, "data": specs})
        yield running
        running.clear()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, airflow_with, double) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("pods")
    settings = {
        "KUBECONFIG": str(double.kubeconfigs["airflow"]), "CURATE_STAGE_RUNNER": "pod", "CURATE_POD_IMAGE": "curation-worker:cpu",
        "CURATE_POD_NAMESPACE": "default", "CURATE_POD_POLL_SECONDS": "1", "CURATE_POD_LOG_SECONDS": "5",
    }  # fmt: skip
    double.kubelet.environment["KUBECONFIG"] = str(double.kubeconfigs["curate-stage"])
    with airflow_with(folder, str(folder / "data"), {"cellar": PIPELINE}, "sqlite", **settings) as found:
        yield found


def test_a_running_stage_links_to_its_dashboard_until_its_cluster_is_gone(deployment, double):
    run = deployment.client.post("/api/v2/dags/cellar/dagRuns", json={"logical_date": None}).raise_for_status().json()["dag_run_id"]
    place = f"/dags/cellar/dagRuns/{run}/taskInstances/ripened"
    clusters = deployment.wait("the Dask cluster of the stage", lambda: _of_stage(double, "ripened"))
    shown = deployment.wait("the link", lambda: deployment.get(f"{place}/links")["extra_links"].get("Dask dashboard"))
    assert shown == f"http://{clusters[0]}-scheduler.default:8787/status"
    deployment.wait("the stage", lambda: deployment.get(place)["state"] in ("success", "failed"))
    assert deployment.get(place)["state"] == "success"
    assert deployment.get(f"{place}/links")["extra_links"]["Dask dashboard"] is None
    assert not _of_stage(double, "ripened")


def test_housekeeping_deletes_clusters_whose_stage_is_gone(deployment, double):
    def cluster(name: str, owner: str) -> None:
        labels = {"app.kubernetes.io/name": "curate", "curation/pod-uid": owner}
        double.create("daskclusters", "default", {"metadata": {"name": name, "labels": labels}, "spec": {}})

    double.dask.ignores = 2
    command = {"containers": [{"name": "base", "command": ["sleep", "900"]}]}
    stage = double.create("pods", "default", {"metadata": {"name": "stage"}, "spec": command})
    cluster("living", stage["metadata"]["uid"])
    cluster("orphan", "00000000-0000-0000-0000-000000000000")
    deployment.unpause("housekeeping")
    run = deployment.client.post("/api/v2/dags/housekeeping/dagRuns", json={"logical_date": None}).raise_for_status().json()["dag_run_id"]
    deployment.wait("housekeeping", lambda: deployment.get(f"/dags/housekeeping/dagRuns/{run}")["state"] in ("success", "failed"))
    assert deployment.get(f"/dags/housekeeping/dagRuns/{run}")["state"] == "success", deployment.state()
    assert [item["metadata"]["name"] for item in double.objects("daskclusters")] == ["living"]


def _of_stage(double: KubernetesDouble, stage: str) -> list[str]:
    return [
        item["metadata"]["name"]
        for item in double.objects("daskclusters")
        if item["metadata"]["annotations"].get("curation/stage") == stage
    ]
