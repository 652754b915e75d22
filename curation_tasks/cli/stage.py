"""`curate stage`: one stage, the command that a pod runs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, unit_progress
from curation_tasks.cli.warm import compile_for
from curation_tasks.errors import ConfigError
from curation_tasks.spec import RESOLVE
from curation_tasks.yaml_files import read_overrides


def stage(
    name: Annotated[str, typer.Argument(metavar="STAGE", help="Id of the stage, or `resolve`.")],
    pipeline: Annotated[Path | None, typer.Option("--pipeline", help="Pipeline file (resolve only).")] = None,
    pipeline_text: options.PipelineText = None,
    snapshot: options.Snapshot = "all",
    root: options.Root = options.DEFAULT_ROOT,
    limit: options.Limit = None,
    set_: options.Set = None,
    resolved: Annotated[str | None, typer.Option("--resolved", help="Manifest of resolve (all other stages).")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", help="STAGE=MANIFEST, one for each stage that is read.")] = None,
    workers: options.Workers = None,
    processes: options.Processes = False,
    memory: options.Memory = None,
    dashboard: options.Dashboard = False,
    republish: Annotated[bool, typer.Option("--republish", help="Publish a specification that was superseded.")] = False,
    result: options.Result = None,
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
        snapshot=snapshot,
        root=root,
        limit=limit,
        overrides=read_overrides(set_ or []),
        resolved=resolved,
        inputs=_inputs(input_),
        settings=options.cluster_settings(workers, memory, dashboard, processes),
        republish=republish,
    )
    with ExitStack() as stack:
        if name == RESOLVE:
            file = stack.enter_context(options.pipeline_file(pipeline, pipeline_text))
            request = replace(request, pipeline_file=str(file))
        progress = stack.enter_context(unit_progress(name))
        outcome = run_stage(request, Surroundings(progress=progress.units, prepare=lambda modules: compile_for(modules, progress)))
    if result:
        options.write_result(result, outcome)
    if json_:
        print_json(outcome)
    elif not result:
        console.print(f"{'nothing to do' if outcome['reused'] else 'done'}: {outcome['manifest']}", soft_wrap=True, highlight=False)


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
