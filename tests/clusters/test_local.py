"""The cluster on this machine: shape, dashboard, and errors of settings."""

import os
import urllib.request

import pytest
from structlog.testing import capture_logs

from curation_tasks.clusters import ClusterSettings, cluster_kind, local, memory_per_task, open_cluster
from curation_tasks.clusters.local import default_workers
from curation_tasks.errors import ConfigError


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    """Four cores and 8 GiB, whatever there is."""
    monkeypatch.setattr(local, "CPU_COUNT", 4)
    monkeypatch.setattr(local, "MEMORY_LIMIT", 8 * 2**30)


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


@pytest.mark.parametrize(
    ("memory", "asked", "workers"),
    [(None, None, 4), (3 * 2**30, None, 2), (2**60, None, 1), (None, 40, 4), (None, 2, 2), (3 * 2**30, 4, 2), (1, None, 4)],
)
def test_as_many_tasks_run_at_once_as_cores_and_memory_allow(memory, asked, workers):
    assert default_workers(memory, asked) == workers


def test_processes_are_as_many_as_are_asked_for():
    assert default_workers(None, 40, oversubscribe=True) == 40
    assert default_workers(2**30, 40, oversubscribe=True) == 8
    assert default_workers(None, None, oversubscribe=True) == 4


@pytest.mark.parametrize("threads", [True, False], ids=["threads", "processes"])
@pytest.mark.parametrize(
    ("memory", "held"), [(None, 4 * 2**30), (2**30, 2**30), (2**60, 8 * 2**30)], ids=["an equal share", "as asked", "all there is"]
)
def test_a_task_may_hold_half_of_what_its_worker_is_given(threads, memory, held):
    with open_cluster(ClusterSettings(workers=2, memory=memory, threads=threads)) as client:
        assert memory_per_task(client) == held // 2
        limits = {worker["memory_limit"] for worker in client.scheduler_info()["workers"].values()}
        assert len(client.nthreads()) == 1 or limits == {held}


def test_an_unknown_kind_names_the_nearest(monkeypatch):
    monkeypatch.setenv("CURATE_CLUSTER", "locl")
    with pytest.raises(ConfigError, match="did you mean 'local'"), open_cluster(ClusterSettings(cluster_kind())):
        pass


def test_no_worker_is_profiled():
    """Dask's profiler may deadlock with the garbage collector (python/cpython#106883)."""
    with open_cluster(ClusterSettings(workers=2)) as client:
        assert client.run(lambda dask_worker: "profile" in dask_worker.periodic_callbacks) == dict.fromkeys(client.nthreads(), False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ClusterSettings(workers=5, processes=True), "more workers than cores"),
        (ClusterSettings(workers=5), "fewer workers than asked for"),
        (ClusterSettings(workers=4, memory=3 * 2**30), "fewer workers than asked for"),
        (ClusterSettings(workers=4), None),
        (ClusterSettings(), None),
    ],
)
def test_a_number_that_does_not_fit_the_machine_is_told(settings, said):
    with capture_logs() as logs, open_cluster(settings):
        pass
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ([said] if said else [])


@pytest.mark.parametrize("workers", [1, 6])
def test_processes_that_are_wished_for_are_there_whatever_the_work(workers):
    with open_cluster(ClusterSettings(workers=workers, processes=True)) as client:
        assert list(client.nthreads().values()) == [1] * workers
        found = set(client.run(os.getpid).values())
        assert len(found) == workers
        assert os.getpid() not in found
