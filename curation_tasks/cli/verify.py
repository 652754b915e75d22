"""`curate verify`: re-hashes a dataset back to its sources."""

from __future__ import annotations

from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table, unit_progress
from curation_tasks.errors import EXIT_INPUT


def verify(
    manifest: Annotated[str, typer.Argument(help="URI of a manifest, of its folder, or of a published entry.")],
    json_: options.Json = False,
) -> None:
    """Re-hash a dataset and everything it was made from, and name what differs. Exit code 65 when something does.

    [bold]Example[/]: curate verify .curation/data/quickstart/all/published/000001.json
    """
    from curation_tasks.lineage.verify import verify as verify_manifest
    from curation_tasks.runner.publish import named_manifest

    with unit_progress("verify") as progress:
        rows = [finding.to_dict() for finding in verify_manifest(named_manifest(manifest), progress=progress.units)]
    if json_:
        print_json(rows)
    elif rows:
        columns = ["severity", "stage", "where", "what", "expected", "found"]
        print_table("What differs", columns, [[row[name] for name in columns] for row in rows])
    else:
        console.print("All manifests, shards, ledgers, lists, indexes and source files are as they were when they were committed.")
    if any(row["severity"] == "error" for row in rows):
        raise typer.Exit(EXIT_INPUT)


def register(application: typer.Typer) -> None:
    application.command("verify")(verify)
