"""`curate show`: a manifest or a dataset's documents."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, funnel_tables, print_json, print_table, size
from curation_tasks.errors import ConfigError
from curation_tasks.manifest import Manifest


def show(
    manifest: Annotated[str, typer.Argument(help="URI of a manifest, of its folder, or of a published entry.")],
    funnel_: Annotated[bool, typer.Option("--funnel", help="Documents and reasons of this and all stages before it.")] = False,
    documents: Annotated[int, typer.Option("--documents", min=0, help="Print the first N documents as JSON lines.")] = 0,
    json_: options.Json = False,
) -> None:
    """Show what a stage made: counts, reasons, schema, shards.

    [bold]Examples[/]:

      curate show .curation/data/quickstart/all/published/000001.json --funnel
      curate show data/my/all/refine/0f3c… --documents 5
    """
    from curation_tasks.lineage.funnel import funnel
    from curation_tasks.runner.publish import named_manifest

    item = named_manifest(manifest)
    if funnel_:
        rows = funnel(item)
        print_json(rows) if json_ else funnel_tables(rows)
    elif documents:
        _print_documents(item, documents)
    elif json_:
        print_json({"uri": item.uri, "digest": item.digest, "content": item.content, "lineage": item.lineage, "execution": item.execution})
    else:
        _print_manifest(item)


def _print_manifest(item: Manifest) -> None:
    console.print(f"[bold]{item.stage}[/] ({item.kind}) of {item.content['pipeline']} / {item.content['snapshot']}")
    console.print(f"digest {item.digest}\nkey    {item.key}", highlight=False)
    counts = [[name, size(value) if name.endswith("bytes") else value] for name, value in item.counts.items()]
    print_table("", ["count", "value"], counts, right=["value"])
    for title, values in (("reason", item.content["reasons"]), ("counter", item.content["counters"])):
        if values:
            print_table("", [title, "number"], [list(pair) for pair in values.items()], right=["number"])
    if item.schema:
        print_table("", ["column", "type"], [list(pair) for pair in item.schema.items()])


def _print_documents(item: Manifest, count: int) -> None:
    dataset = _with_shards(item).dataset()
    for shard in dataset.shards:
        for batch in dataset.read(shard):
            for row in batch.slice(0, count).to_pylist():
                print(json.dumps(row, ensure_ascii=False, default=str))
            count -= min(count, len(batch))
            if count == 0:
                return


def _with_shards(item: Manifest) -> Manifest:
    """The dataset whose documents a user means: of what is published or exported, the one that it was made from."""
    from curation_tasks.lineage.tree import dataset_parents, read_parent

    while item.kind in ("publish", "export"):
        tree = {parent.uri: parent for parent in (read_parent(item, name) for name in item.parents)}
        item = dataset_parents(item, tree)[0]
    if item.kind == "resolve":
        raise ConfigError("resolve has no documents", where=item.uri, remedy="name a stage after it")
    return item


def register(application: typer.Typer) -> None:
    application.command("show")(show)
