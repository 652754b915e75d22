"""A published dataset of another pipeline as a source: the documents go on as they are, identities included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError, did_you_mean
from curation_tasks.lineage.published import published_snapshots
from curation_tasks.lineage.tree import ancestors, dataset_parents
from curation_tasks.manifest import Manifest, read_manifest
from curation_tasks.parts import Snapshot, SourceUnit
from curation_tasks.schema import DOCUMENT_COLUMNS
from curation_tasks.sources.catalog import PublishedParameters
from curation_tasks.storage.filesystem import absolute, list_folders
from curation_tasks.storage.shard import read_shard


def list_shards(parameters: PublishedParameters, snapshot: str, root: str) -> list[SourceUnit]:
    """One unit a shard of the dataset that is published now.

    Raises:
        InputError: Nothing is published under that name, or a column is wanted that it does not have.
    """
    root = absolute(root)
    entries = published_snapshots(root, parameters.pipeline)
    wanted = _wanted(parameters, snapshot, entries, root)
    manifest = _dataset(parameters, entries[wanted], root)
    for name, kind in parameters.columns.items():
        if manifest.schema.get(name) != kind:
            raise InputError(
                f"the published dataset has no column {name!r} of type {kind}; {did_you_mean(name, manifest.schema)}",
                where=manifest.uri,
                expected=", ".join(f"{column}: {found}" for column, found in manifest.schema.items()),
            )
    dataset = manifest.dataset()
    options = {"manifest": manifest.uri.removeprefix(f"{root}/"), "digest": manifest.digest}
    return [
        SourceUnit(dataset.uri(shard), f"{parameters.pipeline}/{wanted}/{shard.path}", shard.bytes, shard.hash, options)
        for shard in dataset.shards
        if shard.rows
    ]


def _wanted(parameters: PublishedParameters, snapshot: str, entries: dict[str, dict[str, Any]], root: str) -> str:
    name = snapshot if parameters.snapshot == "same" else parameters.snapshot
    if name == "latest" and entries:
        return max(entries, key=lambda found: (entries[found]["published"], found))
    if name not in entries:
        hint = did_you_mean(name, entries) if entries else did_you_mean(parameters.pipeline, list_folders(root))
        raise InputError(
            f"pipeline {parameters.pipeline!r} has published no snapshot {name!r}; {hint}",
            where=root,
            remedy="publish it first, or name another in the source's parameters",
        )
    return name


def _dataset(parameters: PublishedParameters, entry: dict[str, Any], root: str) -> Manifest:
    """The dataset of an entry; of an export the documents that it wrote out."""
    datasets = entry["datasets"]
    name = parameters.dataset or next(iter(sorted(datasets)))
    if name not in datasets:
        raise InputError(f"{parameters.pipeline!r} publishes no dataset {name!r}; {did_you_mean(name, datasets)}", where=root)
    manifest = read_manifest(f"{root}/{datasets[name]['path']}")
    while manifest.kind == "export":
        tree = {item.uri: item for item in ancestors(manifest)}
        parents = dataset_parents(manifest, tree)
        if len(parents) != 1:
            raise InputError(f"{name!r} was exported from several datasets at once", where=manifest.uri, remedy="publish one of them")
        manifest = parents[0]
    return manifest


def read_published(unit: SourceUnit, parameters: PublishedParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """The documents of a shard with their ``doc_id``, ``source`` and ``snapshot``, and the wanted columns."""
    yield from read_shard(unit.uri, [*DOCUMENT_COLUMNS, *(name for name in parameters.columns if name not in DOCUMENT_COLUMNS)])


def published_partitions(parameters: PublishedParameters, root: str) -> list[Snapshot]:
    """The snapshots that the pipeline has published; the day of each is that of its first publication."""
    entries = published_snapshots(absolute(root), parameters.pipeline)
    return [Snapshot(name, entry["published"][:10], entry["published"]) for name, entry in entries.items()]
