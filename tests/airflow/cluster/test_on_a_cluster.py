"""Stages on a cluster, real or not, by the same tests: they end well, badly or not at all, and what is lost is done again."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from curation_tasks.cli.run import run_pipeline
from curation_tasks.plan import plan
from curation_tasks.spec import RESOLVE, load_pipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(1200),
]
PIPELINE = Path(__file__).with_name("pipeline.yaml")
CALLS = {call.stage: call for call in plan(load_pipeline(PIPELINE)).calls(str(PIPELINE), "all", "{root}")}
STAGE_POD = "app.kubernetes.io/component=stage,curation/stage="


@pytest.fixture(scope="session")
def expected(tmp_path_factory) -> dict[str, str]:
    """Stage → digest of a run without cluster."""
    outcomes = run_pipeline(PIPELINE, "all", str(tmp_path_factory.mktemp("here")))
    return {outcome["stage"]: outcome["digest"] for outcome in outcomes}


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


def operator(place, stage: str, **settings):
    import dataclasses

    from curation_airflow.stage_pod_operator import StagePodOperator

    call = dataclasses.replace(CALLS[stage], root=place.root) if stage == RESOLVE else CALLS[stage]
    made = StagePodOperator(task_id=stage, call=call, retries=2)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def instance(stage: str, results: dict | None = None):
    import pods

    return pods.TaskInstance(stage, results=results)


def run(task, context):
    import pods

    return pods.run(task, context)


@pytest.fixture
def resolved(place) -> dict:
    ti = instance(RESOLVE)
    return {RESOLVE: run(operator(place, RESOLVE), ti.context())}


@pytest.mark.parametrize("deferrable", ["true", "false"])
def test_a_pipeline_has_the_digests_of_a_run_without_cluster(place, expected, monkeypatch, deferrable):
    if deferrable == "false" and not place.real:
        pytest.skip("on the double the tests of the operator do this")
    monkeypatch.setenv("CURATE_POD_DEFERRABLE", deferrable)
    results: dict = {}
    for stage in CALLS:
        results[stage] = run(operator(place, stage), instance(stage, results).context())
        assert results[stage]["digest"] == expected[stage], stage
    assert place.clusters() == []


def test_a_wrong_stage_fails_at_once(place, resolved):
    import dataclasses

    task = operator(place, "stories")
    task.call = dataclasses.replace(task.call, stage="storys")
    with pytest.raises(AirflowFailException, match=r"exit code 78(?s:.)*did you mean 'stories'"):
        run(task, instance("stories", resolved).context())


def test_an_image_that_is_nowhere_is_named(place, monkeypatch):
    if not place.real:
        pytest.skip("the double has no images; the tests of the operator inject this")
    monkeypatch.setenv("CURATE_POD_IMAGE", "registry.invalid/none:none")
    with pytest.raises(AirflowException, match="did not start"):
        run(operator(place, RESOLVE), instance(RESOLVE).context())


def test_a_pod_for_which_there_is_no_node_is_not_left_behind(place):
    if not place.real:
        pytest.skip("the double has one node for all; the tests of the operator inject this")
    place.change_pod(nodeSelector={"curation/no-such": "node"})
    task = operator(place, RESOLVE, startup_timeout_seconds=20, schedule_timeout_seconds=20)
    with pytest.raises(AirflowException, match="never given a node"):
        run(task, instance(RESOLVE).context())
    assert wait_until(lambda: not place.pods(f"{STAGE_POD}{RESOLVE}"))


def test_want_of_memory_is_told_from_other_ends(place):
    if not place.real:
        pytest.skip("the double limits no memory; the tests of the operator inject this")
    place.change_template(resources={"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}})
    with pytest.raises(AirflowException, match=r"memory(?s:.)*resources\.memory"):
        run(operator(place, RESOLVE), instance(RESOLVE).context())


def test_the_next_try_goes_on_with_the_pod_of_a_worker_that_died(place, expected, resolved):
    ti = instance("stories", resolved)
    task = operator(place, "stories")
    with pytest.raises(TaskDeferred):
        task.execute(ti.context())
    ti.try_number = 2
    assert run(operator(place, "stories"), ti.context())["digest"] == expected["stories"]
    assert place.clusters() == []


def test_a_quota_that_admits_no_stage_is_named_and_asked_again(place):
    if not place.real:
        pytest.skip("the double has no quotas")
    with quota(place, pods=0), pytest.raises(AirflowException, match=r"(?s)quota does not allow the stage's pod.*exceeded quota") as caught:
        run(operator(place, RESOLVE), instance(RESOLVE).context())
    assert not isinstance(caught.value, AirflowFailException)


def test_a_quota_that_admits_no_dask_pod_is_named(place, resolved):
    if not place.real:
        pytest.skip("the double has no quotas")
    place.change_template(env=[*GIVEN, {"name": "CURATE_CLUSTER_READY_SECONDS", "value": "20"}])
    assert wait_until(lambda: not place.pods("app.kubernetes.io/name=curate"))
    with quota(place, pods=1), pytest.raises(AirflowException, match=r"(?s)no Dask cluster.*quota") as caught:
        run(operator(place, "stories"), instance("stories", resolved).context())
    assert not isinstance(caught.value, AirflowFailException)
    assert wait_until(lambda: place.clusters() == [])


@contextmanager
def quota(place, *, pods: int) -> Iterator[None]:
    """A quota by which the namespace holds so many pods more than it does now."""
    from kubernetes.client import V1ObjectMeta, V1ResourceQuota, V1ResourceQuotaSpec

    there = [pod for pod in place.client.list_namespaced_pod(place.namespace).items if pod.status.phase in ("Pending", "Running")]
    metadata = V1ObjectMeta(name="curation-test")
    body = V1ResourceQuota(metadata=metadata, spec=V1ResourceQuotaSpec(hard={"pods": str(len(there) + pods)}))
    place.client.create_namespaced_resource_quota(place.namespace, body)
    try:
        # A quota counts from when its controller has looked at it.
        read = place.client.read_namespaced_resource_quota
        assert wait_until(lambda: (read(metadata.name, place.namespace).status.used or {}).get("pods"))
        yield
    finally:
        place.client.delete_namespaced_resource_quota(metadata.name, place.namespace)


def test_a_stage_without_its_role_says_which_one(place, resolved):
    from kubernetes.client import RbacAuthorizationV1Api, V1ObjectMeta

    if not place.real:
        pytest.skip("on the double the tests of the operator do this")
    api = RbacAuthorizationV1Api(place.client.api_client)
    bound = api.read_namespaced_role_binding("curate-stage", place.namespace)
    bound.metadata = V1ObjectMeta(name=bound.metadata.name, labels=bound.metadata.labels, annotations=bound.metadata.annotations)
    api.delete_namespaced_role_binding("curate-stage", place.namespace)
    try:
        with pytest.raises(AirflowFailException, match=r"(?s)may not make a Dask cluster.*curate-stage"):
            run(operator(place, "stories"), instance("stories", resolved).context())
    finally:
        api.create_namespaced_role_binding(place.namespace, bound)


def test_an_adaptive_cluster_grows_with_the_work(place, expected, resolved):
    if not place.real:
        pytest.skip("the stand-in for the operator of the double does not grow clusters")
    place.change_template(env=[*GIVEN, *SLOW, {"name": "CURATE_WORKERS", "value": "1-2"}])
    most, done = [0], threading.Event()

    def count() -> None:
        while not done.wait(0.5):
            most[0] = max(most[0], len(running(place, LOST["worker"])))

    counting = threading.Thread(target=count)
    counting.start()
    try:
        result = run(operator(place, "stories"), instance("stories", resolved).context())
    finally:
        done.set()
        counting.join()
    assert result["digest"] == expected["stories"]
    assert most[0] == 2
    assert wait_until(lambda: place.clusters() == [])


GIVEN = [{"name": "HOME", "value": "/tmp"}, {"name": "CURATE_DASK_TEMPLATES", "value": "/etc/curate/dask"}]
SLOW = [{"name": "CURATE_TEST_UNIT_DELAY", "value": "3"}]
LOST = {"worker": "dask.org/component=worker", "scheduler": "dask.org/component=scheduler", "stage": f"{STAGE_POD}stories"}


@pytest.mark.parametrize("lost", LOST)
def test_whatever_is_lost_the_digest_is_the_same_and_no_cluster_is_left(place, expected, resolved, lost):
    place.change_template(env=[*GIVEN, *SLOW, {"name": "CURATE_WORKERS", "value": "2"}])

    def lose() -> None:
        if wait_until(lambda: works(place)):
            # Units last longer than this: workers hold some.
            time.sleep(2)
            place.delete_pod(running(place, LOST[lost])[0])

    losing = threading.Thread(target=lose)
    losing.start()
    ti = instance("stories", resolved)
    attempts = 0
    while True:
        attempts += 1
        ti.try_number = attempts
        try:
            result = run(operator(place, "stories"), ti.context())
            break
        except AirflowFailException:
            raise
        except AirflowException:
            assert attempts < 3
            place.change_template(env=GIVEN)
            wait_until(lambda: place.clusters() == [])
    losing.join()
    assert result["digest"] == expected["stories"]
    assert attempts == (1 if lost == "worker" else 2)
    assert wait_until(lambda: place.clusters() == [])


def works(place) -> bool:
    """Whether the stage has connected to its cluster, and so gives units to its workers."""
    read = place.client.read_namespaced_pod_log
    return any("dashboard" in read(name, place.namespace, container="base") for name in running(place, LOST["stage"]))


def running(place, labels: str) -> list[str]:
    return [pod.metadata.name for pod in place.pods(labels) if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None]


def wait_until(done: Callable[[], bool], seconds: float = 300) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True
