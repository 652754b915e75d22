"""The DaskCluster of a stage: settings from the environment of its pod, and the object that the Dask operator acts on.

Nothing here enters a key. The specs of scheduler and workers come from files that the deployment mounts
(``k8s/base/dask``); command, image, environment and what the pipeline asks for are filled in.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dask.utils import parse_bytes

from curation_tasks.clusters import ClusterSettings
from curation_tasks.errors import ConfigError
from curation_tasks.yaml_files import plain, read_yaml

SCHEDULER_PORT, DASHBOARD_PORT = 8786, 8787
#: A worker that is lost takes its unit along; on nodes that are taken back this happens more often than a unit that kills.
ALLOWED_FAILURES = 5
_DEFAULT_WORKERS = 2
_READY_SECONDS = {"gpu": 1800}
#: Variables of the stage pod that are its own; the others of ours go to its workers as well.
_OWN = re.compile(
    r"CURATE_(RESULT|PIPELINE_TEXT|POD_.*|CLUSTER.*|WORKER.*|DASK_TEMPLATES|CACHE|STORAGE_SECRET|.*(TOKEN|SECRET|PASSWORD).*)$"
)
_RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "automountServiceAccountToken": False,
}


@dataclass(frozen=True)
class KubernetesSettings:
    """Where and how a stage's Dask cluster is made.

    Attributes:
        name: Of the cluster.
        namespace: None: that of the Kubernetes configuration.
        pod: Name and uid of the stage pod, which owns the cluster; None outside of a pod.
        image: Of scheduler and workers: the stage's own.
        pool: Which spec the workers have.
        workers: Fewest and most; equal when the number is fixed.
        memory: Bytes per worker; None: as its spec says.
        threads: Tasks of a worker at once, and its CPUs; None: as its spec's ``requests.cpu`` says.
        gpus: Per worker; 0: as its spec says.
        templates: Folder of the specs.
        storage_secret: Secret with the storage's credentials.
        data_claim: PersistentVolumeClaim mounted at ``/data``, where the storage is a file system.
        ready_seconds: Until the first worker must be there.
        operator_seconds: Until the operator must have acted.
        idle_seconds: After which the operator deletes a cluster without work.
    """

    name: str
    namespace: str | None
    pod: tuple[str, str] | None
    image: str
    pool: str
    workers: tuple[int, int]
    memory: int | None
    threads: int | None
    gpus: int
    templates: Path | None
    storage_secret: str
    data_claim: str | None
    ready_seconds: float
    operator_seconds: float
    idle_seconds: int

    @property
    def adaptive(self) -> bool:
        return self.workers[0] != self.workers[1]


def kubernetes_settings(settings: ClusterSettings) -> KubernetesSettings:
    """The settings of this process.

    Raises:
        ConfigError: A variable is missing or wrong; names it.
    """
    get = os.environ.get
    image = get("CURATE_WORKER_IMAGE")
    if not image:
        raise ConfigError("no image is named for the Dask workers", where="CURATE_WORKER_IMAGE", remedy="name the image of this process")
    pod, pool = (get("CURATE_POD_NAME"), get("CURATE_POD_UID")), get("CURATE_WORKER_POOL") or "cpu"
    return KubernetesSettings(
        name=get("CURATE_CLUSTER_NAME") or f"curate-{uuid.uuid4().hex[:8]}",
        namespace=get("CURATE_POD_NAMESPACE"),
        pod=(pod[0], pod[1]) if pod[0] and pod[1] else None,
        image=image,
        pool=pool,
        workers=(settings.workers, settings.workers) if settings.workers else _workers(),
        memory=settings.memory or _whole("CURATE_WORKER_MEMORY", None),
        threads=_whole("CURATE_WORKER_THREADS", None),
        gpus=_whole("CURATE_WORKER_GPUS", 0) or 0,
        templates=Path(get("CURATE_DASK_TEMPLATES") or "") if get("CURATE_DASK_TEMPLATES") else None,
        storage_secret=get("CURATE_STORAGE_SECRET") or "curate-storage",
        data_claim=get("CURATE_DATA_CLAIM") or None,
        ready_seconds=_whole("CURATE_CLUSTER_READY_SECONDS", None) or _READY_SECONDS.get(pool, 600),
        operator_seconds=_whole("CURATE_CLUSTER_OPERATOR_SECONDS", None) or 30,
        idle_seconds=_whole("CURATE_CLUSTER_IDLE_SECONDS", None) or 3600,
    )


def cluster_object(settings: KubernetesSettings, purpose: Mapping[str, str], *, threads: bool) -> dict[str, Any]:
    """The DaskCluster.

    Args:
        settings: Of the deployment.
        purpose: What it is for (pipeline, stage, snapshot, key); becomes labels and annotations.
        threads: The work releases the GIL: one process with all threads, else a process for each.
    """
    labels = {"app.kubernetes.io/name": "curate"} | {
        f"curation/{name}": label_value(value) for name, value in purpose.items() if name != "key"
    }
    metadata: dict[str, Any] = {"name": settings.name, "annotations": {f"curation/{name}": value for name, value in purpose.items()}}
    if settings.pod:
        name, uid = settings.pod
        labels |= {"curation/pod": name, "curation/pod-uid": uid}
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}]
    selector = {"dask.org/cluster-name": settings.name, "dask.org/component": "scheduler"}
    ports = [("tcp-comm", SCHEDULER_PORT), ("http-dashboard", DASHBOARD_PORT)]
    service = {
        "type": "ClusterIP",
        "selector": selector,
        "ports": [{"name": name, "protocol": "TCP", "port": port, "targetPort": name} for name, port in ports],
    }
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": metadata | {"labels": labels},
        "spec": {
            "idleTimeout": settings.idle_seconds,
            "scheduler": {"spec": _scheduler_spec(settings, ports), "service": service},
            "worker": {"replicas": settings.workers[0], "spec": _worker_spec(settings, threads=threads)},
        },
    }


def tasks_at_once(settings: KubernetesSettings) -> int:
    """Tasks that the cluster runs when all its workers are there."""
    _, container = _pod_spec(settings, settings.pool, "worker")
    return settings.workers[1] * _threads(settings, container)


def memory_per_slot(settings: KubernetesSettings) -> int:
    """Bytes of a worker for each task that it runs at once; 0: its spec sets no limit."""
    _, container = _pod_spec(settings, settings.pool, "worker")
    limit = settings.memory or container.get("resources", {}).get("limits", {}).get("memory") or 0
    return int(parse_bytes(str(limit))) // _threads(settings, container)


def label_value(text: str) -> str:
    """Text as the value of a label: at most 63 letters, digits and ``._-``; changed text ends with a hash of its own."""
    safe = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9._-]|[^A-Za-z0-9]+$", "", text)
    if safe == text and len(text) <= 63:
        return text
    return f"{safe[:53]}-{hashlib.sha256(text.encode()).hexdigest()[:9]}".lstrip("-._")


def _scheduler_spec(settings: KubernetesSettings, ports: list[tuple[str, int]]) -> dict[str, Any]:
    spec, container = _pod_spec(settings, "scheduler", "scheduler")
    container["args"] = [
        "dask", "scheduler", "--host", "$(POD_IP)", "--port", str(SCHEDULER_PORT),
        "--dashboard-address", f"$(POD_IP):{DASHBOARD_PORT}", "--preload", "curation_tasks.logs",
    ]  # fmt: skip
    container["ports"] = [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports]
    health = {"httpGet": {"port": "http-dashboard", "path": "/health"}}
    container["readinessProbe"] = health | {"periodSeconds": 1, "timeoutSeconds": 5}
    container["livenessProbe"] = health | {"initialDelaySeconds": 30, "periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 6}
    _add_variables(container, settings, {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(ALLOWED_FAILURES)})
    return spec


def _worker_spec(settings: KubernetesSettings, *, threads: bool) -> dict[str, Any]:
    spec, container = _pod_spec(settings, settings.pool, "worker")
    resources = container.setdefault("resources", {})
    if settings.threads:
        resources.setdefault("requests", {})["cpu"] = str(settings.threads)
    for kind in ("requests", "limits"):
        amounts = resources.setdefault(kind, {})
        amounts |= {"memory": str(settings.memory)} if settings.memory else {}
        amounts |= {"nvidia.com/gpu": str(settings.gpus)} if settings.gpus else {}
    count = _threads(settings, container)
    gpus = int(resources["limits"].get("nvidia.com/gpu", 0))
    # A pod of an adaptive cluster is one worker, since the operator retires workers by the names of their pods.
    processes = gpus or (1 if threads or settings.adaptive else count)
    command = ["dask", "cuda", "worker"] if gpus else ["dask", "worker", "--nworkers", str(processes)]
    command += ["--host", "$(POD_IP)", "--name", "$(DASK_WORKER_NAME)", "--nthreads", str(max(1, count // processes)), "--no-dashboard"]
    if limit := resources["limits"].get("memory"):
        command += ["--memory-limit", str(parse_bytes(str(limit)) // processes)]
    container["args"] = [*command, "--death-timeout", "120", "--local-directory", "/tmp", "--preload", "curation_tasks.logs"]
    # Above this share of its memory a worker is ended by Dask, which knows its unit, before the kernel does it.
    _add_variables(container, settings, {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "0.95"})
    return spec


def _pod_spec(settings: KubernetesSettings, template: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A pod spec of the deployment with its container ``name``, and that container."""
    spec = _template(settings.templates, template, name)
    container = next((item for item in spec.get("containers", []) if item.get("name") == name), None)
    if container is None:
        raise ConfigError(
            f"the spec {template!r} has no container {name!r}",
            where=f"{settings.templates}/{template}.yaml",
            remedy="name one so, as k8s/base/dask has it",
        )
    container["image"] = settings.image
    if settings.data_claim:
        spec.setdefault("volumes", []).append({"name": "data", "persistentVolumeClaim": {"claimName": settings.data_claim}})
        container.setdefault("volumeMounts", []).append({"name": "data", "mountPath": "/data"})
    return spec, container


