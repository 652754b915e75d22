"""A cluster to run stages on: the double, whose pods are processes of this machine, or the real one that KUBECONFIG names."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[3]
sys.path[:0] = [str(REPOSITORY / "tests" / "services"), str(REPOSITORY / "tests" / "airflow")]


@dataclass
class Place:
    """Where stages are run.

    Attributes:
        namespace: Of all pods.
        root: Storage root, as pods see it.
        client: For the test's own questions, with all rights.
        templates: Folder of pod templates, which a test may change.
        real: It has nodes, images and limits.
    """

    namespace: str
    root: str
    client: Any
    templates: Path
    real: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    def change_template(self, **container: Any) -> None:
        """Sets fields of the stage container of the pool ``cpu``."""
        self._change(lambda spec: spec["containers"][0].update(container))

    def change_pod(self, **fields: Any) -> None:
        """Sets fields of the pod of the pool ``cpu``."""
        self._change(lambda spec: spec.update(fields))

    def _change(self, change: Any) -> None:
        path = self.templates / "cpu.yaml"
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        change(document["spec"])
        path.write_text(json.dumps(document), encoding="utf-8")

    def pods(self, labels: str) -> list[Any]:
        return self.client.list_namespaced_pod(self.namespace, label_selector=labels).items

    def delete_pod(self, name: str) -> None:
        self.client.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)

    def clusters(self) -> list[str]:
        """Names of all Dask clusters."""
        from kubernetes.client import CustomObjectsApi

        listed = CustomObjectsApi(self.client.api_client).list_namespaced_custom_object
        found = listed("kubernetes.dask.org", "v1", self.namespace, "daskclusters")
        return [item["metadata"]["name"] for item in found["items"]]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster", "tests on a real Kubernetes cluster (-m cluster, KUBECONFIG set)")
    group.addoption("--cluster-namespace", default="curation", help="namespace with what k8s/base puts there")
    group.addoption("--cluster-image", default="curation-worker:cpu", help="image of docker/worker that the nodes can pull")
    group.addoption("--cluster-root", default="", help="storage root of the pods: s3://bucket/prefix, or a folder below /data")
    group.addoption("--cluster-claim", default="", help="PersistentVolumeClaim mounted at /data, when the root is a folder")
    group.addoption("--cluster-sidecar-image", default="", help="image of the side-car; default: that of the stages")


@pytest.fixture(scope="session")
def double() -> Iterator[Any]:
    from kubernetes_double import Access, KubernetesDouble

    yaml = YAML(typ="safe")
    base = REPOSITORY / "k8s" / "base"
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/tmp"), "CURATE_WORKERS": "1"}
    access = Access.of_manifests(yaml.load_all((base / "rbac.yaml").read_text(encoding="utf-8")))
    with KubernetesDouble(access, environment) as running:
        specs = {path.name: path.read_text(encoding="utf-8") for path in (base / "dask").glob("*.yaml")}
        running.create("configmaps", "default", {"metadata": {"name": "curate-dask"}, "data": specs})
        running.create("configmaps", "default", yaml.load((base / "settings.yaml").read_text(encoding="utf-8")))
        yield running


@pytest.fixture(params=[pytest.param("double", marks=pytest.mark.service), pytest.param("real", marks=pytest.mark.cluster)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cluster that is ready for stages, and the settings of an Airflow that runs them there."""
    from airflow.sdk.bases.operator import ExecutorSafeguard

    templates = tmp_path / "templates"
    shutil.copytree(REPOSITORY / "k8s" / "pods", templates)
    made = _double(request, tmp_path, templates) if request.param == "double" else _real(request, templates)
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    for name, value in {
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(
            {"conn_type": "kubernetes", "extra": {"kube_config_path": made.settings["kubeconfig"]}}
        ),
        "CURATE_POD_NAMESPACE": made.namespace,
        "CURATE_POD_IMAGE": made.settings["image"],
        "CURATE_POD_TEMPLATES": str(templates),
        "CURATE_POD_POLL_SECONDS": "1",
        "CURATE_DATA_CLAIM": made.settings.get("claim", ""),
        "CURATE_POD_SIDECAR_IMAGE": made.settings.get("sidecar", ""),
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    for pod in made.pods("app.kubernetes.io/name=curate"):
        if "curation/pipeline" in pod.metadata.labels:
            made.delete_pod(pod.metadata.name)
    made.client.api_client.close()


def _client(kubeconfig: str) -> Any:
    from kubernetes import config
    from kubernetes.client import CoreV1Api

    return CoreV1Api(config.new_client_from_config(kubeconfig))


def _double(request: pytest.FixtureRequest, tmp_path: Path, templates: Path) -> Place:
    from kubernetes_double import ADMINISTRATOR

    running = request.getfixturevalue("double")
    settings = {"kubeconfig": str(running.kubeconfigs["airflow"]), "image": "curation-worker:cpu"}
    return Place("default", str(tmp_path / "there"), _client(str(running.kubeconfigs[ADMINISTRATOR])), templates, settings=settings)


def _real(request: pytest.FixtureRequest, templates: Path) -> Place:
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        pytest.skip("KUBECONFIG names no cluster; k8s/README.md says how to run these tests")
    option = request.config.getoption
    claim, root = option("--cluster-claim"), option("--cluster-root")
    if not root:
        root = "/data/curation-test" if claim else ""
    if not root:
        pytest.fail("no storage: give --cluster-root=s3://bucket/prefix, or --cluster-claim=NAME of a volume for all pods")
    place = Place(option("--cluster-namespace"), f"{root}/{os.urandom(4).hex()}", _client(kubeconfig), templates, real=True)
    place.settings |= {
        "kubeconfig": kubeconfig,
        "image": option("--cluster-image"),
        "claim": claim,
        "sidecar": option("--cluster-sidecar-image"),
    }
    if missing := _missing(place):
        pytest.fail("the cluster is not ready (k8s/README.md):\n" + "\n".join(f"  - {item}" for item in missing))
    return place


def _missing(place: Place) -> list[str]:
    """All that a cluster lacks, so that one run says everything."""
    from kubernetes.client.exceptions import ApiException

    def there(question: Any, *arguments: str) -> bool:
        try:
            question(*arguments)
        except ApiException as error:
            if error.status in (401, 403):
                pytest.fail(f"KUBECONFIG has too few rights for these tests: {error.reason} ({question.__name__})")
            return False
        return True

    client, missing = place.client, []
    if not there(client.list_namespaced_pod, place.namespace):
        return [f"namespace {place.namespace!r}: kubectl create namespace, or --cluster-namespace"]
    for account in ("airflow", "curate-stage", "curate-dask"):
        if not there(client.read_namespaced_service_account, account, place.namespace):
            missing.append(f"service account {account!r}: kubectl apply -k k8s/base")
    if not there(client.read_namespaced_config_map, "curate-dask", place.namespace):
        missing.append("ConfigMap 'curate-dask' with the specs of Dask pods: kubectl apply -k k8s/base")
    if not there(place.clusters):
        missing.append("resource definitions of the Dask operator: section 'The Dask operator' of k8s/README.md")
    if place.root.startswith("s3://") and not there(client.read_namespaced_secret, "curate-storage", place.namespace):
        missing.append("Secret 'curate-storage' with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    claim = place.settings["claim"]
    if claim and not there(client.read_namespaced_persistent_volume_claim, claim, place.namespace):
        missing.append(f"PersistentVolumeClaim {claim!r}")
    return missing
