"""`curate rejudge`: other rules over stored signals."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table, unit_progress
from curation_tasks.errors import ConfigError
from curation_tasks.yaml_files import plain, read_yaml


def rejudge(
    manifest: Annotated[str, typer.Argument(help="URI of a manifest, of its folder, or of a published entry.")],
    rules: Annotated[str | None, typer.Option("--rules", help="A file of rules, or the name of a shipped rule set.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A parameter of the operation, as min_score=0.5 or languages=\\[en,de]; may be repeated.", metavar="NAME=YAML"
        ),
    ] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", help="The operation to judge again, where a stage has several that it could be.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="The stage to judge again, where the manifest has several before it.")
    ] = None,
    commit: Annotated[bool, typer.Option("--commit", help="Write the dataset that a run with these rules would write.")] = False,
    workers: options.Workers = None,
    json_: options.Json = False,
) -> None:
    r"""Judge a stage again by other rules or bounds, from the signals that it stored of kept and rejected documents; reads no text.

    With --commit the new dataset is put together from the old one's shards and ledgers, under the key of a run with these rules: a
    pipeline that names them finds the stage done.

    [bold]Examples[/]:

      curate rejudge data/my/all/refine/0f3c… --rules stricter.yaml
      curate rejudge data/my/all/refine/0f3c… --rules gopher_quality --commit
      curate rejudge data/my/all/language/77ab… --set min_score=0.5
    """
    from curation_tasks.runner import Surroundings
    from curation_tasks.runner.publish import named_manifest
    from curation_tasks.runner.rejudge import Rejudgement, Request, judged_stage

    request = Request(rules, _parsed(changes or []), operation)
    judgement = Rejudgement(judged_stage(named_manifest(manifest), stage, request), request)
    verdicts = judgement.verdicts()
    outcome = None
    if commit:
        with unit_progress(verdicts.stage) as progress:
            outcome = judgement.commit(Surroundings(progress=progress.units), settings=options.cluster_settings(workers, None, False))
    if json_:
        print_json(verdicts.told() | ({"committed": outcome} if outcome else {}))
        return
    console.print(
        f"[bold]{verdicts.operation}[/] of stage {verdicts.stage}: {verdicts.documents:,} documents reached it; it keeps"
        f" {verdicts.kept:,}, before {verdicts.kept_before:,} ({verdicts.admitted:,} admitted, {verdicts.excluded:,} excluded).",
        highlight=False,
    )
    if verdicts.undecided:
        console.print(f"{verdicts.undecided:,} more pass now, and operations behind it would have to see them.", highlight=False)
    names = sorted({*verdicts.reasons_before, *verdicts.failed}, key=lambda name: (-verdicts.reasons[name], name))
    rows = [[name, verdicts.reasons_before.get(name), verdicts.reasons.get(name), verdicts.failed.get(name)] for name in names]
    if rows:
        print_table("", ["reason", "before", "now", "fail it"], rows, right=["before", "now", "fail it"])
    if outcome:
        console.print(
            f"\n{'It was there already' if outcome['reused'] else 'Committed'}: {outcome['manifest']}", soft_wrap=True, highlight=False
        )


def _parsed(changes: list[str]) -> dict[str, Any]:
    """``name=value`` with values in YAML."""
    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise ConfigError(f"{change!r} sets nothing", where="--set", expected="NAME=VALUE, as min_score=0.5")
        found[name.strip()] = plain(read_yaml(value, f"--set {name}"))
    return found


def register(application: typer.Typer) -> None:
    application.command("rejudge")(rejudge)
