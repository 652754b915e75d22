"""A Dask cluster on this machine, sized by the cores and memory that the cgroup grants and not by those of the host."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster
from distributed.system import MEMORY_LIMIT

from curation_tasks.clusters import ClusterSettings
from curation_tasks.logs import logger

#: Memory below which another worker does more harm than good: a row group, its copies and a loaded model.
MEMORY_PER_WORKER = 1 * 2**30

_CONFIGURATION = {
    # A worker that dies three times with one unit will die a fourth time.
    "distributed.scheduler.allowed-failures": 2,
    "distributed.worker.memory.terminate": 0.95,
    # Dask's profiler asks for the frames of all threads a hundred times a second. Before CPython 3.11.8 a collection of garbage
    # within that call deadlocks the process for good (python/cpython#106883): seen once in some hundred stages here.
    "distributed.worker.profile.enabled": False,
    "distributed.comm.timeouts.connect": "60s",
    "distributed.dashboard.link": "http://127.0.0.1:{port}/status",
    # A failed unit is reported by the stage, once; Dask would print its traceback as well.
    "distributed.logging": {"distributed": "critical"},
}


@contextmanager
def open_local_cluster(settings: ClusterSettings) -> Iterator[Client]:
    """Threads of this process where the work releases the GIL, processes where it does not.

    Processes are held to their memory; threads are not, but what a task plans to hold follows from it all the same.
    """
    workers = default_workers(settings.memory, settings.workers, oversubscribe=settings.processes)
    _warn(settings, workers)
    memory = min(settings.memory or MEMORY_LIMIT, int(MEMORY_LIMIT // workers))
    shape = {"n_workers": 1, "threads_per_worker": workers, "processes": False, "memory_limit": 0}
    if settings.processes or (not settings.threads and workers > 1):
        shape = {
            "n_workers": workers,
            "threads_per_worker": 1,
            "processes": True,
            "memory_limit": memory,
            "host": "127.0.0.1",
            "preload": ["curation_tasks.logs"],
        }
    with (
        dask.config.set(_CONFIGURATION),
        LocalCluster(
            **shape,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": settings.dashboard},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.memory_per_slot = memory
        yield client


def default_workers(memory: int | None = None, asked: int | None = None, *, oversubscribe: bool = False) -> int:
    """Tasks at once: one a core or as many as are asked for, fewer where each would get less than ``memory`` bytes.

    Args:
        memory: Bytes per task; None: 1 GiB, unless a number of tasks is asked for.
        asked: At most so many: a pipeline's ``resources.workers`` may be meant for a larger machine.
        oversubscribe: So many as are asked for, whatever the number of cores.
    """
    least = memory or (1 if asked else MEMORY_PER_WORKER)
    cores = max(CPU_COUNT, asked or 0) if oversubscribe else CPU_COUNT
    return max(1, min(asked or cores, cores, int(MEMORY_LIMIT // least)))


def _warn(settings: ClusterSettings, workers: int) -> None:
    """Says where a number that was asked for is not what the machine is made for."""
    asked, told = settings.workers or 0, {"workers": workers, "cores": CPU_COUNT, "memory": MEMORY_LIMIT}
    if workers < asked:
        logger().warning("fewer workers than asked for", asked=asked, memory_of_each=settings.memory, **told)
    elif asked > CPU_COUNT:
        logger().warning("more workers than cores", memory_of_each=int(MEMORY_LIMIT // workers), **told)
