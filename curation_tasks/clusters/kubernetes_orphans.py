"""Dask clusters whose stage pod is gone: the last of three nets, behind the owner reference and the idle timeout."""

from __future__ import annotations

import os
from typing import Any

import kr8s
from kr8s.objects import Pod

from curation_tasks.clusters.kubernetes import DaskCluster, answering
from curation_tasks.errors import ConfigError

_ALIVE = ("Pending", "Running", "Unknown")


def delete_orphaned_clusters(namespace: str | None = None, *, delete: bool = True) -> list[str]:
    """Finds the clusters of stages whose pod has ended or is gone, and deletes them.

    A cluster without a stage pod in its labels was made by hand and is left alone.

    Args:
        namespace: Where to look; default: that of this pod (``CURATE_POD_NAMESPACE``).
        delete: Otherwise they are only listed.

    Returns:
        Their names, sorted.

    Raises:
        ConfigError: No namespace is known, the cluster has no Dask operator, or this pod may not ask.
        TransientError: The API of Kubernetes does not answer.
    """
    namespace = namespace or os.environ.get("CURATE_POD_NAMESPACE")
    if not namespace:
        raise ConfigError("no namespace is known", expected="CURATE_POD_NAMESPACE, which stage pods have, or --namespace")
    try:
        with answering(namespace):
            return _orphans(namespace, delete=delete)
    except kr8s.ServerError as error:
        raise ConfigError(
            f"Dask clusters cannot be listed: {error}", where=namespace, remedy="install the Dask operator, and k8s/base/rbac.yaml"
        ) from error


def _orphans(namespace: str, *, delete: bool) -> list[str]:
    # Clusters first: the pod of one that is made in between is then seen alive.
    clusters = list(DaskCluster.list(namespace=namespace, label_selector="app.kubernetes.io/name=curate"))
    pods = list(Pod.list(namespace=namespace))
    alive = {pod.raw["metadata"]["uid"] for pod in pods if _phase(pod) in _ALIVE and "deletionTimestamp" not in pod.raw["metadata"]}
    orphans = [cluster for cluster in clusters if _owner(cluster) is not None and _owner(cluster) not in alive]
    for cluster in orphans if delete else []:
        try:
            cluster.delete()
        except kr8s.NotFoundError:
            continue
    return sorted(cluster.name for cluster in orphans)


def _owner(cluster: Any) -> str | None:
    return (cluster.raw["metadata"].get("labels") or {}).get("curation/pod-uid")


def _phase(pod: Any) -> str:
    return (pod.raw.get("status") or {}).get("phase", "Unknown")
