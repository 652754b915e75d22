"""`curate housekeep`: deletes what retention no longer keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, counted, print_json, print_table, size, unit_progress


def housekeep(
    root: options.Root = options.DEFAULT_ROOT,
    days: Annotated[int, typer.Option("--days", min=1, help="Keep what was published or changed within so many days.")] = 30,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Only this pipeline.")] = None,
    clusters: Annotated[
        bool, typer.Option("--clusters", help="Instead: Dask clusters on Kubernetes whose stage pod is gone, in this pod's namespace.")
    ] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete; without it the folders are only listed.")] = False,
    result: options.Result = None,
    json_: options.Json = False,
) -> None:
    """List, and with --delete remove, stage folders that no published dataset within retention was made from.

    The newest published version of each snapshot is always kept, with all that it was made from. --delete also rewrites indexes
    of which documents were taken out with `curate unindex`; the files so replaced go after the days of retention. What
    a killed run left of intermediate files beside finished work goes too.

    [bold]Examples[/]:

      curate housekeep --days 14
      curate housekeep --root s3://bucket/curation --days 30 --delete
      curate housekeep --clusters --delete
    """
    if clusters:
        _clusters(delete, result, json_)
        return
    from curation_tasks.runner.housekeeping import keep_house

    with unit_progress("housekeeping") as progress:
        rows = keep_house(root, days, pipeline=pipeline, delete=delete, progress=progress.units)
    total = sum(row["bytes"] for row in rows)
    if result:
        options.write_result(result, {"v": 1, "folders": len(rows), "bytes": total, "deleted": delete})
    if json_:
        print_json({"folders": rows, "bytes": total, "deleted": delete})
    elif not result:
        _show(rows, total, delete)


def _clusters(delete: bool, result: Path | None, json_: bool) -> None:
    from curation_tasks.clusters.kubernetes_orphans import delete_orphaned_clusters

    names = delete_orphaned_clusters(delete=delete)
    if result:
        options.write_result(result, {"v": 1, "clusters": names[:20], "count": len(names), "deleted": delete})
    if json_:
        print_json({"clusters": names, "deleted": delete})
    elif not result:
        console.print("\n".join(names) or "No Dask cluster has lost its stage.")


def _show(rows: list[dict[str, object]], total: int, delete: bool) -> None:
    if rows:
        print_table(
            "Deleted" if delete else "Expired",
            ["folder", "finished", "files", "bytes"],
            [[row["folder"], "yes" if row["finished"] else "no", row["files"], row["bytes"]] for row in rows],
            right=["files", "bytes"],
        )
    if rows:
        console.print(f"{counted(len(rows), 'folder')}, {size(total)}{'' if delete else '; --delete removes them'}")
    else:
        console.print("Nothing has expired.")


def register(application: typer.Typer) -> None:
    application.command("housekeep")(housekeep)
