"""What a storage root holds, and what of it may go.

A folder that is reachable from a published entry within retention is kept; all else expires some days after its last
change. Nothing is deleted here: ``housekeeping`` does that with these lists.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from curation_tasks.lineage.graph import lineage_graph
from curation_tasks.lineage.published import published_entries, published_folder
from curation_tasks.manifest import MANIFEST_NAME, read_manifest
from curation_tasks.runner.freshness import freshness
from curation_tasks.storage import filesystem


def snapshots(root: str, pipeline: str | None = None) -> list[dict[str, Any]]:
    """One row a pipeline and snapshot: the newest published version, stages that have units but no manifest, and under
    ``earlier`` how it stands to the indexes of earlier snapshots (``freshness``)."""
    root = filesystem.absolute(root)
    rows = []
    for name, snapshot in snapshot_names(root, pipeline):
        entries = published_entries(published_folder(root, name, snapshot))
        last = entries[-1] if entries else {}
        unfinished = [
            folder.split("/")[-2] for folder in stage_folders(root, name, snapshot) if not filesystem.exists(f"{folder}/{MANIFEST_NAME}")
        ]
        rows.append(
            {
                "pipeline": name,
                "snapshot": snapshot,
                "version": last.get("version"),
                "published": last.get("published"),
                "documents": max(item["counts"]["documents"] for item in last["datasets"].values()) if last else None,
                "unfinished": sorted(set(unfinished)),
                "earlier": freshness(root, name, snapshot),
            }
        )
    return rows


def reachable_folders(root: str, pipeline: str, snapshot: str, since: datetime) -> set[str]:
    """Folders of all datasets of the newest published entry, and of those published since a time, with all that they were made from.

    That includes datasets of other pipelines which they read.
    """
    entries = published_entries(published_folder(root, pipeline, snapshot))
    kept = [entry for entry in entries if datetime.fromisoformat(entry["published"]) >= since] + entries[-1:]
    folders: set[str] = set()
    for entry in kept:
        folders.add(f"{root}/{entry['manifest']}".rsplit("/", 1)[0])
        indexes = list(entry.get("indexes", {}).values())
        folders |= {f"{root}/{item['path']}" for item in indexes}
        for path in [item["path"] for item in entry["datasets"].values()] + [item["manifest"] for item in indexes]:
            for node in lineage_graph(read_manifest(f"{root}/{path}")).values():
                folders |= {uri.rsplit("/", 1)[0] for uri in (node.uri, node.resolve)}
    return folders


def expired_folders(root: str, days: int, pipeline: str | None = None, now: datetime | None = None) -> list[str]:
    """Stage folders that no published entry within retention reaches and that nobody has changed for ``days`` days."""
    root = filesystem.absolute(root)
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    # Of all pipelines: a published dataset of another one may have been made from this one's.
    kept = set().union(*(reachable_folders(root, name, snapshot, before) for name, snapshot in snapshot_names(root)))
    names = snapshot_names(root, pipeline)
    folders = [folder for name in names for folder in (*stage_folders(root, *name), *index_folders(root, *name))]
    return sorted(folder for folder in folders if folder not in kept and filesystem.last_change(folder) <= before)


def stage_folders(root: str, pipeline: str, snapshot: str) -> list[str]:
    """``{root}/{pipeline}/{snapshot}/{stage}/{key}`` of all stages and keys."""
    base = filesystem.join(root, pipeline, snapshot)
    return [
        filesystem.join(base, stage, key)
        for stage in filesystem.list_folders(base)
        if stage != "published"
        for key in filesystem.list_folders(filesystem.join(base, stage))
    ]


def published_indexes(root: str, pipeline: str | None = None) -> list[str]:
    """Folders of the indexes that the newest published entries name, sorted."""
    root = filesystem.absolute(root)
    entries = [published_entries(published_folder(root, *name))[-1:] for name in snapshot_names(root, pipeline)]
    return sorted({f"{root}/{item['path']}" for [entry] in filter(None, entries) for item in entry.get("indexes", {}).values()})


def index_folders(root: str, pipeline: str, snapshot: str) -> list[str]:
    """``{root}/{pipeline}/index/{snapshot}/{key}`` of all keys."""
    base = filesystem.join(root, pipeline, "index", snapshot)
    return [filesystem.join(base, key) for key in filesystem.list_folders(base)]


def snapshot_names(root: str, pipeline: str | None = None) -> list[tuple[str, str]]:
    """``(pipeline, snapshot)`` of all that a root holds."""
    names = [name for name in filesystem.list_folders(root) if pipeline in (None, name)]
    return [(name, snapshot) for name in names for snapshot in filesystem.list_folders(filesystem.join(root, name)) if snapshot != "index"]
