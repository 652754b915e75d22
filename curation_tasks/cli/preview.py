"""`curate preview`: what the thresholds of a stage do, on a sample."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, folded_name, print_json, print_table
from curation_tasks.errors import ConfigError
from curation_tasks.yaml_files import read_overrides


def preview(
    pipeline: Annotated[Path, typer.Argument(help="Pipeline file.")],
    stage: Annotated[str | None, typer.Option("--stage", help="A stage of operations; default: the last one that has thresholds.")] = None,
    sample: Annotated[int, typer.Option("--sample", min=1, help="Documents to look at.")] = 5000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another sample.")] = 0,
    snapshot: options.Snapshot = "all",
    root: options.Root = options.DEFAULT_ROOT,
    set_: options.Set = None,
    workers: options.Workers = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path("preview.html"),
    json_: options.Json = False,
) -> None:
    """Show what the thresholds of a stage do: distributions, what other thresholds would keep, documents on both sides.

    Reads what the stages before it have committed; where they have not run, runs them over the first records of each source.

    [bold]Examples[/]:

      curate preview my.yaml --stage refine --sample 5000
      curate preview my.yaml --set refine.filters.quality.rules=gopher_quality -o gopher.html
    """
    from curation_tasks.lineage.preview import write_preview

    found = previewed(pipeline, stage, sample, seed, snapshot, root, read_overrides(set_ or []), workers)
    write_preview(found, str(output))
    if json_:
        print_json(found.told() | {"page": str(output)})
        return
    console.print(
        f"[bold]{found.stage}[/] of {found.pipeline} on {found.documents:,} of {found.available:,} documents keeps {found.kept:,}"
        f" ({found.kept / max(1, found.documents):.1%}). {found.origin}",
        highlight=False,
    )
    for operation in found.operations:
        if operation.rules:
            _print_rules(operation.name, [rule.told() for rule in operation.rules])
    console.print(f"\nPage with plots and examples: {output.absolute()}", soft_wrap=True, highlight=False)


def previewed(
    pipeline: Path, stage: str | None, sample: int, seed: int, snapshot: str, root: str, overrides: dict[str, Any], workers: int | None
) -> Any:
    """The ``Preview`` of a stage of a pipeline file."""
    from curation_tasks.cli.run import run_pipeline
    from curation_tasks.plan import override, plan
    from curation_tasks.runner import StageRequest
    from curation_tasks.runner.preview import preview as preview_of
    from curation_tasks.runner.stages import operations_work
    from curation_tasks.spec import load_pipeline

    planned = plan(override(load_pipeline(pipeline), overrides))
    chosen = _chosen(planned, stage)
    resolved, inputs = _committed(pipeline, planned, chosen, snapshot, root, overrides)
    if inputs:
        work, datasets = operations_work(StageRequest(stage=chosen.id, resolved=resolved, inputs=inputs))
        return preview_of(work, datasets, sample, seed, f"The documents are those that {' and '.join(inputs)} committed.")
    with tempfile.TemporaryDirectory(prefix="curate-preview-") as folder:
        last = max(chosen.needs, key=lambda name: [item.id for item in planned.stages].index(name))
        outcomes = run_pipeline(pipeline, snapshot, folder, limit=sample, overrides=overrides, until=last, workers=workers)
        manifests = {outcome["stage"]: outcome["manifest"] for outcome in outcomes}
        inputs = {name: manifests[name] for name in chosen.needs}
        work, datasets = operations_work(StageRequest(stage=chosen.id, resolved=outcomes[0]["manifest"], inputs=inputs))
        origin = f"The stages before it were run over the first {sample:,} records of each source, since they have committed nothing yet."
        return preview_of(work, datasets, sample, seed, origin)


def _chosen(planned: Any, name: str | None) -> Any:
    """The stage to preview."""
    with_rules = [item for item in planned.stages if item.kind == "operations" and item.thresholds()]
    if name is None:
        if not with_rules:
            raise ConfigError("no stage of the pipeline has thresholds", where=planned.spec.origin.path, remedy="name one by --stage")
        return with_rules[-1]
    planned.spec.stage(name)
    chosen = planned.by_id.get(name)
    if chosen is None or chosen.kind != "operations":
        known = ", ".join(item.id for item in planned.stages if item.kind == "operations")
        raise ConfigError(f"{name!r} is no stage of operations", where=planned.spec.origin.path, expected=f"one of: {known or 'none'}")
    return chosen


def _committed(
    pipeline: Path, planned: Any, chosen: Any, snapshot: str, root: str, overrides: dict[str, Any]
) -> tuple[str, dict[str, str]]:
    """The resolve manifest, and the manifests of what the stage reads; none when one of them is not there."""
    from curation_tasks.runner import StageRequest, run_stage
    from curation_tasks.runner.stages import stage_uri
    from curation_tasks.spec import RESOLVE
    from curation_tasks.storage import filesystem

    request = StageRequest(stage=RESOLVE, pipeline_file=str(pipeline), snapshot=snapshot, root=root, overrides=overrides)
    resolved = run_stage(request)["manifest"]
    found: dict[str, str] = {}
    for item in planned.stages:
        if item.id == chosen.id:
            break
        if all(name in found for name in item.needs) and item.kind != "publish":
            uri = stage_uri(StageRequest(stage=item.id, resolved=resolved, inputs={name: found[name] for name in item.needs}))
            if filesystem.exists(uri):
                found[item.id] = uri
    inputs = {name: found[name] for name in chosen.needs if name in found}
    return resolved, inputs if len(inputs) == len(chosen.needs) else {}


#: What the columns of numbers take of a line in `_print_rules`.
_NUMBERS_WIDTH = 70


def _print_rules(name: str, rules: list[dict[str, Any]]) -> None:
    columns = ["rule", "threshold", "rejects", "share", "alone"]
    rates = [f"{100 * float(rate):g} %" for rate in rules[0]["bound_for"]]
    width = max(20, console.width - _NUMBERS_WIDTH)
    rows = [
        [
            folded_name(rule["reason"], width), _shown(rule["bound"]), rule["rejected"], f"{1 - rule['keep_rate']:.1%}",
            rule["rejected_alone"], *map(_shown, rule["bound_for"].values()),
        ]
        for rule in rules
    ]  # fmt: skip
    console.print()
    name = f"{name}: alone are those that no other rule rejects; the last columns are the thresholds that would keep so many"
    print_table(name, columns + rates, rows, right=[*columns[1:], *rates])


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if value != int(value) else f"{value:,.0f}"


def register(application: typer.Typer) -> None:
    application.command("preview")(preview)
