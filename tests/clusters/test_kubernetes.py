"""Clusters made through the API of Kubernetes, on a double whose pods are processes of this machine."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from curation_tasks.cli.run import run_pipeline
from curation_tasks.clusters import ClusterSettings, kubernetes, memory_per_task, open_cluster, task_slots
from curation_tasks.clusters.kubernetes_spec import cluster_object, kubernetes_settings
from curation_tasks.errors import ConfigError, TransientError

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "tests" / "services")]
from kubernetes_double import ADMINISTRATOR, Access, KubernetesDouble, faults  # noqa: E402

# The Kubernetes clients leave their connections to the garbage collector.
pytestmark = [
    pytest.mark.service,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
PODS = "dask.org/component=worker"


@pytest.fixture(scope="module")
def double():
    rules = YAML(typ="safe").load_all((REPOSITORY / "k8s" / "base" / "rbac.yaml").read_text(encoding="utf-8"))
    programs = Path(sys.executable).parent
    with KubernetesDouble(
        Access.of_manifests(rules), {"PATH": f"{programs}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/tmp")}
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _stage_pod(monkeypatch, double):
    """This process is a stage pod: it acts for the stage's account and has a pod that owns its clusters."""
    monkeypatch.setenv("KUBECONFIG", str(double.kubeconfigs["curate-stage"]))
    pod = double.create(
        "pods", "default", {"metadata": {"name": "stage"}, "spec": {"containers": [{"name": "base", "command": ["sleep", "600"]}]}}
    )
    for name, value in {
        "CURATE_CLUSTER": "kubernetes",
        "CURATE_CLUSTER_NAME": f"curate-{time.monotonic_ns()}",
        "CURATE_POD_NAME": "stage",
        "CURATE_POD_UID": pod["metadata"]["uid"],
        "CURATE_POD_NAMESPACE": "default",
        "CURATE_WORKER_IMAGE": "curation-worker:cpu",
        "CURATE_DASK_TEMPLATES": str(REPOSITORY / "k8s" / "base" / "dask"),
        "CURATE_CLUSTER_OPERATOR_SECONDS": "20",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    double.clear()
    double.dask.ignores, double.deployments.max_pods = 0, None
    wait_until(lambda: double.objects("pods") == [])
    gc.collect()


def settings(workers: int | None = 1) -> ClusterSettings:
    return ClusterSettings("kubernetes", workers=workers, purpose=(("pipeline", "demo"), ("stage", "refine"), ("key", "k" * 32)))


def test_a_cluster_is_made_used_and_gone(double):
    with open_cluster(settings(2)) as client:
        client.wait_for_workers(2, timeout=60)
        [made] = double.objects("daskclusters")
        assert made["metadata"]["ownerReferences"][0]["name"] == "stage"
        assert made["metadata"]["annotations"]["curation/key"] == "k" * 32
        # Two workers of two threads and 4 GiB each.
        assert (task_slots(client), memory_per_task(client)) == (4, 2**30)
        assert client.submit(os.getpid).result() != os.getpid()
        assert {pod["metadata"]["labels"]["curation/stage"] for pod in double.objects("pods", PODS)} == {"refine"}
    wait_until(lambda: len(double.objects("pods")) == 1)
    assert double.objects("daskclusters") == double.objects("deployments") == double.objects("services") == []


def test_a_cluster_that_is_there_is_used_whatever_its_phase_says(double, monkeypatch):
    double.dask.leaves_pending = 1
    monkeypatch.setenv("CURATE_CLUSTER_READY_SECONDS", "60")
    with open_cluster(settings()) as client:
        [made] = double.objects("daskclusters")
        assert made["status"]["phase"] == "Pending"
        assert client.submit(os.getpid).result() != os.getpid()


def test_dask_kubernetes_itself_creates_scales_and_closes(double, monkeypatch):
    """What a person may do in a notebook, with more rights than a stage has."""
    from dask_kubernetes.operator import KubeCluster
    from distributed import Client

    monkeypatch.setenv("KUBECONFIG", str(double.kubeconfigs[ADMINISTRATOR]))
    document = cluster_object(kubernetes_settings(settings()), {}, threads=True)
    with KubeCluster(custom_cluster_spec=document, namespace="default", quiet=True) as cluster, Client(cluster) as client:
        client.wait_for_workers(1, timeout=60)
        cluster.scale(2)
        client.wait_for_workers(2, timeout=60)
        cluster.scale(1)
        wait_until(lambda: len(client.nthreads()) == 1)
        assert client.submit(int, "7").result() == 7
    assert double.objects("daskclusters") == []


def test_an_adaptive_cluster_grows_with_the_work_and_shrinks_without(double, monkeypatch):
    monkeypatch.setenv("CURATE_WORKERS", "1-2")
    with open_cluster(settings(None)) as client:
        assert task_slots(client) == 4
        running = client.map(time.sleep, [3.0] * 12, pure=False)
        wait_until(lambda: len(client.nthreads()) == 2)
        client.cancel(running, force=True)
        del running
        wait_until(lambda: len(client.nthreads()) == 1)


def test_what_the_operator_does_not_act_on_is_made_once_more(double, monkeypatch):
    monkeypatch.setenv("CURATE_CLUSTER_OPERATOR_SECONDS", "2")
    double.call(setattr, double.dask, "ignores", 1)
    with open_cluster(settings()) as client:
        assert client.submit(int, "7").result() == 7
        [made] = double.objects("daskclusters")
        assert made["metadata"]["name"].endswith("-again")


def test_a_cluster_lives_no_longer_than_the_pod_of_its_stage(double):
    with open_cluster(settings()):
        double.delete("pods", "default", "stage", 0)
        wait_until(lambda: double.objects("pods") == [])
        assert double.objects("daskclusters") == []


# --- what is missing -----------------------------------------------------------------------------------------------------


def test_no_operator(double, monkeypatch):
    monkeypatch.setenv("CURATE_CLUSTER_OPERATOR_SECONDS", "1")
    double.call(setattr, double.dask, "ignores", 2)
    with pytest.raises(TransientError, match="operator has not acted on it within 1 s, twice"), open_cluster(settings()):
        pass
    assert double.objects("daskclusters") == []


def test_no_resource_definitions(double, monkeypatch):
    monkeypatch.setattr(double, "without", {"daskclusters"})
    with pytest.raises(ConfigError, match=r"does not know Dask clusters(?s:.)*install the Dask operator"), open_cluster(settings()):
        pass


def test_an_api_that_is_silent_for_a_while_is_asked_again(double):
    double.drop(4)
    with open_cluster(settings()) as client:
        assert client.submit(int, "7").result() == 7


def test_an_api_that_stays_silent_is_an_error_that_passes(double, monkeypatch):
    monkeypatch.setattr(kubernetes, "_SILENT_SECONDS", 1.0)
    double.drop(10**6)
    with pytest.raises(TransientError, match="API of Kubernetes does not answer"), open_cluster(settings()):
        pass
    double.drop(0)


def test_a_cluster_that_somebody_deletes_is_an_error_that_passes(double):
    double.inject("dask.org/component=worker", {faults.UNSCHEDULABLE: "0/1 nodes are available"}, times=9)

    def delete() -> None:
        wait_until(lambda: double.objects("pods", PODS))
        double.delete("daskclusters", "default", double.objects("daskclusters")[0]["metadata"]["name"])

    deleting = in_background(delete)
    with pytest.raises(TransientError, match=r"was deleted|scheduler was lost"), open_cluster(settings()):
        pass
    deleting.join()


def test_no_rights(double, monkeypatch):
    monkeypatch.setattr(double.access, "rules", {"curate-stage": []})
    with pytest.raises(ConfigError, match=r"may not make a Dask cluster(?s:.)*Role curate-stage"), open_cluster(settings()):
        pass


SHORT = {
    "image": ({faults.IMAGE_PULL: "manifest unknown"}, r"no image \(ErrImagePull\): manifest unknown"),
    "GPU": ({faults.UNSCHEDULABLE: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}, "no node has a free GPU"),
}


@pytest.mark.parametrize("component", ["scheduler", "worker"])
@pytest.mark.parametrize("missing", SHORT)
def test_what_its_pods_wait_for_is_said(double, monkeypatch, missing, component):
    annotations, said = SHORT[missing]
    if component == "worker":
        # The scheduler may take its time on a busy machine; the wait for workers is what is cut short.
        wait = kubernetes._wait_for_worker
        monkeypatch.setattr(kubernetes, "_wait_for_worker", lambda *first: wait(*first[:-1], time.monotonic() + 2))
    else:
        monkeypatch.setenv("CURATE_CLUSTER_READY_SECONDS", "4")
    double.inject(f"dask.org/component={component}", annotations, times=9)
    with pytest.raises(TransientError, match=said), open_cluster(settings()):
        pass
    assert double.objects("daskclusters") == []


def test_a_quota_is_named(double, monkeypatch):
    monkeypatch.setenv("CURATE_CLUSTER_READY_SECONDS", "2")
    double.call(setattr, double.deployments, "max_pods", 0)
    with pytest.raises(TransientError, match=r"exceeded quota(?s:.)*raise the quota"), open_cluster(settings()):
        pass


def test_other_versions_are_refused_before_any_work(double, monkeypatch, tmp_path):
    other = tmp_path / "site" / "curation_tasks-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: curation-tasks\nVersion: 9.9\n")
    for path in (REPOSITORY / "k8s" / "base" / "dask").glob("*.yaml"):
        variable = f"env:\n        - {{name: PYTHONPATH, value: {other.parent}}}" if path.stem == "cpu" else "env:"
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8").replace("env:", variable), encoding="utf-8")
    monkeypatch.setenv("CURATE_DASK_TEMPLATES", str(tmp_path))
    with (
        pytest.raises(ConfigError, match=r"curation-tasks: 0\.1\.0 in the stage, 9\.9 in the workers(?s:.)*one image"),
        open_cluster(settings()),
    ):
        pass
    assert double.objects("daskclusters") == []


