"""Stages as pods, on a double of the Kubernetes API whose pods are processes; each in both modes of the operator."""

from __future__ import annotations

import gc
import importlib.util
import json
import shlex
import sys
import threading
import time
from pathlib import Path

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

_PLACE = Path(__file__).with_name("pods.py")
_SPECIFICATION = importlib.util.spec_from_file_location("airflow_pods", _PLACE)
pods = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules["airflow_pods"] = pods
_SPECIFICATION.loader.exec_module(pods)
from kubernetes_double import KubernetesDouble, faults  # noqa: E402

# The Kubernetes client leaves its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
IMAGE = "curation-worker:cpu"


@pytest.fixture(scope="module")
def programs(tmp_path_factory, fake_curate) -> Path:
    """A folder with a command ``curate`` that ends as a test says."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "curate"
    script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-S", str(fake_curate)])} "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def double(programs):
    with KubernetesDouble(pods.access(), {"PATH": f"{programs}:/usr/bin:/bin"}) as running:
        yield running


@pytest.fixture(autouse=True)
def _deployment(monkeypatch, double, tmp_path):
    """Settings of a deployment whose pods start and are looked at quickly; nothing of a test is left for the next."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    # The pauses of the provider are meant for clusters that take minutes.
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(min(seconds, 0.1)))
    cluster = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(double.kubeconfigs["airflow"])}}
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps(cluster))
    monkeypatch.setenv("CURATE_POD_IMAGE", IMAGE)
    monkeypatch.setenv("CURATE_POD_POLL_SECONDS", "0.2")
    monkeypatch.setenv("FAKE_CURATE_CALLS", str(tmp_path / "calls"))
    double.kubelet.environment |= {"FAKE_CURATE": "{}", "FAKE_CURATE_CALLS": str(tmp_path / "calls")}
    double.bodies.clear()
    yield
    double.clear()
    gc.collect()


@pytest.fixture
def behave(double):
    """Sets how the stage ``sorted`` ends."""

    def set_behaviour(**behaviour) -> None:
        double.kubelet.environment["FAKE_CURATE"] = json.dumps({"sorted": behaviour})

    return set_behaviour


@pytest.fixture(params=["true", "false"], ids=["deferrable", "waiting"])
def mode(request, monkeypatch) -> str:
    monkeypatch.setenv("CURATE_POD_DEFERRABLE", request.param)
    return request.param


def operator(stage: str = "sorted", resources: dict | None = None, **arguments):
    from curation_airflow.stage_pod_operator import StagePodOperator

    made = StagePodOperator(task_id=stage, call=pods.call(stage, **(resources or {})), retries=2, **arguments)
    made.startup_check_interval_seconds = 0.2
    return made


def sent(double, plural: str = "pods") -> dict:
    """The last object of a kind that was created, as the client sent it."""
    return [body for kind, body in double.bodies if kind == plural][-1]


def container(pod: dict, name: str = "base") -> dict:
    return next(item for item in pod["spec"]["containers"] if item["name"] == name)


def variables(pod: dict) -> dict:
    return {entry["name"]: entry.get("value") for entry in container(pod)["env"]}


# --- a stage that goes well ----------------------------------------------------------------------------------------------


def test_a_stage_is_a_pod_and_its_result_the_xcom(double, mode, tmp_path):
    ti = pods.TaskInstance("sorted")
    result = pods.run(operator(resources={"workers": 3}), ti.context())
    assert result["manifest"] == "/data/sorted/manifest.json"
    assert result["counts"] == {"documents": 7, "text_bytes": 70}
    [called] = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert called["argv"] == ["stage", "sorted", "--resolved", "/data/resolve/manifest.json", "--workers", "3"]
    assert all("deletionTimestamp" in pod["metadata"] for pod in double.objects("pods"))


def test_the_pod_says_what_it_is_for(double, mode):
    pods.run(operator(), pods.TaskInstance("sorted").context())
    metadata = sent(double)["metadata"]
    assert {name: metadata["labels"][f"curation/{name}"] for name in ("pipeline", "stage", "snapshot")} == {
        "pipeline": "fruit",
        "stage": "sorted",
        "snapshot": "all",
    }
    assert json.loads(metadata["annotations"]["curation/inputs"]) == {"resolve": "k" * 32}
    assert metadata["name"].startswith("fruit-sorted-")


