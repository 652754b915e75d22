"""What consumers read: the published entries of a pipeline's snapshots. The highest number holds."""

from __future__ import annotations

import json
from typing import Any

from curation_tasks.storage import filesystem


def published_folder(root: str, pipeline: str, snapshot: str) -> str:
    return filesystem.join(root, pipeline, snapshot, "published")


def published_entries(folder: str) -> list[dict[str, Any]]:
    """All entries of a snapshot, oldest first."""
    names = [name for name in filesystem.list_names(folder) if name.endswith(".json") and name[:-5].isdigit()]
    return [json.loads(filesystem.read_bytes(f"{folder}/{name}")) for name in names]


def published_snapshots(root: str, pipeline: str) -> dict[str, dict[str, Any]]:
    """Snapshot → its newest published entry, for all that have one, trials left out, by name of the snapshot."""
    names = [name for name in filesystem.list_folders(filesystem.join(root, pipeline)) if "+" not in name and name != "index"]
    found = {name: published_entries(published_folder(root, pipeline, name)) for name in sorted(names)}
    return {name: entries[-1] for name, entries in found.items() if entries}
