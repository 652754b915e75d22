"""What became of a pod: those ends that the double of the API does not bring about."""

from __future__ import annotations

import pytest
from kubernetes import client as k8s

from curation_airflow.exit_codes import Reaction
from curation_airflow.pod_fate import has_ended, pod_fate, termination_message


def pod(phase: str = "Failed", conditions: dict[str, str] | None = None, state: dict | None = None, **status) -> k8s.V1Pod:
    found = [k8s.V1PodCondition(type=kind, status="True", reason=reason) for kind, reason in (conditions or {}).items()]
    kinds = {"terminated": k8s.V1ContainerStateTerminated, "waiting": k8s.V1ContainerStateWaiting, "running": k8s.V1ContainerStateRunning}
    states = {name: kinds[name](**values) for name, values in (state or {}).items()}
    statuses = None
    if state is not None:
        statuses = [
            k8s.V1ContainerStatus(name="base", image="i", image_id="", ready=False, restart_count=0, state=k8s.V1ContainerState(**states))
        ]
    return k8s.V1Pod(status=k8s.V1PodStatus(phase=phase, conditions=found, container_statuses=statuses, **status))


ENDS = {
    "gone": (None, "lost its pod", Reaction.RETRY),
    "no status": (k8s.V1Pod(), "lost its pod", Reaction.RETRY),
    "preempted": (pod(conditions={"DisruptionTarget": "PreemptionByScheduler"}), "taken from its node (Preempt", Reaction.RETRY),
    "drained although it ran": (
        pod(conditions={"DisruptionTarget": "EvictionByEvictionAPI"}, state={"terminated": {"exit_code": 137}}),
        "taken from its node",
        Reaction.RETRY,
    ),
    "node shut down": (pod(reason="Terminated", message="Pod was terminated"), "taken from its node (Terminated)", Reaction.RETRY),
    "node silent": (pod("Unknown"), "left no status (phase Unknown)", Reaction.RETRY),
    "no such name": (
        pod("Pending", state={"waiting": {"reason": "InvalidImageName", "message": "bad"}}),
        "did not start (InvalidImageName)",
        Reaction.FAIL,
    ),
    "pull backs off": (
        pod("Pending", state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}),
        "did not start (ImagePullBackOff)",
        Reaction.RETRY,
    ),
    "no such command": (pod(state={"terminated": {"exit_code": 128, "reason": "StartError"}}), "did not start (StartError)", Reaction.FAIL),
    "killed": (pod(state={"terminated": {"exit_code": 137, "reason": "Error"}}), "exit code 137", Reaction.RETRY_ONCE),
    "out of memory": (pod(state={"terminated": {"exit_code": 137, "reason": "OOMKilled"}}), "want of memory", Reaction.RETRY_ONCE),
    "configuration": (pod(state={"terminated": {"exit_code": 78}}), "exit code 78", Reaction.FAIL),
    "told to stop": (pod(state={"terminated": {"exit_code": 143}}), "exit code 143", Reaction.RETRY),
    "still running": (pod("Running", state={"running": {}}), "did not end in time", Reaction.RETRY),
}


@pytest.mark.parametrize("end", ENDS)
def test_each_end_has_its_reaction(end):
    found, said, reaction = ENDS[end]
    what, meaning = pod_fate(found, "base")
    assert said in what
    assert meaning.reaction is reaction
    assert meaning.meaning


def test_the_last_warning_explains_what_the_status_does_not():
    what, meaning = pod_fate(pod("Pending", state={"waiting": {"reason": "ErrImagePull"}}), "base", ["first", "unauthorized"])
    assert (what, meaning.meaning) == ("did not start (ErrImagePull)", "unauthorized")


def test_a_container_that_ended_is_an_end_although_the_side_car_lives():
    assert has_ended(pod("Running", state={"terminated": {"exit_code": 0}}), "base")
    assert has_ended(pod("Failed"), "base")
    assert not has_ended(pod("Running", state={"running": {}}), "base")
    assert not has_ended(pod("Pending"), "base")


def test_the_last_words_are_those_of_the_container():
    assert termination_message(pod(state={"terminated": {"exit_code": 78, "message": "error: x"}}), "base") == "error: x"
    assert termination_message(pod(), "base") == ""
    assert termination_message(None, "base") == ""