def test_a_snapshot_that_can_be_no_label_stands_whole_in_the_annotation(double, mode):
    pods.run(operator(), pods.TaskInstance("sorted").context(snapshot="all+trial"))
    metadata = sent(double)["metadata"]
    assert metadata["annotations"]["curation/snapshot"] == "all+trial"
    assert metadata["labels"]["curation/snapshot"].startswith("alltrial-")


def test_the_longest_names_are_labels_and_names_that_a_server_takes(double, monkeypatch):
    import dataclasses

    from curation_airflow.stage_pod_operator import StagePodOperator

    longest = "a" + "b_" * 29 + "-"
    call = dataclasses.replace(pods.call(), pipeline=longest, stage=longest, inputs={"resolve": "{resolve}", longest: "{x}"})
    ti = pods.TaskInstance("sorted", results={longest: pods.RESOLVED})
    pods.run(StagePodOperator(task_id="sorted", call=call), ti.context(snapshot="s" * 100 + "+trial_"))
    assert sent(double)["metadata"]["annotations"]["curation/stage"] == longest


def test_resolve_is_handed_the_pipeline_and_no_file(double, mode, monkeypatch):
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "fruit_parts")
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "parts"))
    pods.run(operator("resolve"), pods.TaskInstance("resolve").context(limit=5))
    pod = sent(double)
    assert container(pod)["args"] == ["stage", "resolve", "--snapshot", "all", "--root", "/data", "--limit", "5"]
    assert json.loads(variables(pod)["CURATE_PIPELINE_TEXT"])["spec"]["name"] == "fruit"


def test_the_dashboard_can_be_opened_while_the_stage_runs(double, mode):
    ti = pods.TaskInstance("sorted")
    task = operator()
    pods.run(task, ti.context())
    suffix = ti.xcoms["pod_name"].rsplit("-", 1)[-1]
    assert ti.xcoms["_link_DaskDashboardLink"] == f"http://curate-{suffix}-scheduler.default:8787/status"
    assert task.operator_extra_links[0].get_link(task, ti_key=ti) == "", "the cluster is gone, and Airflow hides an empty link"
    assert variables(sent(double))["CURATE_CLUSTER_NAME"] == f"curate-{suffix}"


