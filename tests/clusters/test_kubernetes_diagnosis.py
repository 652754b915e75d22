"""What a cluster that does not come to be is said to wait for."""

from __future__ import annotations

import pytest

from curation_tasks.clusters.kubernetes_diagnosis import obstacle

RUNNING = {"status": {"phase": "Running"}}


def pod(conditions: list | None = None, **container) -> dict:
    return {"metadata": {"name": "w1"}, "status": {"conditions": conditions or [], "containerStatuses": [container] if container else []}}


def waiting(reason: str, message: str = "said") -> dict:
    return pod(state={"waiting": {"reason": reason, "message": message}}, restartCount=0)


def ended(message: str) -> dict:
    return {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}


def refused(message: str) -> dict:
    return {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}}


def unschedulable(message: str) -> dict:
    return pod([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}])


#: Name → (cluster, deployments, pods, what is said, part of the remedy, hopeless, permanent).
CASES = {
    "no operator": ({}, [], [], "operator has not acted", "kopf", False, False),
    "quota": (RUNNING, [refused("pods is forbidden: exceeded quota: pods")], [], "quota", "raise the quota", False, False),
    "policy": (RUNNING, [refused('violates PodSecurity "restricted"')], [], "violates PodSecurity", "k8s/base/dask", True, True),
    "no pod": (RUNNING, [], [], "scheduler has no pod", "kubectl describe", False, False),
    "no node": (RUNNING, [], [unschedulable("0/3 nodes: Insufficient memory")], "Insufficient memory", "add nodes", False, False),
    "no GPU": (RUNNING, [], [unschedulable("Insufficient nvidia.com/gpu")], "gets no node", "nodes with GPUs", False, False),
    "pull fails": (
        RUNNING,
        [],
        [waiting("ErrImagePull", "not found")],
        "no image (ErrImagePull): not found",
        "imagePullSecrets",
        False,
        False,
    ),
    "pull backs off": (RUNNING, [], [waiting("ImagePullBackOff")], "no image", "imagePullSecrets", True, False),
    "bad name": (RUNNING, [], [waiting("InvalidImageName")], "cannot start (InvalidImageName)", "CURATE_WORKER_IMAGE", True, True),
    "no secret": (RUNNING, [], [waiting("CreateContainerConfigError", 'secret "x" not found')], 'secret "x"', "Secret", True, True),
    "no command": (
        RUNNING,
        [],
        [pod(state={"terminated": {"reason": "StartError"}}, restartCount=1)],
        "StartError",
        "docker/worker",
        True,
        True,
    ),
    "crashes": (RUNNING, [], [waiting("CrashLoopBackOff")], "ends again and again", "kubectl logs w1 --previous", True, True),
    "no driver": (
        RUNNING,
        [],
        [
            pod(
                state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
                lastState=ended("NVML Shared Library Not Found\n"),
            )
        ],
        "ends again and again: NVML Shared Library Not Found",
        "runtimeClassName: nvidia",
        True,
        True,
    ),
    "crashes and says why": (
        RUNNING,
        [],
        [pod(state=ended("Traceback …\nOSError: no space\n\n"), restartCount=3)],
        "ends again and again: OSError: no space",
        "kubectl logs w1 --previous",
        True,
        True,
    ),
    "starting": (RUNNING, [], [pod(state={"running": {}}, restartCount=0)], "are starting", "READY_SECONDS", False, False),
}


@pytest.mark.parametrize("case", CASES)
def test_each_obstacle_is_named_with_its_remedy(case):
    cluster, deployments, pods, said, remedy, hopeless, permanent = CASES[case]
    found = obstacle(cluster, deployments, pods, [])
    assert said in found.what
    assert remedy in found.remedy
    assert (found.hopeless, found.permanent) == (hopeless, permanent)


def test_what_cannot_be_mended_by_waiting_comes_first():
    assert "InvalidImageName" in obstacle(RUNNING, [], [unschedulable("full"), waiting("InvalidImageName")], []).what


def test_an_event_explains_what_the_status_does_not():
    events = [
        {"involvedObject": {"name": "other"}, "type": "Warning", "message": "of another pod"},
        {"involvedObject": {"name": "w1"}, "type": "Normal", "message": "Pulling"},
        {"involvedObject": {"name": "w1"}, "type": "Warning", "message": "manifest unknown"},
    ]
    assert obstacle(RUNNING, [], [waiting("ErrImagePull", "")], events).what.endswith("manifest unknown")
