"""`curate run`: a whole pipeline on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, funnel_tables, print_json, unit_progress
from curation_tasks.cli.warm import compile_for, modules_of
from curation_tasks.yaml_files import read_overrides


def run(
    pipeline: Annotated[Path, typer.Argument(help="Pipeline file.")],
    snapshot: options.Snapshot = "all",
    root: options.Root = options.DEFAULT_ROOT,
    limit: options.Limit = None,
    set_: options.Set = None,
    until: Annotated[str | None, typer.Option("--until", help="Last stage to run.")] = None,
    workers: options.Workers = None,
    processes: options.Processes = False,
    memory: options.Memory = None,
    dashboard: options.Dashboard = False,
    republish: Annotated[bool, typer.Option("--republish", help="Publish a specification that was superseded.")] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML report.")] = True,
    json_: options.Json = False,
) -> None:
    """Run a pipeline: the stages one after the other, each as `curate stage` would run it.

    What is done is not done again: a second run, or a run after a crash or a changed threshold, computes only the rest.

    [bold]Examples[/]:

      curate run dags/pipelines/quickstart.yaml
      curate run my.yaml --limit 1000 --until refine --set refine.filters.quality.rules=tinystories
      curate run my.yaml --root s3://bucket/curation --workers 4
    """
    from curation_tasks.manifest import read_manifest
    from curation_tasks.spec import load_pipeline

    load_pipeline(pipeline)
    outcomes = run_pipeline(
        pipeline, snapshot, root, limit=limit, overrides=read_overrides(set_ or []), until=until, workers=workers,
        processes=processes, memory=memory, dashboard=dashboard, republish=republish,
    )  # fmt: skip
    last = read_manifest(outcomes[-1]["manifest"])
    report_uri = None
    if report:
        from curation_tasks.lineage.report import write_report

        report_uri = f"{last.folder}/report.html"
        write_report(last, report_uri)
    if json_:
        print_json({"stages": outcomes, "report": report_uri})
        return
    from curation_tasks.lineage.funnel import funnel

    rows = funnel(last)
    funnel_tables(rows)
    if empty := next((row["stage"] for row in rows if row.get("documents") == 0), None):
        console.print(f"\n[bold]No document is left[/] after {empty}; the reasons of rejection say why.", highlight=False)
    if all(outcome["reused"] for outcome in outcomes):
        console.print("\nNothing had to be done: every stage was done before with the same inputs and parameters.")
    if "published" in outcomes[-1]:
        console.print(f"\nPublished: {outcomes[-1]['published']}", soft_wrap=True, highlight=False)
    if report_uri:
        console.print(f"Report:    {report_uri}", soft_wrap=True, highlight=False)


def run_pipeline(
    pipeline: Path, snapshot: str, root: str, *,
    limit: int | None = None, overrides: dict[str, Any] | None = None, until: str | None = None,
    workers: int | None = None, processes: bool = False, memory: str | None = None, dashboard: bool = False, republish: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Runs the stages of a pipeline in one process, with one cluster for all that ask for the same; the results in order."""
    from curation_tasks.plan import override, plan
    from curation_tasks.runner import StageRequest, Surroundings, run_stage, shared_clusters
    from curation_tasks.runner.publish import refuse_limited
    from curation_tasks.spec import RESOLVE, load_pipeline

    planned = plan(override(load_pipeline(pipeline), overrides or {}))
    if until:
        planned.spec.stage(until)
    names = [RESOLVE, *(stage.id for stage in planned.stages)]
    names = names[: names.index(until) + 1] if until else names
    if any(planned.by_id[name].kind == "publish" for name in names[1:]):
        # Before any work, not at its end.
        refuse_limited(snapshot, limit, str(pipeline))
    # The first stage that has work to do compiles for all of them: several kernels at once.
    modules = modules_of(planned, until)
    outcomes: dict[str, dict[str, Any]] = {}
    with shared_clusters() as client:
        for name in names:
            asked = planned.by_id[name].spec.resources.memory if name != RESOLVE else None
            request = StageRequest(
                stage=name, pipeline_file=str(pipeline), snapshot=snapshot, root=root, limit=limit, overrides=overrides or {},
                resolved=outcomes[RESOLVE]["manifest"] if outcomes else None,
                inputs={need: outcomes[need]["manifest"] for need in (planned.by_id[name].needs if name != RESOLVE else ())},
                settings=options.cluster_settings(workers, memory or asked, dashboard, processes), republish=republish,
            )  # fmt: skip
            with unit_progress(name) as progress:
                surroundings = Surroundings(
                    progress=progress.units, client=client, prepare=lambda _, progress=progress: compile_for(modules, progress)
                )
                outcomes[name] = run_stage(request, surroundings)
    return list(outcomes.values())


def register(application: typer.Typer) -> None:
    application.command("run")(run)
