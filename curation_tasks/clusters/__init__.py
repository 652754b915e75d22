"""Dask clusters for a stage: one interface, one module a kind, chosen by the deployment and not by the pipeline."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curation_tasks.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from distributed import Client

#: The kind that needs nothing but this machine.
LOCAL = "local"
#: Kind of cluster → function that opens it: a context manager from ``ClusterSettings`` to a Dask client.
CLUSTERS = {
    LOCAL: "curation_tasks.clusters.local:open_local_cluster",
    "kubernetes": "curation_tasks.clusters.kubernetes:open_kubernetes_cluster",
}
CLUSTER_VARIABLE = "CURATE_CLUSTER"


@dataclass(frozen=True)
class ClusterSettings:
    """What a stage asks of its cluster.

    Attributes:
        kind: A name in ``CLUSTERS``.
        workers: Number of tasks that run at once, on this machine at most one a core; None: as many as cores and memory allow.
        memory: Bytes per worker, on this machine at most what it has; None: an equal share.
        threads: True when the work releases the GIL, so that threads of one process serve; else processes.
        processes: Wish for processes in any case, one a worker, and as many as ``workers`` says even on fewer cores.
        dashboard: Serve Dask's dashboard on a free port of the loopback interface.
        purpose: Pairs that tell people what the cluster is for (pipeline, stage, snapshot, key); two clusters that differ
            only there are the same.
    """

    kind: str = LOCAL
    workers: int | None = None
    memory: int | None = None
    threads: bool = True
    processes: bool = False
    dashboard: bool = False
    purpose: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def purpose_of(self) -> dict[str, str]:
        return dict(self.purpose)


def cluster_kind() -> str:
    """The kind that the deployment chose (``CURATE_CLUSTER``), ``local`` by default."""
    return os.environ.get(CLUSTER_VARIABLE, LOCAL)


@contextmanager
def open_cluster(settings: ClusterSettings) -> Iterator[Client]:
    """Opens a cluster and yields its client; closes both when the block ends.

    Raises:
        ConfigError: There is no such kind of cluster.
    """
    if settings.kind not in CLUSTERS:
        raise ConfigError(f"no cluster is called {settings.kind!r}; {did_you_mean(settings.kind, CLUSTERS)}", where=CLUSTER_VARIABLE)
    module, _, function = CLUSTERS[settings.kind].partition(":")
    with getattr(importlib.import_module(module), function)(settings) as client:
        yield client


def task_slots(client: Client) -> int:
    """Tasks that a cluster runs at once; on Kubernetes when all its workers are there, for they come one after the other."""
    return getattr(client, "task_slots", 0) or max(1, sum(client.nthreads().values()))


def memory_per_task(client: Client) -> int:
    """Bytes that one task may hold: half of its share of a worker's memory."""
    from distributed.system import MEMORY_LIMIT

    if planned := getattr(client, "memory_per_slot", 0):
        return int(planned) // 2
    workers = client.scheduler_info()["workers"].values()
    shares = [worker["memory_limit"] // worker["nthreads"] for worker in workers if worker.get("memory_limit")]
    return int(min(shares) if shares else MEMORY_LIMIT // task_slots(client)) // 2
