"""`curate status`: what a storage root holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, moment, print_json, print_table
from curation_tasks.errors import ConfigError, did_you_mean


def status(
    root: options.Root = options.DEFAULT_ROOT,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Only this pipeline.")] = None,
    expired: Annotated[
        int | None, typer.Option("--expired-days", min=0, help="List folders that retention would delete after so many days.")
    ] = None,
    json_: options.Json = False,
) -> None:
    """Show snapshots, what is published, and stages that were begun and not finished.

    Snapshots that are compared with earlier ones are [bold]fresh[/]; or [bold]incomplete[/]: an earlier one appeared or grew,
    so duplicates may remain; or [bold]unsupported[/]: so many documents were removed for one that is not kept any more. Run
    them again, the earliest first.

    [bold]Example[/]: curate status --root s3://bucket/curation
    """
    from curation_tasks.runner.freshness import states
    from curation_tasks.runner.retention import expired_folders, snapshots
    from curation_tasks.storage.filesystem import list_folders

    rows: list[dict[str, Any]] = snapshots(root, pipeline)
    gone = expired_folders(root, expired, pipeline) if expired is not None else []
    if json_:
        print_json({"snapshots": rows, "expired": gone})
        return
    if not rows:
        known = list_folders(root) if pipeline else []
        if known:
            raise ConfigError(f"no pipeline {pipeline!r} has run here; {did_you_mean(str(pipeline), known)}", where=root)
        console.print(f"Nothing there yet: {root}")
        return
    incremental = any(row["earlier"] for row in rows)
    more = ["earlier snapshots"] if incremental else []
    print_table(
        root,
        ["pipeline", "snapshot", "published", "at (UTC)", "documents", "unfinished stages", *more],
        [
            [
                r["pipeline"], r["snapshot"], r["version"] or "no", moment(r["published"]), r["documents"], ", ".join(r["unfinished"]),
                *([states(r["earlier"])] if incremental else []),
            ]
            for r in rows
        ],
        right=["published", "documents"],
    )  # fmt: skip
    if expired is not None:
        print_table("Not reachable from a published entry within retention", ["folder"], [[folder] for folder in gone])


def register(application: typer.Typer) -> None:
    application.command("status")(status)
