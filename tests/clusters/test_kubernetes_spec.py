"""The DaskCluster of a stage, as the operator gets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from curation_tasks.clusters import ClusterSettings
from curation_tasks.clusters.kubernetes_spec import cluster_object, kubernetes_settings, label_value, tasks_at_once
from curation_tasks.errors import ConfigError

TEMPLATES = Path(__file__).parents[2] / "k8s" / "base" / "dask"
PURPOSE = {"pipeline": "stories", "stage": "refine", "snapshot": "all+trial", "key": "k" * 32}


@pytest.fixture(autouse=True)
def _stage_pod(monkeypatch):
    """The environment that the operator gives a stage pod."""
    for name, value in {
        "CURATE_WORKER_IMAGE": "curation-worker:cpu",
        "CURATE_CLUSTER_NAME": "curate-abcd1234",
        "CURATE_POD_NAME": "stories-refine-abcd1234",
        "CURATE_POD_UID": "1-2-3",
        "CURATE_POD_NAMESPACE": "curation",
        "CURATE_DASK_TEMPLATES": str(TEMPLATES),
        "CURATE_ROOT": "s3://bucket/curation",
        "CURATE_PIPELINE_TEXT": "{}",
        "CURATE_RESULT": "/airflow/xcom/return.json",
        "CURATE_HUB_TOKEN": "a secret",
    }.items():
        monkeypatch.setenv(name, value)


def made(settings: ClusterSettings | None = None, *, threads: bool = True) -> dict:
    return cluster_object(kubernetes_settings(settings or ClusterSettings("kubernetes")), PURPOSE, threads=threads)


def container(document: dict, part: str) -> dict:
    [found] = document["spec"][part]["spec"]["containers"]
    return found


def variables(found: dict) -> dict:
    return {entry["name"]: entry.get("value") for entry in found["env"]}


def option(found: dict, name: str) -> str:
    return found["args"][found["args"].index(name) + 1]


def test_the_stage_pod_owns_it_and_it_says_what_it_is_for():
    metadata = made()["metadata"]
    assert metadata["name"] == "curate-abcd1234"
    assert metadata["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "stories-refine-abcd1234", "uid": "1-2-3"}]
    assert metadata["labels"]["curation/pod"] == "stories-refine-abcd1234"
    assert metadata["labels"]["curation/pod-uid"] == "1-2-3"
    assert metadata["labels"]["curation/stage"] == "refine"
    assert metadata["annotations"]["curation/key"] == "k" * 32
    assert metadata["annotations"]["curation/snapshot"] == "all+trial"
    assert made()["spec"]["idleTimeout"] == 3600


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_pods_are_those_of_the_deployment_with_the_image_of_the_stage(part):
    spec, found = made()["spec"][part]["spec"], container(made(), part)
    assert found["image"] == "curation-worker:cpu"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    assert found["envFrom"][-1] == {"secretRef": {"name": "curate-storage", "optional": True}}


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_settings_go_along_and_what_is_the_stages_own_or_secret_does_not(part):
    names = variables(container(made(), part))
    assert names["CURATE_ROOT"] == "s3://bucket/curation"
    assert not {"CURATE_PIPELINE_TEXT", "CURATE_RESULT", "CURATE_HUB_TOKEN", "CURATE_POD_NAME", "CURATE_WORKER_IMAGE"} & set(names)


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_the_commands_exist(part):
    command = container(made(), part)["args"]
    known = [word for word in command if word.startswith("--")]
    shown = subprocess.run(
        [sys.executable, "-m", "dask", *command[1 : command.index(known[0])], "--help"], capture_output=True, text=True, check=True
    )
    for name in known:
        assert name in shown.stdout


def test_work_that_releases_the_interpreter_has_one_process_a_pod():
    found = container(made(ClusterSettings("kubernetes", workers=3, memory=8 * 2**30)), "worker")
    assert made(ClusterSettings("kubernetes", workers=3))["spec"]["worker"]["replicas"] == 3
    assert (option(found, "--nworkers"), option(found, "--nthreads")) == ("1", "2")
    assert option(found, "--memory-limit") == str(8 * 2**30)
    assert found["resources"]["requests"]["memory"] == found["resources"]["limits"]["memory"] == str(8 * 2**30)


def test_other_work_has_a_process_for_each_core():
    found = container(made(threads=False), "worker")
    assert (option(found, "--nworkers"), option(found, "--nthreads")) == ("2", "1")
    assert option(found, "--memory-limit") == str(2 * 2**30)


def test_a_deployment_may_make_all_workers_smaller(monkeypatch):
    monkeypatch.setenv("CURATE_WORKER_THREADS", "1")
    monkeypatch.setenv("CURATE_WORKER_MEMORY", "2GiB")
    found = container(made(), "worker")
    assert found["resources"]["requests"] == {"cpu": "1", "memory": str(2 * 2**30)}
    assert (option(found, "--nthreads"), option(found, "--memory-limit")) == ("1", str(2 * 2**30))


def test_pods_of_an_adaptive_cluster_are_one_worker_each(monkeypatch):
    monkeypatch.setenv("CURATE_WORKERS", "1-20")
    document = made(threads=False)
    assert document["spec"]["worker"]["replicas"] == 1
    assert option(container(document, "worker"), "--nworkers") == "1"
    assert tasks_at_once(kubernetes_settings(ClusterSettings("kubernetes"))) == 40


def test_workers_with_gpus_run_dask_cuda(monkeypatch):
    monkeypatch.setenv("CURATE_WORKER_POOL", "gpu")
    monkeypatch.setenv("CURATE_WORKER_GPUS", "2")
    monkeypatch.setenv("CURATE_WORKER_MEMORY", "64GiB")
    document = made()
    found = container(document, "worker")
    assert found["args"][:3] == ["dask", "cuda", "worker"]
    assert "--nworkers" not in found["args"]
    assert (option(found, "--nthreads"), option(found, "--memory-limit")) == ("2", str(32 * 2**30))
    assert found["resources"]["limits"] == {"memory": str(64 * 2**30), "nvidia.com/gpu": "2"}
    assert document["spec"]["worker"]["spec"]["tolerations"]
    assert kubernetes_settings(ClusterSettings("kubernetes")).ready_seconds == 1800


def test_a_claim_with_the_data_is_mounted(monkeypatch):
    monkeypatch.setenv("CURATE_DATA_CLAIM", "curate-data")
    spec = made()["spec"]["worker"]["spec"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "curate-data"}} in spec["volumes"]
    assert {"name": "data", "mountPath": "/data"} in spec["containers"][0]["volumeMounts"]


def test_without_specs_of_the_deployment_pods_are_restricted_all_the_same(monkeypatch):
    monkeypatch.setenv("CURATE_DASK_TEMPLATES", "/nowhere")
    spec = made()["spec"]["worker"]["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CURATE_WORKER_IMAGE", "", "no image is named"),
        ("CURATE_WORKERS", "many", "'many' is no number of workers"),
        ("CURATE_WORKERS", "5-2", "'5-2' is no number of workers"),
        ("CURATE_WORKERS", "0", "'0' is no number of workers"),
        ("CURATE_WORKER_MEMORY", "much", "'much' is no number"),
        ("CURATE_CLUSTER_READY_SECONDS", "-1", "'-1' is no number"),
        ("CURATE_WORKER_POOL", "tpu", "one of: cpu, cpu-large, gpu, scheduler"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        made()
    assert said in str(caught.value)


def test_a_spec_without_its_container_is_refused(monkeypatch, tmp_path):
    (tmp_path / "scheduler.yaml").write_text("spec: {containers: [{name: other}]}")
    monkeypatch.setenv("CURATE_DASK_TEMPLATES", str(tmp_path))
    with pytest.raises(ConfigError, match="'scheduler' has no container 'scheduler'"):
        made()
    (tmp_path / "scheduler.yaml").write_text("- spec")
    with pytest.raises(ConfigError, match="not a spec of a pod"):
        made()


@pytest.mark.parametrize(
    ("text", "value"),
    [("CC-MAIN-2026-30", "CC-MAIN-2026-30"), ("all+trial", "alltrial-b7a4e5aae"), ("_x_", "x-"), ("+", ""), ("a" * 70, "a" * 53 + "-")],
)
def test_label_values_are_legal_and_differ_where_the_texts_do(text, value):
    made_value = label_value(text)
    assert made_value.startswith(value[:8])
    assert len(made_value) <= 63
    assert made_value[0].isalnum()
    assert made_value[-1].isalnum()