def test_everything_in_the_pod_is_restricted_and_of_one_image(double, mode):
    pods.run(operator(), pods.TaskInstance("sorted").context())
    spec = sent(double)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for item in spec["containers"]:
        assert item["image"] == IMAGE
        assert item["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_image_of_the_side_car_can_be_another(double, monkeypatch):
    monkeypatch.setenv("CURATE_POD_SIDECAR_IMAGE", "registry.example/busybox:1")
    pods.run(operator(), pods.TaskInstance("sorted").context())
    assert container(sent(double), "airflow-xcom-sidecar")["image"] == "registry.example/busybox:1"


def test_workers_get_what_the_pipeline_asks_for(double, monkeypatch):
    monkeypatch.setenv("CURATE_POD_IMAGE_GPU", "curation-worker:gpu")
    task = operator(resources={"pool": "gpu", "memory": "8GiB", "gpus": 2})
    assert task.startup_timeout_seconds == 1800
    pods.run(task, pods.TaskInstance("sorted").context())
    pod = sent(double)
    assert variables(pod)["CURATE_WORKER_MEMORY"] == str(8 * 2**30)
    assert (variables(pod)["CURATE_WORKER_GPUS"], variables(pod)["CURATE_WORKER_POOL"]) == ("2", "gpu")
    assert container(pod)["image"] == "curation-worker:gpu"
    assert "nvidia.com/gpu" not in container(pod)["resources"].get("limits", {})
    assert pod["spec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_without_a_cluster_the_pod_itself_gets_it(double, monkeypatch):
    monkeypatch.setenv("CURATE_POD_CLUSTER", "local")
    pods.run(operator(resources={"pool": "gpu", "memory": "8GiB", "gpus": 1, "workers": 2}), pods.TaskInstance("sorted").context())
    assert container(sent(double))["resources"]["limits"] == {"memory": str(16 * 2**30), "nvidia.com/gpu": "2"}


def test_a_claim_with_the_data_is_mounted(double, monkeypatch):
    from curation_airflow.stage_pod_operator import StagePodOperator

    monkeypatch.setenv("CURATE_DATA_CLAIM", "curate-data")
    made = StagePodOperator(task_id="sorted", call=pods.call()).build_pod_request_obj(dry_run=True)
    assert [volume.persistent_volume_claim.claim_name for volume in made.spec.volumes if volume.name == "data"] == ["curate-data"]
    assert "/data" in [mount.mount_path for mount in made.spec.containers[0].volume_mounts]


# --- secrets -------------------------------------------------------------------------------------------------------------


def test_credentials_go_to_a_secret_and_nowhere_else(double, mode, monkeypatch, caplog):
    from airflow.sdk import Connection

    found = Connection(conn_id="store", conn_type="aws", login="the-key", password="the-secret")
    real = Connection.get.__func__
    monkeypatch.setattr(Connection, "get", classmethod(lambda cls, name: found if name == "store" else real(cls, name)))
    monkeypatch.setenv("CURATE_STORAGE_CONNECTION", "store")
    with caplog.at_level("DEBUG"):
        for _ in range(2):
            ti = pods.TaskInstance("sorted")
            task = operator()
            pods.run(task, ti.context())
    assert sent(double, "secrets")["stringData"] == {"AWS_ACCESS_KEY_ID": "the-key", "AWS_SECRET_ACCESS_KEY": "the-secret"}
    assert container(sent(double))["envFrom"][-1]["secretRef"] == {"name": "curate-storage", "optional": False}
    rendered = json.dumps([str(getattr(task, name, "")) for name in task.template_fields])
    for text in (json.dumps(sent(double)), rendered, json.dumps(ti.xcoms), caplog.text):
        assert "the-secret" not in text
    double.delete("secrets", "default", "curate-storage")


def test_a_failure_prints_no_environment(double, mode, behave, caplog):
    behave(exit=78)
    with caplog.at_level("DEBUG"), pytest.raises(AirflowFailException) as caught:
        pods.run(operator(), pods.TaskInstance("sorted").context())
    assert "CURATE_CLUSTER_NAME" not in str(caught.value)
    assert "CURATE_CLUSTER_NAME" not in "".join(record.getMessage() for record in caplog.records if record.levelname != "DEBUG")


# --- a stage that fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [2, 65, 78])
def test_what_cannot_get_better_fails_at_once(double, mode, behave, code):
    behave(exit=code, say=['{"event": "stage starts"}', "error: fruit.yaml:3: unknown key 'parametres'", "  what to do: say parameters"])
    with pytest.raises(AirflowFailException, match=f"exit code {code}.*(?s:.)*unknown key 'parametres'(?s:.)*say parameters") as caught:
        pods.run(operator(), pods.TaskInstance("sorted").context())
    assert "stage starts" not in str(caught.value)


@pytest.mark.parametrize(("code", "tries"), [(75, 3), (143, 3), (70, 1), (137, 1)])
def test_the_rest_is_tried_again_as_often_as_it_may_help(double, mode, behave, code, tries):
    behave(exit=code)
    ti = pods.TaskInstance("sorted")
    for number in range(1, tries + 1):
        ti.try_number = number
        with pytest.raises(AirflowException) as caught:
            pods.run(operator(), ti.context())
        assert not isinstance(caught.value, AirflowFailException)
    if tries == 1:
        ti.try_number = 2
        with pytest.raises(AirflowFailException):
            pods.run(operator(), ti.context())
    # Each try has a pod of its own; failed ones are kept to be looked at and not found again.
    assert len([pod for pod in double.objects("pods") if pod["metadata"]["labels"].get("already_checked") == "True"]) >= tries


FATES = {
    "evicted": ({faults.EVICTED: "0.3"}, "taken from its node (Evicted)"),
    "out of memory": ({faults.OUT_OF_MEMORY: "0.3"}, "killed for want of memory"),
    "node lost": ({faults.NODE_LOST: "0.3"}, "lost its pod"),
    "no such image": (
        {faults.IMAGE_PULL: "registry.example/none: not found"},
        "did not start (ErrImagePull): registry.example/none: not found",
    ),
    "no node": ({faults.UNSCHEDULABLE: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}, "3 Insufficient nvidia.com/gpu"),
}


@pytest.mark.parametrize("fate", FATES)
def test_what_the_cluster_does_to_a_pod_is_tried_again(double, mode, behave, fate):
    annotations, said = FATES[fate]
    behave(sleep=30)
    double.inject("curation/stage=sorted", annotations)
    task = operator()
    task.startup_timeout_seconds = task.schedule_timeout_seconds = 1
    ti = pods.TaskInstance("sorted")
    with pytest.raises(AirflowException) as caught:
        pods.run(task, ti.context())
    assert not isinstance(caught.value, AirflowFailException)
    assert said in str(caught.value)
    if fate == "out of memory":
        assert "resources.memory" in str(caught.value)
    behave()
    ti.try_number = 2
    assert pods.run(operator(), ti.context())["digest"]
    # What never started must not start later.
    assert [
        pod for pod in double.objects("pods") if pod["status"]["phase"] == "Pending" and not pod["metadata"].get("deletionTimestamp")
    ] == []


def test_a_missing_secret_is_named(double, mode, monkeypatch):
    monkeypatch.setattr("curation_airflow.stage_pod_operator.storage_credentials", lambda: {"AWS_ACCESS_KEY_ID": "key"})
    monkeypatch.setattr("curation_airflow.stage_pod_operator.StagePodOperator._write_secret", lambda self, namespace: None)
    task = operator()
    task.startup_timeout_seconds = task.schedule_timeout_seconds = 1
    with pytest.raises(AirflowFailException, match=r'CreateContainerConfigError\): secret "curate-storage" not found'):
        pods.run(task, pods.TaskInstance("sorted").context())


def test_a_command_that_is_not_in_the_image_fails_at_once(double, mode, programs):
    double.kubelet.environment["PATH"], path = "/nowhere", double.kubelet.environment["PATH"]
    (programs / "curate").rename(programs / "hidden")
    try:
        with pytest.raises(AirflowFailException, match="StartError"):
            pods.run(operator(), pods.TaskInstance("sorted").context())
    finally:
        (programs / "hidden").rename(programs / "curate")
        double.kubelet.environment["PATH"] = path


def test_rules_that_allow_too_little_are_named(double, mode, monkeypatch):
    monkeypatch.setattr(double.access, "rules", double.access.rules | {"airflow": []})
    with pytest.raises(AirflowFailException, match=r"(?s)may not do that.*cannot (get|list) resource.*k8s/base/rbac\.yaml"):
        pods.run(operator(), pods.TaskInstance("sorted").context())


def test_an_api_that_stays_silent_is_asked_again_at_the_next_try(double, mode):
    double.drop(10**6)
    with pytest.raises(AirflowException, match="API of Kubernetes does not answer") as caught:
        pods.run(operator(), pods.TaskInstance("sorted").context())
    assert not isinstance(caught.value, AirflowFailException)
    double.drop(0)


@pytest.mark.parametrize("connection", [None, {"conn_type": "kubernetes"}], ids=["no Connection", "one that says nothing"])
def test_without_a_connection_the_triggerer_looks_in_the_cluster_of_airflow(double, monkeypatch, connection):
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(double.kubeconfigs["airflow"]))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_KUBERNETES_DEFAULT")
    if connection is not None:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps(connection))
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(pods.TaskInstance("sorted").context())
    assert deferred.value.trigger.in_cluster is True


