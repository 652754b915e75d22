"""Pipelines as DAGs: one DAG a file, one task a stage. A file that is wrong becomes a DAG that says so."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAll,
    AssetAny,
    BaseOperator,
    Context,
    CronPartitionTimetable,
    Param,
    PartitionedAssetTimetable,
)
from airflow.sdk.exceptions import AirflowFailException

from curation_airflow.catalogue import known_snapshots
from curation_airflow.runbook import pipeline_runbook, stage_note
from curation_airflow.settings import REPOSITORY
from curation_airflow.stage_operator import stage_operator, stage_runner
from curation_airflow.timetables import SnapshotTimetable
from curation_tasks.errors import ConfigError
from curation_tasks.parts import Snapshot
from curation_tasks.plan import Plan, PlannedStage, plan, run_parameters
from curation_tasks.spec import ALL, DATE_FORMATS, INPUTS, RESOLVE, PipelineSpec, load_pipeline

#: Folders of pipeline files, separated as in PATH; default: ``dags/pipelines``.
PIPELINES_VARIABLE = "CURATE_PIPELINES"
#: Storage root: a folder or s3://bucket/prefix; default: ``.curation/data`` in the repository.
ROOT_VARIABLE = "CURATE_ROOT"

#: DAGs beside those of pipelines; ``curation_airflow.maintenance`` builds them.
MAINTENANCE_DAGS = ("discovery", "housekeeping")

#: Five retries after half a minute, a minute, two, four and eight, with jitter: a control plane that is updated and nodes that
#: are taken back outlast fewer. Which failures are retried is the operator's decision.
DEFAULT_ARGUMENTS: dict[str, Any] = {
    "retries": 5,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}


def pipeline_folders(default: Path) -> list[Path]:
    """The folders that ``CURATE_PIPELINES`` names, else the default."""
    given = os.environ.get(PIPELINES_VARIABLE, "")
    return [Path(name).expanduser().resolve() for name in given.split(os.pathsep) if name] or [default]


def storage_root() -> str:
    return os.environ.get(ROOT_VARIABLE) or str(REPOSITORY / ".curation" / "data")


def build_dags(folders: Sequence[Path], root: str | None = None) -> dict[str, DAG]:
    """A DAG for each ``*.yaml`` and ``*.yml`` of the folders, by its id. No file can break the DAG of another."""
    root = root or storage_root()
    dags: dict[str, DAG] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.y*ml"))):
        try:
            spec = load_pipeline(path)
            if spec.name in MAINTENANCE_DAGS:
                raise ConfigError(
                    f"{spec.name!r} is the name of a DAG that keeps the deployment going", where=str(path), remedy="rename it"
                )
            if spec.name in dags:
                raise ConfigError(f"another pipeline file has the name {spec.name!r}", where=str(path), remedy="rename one of them")
            dag = build_dag(plan(spec), str(path), root)
        except Exception as error:  # whatever is wrong with it: a user's own parts are imported here
            dag = build_invalid_dag(_free_name(path.stem, dags), str(path), error)
        dags[dag.dag_id] = dag
    return dags


def build_dag(planned: Plan, pipeline_file: str, root: str) -> DAG:
    """The DAG of a pipeline.

    Args:
        planned: The pipeline.
        pipeline_file: Its file, which resolve reads.
        root: The storage root.
    """
    spec = planned.spec
    operator = stage_operator()
    snapshots = known_snapshots(root, spec.name) if has_catalogue(planned) else ()
    schedule = _schedule(planned, snapshots)
    with DAG(
        spec.name,
        description=_first_line(spec.description),
        doc_md=pipeline_runbook(planned, pipeline_file, root),
        schedule=schedule,
        # A pipeline with a schedule starts to download when it is unpaused, so a person decides that.
        is_paused_upon_creation=None if schedule is None else True,
        catchup=False,
        max_active_runs=1,
        # A process takes all cores and the memory of its machine: two at once would share them. Pods have their own.
        max_active_tasks=1 if stage_runner() == "process" else 16,
        params=_params(planned, [item.id for item in snapshots]),
        tags=sorted({"curation", *spec.tags}),
        default_args=DEFAULT_ARGUMENTS | {"owner": spec.owner},
    ) as dag:
        tasks: dict[str, BaseOperator] = {}
        for call in planned.calls(pipeline_file, ALL, root):
            stage = planned.by_id.get(call.stage)
            if stage is None:
                note = "Freezes the pipeline, its files and the listing of its sources: everything that decides the output."
                known = tuple(item.id for item in snapshots)
                publishes = tuple(item.id for item in planned.stages if item.kind == "publish")
                tasks[RESOLVE] = operator(
                    task_id=RESOLVE, call=call, known_snapshots=known, parameters=_targets(planned), publish_stages=publishes, doc_md=note
                )
                continue
            task = operator(
                task_id=stage.id, call=call, datasets=_assets(spec, stage), only_for=_later(planned, stage.id), doc_md=stage_note(stage)
            )
            # Also on resolve, whose manifest each stage reads; Airflow draws the direct way only when there is no other.
            task.set_upstream([tasks[name] for name in stage.needs or (RESOLVE,)])
            tasks[stage.id] = task
    return dag


def build_invalid_dag(name: str, pipeline_file: str, error: Exception) -> DAG:
    """A DAG that shows why a pipeline file is none, and whose only task fails with that."""
    text = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    page = f"# {name}: invalid pipeline file\n\n`{pipeline_file}`\n\n{_indented(text)}\n\nMend the file: this page follows within a minute."
    with DAG(
        name,
        description=_first_line(text),
        doc_md=page,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        tags=["curation", "invalid"],
        default_args=DEFAULT_ARGUMENTS | {"owner": "curation", "retries": 0},
    ) as dag:
        InvalidPipelineOperator(task_id="invalid", error=text, doc_md=_indented(text))
    return dag


class InvalidPipelineOperator(BaseOperator):
    """Fails at once with what is wrong with a pipeline file.

    Args:
        error: The message.
    """

    ui_color = "#f9dcdc"

    def __init__(self, *, error: str, **arguments: Any):
        super().__init__(**arguments)
        self.error = error

    def execute(self, context: Context) -> None:
        raise AirflowFailException(self.error)


def has_catalogue(planned: Plan) -> bool:
    """Whether runs are made from a catalogue; a pipeline that follows its inputs is told of snapshots by them."""
    return planned.snapshot_source is not None and planned.spec.schedule is None


def _schedule(planned: Plan, snapshots: Sequence[Snapshot]) -> Any:
    """The timetable: one run per snapshot, day or month, by cron, or when inputs are published; None where people start runs."""
    partitions, schedule = planned.spec.partitions, planned.spec.schedule
    if schedule == INPUTS:
        assets = [dataset_asset(pipeline, dataset) for pipeline, dataset in planned.published_inputs()]
        # Of one snapshot all inputs are waited for; without partitions each publication is worth a run.
        return AssetAny(*assets) if partitions.by == "none" else PartitionedAssetTimetable(assets=AssetAll(*assets))
    if has_catalogue(planned):
        return SnapshotTimetable(planned.spec.name, snapshots, partitions.since)
    if partitions.by in DATE_FORMATS:
        # A period is curated when it is over: the run of a tick is for the period that ended then.
        cron = {"day": "0 0 * * *", "month": "0 0 1 * *"}[partitions.by]
        return CronPartitionTimetable(cron, timezone="UTC", run_offset=-1, key_format=DATE_FORMATS[partitions.by])
    return schedule


def _params(planned: Plan, known: Sequence[str]) -> dict[str, Param]:
    spec = planned.spec
    if spec.partitions.by == "none":
        snapshot = Param(
            ALL,
            type="string",
            pattern=r"^all(\+[A-Za-z0-9._-]{1,40})?$",
            description="This pipeline has no partitions. A run with a limit is published only as a trial: all+trial.",
        )
    else:
        snapshot = Param(
            None,
            type=["null", "string"],
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\+[A-Za-z0-9._-]{1,40})?$",
            description="The snapshot to curate; a run with a limit is published only as a trial, as ID+trial. "
            "Leave it empty when the run has a partition key.",
            examples=list(reversed(known[-50:])),
        )
    limit = Param(None, type=["null", "integer"], minimum=1, description="Read at most so many records of each source; empty: all.")
    last = Param(
        None,
        type=["null", "string"],
        enum=[None, RESOLVE, *(stage.id for stage in planned.stages)],
        values_display={"null": "all stages"},
        description="Stop after this stage: stages that it does not need are skipped; empty: all.",
    )
    own = {
        name: Param(parameter.default, section="Parameters of the pipeline", **parameter.schema)
        for name, parameter in run_parameters(planned).items()
    }
    return {"snapshot": snapshot, "limit": limit, "last_stage": last} | own


def _targets(planned: Plan) -> dict[str, Any]:
    """Name of a declared parameter → its value when a run does not set it."""
    return {name: parameter.default for name, parameter in run_parameters(planned).items()}


def _later(planned: Plan, stage_id: str) -> tuple[str, ...]:
    """The stage and those that need its output, at first or at last hand."""
    later = {stage_id}
    for stage in planned.stages:
        if later.intersection(stage.needs):
            later.add(stage.id)
    return tuple(sorted(later))


def dataset_asset(pipeline: str, dataset: str) -> Asset:
    """What stands for a published dataset: its producer updates it, consumers are scheduled by it."""
    return Asset(name=f"{pipeline}.{dataset}", uri=f"x-curation://{pipeline}/{dataset}", group="curation")


def _assets(spec: PipelineSpec, stage: PlannedStage) -> dict[str, Asset]:
    """The datasets that a publish stage publishes, by the stage that made them."""
    if stage.kind != "publish":
        return {}
    return {name: dataset_asset(spec.name, name) for name in stage.needs}


def _free_name(stem: str, taken: dict[str, DAG]) -> str:
    """A valid DAG id made of a file name, which no other DAG has."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", stem) or "pipeline"
    return next(name for name in (stem, *(f"{stem}_{number}" for number in range(2, len(taken) + 3))) if name not in taken)


def _first_line(text: str) -> str:
    return next((line for line in text.strip().splitlines() if line.strip()), "")[:200]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
