"""OpenLineage events of a stage: START, RUNNING, COMPLETE or FAIL, for whoever collects lineage of the whole platform.

Nothing is sent unless OpenLineage is configured as its client documents it: ``OPENLINEAGE_URL``, ``OPENLINEAGE__TRANSPORT…``,
``OPENLINEAGE_CONFIG`` or ``openlineage.yml``. A collector that is down never fails a stage. Events hold counts, schemas and
hashes, and never text of a document.
"""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from curation_tasks import __version__
from curation_tasks.logs import logger
from curation_tasks.manifest import Manifest

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, OutputDataset

#: ``namespace/job/run id`` of what started the stage, as Airflow's OpenLineage provider writes it; and of its DAG run.
PARENT_VARIABLE, ROOT_VARIABLE = "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"
NAMESPACE_VARIABLE = "OPENLINEAGE_NAMESPACE"
PRODUCER = f"https://pypi.org/project/curation-tasks/{__version__}"
#: A stage that runs for long says so this often, whatever it is doing.
RUNNING_SECONDS = 60.0
#: Source files that an event names one by one; of more, their folders.
_MAX_FILES = 100


def is_configured() -> bool:
    """Whether the client would find a transport of the user's; without one it would print events."""
    if os.environ.get("OPENLINEAGE_DISABLED", "").lower() == "true":
        return False
    names = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
    if any(os.environ.get(name) for name in names) or any(name.startswith("OPENLINEAGE__TRANSPORT") for name in os.environ):
        return True
    return any(path.is_file() for path in (Path("openlineage.yml"), Path.home() / ".openlineage" / "openlineage.yml"))


class StageEvents:
    """The events of one run of a stage; a context manager around it.

    Args:
        pipeline: Its name.
        snapshot: The partition.
        stage: Id of the stage; the job is ``curation.{pipeline}.{stage}``, since ``{pipeline}.{stage}`` is Airflow's task.
        key: Of the stage, "" while it is not known.
    """

    def __init__(self, pipeline: str, snapshot: str, stage: str, key: str = ""):
        self.pipeline, self.snapshot, self.stage, self.key = pipeline, snapshot, stage, key
        self.enabled = is_configured()
        self._inputs: list[InputDataset] = []
        self._ended = threading.Event()
        self._running: threading.Thread | None = None

    def __enter__(self) -> Self:
        """The stage begins."""
        if self.enabled:
            self._emit("START")
            self._running = threading.Thread(target=self._go_on, name="openlineage", daemon=True)
            self._running.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """The stage ends; told of as a failure when an exception ends it."""
        if error is not None:
            self.fail(error)
        self._end()

    def reads(self, inputs: Sequence[Manifest] = (), files: Sequence[Mapping[str, Any]] = ()) -> None:
        """Says what the stage reads, for all events from here on.

        Args:
            inputs: Manifests.
            files: Units of sources, with ``uri`` and ``options``.
        """
        if self.enabled:
            self._inputs = [_input(manifest) for manifest in inputs] + [_place(uri) for uri in _places(files)]

    def complete(self, manifest: Manifest, *, reused: bool = False) -> None:
        """The stage has ended well.

        Args:
            manifest: What it committed, or found.
            reused: It had been done before.
        """
        if self.enabled:
            self._end()
            self._emit("COMPLETE", [_output(manifest)], {"curation_funnel": _funnel(manifest, reused)})

    def fail(self, error: BaseException) -> None:
        """The stage has failed. Messages of errors that are not the project's own may quote documents, so only their type is sent."""
        if self.enabled:
            from openlineage.client.facet_v2 import error_message_run

            from curation_tasks.errors import CurationError

            self._end()
            message = str(error) if isinstance(error, CurationError) else type(error).__name__
            self._emit("FAIL", facets={"errorMessage": error_message_run.ErrorMessageRunFacet(message, "PYTHON")})

    def _go_on(self) -> None:
        """An event every ``RUNNING_SECONDS`` until the stage ends: the one unit of a stage may take hours."""
        while not self._ended.wait(RUNNING_SECONDS):
            self._emit("RUNNING")

    def _end(self) -> None:
        """No event follows the last one."""
        self._ended.set()
        if self._running is not None:
            self._running.join()

    def _emit(self, kind: str, outputs: Sequence[OutputDataset] = (), facets: Mapping[str, Any] | None = None) -> None:
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
        from openlineage.client.facet_v2 import job_type_job, processing_engine_run

        engine = processing_engine_run.ProcessingEngineRunFacet(version=__version__, name="curation-tasks")
        job_type = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="CURATION", jobType="STAGE")
        run_facets = {"processing_engine": engine, "curation_stage": _stage_facet(self)} | self._parent | dict(facets or {})
        event = RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            eventType=RunState[kind],
            run=Run(runId=self._run_id, facets=run_facets),
            job=Job(namespace=namespace(), name=f"curation.{self.pipeline}.{self.stage}", facets={"jobType": job_type}),
            inputs=self._inputs,
            outputs=list(outputs),
            producer=PRODUCER,
        )
        try:
            self._client.emit(event)
        except Exception as error:
            logger().warning("the lineage event was not sent", event_type=kind, stage=self.stage, error=type(error).__name__)

    @cached_property
    def _client(self) -> OpenLineageClient:
        from openlineage.client import OpenLineageClient, set_producer

        set_producer(PRODUCER)
        return OpenLineageClient()

    @cached_property
    def _run_id(self) -> str:
        from openlineage.client.uuid import generate_new_uuid

        return str(generate_new_uuid())

    @cached_property
    def _parent(self) -> dict[str, Any]:
        from openlineage.client.facet_v2 import parent_run

        parent, root = _identity(PARENT_VARIABLE), _identity(ROOT_VARIABLE)
        if parent is None:
            return {}
        facet = parent_run.ParentRunFacet(parent_run.Run(parent[2]), parent_run.Job(parent[0], parent[1]))
        if root is not None:
            facet.root = parent_run.Root(parent_run.RootRun(root[2]), parent_run.RootJob(root[0], root[1]))
        return {"parent": facet}


