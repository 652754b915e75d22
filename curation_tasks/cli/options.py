"""Options that several commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from curation_tasks.clusters import ClusterSettings, cluster_kind
from curation_tasks.errors import ConfigError
from curation_tasks.handover import PIPELINE_VARIABLE, unpack
from curation_tasks.spec import parse_memory

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Root = Annotated[str, typer.Option("--root", envvar="CURATE_ROOT", help="Storage root: a folder or s3://bucket/prefix.")]
Snapshot = Annotated[str, typer.Option("--snapshot", help="The partition to curate; `all` for pipelines without partitions.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Read at most so many records of each source.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="STAGE.PARAMETER=VALUE or STAGE.OPERATION.PARAMETER=VALUE, for this run.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Tasks that run at once, here at most one a core; default: by cores and memory.")
]
Processes = Annotated[
    bool,
    typer.Option(
        "--processes", help="A process for each worker, even on fewer cores; default: threads of one process where the work allows it."
    ),
]
Memory = Annotated[str | None, typer.Option("--memory", help="Memory per worker, as 8GiB; fewer workers run where they need more.")]
Dashboard = Annotated[bool, typer.Option("--dashboard", help="Serve Dask's dashboard and print its address.")]
PipelineText = Annotated[
    str | None, typer.Option("--pipeline-text", envvar=PIPELINE_VARIABLE, help="Instead of a file: a pipeline handed over by Airflow.")
]
Result = Annotated[
    Path | None, typer.Option("--result", envvar="CURATE_RESULT", help="Write the result there as JSON (the XCom of a pod).")
]

DEFAULT_ROOT = os.path.join(".curation", "data")


@contextmanager
def pipeline_file(path: Path | None, text: str | None) -> Iterator[Path]:
    """The pipeline file that a command was given, or one made of the text that was handed over.

    Raises:
        ConfigError: Neither was given, or the text is of other versions.
    """
    if path is not None:
        yield path
        return
    if not text:
        raise ConfigError("no pipeline is given", expected="a pipeline file")
    with TemporaryDirectory(prefix="curate-") as folder:
        yield unpack(text, folder)


def write_result(place: Path, outcome: Mapping[str, Any]) -> None:
    """Leaves a command's result where its orchestrator looks for it."""
    from curation_tasks.storage.filesystem import write_bytes

    write_bytes(str(place), json.dumps(outcome).encode())


def cluster_settings(workers: int | None, memory: str | None, dashboard: bool, processes: bool = False) -> ClusterSettings:
    held = parse_memory(memory) if memory else None
    return ClusterSettings(cluster_kind(), workers=workers, memory=held, dashboard=dashboard, processes=processes)