# --- what is lost --------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(pipeline, tmp_path, double, monkeypatch):
    """Runs the demo pipeline, whose stages take a while, and gives the digests of its stages."""
    double.kubelet.environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    path = pipeline()

    def run_in(root: str, kind: str) -> dict[str, str]:
        monkeypatch.setenv("CURATE_CLUSTER", kind)
        return {outcome["stage"]: outcome["digest"] for outcome in run_pipeline(path, "all", str(tmp_path / root), workers=2)}

    return run_in


def in_background(function) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_a_pipeline_has_the_digests_of_a_run_without_cluster_although_a_worker_is_lost(double, run, monkeypatch, tmp_path):
    here = run("here", "local")
    monkeypatch.setenv("CURATE_TEST_UNIT_DELAY", "0.4")

    def lose_a_worker() -> None:
        wait_until(lambda: len(list((tmp_path / "there").rglob("units/*.json"))) >= 2)
        victim = double.objects("pods", PODS)[0]["metadata"]["name"]
        double.delete("pods", "default", victim, 0)

    losing = in_background(lose_a_worker)
    assert run("there", "kubernetes") == here
    losing.join()
    assert double.objects("daskclusters") == []


def test_after_the_scheduler_is_lost_the_next_try_goes_on(double, run, monkeypatch, tmp_path):
    here = run("here", "local")
    monkeypatch.setenv("CURATE_TEST_UNIT_DELAY", "0.4")

    def lose_the_scheduler() -> None:
        wait_until(lambda: len(list((tmp_path / "there").rglob("units/*.json"))) >= 2)
        [victim] = double.objects("pods", "dask.org/component=scheduler")
        double.delete("pods", "default", victim["metadata"]["name"], 0)

    losing = in_background(lose_the_scheduler)
    with pytest.raises(TransientError, match="scheduler was lost"):
        run("there", "kubernetes")
    losing.join()
    assert double.objects("daskclusters") == []
    done = len(list((tmp_path / "there").rglob("units/*.json")))
    assert done >= 2
    monkeypatch.setenv("CURATE_CLUSTER_NAME", f"curate-{time.monotonic_ns()}")
    assert run("there", "kubernetes") == here


def test_every_right_that_a_stage_has_is_used(double, request):
    """What the tests above asked for is all that the role allows."""
    ran = {item.originalname for item in request.session.items if item.path == request.path}
    if not ran >= {name for name in globals() if name.startswith("test_")}:
        pytest.skip("some tests of this file were left out")
    assert {(use.resource, use.verb) for use in double.access.allowed("curate-stage")} == {
        (use.resource, use.verb) for use in double.access.used["curate-stage"]
    }


def wait_until(done) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)
