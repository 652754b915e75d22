"""`curate explain`: what happened to one document."""

from __future__ import annotations

from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import print_json, print_table


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
    from curation_tasks.runner.difference import datasets_of

    steps = explain_document(datasets_of(manifest), document, show_text=text)
    if json_:
        print_json(steps)
        return
    columns = ["stage", "outcome", "detail", *(["text"] if text else [])]
    print_table(document, columns, [[step.get(name, "") for name in columns] for step in steps])


def register(application: typer.Typer) -> None:
    application.command("explain")(explain)
