"""What became of a pod, and what that means for its task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from curation_airflow.exit_codes import EXIT_KILLED, ExitCode, Reaction, exit_code

if TYPE_CHECKING:
    from kubernetes.client import V1Pod

#: Reasons by which the cluster took the pod away: nothing is wrong with the stage.
_TAKEN = {"Evicted", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated", "UnexpectedAdmissionError", "NodeAffinity"}
#: Reasons for which a container waits in vain.
_NEVER_STARTS = {
    "InvalidImageName": "mend the name of the image (CURATE_POD_IMAGE, or the pod template)",
    "ErrImageNeverPull": "load the image onto the nodes, or let them pull it (imagePullPolicy)",
    "CreateContainerConfigError": "create the ConfigMap or Secret that the pod template names (k8s/README.md)",
    "CreateContainerError": "mend the pod template",
}
_NOT_PULLED = {"ErrImagePull", "ImagePullBackOff"}


def pod_fate(pod: V1Pod | None, container: str, warnings: Sequence[str] = ()) -> tuple[str, ExitCode]:
    """How a pod that did not succeed ended.

    Args:
        pod: As last seen; None when it is gone.
        container: Name of the stage's container.
        warnings: Messages of the pod's events.

    Returns:
        How it ended, in words that go on after "stage 'x'", and what that means.
    """
    if pod is None or pod.status is None:
        return "lost its pod", ExitCode(
            "deleted, or gone with its node", Reaction.RETRY, "finished units are kept; the next try goes on there"
        )
    state = _state(pod, container)
    if taken := _taken(pod):
        remedy = "finished units are kept; the next try goes on there"
        return f"was taken from its node ({taken})", ExitCode(pod.status.message or "by the cluster", Reaction.RETRY, remedy)
    if state is not None and state.terminated is not None:
        return _terminated(state.terminated)
    if state is not None and state.waiting is not None and state.waiting.reason in _NEVER_STARTS:
        said = state.waiting.message or _last(warnings)
        return f"did not start ({state.waiting.reason})", ExitCode(said, Reaction.FAIL, _NEVER_STARTS[state.waiting.reason])
    if state is not None and state.waiting is not None and state.waiting.reason in _NOT_PULLED:
        remedy = "look whether the image exists and whether the nodes may pull it (imagePullSecrets)"
        return f"did not start ({state.waiting.reason})", ExitCode(state.waiting.message or _last(warnings), Reaction.RETRY, remedy)
    if message := _unschedulable(pod):
        remedy = "add nodes, lower the requests of the pod template, or wait: the next try queues again"
        return "was never given a node", ExitCode(message, Reaction.RETRY, remedy)
    if pod.status.phase == "Running":
        return "did not end in time", ExitCode("the task's time was up, or Airflow lost sight of the pod", Reaction.RETRY)
    return f"left no status (phase {pod.status.phase})", ExitCode(
        pod.status.message or _last(warnings) or "its node is silent", Reaction.RETRY
    )


def termination_message(pod: V1Pod | None, container: str) -> str:
    """The end of the container's log, which Kubernetes keeps of a container that failed."""
    state = _state(pod, container) if pod is not None else None
    return (state.terminated.message or "") if state is not None and state.terminated is not None else ""


def has_ended(pod: V1Pod, container: str) -> bool:
    state = _state(pod, container)
    return pod.status.phase in ("Succeeded", "Failed") or (state is not None and state.terminated is not None)


def _terminated(terminated: Any) -> tuple[str, ExitCode]:
    code = terminated.exit_code
    if terminated.reason == "OOMKilled":
        return "was killed for want of memory", exit_code(EXIT_KILLED)
    if terminated.reason in ("StartError", "ContainerCannotRun"):
        remedy = "the image is not one of docker/worker, or of another version"
        return f"did not start ({terminated.reason})", ExitCode(terminated.message or "no such command", Reaction.FAIL, remedy)
    return f"ended with exit code {code}", exit_code(code)


def _taken(pod: V1Pod) -> str:
    if pod.status.reason in _TAKEN:
        return pod.status.reason
    for condition in pod.status.conditions or []:
        if condition.type == "DisruptionTarget" and condition.status == "True":
            return condition.reason or condition.type
    return ""


def _unschedulable(pod: V1Pod) -> str:
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.message or condition.reason or "no node fits"
    return ""


def _state(pod: V1Pod, container: str) -> Any:
    statuses = (pod.status.container_statuses if pod.status else None) or []
    return next((status.state for status in statuses if status.name == container), None)


def _last(warnings: Sequence[str]) -> str:
    return warnings[-1] if warnings else ""
