"""`curate plan`: what a pipeline would do, and what a change would recompute."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, counted, print_json, print_table
from curation_tasks.errors import ConfigError
from curation_tasks.parts import ExportPart
from curation_tasks.plan import PlannedStage
from curation_tasks.yaml_files import read_overrides


def plan(
    pipeline: Annotated[Path, typer.Argument(help="Pipeline file.")],
    snapshot: options.Snapshot = "all",
    root: options.Root = options.DEFAULT_ROOT,
    set_: options.Set = None,
    commands: Annotated[bool, typer.Option("--commands", help="Print the command of each stage.")] = False,
    diff: Annotated[
        str | None, typer.Option("--diff", help="A published entry or manifest: say what would be recomputed, and why.")
    ] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what the de-duplication stages would write, hold and cost.")] = False,
    documents: Annotated[float | None, typer.Option("--documents", min=1, help="With --estimate: number of documents, as 1e9.")] = None,
    text_bytes: Annotated[float | None, typer.Option("--bytes", min=1, help="With --estimate: bytes of text, as 4e12.")] = None,
    memory: Annotated[float, typer.Option("--task-memory", min=0.001, help="With --estimate: GiB that one task may hold.")] = 4,
    threads: Annotated[int, typer.Option("--threads", min=1, help="With --estimate: tasks that a worker runs at once.")] = 1,
    earlier: Annotated[float, typer.Option("--earlier", min=0, help="With --estimate: documents in the indexes compared with.")] = 0,
    assume: Annotated[list[str] | None, typer.Option("--assume", help="With --estimate: NAME=VALUE of what depends on the texts.")] = None,
    json_: options.Json = False,
) -> None:
    """Check a pipeline and show its stages, without running or importing an engine.

    [bold]Examples[/]:

      curate plan dags/pipelines/quickstart.yaml
      curate plan my.yaml --estimate --documents 1e11 --bytes 4e14
      curate plan my.yaml --diff .curation/data/my/all/published/000001.json
    """
    from curation_tasks.plan import override
    from curation_tasks.plan import plan as plan_pipeline
    from curation_tasks.spec import load_pipeline

    planned = plan_pipeline(override(load_pipeline(pipeline), read_overrides(set_ or [])))
    planned.spec.check_snapshot(snapshot)
    if diff:
        from curation_tasks.runner.difference import plan_difference

        rows = plan_difference(planned, diff, str(pipeline.parent))
        if json_:
            print_json(rows)
            return
        print_table(
            "Compared with " + diff,
            ["stage", "would be", "why"],
            [[row["stage"], row["action"], "\n".join(row["reasons"])] for row in rows],
        )
        return
    if estimate:
        from curation_tasks.cli.estimate import estimate as print_estimate

        if documents is None or text_bytes is None:
            raise ConfigError("an estimate needs to know how much there is", expected="--documents NUMBER --bytes NUMBER")
        print_estimate(planned, documents, text_bytes, round(memory * 2**30), threads, earlier, assume or [], json_=json_)
        return
    calls = planned.calls(str(pipeline), snapshot, root)
    if json_:
        print_json(planned.described() | {"commands": [call.argv() for call in calls]})
        return
    if commands:
        for call in calls:
            console.print(shlex.join(call.argv()), soft_wrap=True, highlight=False)
        return
    print_table(
        f"{planned.spec.name}: {counted(len(planned.stages), 'stage')}",
        ["stage", "kind", "reads", "does"],
        [[stage.id, stage.kind, ", ".join(stage.needs), ", ".join(call.use for call in stage.calls)] for stage in planned.stages],
    )
    # Tables of their own: beside the others their names would be broken on a narrow terminal.
    for title, names_of in (("adds columns", _added), ("may reject for", _reasons)):
        rows = [[stage.id, ", ".join(names)] for stage in planned.stages if (names := names_of(stage))]
        if rows:
            console.print()
            print_table("", ["stage", title], rows)
    if any(call.part.notes_of(call.parameters) for stage in planned.stages for call in stage.calls):
        console.print()
    for stage in planned.stages:
        for note in [note for call in stage.calls for note in call.part.notes_of(call.parameters)]:
            console.print(f"{stage.id}: {note}", soft_wrap=True, highlight=False)


def _added(stage: PlannedStage) -> list[str]:
    return [name for name in stage.columns_out if name not in stage.columns_in] if stage.kind in ("source", "operations") else []


def _reasons(stage: PlannedStage) -> list[str]:
    return [reason for call in stage.calls if not isinstance(call.part, ExportPart) for reason in call.part.rejects_of(call.parameters)]


def register(application: typer.Typer) -> None:
    application.command("plan")(plan)