def _template(folder: Path | None, template: str, name: str) -> dict[str, Any]:
    if folder is None or not folder.is_dir():
        closed = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        return copy.deepcopy(_RESTRICTED | {"containers": [{"name": name, "securityContext": closed}]})
    path = folder / f"{template}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in folder.glob("*.yaml"))) or "none"
        raise ConfigError(f"there is no spec of Dask pods for {template!r}", where=str(path), expected=f"one of: {known}")
    document = plain(read_yaml(path.read_text(encoding="utf-8"), str(path)))
    if not isinstance(document, dict) or not isinstance(document.get("spec"), dict):
        raise ConfigError("not a spec of a pod", where=str(path), expected="a mapping with `spec`")
    return document["spec"]


def _add_variables(container: dict[str, Any], settings: KubernetesSettings, values: Mapping[str, str]) -> None:
    handed_on = {name: value for name, value in sorted(os.environ.items()) if name.startswith("CURATE_") and not _OWN.match(name)}
    given = {entry["name"] for entry in container.get("env") or []}
    entries = [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    entries += [{"name": name, "value": value} for name, value in (handed_on | values).items() if name not in given]
    container["env"] = [*entries, *(container.get("env") or [])]
    secret = {"secretRef": {"name": settings.storage_secret, "optional": True}}
    container["envFrom"] = [*(container.get("envFrom") or []), secret]


def _threads(settings: KubernetesSettings, container: Mapping[str, Any]) -> int:
    asked = str(container.get("resources", {}).get("requests", {}).get("cpu", "1"))
    cpus = float(asked.removesuffix("m")) / 1000 if asked.endswith("m") else float(asked)
    return settings.threads or max(1, int(cpus))


def _workers() -> tuple[int, int]:
    text = os.environ.get("CURATE_WORKERS") or str(_DEFAULT_WORKERS)
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    fewest, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if most < 1 or fewest > most or (fewest < 1 and most == fewest):
        raise ConfigError(
            f"{text!r} is no number of workers", where="CURATE_WORKERS", expected="a number, or as `2-20` for an adaptive cluster"
        )
    return fewest, most


def _whole(variable: str, default: int | None) -> int | None:
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        value = parse_bytes(text) if variable.endswith("MEMORY") else int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise ConfigError(f"{text!r} is no number", where=variable, expected="a whole number, or as 8GiB for memory")
    return int(value)
