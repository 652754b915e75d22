"""`curate lineage`: the tree of what a dataset was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from curation_tasks.cli import options
from curation_tasks.cli.output import console, counted, print_json, size

if TYPE_CHECKING:
    from rich.tree import Tree

    from curation_tasks.lineage.graph import Node


def lineage(
    manifest: Annotated[str, typer.Argument(help="URI of a manifest, of its folder, or of a published entry.")],
    files: Annotated[int, typer.Option("--files", min=0, help="Source files to list for each source.")] = 5,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the graph into this file.")] = None,
    json_: options.Json = False,
) -> None:
    """Print the tree of a dataset down to its source files, across the pipelines whose published datasets it read.

    [bold]Examples[/]:

      curate lineage .curation/data/quickstart/all/published/000001.json
      curate lineage data/mix/all/published/000001.json --files 0 --svg mix.svg
    """
    from curation_tasks.lineage.graph import draw, lineage_graph
    from curation_tasks.runner.publish import named_manifest
    from curation_tasks.storage.filesystem import write_bytes

    root = named_manifest(manifest)
    nodes = lineage_graph(root)
    if svg:
        write_bytes(str(svg), draw(nodes))
    if json_:
        print_json([asdict(node) for node in nodes.values()])
        return
    # A line a node however narrow the terminal is, so that the output can be read by programs as well.
    Console(width=300, soft_wrap=True, highlight=False).print(_tree(root.uri, nodes, files), crop=False)
    if svg:
        console.print(f"Drawing: {svg.absolute()}", soft_wrap=True, highlight=False)


def _tree(root: str, nodes: Mapping[str, Node], files: int) -> Tree:
    from rich.markup import escape
    from rich.tree import Tree

    shown: set[str] = set()

    def grow(parent: Tree, uri: str) -> None:
        node = nodes[uri]
        amount = "" if node.documents is None else f"  {node.documents:,} documents"
        identity = f"{node.pipeline}/{node.snapshot}  key {node.key}  digest {node.digest[:12]}"
        label = f"[bold]{escape(node.stage)}[/]  {node.kind}{amount}  [dim]{identity}[/]"
        branch = parent.add(label + ("  [dim](see above)[/]" if uri in shown else ""))
        if uri in shown:
            return
        shown.add(uri)
        for name in node.inputs:
            grow(branch, name)
        for file in node.files[:files]:
            known = size(file["bytes"]) if file["bytes"] >= 0 else "size unknown"
            branch.add(f"{escape(file['uri'])}  [dim]{known}  {file['hash'] or file['etag']}[/]")
        if node.files[files:]:
            left = len(node.files) - files
            branch.add(f"[dim]… {counted(left, 'more file')} of {len(node.files):,}[/]")

    top = Tree(escape(root), guide_style="dim")
    grow(top, root)
    return top


def register(application: typer.Typer) -> None:
    application.command("lineage")(lineage)
