"""`curate explain`: what happened to one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import print_json, print_table

_SHOWN_CUTS = 10


def explain(
    document: Annotated[str, typer.Argument(metavar="DOC_ID|URL", help="The document's id or URL.")],
    manifest: Annotated[str, typer.Option("--in", help="URI of a manifest or of a published entry.")],
    text: Annotated[bool, typer.Option("--text", help="Print the text at each stage, cut. It may hold personal data.")] = False,
    json_: options.Json = False,
) -> None:
    """Tell what happened to one document at each stage: kept, changed, rejected and why, exported where.

    [bold]Example[/]: curate explain stories:stories-000-17 --in .curation/data/quickstart/all/published/000001.json
    """
    from curation_tasks.lineage.explain import explain as explain_document
    from curation_tasks.runner.publish import named_manifest

    steps = explain_document(named_manifest(manifest), document, show_text=text)
    if json_:
        print_json(steps)
        return
    columns = ["stage", "outcome", "detail", *(["text"] if text else [])]
    print_table(document, columns, [[{**step, "detail": _detail(step)}.get(name, "") for name in columns] for step in steps])


def _detail(step: Mapping[str, Any]) -> str:
    """One line a fact: the reason with its value, the survivor, the signals, or the place."""
    if step["outcome"] == "rejected":
        lines = [step["reason"] + (f": {step['value']:g}" if step.get("value") is not None else "")]
        lines += [f"threshold {step['threshold']:g}"] if step.get("threshold") is not None else []
        lines += [f"{name} {value}" for name, value in (step.get("evidence") or {}).items() if value is not None]
        lines += _cut_lines(step)
    else:
        row = f" row {step['row']:,}" if step.get("row") is not None else ""
        lines = [step["file"].rsplit("/", 1)[-1] + row] if step.get("file") else []
        lines += ["text changed"] if step.get("text_changed") else []
        lines += _cut_lines(step)
    return "\n".join(lines + [f"{name} = {value:g}" for name, value in (step.get("signals") or {}).items() if value is not None])


def _cut_lines(step: Mapping[str, Any]) -> list[str]:
    """What was cut and in which document it stays, the first ones of it."""
    cuts = step.get("cuts", ())
    lines = [f"{cut['characters']:,} characters cut: {cut['reason']} of {_survivor(cut, step)}" for cut in cuts[:_SHOWN_CUTS]]
    more = len(cuts) - _SHOWN_CUTS
    return lines + ([f"and {more:,} more cuts"] if more > 0 else [])


def _survivor(cut: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    snapshot = cut.get("survivor_snapshot")
    if cut["survivor"] == step["doc_id"] and not snapshot:
        return "this document, where it stands before"
    return cut["survivor"] + (f" in {snapshot}" if snapshot else "")


def register(application: typer.Typer) -> None:
    application.command("explain")(explain)
