"""Why a Dask cluster is not there yet: read from what Kubernetes says about its deployments, pods and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

_NEVER_STARTS = {
    "InvalidImageName": "mend the name of the image (CURATE_WORKER_IMAGE)",
    "ErrImageNeverPull": "load the image onto the nodes, or let them pull it (imagePullPolicy)",
    "CreateContainerConfigError": "create the ConfigMap or Secret that the spec names",
    "CreateContainerError": "mend the spec of the Dask pods (k8s/base/dask)",
    "RunContainerError": "the image has no such command: it is not one of docker/worker, or of another version",
    "StartError": "the image has no such command: it is not one of docker/worker, or of another version",
}
_NOT_PULLED = ("ErrImagePull", "ImagePullBackOff")
_NO_DRIVER_REMEDY = (
    "the container has no NVIDIA driver, which its runtime should mount: name that runtime in k8s/base/dask/gpu.yaml "
    "(`runtimeClassName: nvidia`), or make it the nodes' default"
)
#: Of the last line that a pod wrote.
_MESSAGE_CHARACTERS = 300
_PULL_REMEDY = "look whether the image exists and whether the nodes may pull it (imagePullSecrets of the account curate-dask)"


@dataclass(frozen=True)
class Obstacle:
    """What a cluster waits for.

    Attributes:
        what: One sentence.
        remedy: What the reader can do.
        hopeless: Waiting longer cannot help.
        permanent: Trying again later cannot help either.
    """

    what: str
    remedy: str
    hopeless: bool = False
    permanent: bool = False


def obstacle(cluster: Object, deployments: Sequence[Object], pods: Sequence[Object], events: Sequence[Object]) -> Obstacle:
    """The first thing that is missing, in the order in which a cluster comes to be."""
    if not (cluster.get("status") or {}).get("phase"):
        return Obstacle(
            "the Dask operator has not acted on it",
            "look whether the operator runs and watches this namespace (k8s/README.md); kopf 1.45 loses clusters, 1.38 does not",
        )
    for deployment in deployments:
        for condition in (deployment.get("status") or {}).get("conditions") or []:
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                return _refused(condition.get("message", ""))
    if not pods:
        return Obstacle("its scheduler has no pod yet", "look at the deployment: kubectl describe deployment")
    found = [known for pod in pods if (known := _of_pod(pod, events))]
    worst = sorted(found, key=lambda known: (not known.permanent, not known.hopeless))
    return worst[0] if worst else Obstacle("its pods are starting", "wait longer: CURATE_CLUSTER_READY_SECONDS")


def _refused(message: str) -> Obstacle:
    if "exceeded quota" in message:
        return Obstacle(f"the namespace's quota does not allow its pods: {message}", "raise the quota, or ask for fewer workers")
    return Obstacle(f"its pods are refused: {message}", "mend the spec of the Dask pods (k8s/base/dask)", hopeless=True, permanent=True)


def _of_pod(pod: Object, events: Sequence[Object]) -> Obstacle | None:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    said = [event["message"] for event in events if event["involvedObject"].get("name") == name and event.get("type") == "Warning"]
    last = said[-1] if said else ""
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message") or last
            return Obstacle(f"pod {name} gets no node: {message}", _unschedulable_remedy(message))
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        reason, message = waiting.get("reason") or ended.get("reason") or "", waiting.get("message") or ended.get("message") or last
        if reason in _NEVER_STARTS:
            return Obstacle(f"pod {name} cannot start ({reason}): {message}", _NEVER_STARTS[reason], hopeless=True, permanent=True)
        if reason in _NOT_PULLED:
            # The first error may be gone at the next pull; one that Kubernetes has begun to wait for is not.
            return Obstacle(f"pod {name} has no image ({reason}): {message}", _PULL_REMEDY, hopeless=reason == "ImagePullBackOff")
        if reason == "CrashLoopBackOff" or (ended.get("exitCode") and container.get("restartCount", 0) >= 3):
            return _crashing(name, ended or (container.get("lastState") or {}).get("terminated") or {})
    return None


def _crashing(name: str, ended: Object) -> Obstacle:
    """With the last line of what it wrote, which the specs of k8s/base/dask make its message of termination."""
    lines = [line.strip() for line in (ended.get("message") or "").splitlines() if line.strip()]
    remedy = _NO_DRIVER_REMEDY if lines and "NVML" in lines[-1] else f"read its log: kubectl logs {name} --previous"
    what = f"pod {name} ends again and again" + (f": {lines[-1][:_MESSAGE_CHARACTERS]}" if lines else "")
    return Obstacle(what, remedy, hopeless=True, permanent=True)


def _unschedulable_remedy(message: str) -> str:
    if "nvidia.com/gpu" in message:
        return "no node has a free GPU: add nodes with GPUs (and the NVIDIA device plugin), or ask for fewer workers"
    return "add nodes, or lower the requests (k8s/base/dask, `resources` of the pipeline)"
