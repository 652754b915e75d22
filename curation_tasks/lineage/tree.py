"""The tree of manifests behind a dataset: each names its parents by digest, back to the raw sources."""

from __future__ import annotations

from collections.abc import Mapping

from curation_tasks.errors import InputError
from curation_tasks.manifest import Manifest, read_manifest


def ancestors(manifest: Manifest) -> list[Manifest]:
    """The manifests that a dataset was made from, sources first, each once, itself at the end.

    Raises:
        InputError: One is missing, damaged or no longer the one that was read.
    """
    found: dict[str, Manifest] = {}

    def visit(item: Manifest) -> None:
        if item.uri in found:
            return
        for parent in item.parents:
            visit(read_parent(item, parent))
        found[item.uri] = item

    visit(manifest)
    return list(found.values())


def read_parent(manifest: Manifest, parent: Mapping[str, str]) -> Manifest:
    """The manifest of a parent, checked to be the one that was read.

    Raises:
        InputError: It is missing or has another digest by now.
    """
    found = read_manifest(f"{manifest.root}/{parent['path']}")
    if found.digest != parent["digest"]:
        raise InputError(
            f"the input {parent['stage']!r} is no longer the one that was read",
            where=found.uri,
            expected=f"digest {parent['digest']}",
            remedy="run the stages after it again",
        )
    return found


def dataset_parents(manifest: Manifest, tree: Mapping[str, Manifest]) -> list[Manifest]:
    """The parents whose documents a stage read, in the order in which it read them; never the resolve manifest.

    Args:
        manifest: Of the stage.
        tree: Manifests by URI, as ``{item.uri: item for item in ancestors(…)}``.
    """
    parents = [tree[f"{manifest.root}/{parent['path']}"] for parent in manifest.parents]
    return [parent for parent in parents if parent.kind != "resolve"]
