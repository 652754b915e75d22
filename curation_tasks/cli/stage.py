"""`curate stage`: one stage, the command that a pod runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, unit_progress
from curation_tasks.errors import ConfigError
from curation_tasks.handover import PIPELINE_VARIABLE, unpack
from curation_tasks.spec import RESOLVE


def stage(
    name: Annotated[str, typer.Argument(metavar="STAGE", help="Id of the stage, or `resolve`.")],
    pipeline: Annotated[Path | None, typer.Option("--pipeline", help="Pipeline file (resolve only).")] = None,
    pipeline_text: Annotated[
        str | None,
        typer.Option(
            "--pipeline-text", envvar=PIPELINE_VARIABLE, help="Instead of a file: a pipeline handed over by Airflow (resolve only)."
        ),
    ] = None,
    snapshot: options.Snapshot = "all",
    root: options.Root = options.DEFAULT_ROOT,
    limit: options.Limit = None,
    set_: options.Set = None,
    resolved: Annotated[str | None, typer.Option("--resolved", help="Manifest of resolve (all other stages).")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", help="STAGE=MANIFEST, one for each stage that is read.")] = None,
    workers: options.Workers = None,
    dashboard: options.Dashboard = False,
    republish: Annotated[bool, typer.Option("--republish", help="Publish a specification that was superseded.")] = False,
    result: Annotated[
        Path | None, typer.Option("--result", envvar="CURATE_RESULT", help="Write the result there as JSON (the XCom of a pod).")
    ] = None,
    json_: options.Json = False,
) -> None:
    """Run one stage of a pipeline and commit its manifest.

    [bold]Examples[/]:

      curate stage resolve --pipeline quickstart.yaml --root data
      curate stage refine --resolved data/…/resolve/…/manifest.json --input clean=data/…/clean/…/manifest.json
    """
    from curation_tasks.runner import StageRequest, Surroundings, run_stage

    request = StageRequest(
        stage=name,
        pipeline_file=str(pipeline) if pipeline else None,
        snapshot=snapshot,
        root=root,
        limit=limit,
        overrides=options.overrides(set_),
        resolved=resolved,
        inputs=_inputs(input_),
        settings=options.cluster_settings(workers, dashboard),
        republish=republish,
    )
    with unit_progress(name) as progress, TemporaryDirectory(prefix="curate-") as folder:
        if name == RESOLVE and pipeline_text and not pipeline:
            request = replace(request, pipeline_file=str(unpack(pipeline_text, folder)))
        outcome = run_stage(request, Surroundings(progress=progress))
    if result:
        write_result(result, outcome)
    if json_:
        print_json(outcome)
    elif not result:
        console.print(f"{'nothing to do' if outcome['reused'] else 'done'}: {outcome['manifest']}", soft_wrap=True, highlight=False)


def write_result(place: Path, outcome: Mapping[str, Any]) -> None:
    """Leaves a command's result where its orchestrator looks for it."""
    from curation_tasks.storage.filesystem import write_bytes

    write_bytes(str(place), json.dumps(outcome).encode())


def _inputs(items: list[str] | None) -> dict[str, str]:
    inputs = {}
    for item in items or []:
        name, equals, uri = item.partition("=")
        if not equals:
            raise ConfigError(f"--input {item!r} names no stage", expected="--input STAGE=MANIFEST")
        inputs[name] = uri
    return inputs


def register(application: typer.Typer) -> None:
    application.command("stage")(stage)