def test_a_connection_to_another_cluster_is_kept(double, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    # The provider's triggerer refuses two ways to a cluster.
    monkeypatch.setenv("KUBECONFIG", str(double.kubeconfigs["administrator"]))
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(pods.TaskInstance("sorted").context())
    assert (deferred.value.trigger.in_cluster, deferred.value.trigger.config_dict) == (None, None)
    assert pods.run(operator(), pods.TaskInstance("sorted").context())["digest"] == "d" * 64


# --- results that the provider would lose --------------------------------------------------------------------------------


def test_a_stage_that_writes_no_result_is_tried_again(double, mode, behave):
    behave(forgets_result=True)
    with pytest.raises(AirflowException, match="left no result: there is none") as caught:
        pods.run(operator(), pods.TaskInstance("sorted").context())
    assert not isinstance(caught.value, AirflowFailException)


def test_a_result_too_large_for_an_xcom_is_refused(double, mode, behave):
    behave(padding=5000)
    with pytest.raises(AirflowFailException, match="4096"):
        pods.run(operator(), pods.TaskInstance("sorted").context())


def test_the_result_of_a_pod_that_ended_while_the_worker_was_away_is_kept(double, monkeypatch):
    ti = pods.TaskInstance("sorted")
    first = operator()
    with pytest.raises(TaskDeferred):
        first.execute(ti.context())
    wait_until(lambda: "terminated" in state(double, "base"))
    # The worker died before it could defer; the next try finds the pod of the first, which has ended meanwhile.
    ti.try_number = 2
    assert operator().execute(ti.context())["digest"] == "d" * 64
    assert len([body for kind, body in double.bodies if kind == "pods"]) == 1


def test_a_pod_that_is_gone_after_success_is_no_success_without_result(double):
    ti = pods.TaskInstance("sorted")
    with pytest.raises(TaskDeferred):
        operator().execute(ti.context())
    wait_until(lambda: "terminated" in state(double, "base"))
    name = ti.xcoms["pod_name"]
    double.delete("pods", "default", name, 0)
    wait_until(lambda: double.objects("pods") == [])
    with pytest.raises(AirflowException, match="next try finds its commit"):
        operator().trigger_reentry(ti.context(), {"status": "success", "name": name, "namespace": "default"})


def test_what_fails_after_the_result_was_read_does_not_matter(double, mode, monkeypatch):
    from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager

    def lost(self, *arguments, **more):
        raise AirflowException("the connection was lost")

    monkeypatch.setattr(PodManager, "await_pod_completion", lost)
    assert pods.run(operator(), pods.TaskInstance("sorted").context())["digest"] == "d" * 64


def test_the_next_try_goes_on_with_the_pod_of_a_worker_that_died(double, mode, behave):
    behave(sleep=2)
    ti = pods.TaskInstance("sorted")
    task = operator()
    task.deferrable = True
    with pytest.raises(TaskDeferred):
        task.execute(ti.context())
    ti.try_number = 2
    assert pods.run(operator(), ti.context())["digest"] == "d" * 64
    assert len([body for kind, body in double.bodies if kind == "pods"]) == 1


def test_a_killed_task_takes_its_pod_along(double, behave, monkeypatch):
    monkeypatch.setenv("CURATE_POD_DEFERRABLE", "false")
    behave(sleep=30)
    task = operator()
    killer = threading.Thread(
        target=lambda: (wait_until(lambda: task.pod is not None and "running" in state(double, "base")), task.on_kill())
    )
    killer.start()
    with pytest.raises(AirflowException):
        pods.run(task, pods.TaskInstance("sorted").context())
    killer.join()
    wait_until(lambda: double.objects("pods") == [])
    assert "deletecollection daskclusters" in double.requests


# --- rights --------------------------------------------------------------------------------------------------------------


def test_every_right_that_airflow_has_is_used(double, request):
    """What the tests above asked for is all that the role allows."""
    ran = {item.originalname for item in request.session.items if item.path == request.path}
    if not ran >= {name for name in globals() if name.startswith("test_")}:
        pytest.skip("some tests of this file were left out")
    used = {(use.resource, use.verb) for use in double.access.used["airflow"]}
    allowed = {(use.resource, use.verb) for use in double.access.allowed("airflow")}
    assert allowed - used == {("pods/exec", "create")}  # asked for by Kubernetes 1.35


def state(double, name: str) -> dict:
    [pod] = double.objects("pods", "curation/stage=sorted")
    return next((item["state"] for item in pod["status"].get("containerStatuses", []) if item["name"] == name), {})


def wait_until(done) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
