"""The cluster on this machine: shape, dashboard, and errors of settings."""

import os
import urllib.request

import pytest

from curation_tasks.clusters import ClusterSettings, cluster_kind, open_cluster
from curation_tasks.clusters.local import default_workers
from curation_tasks.errors import ConfigError


def test_threads_share_this_process():
    with open_cluster(ClusterSettings(workers=3)) as client:
        assert sum(client.nthreads().values()) == 3
        assert client.submit(os.getpid).result() == os.getpid()


def test_processes_do_not():
    with open_cluster(ClusterSettings(workers=2, threads=False)) as client:
        assert list(client.nthreads().values()) == [1, 1]
        assert client.submit(os.getpid).result() != os.getpid()


def test_the_dashboard_answers_at_the_address_that_is_shown():
    with open_cluster(ClusterSettings(workers=1, dashboard=True)) as client, urllib.request.urlopen(client.dashboard_link) as page:
        assert page.status == 200
        assert client.dashboard_link.startswith("http://127.0.0.1:")


def test_memory_bounds_the_number_of_workers():
    assert default_workers(2**60) == 1
    assert default_workers(1) >= default_workers()


def test_an_unknown_kind_names_the_nearest(monkeypatch):
    monkeypatch.setenv("CURATE_CLUSTER", "locl")
    with pytest.raises(ConfigError, match="did you mean 'local'"), open_cluster(ClusterSettings(cluster_kind())):
        pass


def test_no_worker_is_profiled():
    """Dask's profiler may deadlock with the garbage collector (python/cpython#106883)."""
    with open_cluster(ClusterSettings(workers=2)) as client:
        assert client.run(lambda dask_worker: "profile" in dask_worker.periodic_callbacks) == dict.fromkeys(client.nthreads(), False)
