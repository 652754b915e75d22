"""How this deployment runs stages as pods, from environment variables of the Airflow components. Nothing of it enters a key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curation_airflow.settings import REPOSITORY
from curation_tasks.errors import ConfigError

#: Seconds until a pod must run: pulling an image takes minutes, adding a node with GPUs a quarter of an hour.
_STARTUP_SECONDS: Mapping[str, int] = {"cpu": 600, "cpu-large": 900, "gpu": 1800}


@dataclass(frozen=True)
class PodSettings:
    """Where and how pods are started.

    Attributes:
        namespace: Of the pods; None: that of the Connection, or that in which Airflow runs.
        connection: Id of the Airflow Connection to the cluster.
        templates: Folder of the pod templates, ``{pool}.yaml``.
        image: Of the stages; None: as the template says.
        gpu_image: Of stages in the pool ``gpu``.
        sidecar_image: Of the side-car that holds the XCom; None: the stage's own, so that no other is needed.
        storage_secret: Kubernetes Secret with the storage's credentials.
        data_claim: PersistentVolumeClaim mounted at ``/data``, where the storage is a file system.
        cluster: Where a stage pod runs its work: ``kubernetes`` (a Dask cluster of its own) or ``local`` (in the pod).
        dashboard_url: Address of a Dask dashboard, with ``{namespace}`` and ``{cluster}``.
        deferrable: Wait in the triggerer instead of in a worker.
        log_seconds: Interval at which a waiting task fetches logs.
        poll_seconds: Interval at which a waiting task looks at its pod.
        startup_seconds: Time until a pod must run; None: by pool.
    """

    namespace: str | None
    connection: str
    templates: Path
    image: str | None
    gpu_image: str | None
    sidecar_image: str | None
    storage_secret: str
    data_claim: str | None
    cluster: str
    dashboard_url: str
    deferrable: bool
    log_seconds: int
    poll_seconds: float
    startup_seconds: int | None

    def template(self, pool: str) -> Path:
        """The pod template of a pool.

        Raises:
            ConfigError: There is none.
        """
        path = self.templates / f"{pool}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(other.stem for other in self.templates.glob("*.yaml"))) or "none"
            raise ConfigError(
                f"there is no pod template for the pool {pool!r}", where=str(path), expected=f"one of: {known}",
                remedy="name the folder of the templates (k8s/pods of the repository) in CURATE_POD_TEMPLATES",
            )  # fmt: skip
        return path

    def image_of(self, pool: str) -> str | None:
        return (self.gpu_image or self.image) if pool == "gpu" else self.image

    def startup(self, pool: str) -> int:
        return self.startup_seconds or _STARTUP_SECONDS[pool]


def pod_settings() -> PodSettings:
    """The settings of this deployment.

    Raises:
        ConfigError: A variable has a value that it cannot have; names the variable.
    """
    get = os.environ.get
    return PodSettings(
        namespace=get("CURATE_POD_NAMESPACE") or None,
        connection=get("CURATE_KUBERNETES_CONNECTION") or "kubernetes_default",
        templates=Path(get("CURATE_POD_TEMPLATES") or REPOSITORY / "k8s" / "pods").expanduser().resolve(),
        image=get("CURATE_POD_IMAGE") or None,
        gpu_image=get("CURATE_POD_IMAGE_GPU") or None,
        sidecar_image=get("CURATE_POD_SIDECAR_IMAGE") or None,
        storage_secret=get("CURATE_STORAGE_SECRET") or "curate-storage",
        data_claim=get("CURATE_DATA_CLAIM") or None,
        cluster=_one_of("CURATE_POD_CLUSTER", "kubernetes", ("kubernetes", "local")),
        dashboard_url=get("CURATE_DASHBOARD_URL") or "http://{cluster}-scheduler.{namespace}:8787/status",
        deferrable=_one_of("CURATE_POD_DEFERRABLE", "true", ("true", "false")) == "true",
        log_seconds=int(_number("CURATE_POD_LOG_SECONDS", 30)),
        poll_seconds=_number("CURATE_POD_POLL_SECONDS", 5),
        startup_seconds=int(_number("CURATE_POD_STARTUP_SECONDS", 0)) or None,
    )


def _one_of(variable: str, default: str, known: tuple[str, ...]) -> str:
    value = os.environ.get(variable) or default
    if value not in known:
        raise ConfigError(f"{value!r} is not a value of {variable}", where=variable, expected=f"one of: {', '.join(known)}")
    return value


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise ConfigError(f"{text!r} is not a number of seconds", where=variable, expected="0 or more")
    return value
