"""Where a dataset comes from, as a graph: manifests back to source files, across the pipelines that it was published by."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curation_tasks.errors import InputError
from curation_tasks.lineage.tree import read_parent
from curation_tasks.manifest import Manifest, read_list, read_manifest

#: What a box of the drawing takes, in inches.
_WIDTH, _HEIGHT, _GAP = 2.3, 0.62, 0.3
_COLOURS = {"source": "#d5e8f7", "publish": "#d9efdc", "export": "#e4f2e6", "reduction": "#f7e6d0", "files": "#f0f0f0"}


@dataclass
class Node:
    """A manifest of the graph.

    Attributes:
        uri: Of the manifest.
        pipeline, snapshot, stage, kind, key, digest: As it says.
        documents: That it holds; None for resolve.
        inputs: URIs of the manifests whose documents it read.
        resolve: URI of the resolve manifest of its run.
        files: Of a source: its files, ``uri, bytes, records, documents, hash``; for documents of another pipeline none, since
            ``inputs`` names their manifest.
    """

    uri: str
    pipeline: str
    snapshot: str
    stage: str
    kind: str
    key: str
    digest: str
    documents: int | None
    resolve: str
    inputs: list[str] = field(default_factory=list)
    files: list[Mapping[str, Any]] = field(default_factory=list)


def lineage_graph(manifest: Manifest) -> dict[str, Node]:
    """All manifests that a dataset was made from and itself, by URI, each after those that it read.

    Resolve manifests are no nodes of their own: they hold no documents.

    Raises:
        InputError: A manifest is missing, damaged, or no longer the one that was read.
    """
    nodes: dict[str, Node] = {}

    def visit(item: Manifest) -> None:
        if item.uri in nodes:
            return
        parents = [read_parent(item, parent) for parent in item.parents]
        node = _node(item, next(parent.uri for parent in parents if parent.kind == "resolve"))
        inputs = [parent for parent in parents if parent.kind != "resolve"]
        if item.kind == "source":
            rows = read_list(item, "source_files")
            inputs += _published_inputs(item, rows)
            node.files = [] if inputs else rows
        for parent in inputs:
            visit(parent)
        node.inputs = [parent.uri for parent in inputs]
        nodes[item.uri] = node

    visit(manifest)
    return nodes


def _node(item: Manifest, resolve: str) -> Node:
    content = item.content
    documents = item.counts.get("documents")
    return Node(item.uri, content["pipeline"], content["snapshot"], item.stage, item.kind, item.key, item.digest, documents, resolve)


def _published_inputs(item: Manifest, rows: Sequence[Mapping[str, Any]]) -> list[Manifest]:
    """The manifests of other pipelines whose shards a source read, checked to be the ones that it read."""
    named: dict[str, str] = {}
    for row in rows:
        options = json.loads(row["options"])
        if "manifest" in options:
            named[options["manifest"]] = options["digest"]
    found = []
    for path, digest in named.items():
        manifest = read_manifest(f"{item.root}/{path}")
        if manifest.digest != digest:
            raise InputError("the published dataset is no longer the one that was read", where=manifest.uri, expected=f"digest {digest}")
        found.append(manifest)
    return found


def columns(nodes: Mapping[str, Node]) -> list[list[Node]]:
    """The nodes by their distance from the sources, the longest way; sources first."""
    depth: dict[str, int] = {}
    for uri, node in nodes.items():  # inputs stand before what reads them
        depth[uri] = max((depth[name] + 1 for name in node.inputs), default=0)
    result: list[list[Node]] = [[] for _ in range(max(depth.values()) + 1)]
    for uri, node in nodes.items():
        result[depth[uri]].append(node)
    return result


def draw(nodes: Mapping[str, Node]) -> bytes:
    """The graph as an SVG file: sources on top, each stage below what it read, source files summed up in a box.

    Equal graphs give equal bytes.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = columns(nodes)
    sources = [node for node in nodes.values() if node.files]
    width = max(len(row) for row in rows) * (_WIDTH + _GAP) + _GAP
    height = (len(rows) + bool(sources)) * (_HEIGHT + _GAP) + _GAP
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lineage", "font.size": 8, "text.parse_math": False}):
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        places = {}
        for level, row in enumerate(rows, 1 if sources else 0):
            left = (width - len(row) * (_WIDTH + _GAP) + _GAP) / 2
            for position, node in enumerate(row):
                places[node.uri] = (left + position * (_WIDTH + _GAP), _GAP + level * (_HEIGHT + _GAP))
                _box(axes, places[node.uri], node.kind, _title(node, nodes), _caption(node))
        for node in nodes.values():
            for name in node.inputs:
                _arrow(axes, places[name], places[node.uri])
        for node in sources:
            left, top = places[node.uri]
            place = (left, _GAP) if top > _GAP + _HEIGHT else (left, top)
            size = sum(max(0, file["bytes"]) for file in node.files)
            files = f"{len(node.files):,} file{'' if len(node.files) == 1 else 's'}"
            _box(axes, place, "files", files, f"{size / 1e6:,.1f} MB" if size else "")
            _arrow(axes, place, places[node.uri])
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _title(node: Node, nodes: Mapping[str, Node]) -> str:
    several = len({(other.pipeline, other.snapshot) for other in nodes.values()}) > 1
    return f"{node.pipeline}/{node.snapshot}: {node.stage}" if several else node.stage


def _caption(node: Node) -> str:
    amount = "" if node.documents is None else f"{node.documents:,} documents · "
    return f"{amount}{node.digest[:12]}"


def _box(axes: Any, place: tuple[float, float], kind: str, title: str, caption: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    left, top = place
    colour = _COLOURS.get(kind, "#ffffff")
    axes.add_patch(
        FancyBboxPatch(
            (left, top), _WIDTH, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.06", facecolor=colour, edgecolor="#555555", lw=0.8
        )
    )
    title = title if len(title) <= 34 else f"{title[:33]}…"
    axes.text(left + _WIDTH / 2, top + (0.24 if caption else _HEIGHT / 2), title, ha="center", va="center", weight="bold")
    axes.text(left + _WIDTH / 2, top + 0.45, caption, ha="center", va="center", color="#444444")


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", (end[0] + _WIDTH / 2, end[1]), (start[0] + _WIDTH / 2, start[1] + _HEIGHT),
        arrowprops={"arrowstyle": "->", "color": "#777777", "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
