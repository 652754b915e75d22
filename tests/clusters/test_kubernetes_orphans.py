"""Clusters whose stage pod is gone, on the double of the API of Kubernetes."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from curation_tasks.clusters.kubernetes_orphans import delete_orphaned_clusters
from curation_tasks.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "tests" / "services")]
from kubernetes_double import Access, KubernetesDouble  # noqa: E402

# The Kubernetes clients leave their connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def double(monkeypatch):
    """An API that grants what the stage's account is granted, and whose Dask operator does nothing."""
    rules = YAML(typ="safe").load_all((REPOSITORY / "k8s" / "base" / "rbac.yaml").read_text(encoding="utf-8"))
    with KubernetesDouble(Access.of_manifests(rules), {"PATH": "/usr/bin:/bin"}) as running:
        running.dask.ignores = 100
        monkeypatch.setenv("KUBECONFIG", str(running.kubeconfigs["curate-stage"]))
        yield running
        running.clear()
        gc.collect()


def pod(double, name: str) -> str:
    made = double.create(
        "pods", "default", {"metadata": {"name": name}, "spec": {"containers": [{"name": "base", "command": ["sleep", "600"]}]}}
    )
    return made["metadata"]["uid"]


def cluster(double, name: str, owner: str | None) -> None:
    labels = {"app.kubernetes.io/name": "curate"} | ({"curation/pod-uid": owner} if owner else {})
    double.create("daskclusters", "default", {"metadata": {"name": name, "labels": labels}, "spec": {}})


def test_only_clusters_that_lost_their_stage_are_deleted(double, monkeypatch):
    monkeypatch.setenv("CURATE_POD_NAMESPACE", "default")
    cluster(double, "of-a-stage", pod(double, "stage"))
    cluster(double, "orphan", "00000000-0000-0000-0000-000000000000")
    cluster(double, "by-hand", None)
    assert delete_orphaned_clusters(delete=False) == ["orphan"]
    assert len(double.objects("daskclusters")) == 3
    assert delete_orphaned_clusters() == ["orphan"]
    assert sorted(item["metadata"]["name"] for item in double.objects("daskclusters")) == ["by-hand", "of-a-stage"]
    assert delete_orphaned_clusters() == []


def test_it_says_what_it_needs(double, monkeypatch):
    monkeypatch.delenv("CURATE_POD_NAMESPACE", raising=False)
    with pytest.raises(ConfigError, match="CURATE_POD_NAMESPACE"):
        delete_orphaned_clusters()