def namespace() -> str:
    """The namespace of jobs: ``OPENLINEAGE_NAMESPACE``, else ``curation``."""
    return os.environ.get(NAMESPACE_VARIABLE) or "curation"


def dataset_name(manifest: Manifest) -> tuple[str, str]:
    """Namespace and name of a stage's dataset by OpenLineage's naming: the store, and the path without the key.

    The key is the dataset's version: a changed threshold makes another version of one dataset.
    """
    store, path = _store_and_path(posixpath.dirname(manifest.folder))
    return store, path


def _identity(variable: str) -> tuple[str, str, str] | None:
    parts = os.environ.get(variable, "").split("/")
    if len(parts) < 3:
        return None
    # A namespace may be an address with slashes in it; job and run id have none.
    return "/".join(parts[:-2]), parts[-2], parts[-1]


def _store_and_path(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if not parts.scheme or len(parts.scheme) == 1:
        return "file", uri
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.hostname or ''}", parts.path.lstrip("/")
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def _facets(manifest: Manifest) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in manifest.schema.items()]
    version = dataset_version_dataset.DatasetVersionDatasetFacet(manifest.digest)
    return {"version": version} | ({"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {})


def _input(manifest: Manifest) -> InputDataset:
    from openlineage.client.event_v2 import InputDataset

    store, name = dataset_name(manifest)
    return InputDataset(store, name, facets=_facets(manifest))


def _place(uri: str) -> InputDataset:
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(*_store_and_path(uri))


def _output(manifest: Manifest) -> OutputDataset:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    store, name = dataset_name(manifest)
    files = (manifest.lineage.get("shards") or {}).get("count")
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=manifest.counts.get("documents"), size=manifest.execution.get("bytes"), fileCount=files
    )
    return OutputDataset(store, name, facets=_facets(manifest), outputFacets={"outputStatistics": statistics})


def _places(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The addresses of source files, or of their folders where they are many; of a published dataset, the dataset's."""
    datasets = {posixpath.dirname(posixpath.dirname(str(file["uri"]))) for file in files if "manifest" in file["options"]}
    uris = [str(file["uri"]) for file in files if "manifest" not in file["options"]]
    if len(uris) > _MAX_FILES:
        uris = sorted({posixpath.dirname(uri) for uri in uris})[:_MAX_FILES]
    yield from sorted(datasets)
    yield from uris


def _stage_facet(events: StageEvents) -> Any:
    from curation_tasks.lineage.openlineage_facets import CurationStageRunFacet

    return CurationStageRunFacet(pipeline=events.pipeline, snapshot=events.snapshot, key=events.key)


def _funnel(manifest: Manifest, reused: bool) -> Any:
    from curation_tasks.lineage.openlineage_facets import CurationFunnelRunFacet

    counts = manifest.counts
    reasons = sorted(manifest.content["reasons"].items(), key=lambda item: (-item[1], item[0]))[:20]
    return CurationFunnelRunFacet(
        documentsIn=counts.get("records" if manifest.kind == "source" else "documents_in"),
        documents=counts.get("documents"),
        rejected=counts.get("rejected"),
        textBytes=counts.get("text_bytes"),
        reasons=[{"reason": reason, "documents": amount} for reason, amount in reasons],
        manifest=manifest.uri,
        digest=manifest.digest,
        reused=reused,
    )
