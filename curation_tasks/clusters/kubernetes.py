"""A Dask cluster on Kubernetes: made by the Dask operator for one stage, owned by the stage's pod, gone with it."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import dask
import httpx
import kr8s
from distributed import Client
from kr8s.objects import Deployment, Event, Pod, Service, new_class
from tenacity import retry, retry_if_exception, stop_after_delay, wait_exponential

from curation_tasks.clusters import ClusterSettings
from curation_tasks.clusters.kubernetes_diagnosis import Obstacle, obstacle
from curation_tasks.clusters.kubernetes_spec import (
    DASHBOARD_PORT,
    KubernetesSettings,
    cluster_object,
    kubernetes_settings,
    memory_per_slot,
    tasks_at_once,
)
from curation_tasks.errors import ConfigError, TransientError
from curation_tasks.logs import logger

if TYPE_CHECKING:
    from dask_kubernetes.operator import KubeCluster

DaskCluster = new_class("DaskCluster", "kubernetes.dask.org/v1", asyncio=False)
_POLL_SECONDS = 1.0
_OPENED = itertools.count()
_CLOSE_SECONDS = 60
#: How long the API of Kubernetes may be silent: the control plane of a small cluster is away for so long when it is updated.
_SILENT_SECONDS = 120.0
#: Distributions whose versions must agree: what is pickled by one is read by the other.
_VERSIONED = ("curation-tasks", "dask", "distributed", "numba", "numpy", "pandas", "pyarrow", "cloudpickle", "python")
_CONFIGURATION = {
    "distributed.comm.timeouts.connect": "60s",
    "distributed.comm.timeouts.tcp": "120s",
    # A failed unit is reported by the stage, once; Dask would print its traceback as well.
    "distributed.logging": {"distributed": "critical"},
}


@contextmanager
def open_kubernetes_cluster(settings: ClusterSettings) -> Iterator[Client]:
    """Makes a cluster, waits for its first worker and yields its client; deletes the cluster when the block ends.

    Workers that come later join; units of workers that are lost are done again by others.

    Raises:
        ConfigError: The cluster cannot come to be as things are (no operator, no rights, no such image), or its pods have
            other versions than this process.
        TransientError: It did not come to be in time; the message says what it waited for.
    """
    deployment = kubernetes_settings(settings)
    with dask.config.set(_CONFIGURATION):
        started = time.monotonic()
        with answering(f"DaskCluster {deployment.name}"):
            made, cluster = _make(deployment, settings)
        try:
            with Client(cluster) as client:
                with answering(f"DaskCluster {made.name}"):
                    _wait_for_worker(made, client, deployment, started + deployment.ready_seconds)
                _check_versions(client)
                client.task_slots, client.memory_per_slot = tasks_at_once(deployment), memory_per_slot(deployment)
                yield client
        finally:
            _delete(made, cluster)


def is_silent(error: BaseException) -> bool:
    """Whether the API of Kubernetes gave no answer, or that of a server that restarts or has too much to do."""
    if isinstance(error, kr8s.ServerError):
        return error.response is None or error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, (httpx.TransportError, kr8s.APITimeoutError, kr8s.ConnectionClosedError))


@contextmanager
def answering(where: str) -> Iterator[None]:
    """Says of a silent API, and of a cluster that somebody deleted, what they are: errors that pass."""
    try:
        yield
    except kr8s.NotFoundError as error:
        raise TransientError(
            "the Dask cluster was deleted while it came to be", where=where, remedy="nothing: the next try makes another"
        ) from error
    except Exception as error:
        if not is_silent(error):
            raise
        raise TransientError(
            f"the API of Kubernetes does not answer: {type(error).__name__} {error}".rstrip(), where=where,
            remedy="look at the control plane of the cluster; the next try goes on",
        ) from error  # fmt: skip


def _asked(question: Any, *arguments: Any, **options: Any) -> Any:
    """Asks the API, again and again while it is silent."""
    patiently = retry(
        retry=retry_if_exception(is_silent), stop=stop_after_delay(_SILENT_SECONDS), wait=wait_exponential(0.5, max=10), reraise=True
    )
    return patiently(question)(*arguments, **options)


def _listed(kind: Any, namespace: str, selector: str = "") -> list[dict[str, Any]]:
    """Objects of a class of kr8s: a word like `pods` it would look up, at each call and in words that not all servers give it."""
    options = {"label_selector": selector} if selector else {}
    return _asked(lambda: [item.raw for item in kind.list(namespace=namespace, **options)])


def _make(deployment: KubernetesSettings, settings: ClusterSettings) -> tuple[Any, KubeCluster]:
    """The cluster and a connection to its scheduler. What the operator does not act on is made once more under another name."""
    # A stage has one cluster, which bears the name that Airflow links to; a process that runs several stages has more.
    earlier = next(_OPENED)
    for attempt, suffix in enumerate((f"-{earlier}" if earlier else "", f"-{earlier}-again"), start=1):
        named = dataclasses.replace(deployment, name=f"{deployment.name}{suffix}")
        made = _create(named, cluster_object(named, settings.purpose_of, threads=settings.threads))
        try:
            if _acted_on(made, named):
                _wait_for_scheduler(made, time.monotonic() + named.ready_seconds)
                return made, _asked(_connect, made, named)
        except BaseException:
            _delete(made)
            raise
        _delete(made)
        logger().warning("the Dask operator did not act", cluster=named.name, seconds=named.operator_seconds, attempt=attempt)
    missing = obstacle({}, [], [], [])
    raise TransientError(
        f"no Dask cluster: {missing.what} within {deployment.operator_seconds:.0f} s, twice", where=f"DaskCluster {deployment.name}",
        remedy=missing.remedy,
    )  # fmt: skip


def _create(deployment: KubernetesSettings, document: Mapping[str, Any]) -> Any:
    where = f"DaskCluster {deployment.name}"
    try:
        made = _asked(DaskCluster, dict(document), namespace=deployment.namespace)
        _asked(_create_once, made)
    except kr8s.ServerError as error:
        status = error.response.status_code if error.response is not None else None
        if status == 404:
            raise ConfigError(
                "the cluster does not know Dask clusters", where=where,
                remedy="install the Dask operator with its resource definitions (k8s/README.md)",
            ) from error  # fmt: skip
        if status in (401, 403):
            raise ConfigError(
                f"this pod may not make a Dask cluster: {error}", where=where,
                remedy="give its service account the rules of k8s/base/rbac.yaml (Role curate-stage)",
            ) from error  # fmt: skip
        if status is not None and 400 <= status < 500 and status != 429:
            raise ConfigError(f"the Dask cluster is refused: {error}", where=where, remedy="mend the specs in k8s/base/dask") from error
        raise
    logger().info("Dask cluster made", cluster=made.name, namespace=made.namespace, workers=deployment.workers, pool=deployment.pool)
    return made


def _create_once(made: Any) -> None:
    try:
        made.create()
    except kr8s.ServerError as error:
        # The name is this pod's own: an earlier request went through although its answer was lost.
        if error.response is None or error.response.status_code != 409:
            raise
        made.refresh()


def _acted_on(made: Any, deployment: KubernetesSettings) -> bool:
    deadline = time.monotonic() + deployment.operator_seconds
    while time.monotonic() < deadline:
        _asked(made.refresh)
        if (made.raw.get("status") or {}).get("phase"):
            return True
        time.sleep(_POLL_SECONDS / 2)
    return False


def _wait_for_scheduler(made: Any, deadline: float) -> None:
    """Looks at what there is and not at the phase: two handlers of the operator set it, and `Pending` may be the last word."""
    while True:
        _, pods = _parts(made, "scheduler")
        if any(_ready(pod) for pod in pods) and _listed(Service, made.namespace, _selector(made, "scheduler")):
            return
        _asked(made.refresh)
        _give_up_when_due(made, "scheduler", "its scheduler is not ready", deadline)
        time.sleep(_POLL_SECONDS / 2)


def _connect(made: Any, deployment: KubernetesSettings) -> KubeCluster:
    from dask_kubernetes.operator import KubeCluster
    from dask_kubernetes.operator.kubecluster.kubecluster import CreateMode

    cluster = KubeCluster(
        custom_cluster_spec=made.raw.to_dict() if hasattr(made.raw, "to_dict") else dict(made.raw),
        namespace=made.namespace, create_mode=CreateMode.CONNECT_ONLY, shutdown_on_close=False, quiet=True,
    )  # fmt: skip
    if deployment.adaptive:
        cluster.adapt(minimum=deployment.workers[0], maximum=deployment.workers[1])
    logger().info("dashboard", url=f"http://{made.name}-scheduler.{made.namespace}:{DASHBOARD_PORT}/status")
    return cluster


def _wait_for_worker(made: Any, client: Client, deployment: KubernetesSettings, deadline: float) -> None:
    if deployment.workers[0] == 0:
        return  # an adaptive cluster that begins with none starts them when there is work
    while not client.nthreads():
        _asked(made.refresh)
        _give_up_when_due(made, "worker", "no worker has come", deadline)
        time.sleep(_POLL_SECONDS)


def _give_up_when_due(made: Any, component: str, what: str, deadline: float) -> None:
    """Raises when waiting cannot help, or was long enough."""
    missing = _obstacle(made, component, [])
    late = time.monotonic() > deadline
    if missing.hopeless or late:
        # Only now: in a large namespace there are thousands of events.
        missing = _obstacle(made, component, _listed(Event, made.namespace))
        kind = ConfigError if missing.permanent else TransientError
        waited = " in time" if late else ""
        raise kind(f"no Dask cluster: {what}{waited}; {missing.what}", where=f"DaskCluster {made.name}", remedy=missing.remedy)


def _obstacle(made: Any, component: str, events: Sequence[Mapping[str, Any]]) -> Obstacle:
    deployments, pods = _parts(made, component)
    return obstacle(made.raw, deployments, pods, events)


def _parts(made: Any, component: str) -> tuple[list[Any], list[Any]]:
    selector = _selector(made, component)
    return _listed(Deployment, made.namespace, selector), _listed(Pod, made.namespace, selector)


def _selector(made: Any, component: str) -> str:
    return f"dask.org/cluster-name={made.name},dask.org/component={component}"


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _check_versions(client: Client) -> None:
    """Refuses a cluster whose pods have other versions than this process, before any work is sent.

    Raises:
        ConfigError: Names each difference.
    """
    found = client.get_versions(packages=[name for name in _VERSIONED if name != "python"])
    ours = found["client"]["packages"]
    others = [("scheduler", found["scheduler"]), *(("workers", worker) for worker in found["workers"].values())]
    differences = {
        f"{name}: {ours.get(name)} in the stage, {other['packages'].get(name)} in the {place}"
        for place, other in others
        for name in _VERSIONED
        if other["packages"].get(name) != ours.get(name)
    }
    if differences:
        raise ConfigError(
            f"the pods of the Dask cluster have other versions than the stage: {'; '.join(sorted(differences))}",
            where="CURATE_WORKER_IMAGE",
            remedy="use one image for stages and workers, named by its digest or by a tag that is never moved",
        )


def _delete(made: Any, cluster: KubeCluster | None = None) -> None:
    """Deletes the cluster and waits a while for its pods to go. When this fails, its owner or its idle timeout does it."""
    if cluster is not None:
        with suppress(Exception):
            cluster.close()
    try:
        _asked(made.delete)
        deadline = time.monotonic() + _CLOSE_SECONDS
        while made.exists() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 2)
    except kr8s.NotFoundError:
        pass
    except Exception as error:
        logger().warning("the Dask cluster could not be deleted", cluster=made.name, error=type(error).__name__)
