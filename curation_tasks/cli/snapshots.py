"""`curate snapshots`: what a pipeline's source has published, and what of it is curated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table


def snapshots(
    pipeline: Annotated[Path | None, typer.Argument(help="Pipeline file with `partitions: snapshot`.")] = None,
    pipeline_option: Annotated[Path | None, typer.Option("--pipeline", hidden=True)] = None,
    pipeline_text: options.PipelineText = None,
    root: options.Root = options.DEFAULT_ROOT,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the origin and write the catalogue.")] = False,
    result: options.Result = None,
    json_: options.Json = False,
) -> None:
    """List the snapshots that a pipeline can curate. Schedules are made from the same catalogue.

    [bold]Example[/]: curate snapshots dags/pipelines/wikipedia.yaml --refresh
    """
    from curation_tasks.lineage.published import published_entries, published_folder
    from curation_tasks.plan import plan
    from curation_tasks.snapshots import catalogue_uri, discover, read_catalogue, required_source
    from curation_tasks.spec import load_pipeline
    from curation_tasks.storage.filesystem import absolute

    with options.pipeline_file(pipeline or pipeline_option, pipeline_text) as path:
        planned = plan(load_pipeline(path))
    required_source(planned)
    uri = catalogue_uri(root, planned.spec.name)
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    if refresh:
        discovery = discover(planned, root)
        known, found, missing = discovery.snapshots, discovery.found, discovery.missing
    else:
        known = read_catalogue(uri)
    rows: list[dict[str, Any]] = []
    for item in known:
        entries = published_entries(published_folder(absolute(root), planned.spec.name, item.id))
        rows.append(
            {
                "snapshot": item.id,
                "date": item.date,
                "available": item.available,
                "published": entries[-1]["version"] if entries else None,
                "new": item.id in found,
                "listed": item.id not in missing,
            }
        )
    if result:
        options.write_result(result, {"v": 1, "catalogue": uri, "snapshots": len(rows), "new": list(found)[-20:]})
        return
    if json_:
        print_json({"catalogue": uri, "snapshots": rows, "new": list(found)})
        return
    if not rows:
        console.print(f"Nothing is known yet: {uri}\nAsk the origin with --refresh.", soft_wrap=True)
        return
    print_table(
        planned.spec.name,
        ["snapshot", "date", "available", "published", "remark"],
        [
            [row["snapshot"], row["date"], row["available"], row["published"] or "no", _remark(row)]
            for row in rows
        ],
    )  # fmt: skip


def _remark(row: dict[str, Any]) -> str:
    return "new" if row["new"] else "" if row["listed"] else "no longer listed by the origin"


def register(application: typer.Typer) -> None:
    application.command("snapshots")(snapshots)
