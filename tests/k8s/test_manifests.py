"""The manifests: what the API server would say to them, as far as it can be said without one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from dask.utils import parse_bytes
from kubernetes.client import ApiClient
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]
K8S = REPOSITORY / "k8s"
MODELS = {
    kind: f"V1{kind}"
    for kind in ("ConfigMap", "Deployment", "Namespace", "PersistentVolumeClaim", "Pod", "Role", "RoleBinding", "Service", "ServiceAccount")
}
FILES = sorted(path for path in K8S.rglob("*.yaml") if path.name != "kustomization.yaml" and path.parent.name != "dask")
SPECS = sorted((K8S / "base" / "dask").glob("*.yaml"))


def documents(path: Path) -> list[dict]:
    return [document for document in YAML(typ="safe").load_all(path.read_text(encoding="utf-8")) if document]


def as_model(document: dict, model: str) -> dict:
    """A document as the Kubernetes client understands it, and writes it again."""
    client = ApiClient()
    understood = client.deserialize(SimpleNamespace(data=json.dumps(document)), model)
    return client.sanitize_for_serialization(understood)


def pod_specs() -> dict[str, dict]:
    found = {str(path.relative_to(K8S)): documents(path)[0]["spec"] for path in SPECS}
    for path in FILES:
        for document in documents(path):
            if document["kind"] in ("Pod", "Deployment"):
                spec = document["spec"] if document["kind"] == "Pod" else document["spec"]["template"]["spec"]
                found[f"{path.relative_to(K8S)}:{document['metadata']['name']}"] = spec
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_field_is_one_that_kubernetes_knows(path):
    for document in documents(path):
        assert as_model(document, MODELS[document["kind"]]) == document


@pytest.mark.parametrize("path", SPECS, ids=str)
def test_the_specs_of_dask_pods_are_specs_of_pods(path):
    [document] = documents(path)
    assert as_model(document["spec"], "V1PodSpec") == document["spec"]


@pytest.mark.parametrize("name", pod_specs())
def test_every_pod_passes_the_restricted_standard_and_has_a_read_only_root(name):
    spec = pod_specs()[name]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(set(volume) & {"configMap", "emptyDir", "persistentVolumeClaim", "secret"} for volume in spec["volumes"])
    for container in spec["containers"]:
        context = container["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_every_account_that_is_named_exists():
    accounts = {document["metadata"]["name"] for path in FILES for document in documents(path) if document["kind"] == "ServiceAccount"}
    bound = {subject["name"] for path in FILES for item in documents(path) if item["kind"] == "RoleBinding" for subject in item["subjects"]}
    used = {spec["serviceAccountName"] for spec in pod_specs().values()}
    assert bound | used <= accounts


def test_no_role_holds_more_than_its_namespace_or_reads_secrets():
    rules = [rule for path in FILES for document in documents(path) if document["kind"] == "Role" for rule in document["rules"]]
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        if "secrets" in rule["resources"]:
            assert not {"get", "list", "watch"} & set(rule["verbs"])
    assert not [path for path in FILES for document in documents(path) if document["kind"].startswith("Cluster")]


def test_there_is_a_template_and_a_spec_for_every_pool():
    from curation_tasks.spec import Resources

    pools = set(Resources.model_json_schema()["properties"]["pool"]["enum"])
    assert {path.stem for path in (K8S / "pods").glob("*.yaml")} == pools
    assert {path.stem for path in SPECS} == pools | {"scheduler"}
    kustomization = documents(K8S / "base" / "kustomization.yaml")[0]
    assert set(kustomization["configMapGenerator"][0]["files"]) == {f"dask/{path.name}" for path in SPECS}


def test_stages_at_once_leave_room_for_a_worker_on_a_laptop():
    """Two stages that wait for each other's room would wait for ever: a node of 4 CPUs and 8 GiB, one of each for Kubernetes itself."""
    specs = pod_specs()
    always = [specs["dask-operator/operator.yaml:dask-operator"], specs["overlays/laptop/airflow.yaml:airflow"]]
    of_a_stage = [specs["pods/cpu.yaml:stage"], specs["base/dask/scheduler.yaml"]]
    asked = [container["resources"]["requests"] for spec in [*always, *of_a_stage, *of_a_stage] for container in spec["containers"]]
    [settings] = documents(K8S / "overlays" / "laptop" / "kustomization.yaml")[0]["configMapGenerator"]
    worker = dict(literal.split("=") for literal in settings["literals"])
    assert sum(quantity(item["cpu"]) for item in asked) + int(worker["CURATE_WORKER_THREADS"]) < 3
    assert sum(quantity(item["memory"]) for item in asked) + parse_bytes(worker["CURATE_WORKER_MEMORY"]) < 7 * 2**30


def quantity(text: str) -> float:
    """CPUs or bytes of what Kubernetes writes as `250m`, `2`, `512Mi`."""
    return int(text[:-1]) / 1000 if text.endswith("m") else parse_bytes(text)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", ["base", "dask-operator", "overlays/laptop"])
def test_kustomize_builds_it(folder):
    built = subprocess.run(["kubectl", "kustomize", str(K8S / folder)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    made = [document for document in YAML(typ="safe").load_all(built.stdout) if document]
    if folder == "overlays/laptop":
        assert {item["metadata"].get("namespace") for item in made if item["kind"] != "Namespace"} == {"curation"}
        [specs] = [item for item in made if (item["kind"], item["metadata"]["name"]) == ("ConfigMap", "curate-dask")]
        assert set(specs["data"]) == {path.name for path in SPECS}
        [settings] = [item for item in made if item["metadata"]["name"] == "curate-settings"]
        assert settings["data"]["CURATE_WORKERS"] == "1"
        assert settings["data"]["CURATE_LOG_LEVEL"] == "INFO"


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docker").glob("*/Dockerfile")), ids=lambda path: path.parent.name)
def test_images_end_as_nobody_and_take_their_versions_from_the_lock_file(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert "uv sync --locked" in text
    assert "pip install" not in text.replace("pip install --quiet --no-cache-dir uv==${UV_VERSION}", "")
    [version] = re.findall(r"^ARG UV_VERSION=(.*)$", text, re.MULTILINE)
    assert f"UV_VERSION := {version}\n" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    sources = re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
    allowed = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split()
    for name in (name for source in sources for name in source.split()):
        assert f"!{name}" in allowed
        assert (REPOSITORY / name).exists()


def test_what_the_troubleshooting_table_quotes_is_what_the_code_says():
    text = (K8S / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", text[text.index("## When something goes wrong") :], re.MULTILINE)
    sources = [path for place in ("curation_tasks", "plugins") for path in (REPOSITORY / place).rglob("*.py")]
    said = " ".join(path.read_text(encoding="utf-8") for path in sources)
    quoted = [part.strip() for row in rows for quote in re.findall(r"`([^`]+)`", row) for part in re.split(r"…|\(\w+\)", quote)]
    assert len(quoted) > 15
    for part in quoted:
        # This one is said by the API server.
        assert part in said or part == "violates PodSecurity", part
