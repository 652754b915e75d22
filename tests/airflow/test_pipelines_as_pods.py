"""Whole pipelines as pods that make Dask clusters of their own: the same digests as without any, whatever is lost on the way."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from curation_tasks.manifest import read_manifest
from curation_tasks.plan import plan
from curation_tasks.spec import RESOLVE, load_pipeline

_PLACE = Path(__file__).with_name("pods.py")
_SPECIFICATION = importlib.util.spec_from_file_location("airflow_pods", _PLACE)
pods = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules["airflow_pods"] = pods
_SPECIFICATION.loader.exec_module(pods)
from kubernetes_double import KubernetesDouble  # noqa: E402

pytestmark = [pytest.mark.service, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.timeout(600)]
TESTS = pods.REPOSITORY / "tests"


@pytest.fixture(scope="module")
def double():
    """A cluster with what ``k8s/base`` puts there, whose pods find the programs of this machine."""
    programs = Path(sys.executable).parent
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/tmp"),
        "PYTHONPATH": str(TESTS),
        "CURATE_ALLOWED_PACKAGES": "curation_test_parts",
    }
    with KubernetesDouble(pods.access(), environment) as running:
        folder = pods.REPOSITORY / "k8s" / "base"
        specs = {path.name: path.read_text(encoding="utf-8") for path in (folder / "dask").glob("*.yaml")}
        running.create("configmaps", "default", {"metadata": {"name": "curate-dask"}, "data": specs})
        for document in pods.documents("base/settings.yaml"):
            running.create("configmaps", "default", document)
        yield running


def digests(root: Path) -> dict[str, str]:
    """Stage → digest of what it committed."""
    manifests = [read_manifest(str(path)) for path in root.glob("*/*/*/*/manifest.json")]
    return {manifest.stage: manifest.digest for manifest in manifests}


def test_the_quickstart_as_pods_has_the_digests_of_a_run_without_cluster(double, tmp_path):
    quickstart = pods.REPOSITORY / "dags" / "pipelines" / "quickstart.yaml"
    here, there = tmp_path / "here", tmp_path / "there"
    curate = [sys.executable, "-m", "curation_tasks.cli", "run", str(quickstart), "--root", str(here), "--no-report", "--json"]
    subprocess.run(curate, check=True, capture_output=True)
    once = [sys.executable, "-m", "curation_airflow.run_once", "quickstart", "--root", str(there), "--home", str(tmp_path / "airflow")]
    settings = {
        "PYTHONPATH": str(pods.REPOSITORY / "plugins"),
        "KUBECONFIG": str(double.kubeconfigs["airflow"]),
        "CURATE_STAGE_RUNNER": "pod",
        "CURATE_POD_IMAGE": "curation-worker:cpu",
        "CURATE_POD_POLL_SECONDS": "1",
    }
    double.kubelet.environment["CURATE_WORKERS"] = "1"
    done = subprocess.run([*once, "--verbose"], env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert digests(there) == digests(here)
    assert len(digests(there)) == 10
    stages = [body["metadata"]["labels"]["curation/stage"] for kind, body in double.bodies if kind == "pods"]
    assert sorted(stages) == sorted([RESOLVE, *(stage.id for stage in load_pipeline(quickstart).stages)])
    made = [body["metadata"]["annotations"]["curation/stage"] for kind, body in double.bodies if kind == "daskclusters"]
    assert made == [stage for stage in stages if stage not in (RESOLVE, "publish")]
    assert double.objects("daskclusters") == []
    wait_until(lambda: double.objects("pods") == [])


@pytest.fixture
def stages(pipeline, tmp_path, monkeypatch, double):
    """The first stages of the demo pipeline as operators, and what they give without cluster."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    cluster = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(double.kubeconfigs["airflow"])}}
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps(cluster))
    monkeypatch.setenv("CURATE_POD_IMAGE", "curation-worker:cpu")
    monkeypatch.setenv("CURATE_POD_POLL_SECONDS", "0.5")
    monkeypatch.setenv("CURATE_POD_LOG_SECONDS", "2")
    double.kubelet.environment["CURATE_WORKERS"] = "2"
    double.bodies.clear()
    from curation_airflow.stage_pod_operator import StagePodOperator

    path = pipeline()
    calls = {call.stage: call for call in plan(load_pipeline(path)).calls(str(path), "all", str(tmp_path / "there"))}
    run = [sys.executable, "-m", "curation_tasks.cli", "run", str(path), "--root", str(tmp_path / "here"), "--no-report"]
    subprocess.run([*run, "--until", "lines"], check=True, capture_output=True)
    yield lambda stage: StagePodOperator(task_id=stage, call=calls[stage], retries=2), digests(tmp_path / "here")
    double.kubelet.environment.pop("CURATE_TEST_UNIT_DELAY", None)
    gc.collect()


@pytest.mark.parametrize("deferrable", ["true", "false"])
def test_a_stage_whose_pod_is_lost_goes_on_with_its_next_try(double, stages, monkeypatch, tmp_path, deferrable):
    monkeypatch.setenv("CURATE_POD_DEFERRABLE", deferrable)
    operator, expected = stages
    resolved = pods.run(operator(RESOLVE), pods.TaskInstance(RESOLVE).context())
    assert resolved["digest"] == expected[RESOLVE]
    double.kubelet.environment["CURATE_TEST_UNIT_DELAY"] = "1.5"

    def lose_the_pod() -> None:
        wait_until(lambda: len(units(tmp_path)) >= 2)
        [victim] = double.objects("pods", "curation/stage=lines,app.kubernetes.io/component=stage")
        double.delete("pods", "default", victim["metadata"]["name"], 0)

    losing = threading.Thread(target=lose_the_pod)
    losing.start()
    ti = pods.TaskInstance("lines", results={RESOLVE: resolved})
    with pytest.raises(AirflowException, match="lost its pod") as caught:
        pods.run(operator("lines"), ti.context())
    losing.join()
    assert not isinstance(caught.value, AirflowFailException)
    wait_until(lambda: double.objects("daskclusters") == [] and double.objects("pods") == [])
    done = units(tmp_path)
    assert 2 <= len(done) < 6
    ti.try_number = 2
    assert pods.run(operator("lines"), ti.context())["digest"] == expected["lines"]
    # What the first try had done was not done again.
    assert {path: path.stat().st_mtime_ns for path in done} == done
    wait_until(lambda: double.objects("daskclusters") == [] and double.objects("pods") == [])


def units(tmp_path: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (tmp_path / "there").rglob("units/*.json")}


def wait_until(done) -> None:
    end = time.monotonic() + 120
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)
