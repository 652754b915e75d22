"""Deletes what retention no longer keeps: the only code of the project that deletes datasets.

What erasures left in indexes that stay goes too: their rows at once, the files that a compaction superseded after the days
of retention, for a run that opened the index before still reads them. And so do at once the intermediate files of stages that
were killed between their commit and the deletion of these files: nobody reads them any more, and they hold texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from curation_tasks.dedup.compaction import compact, superseded_files
from curation_tasks.errors import ConfigError
from curation_tasks.manifest import MANIFEST_NAME
from curation_tasks.runner.retention import expired_folders, published_indexes, snapshot_names, stage_folders
from curation_tasks.runner.work import WORK_FOLDER
from curation_tasks.storage import filesystem

#: Fewer days could take the output of a run that is still going on from under it.
MIN_DAYS = 1


def keep_house(
    root: str,
    days: int,
    *,
    pipeline: str | None = None,
    delete: bool = False,
    now: datetime | None = None,
    progress: Callable[[int, int, dict[str, Any] | None], None] = lambda done, total, what: None,
) -> list[dict[str, Any]]:
    """Finds expired stage folders, unfinished ones among them, and files that compactions superseded; deletes them if asked to.

    A folder's manifest goes first: from then on the stage counts as not done, so that a run which wants it makes it again
    instead of reading half of it. What is deleted twice, or by two at once, is no error.

    Args:
        root: Storage root.
        days: A folder that no published entry of these days reaches, and that nobody has changed for as long, is expired.
        pipeline: Only this one's; default: all.
        delete: Otherwise they are only listed.
        now: For tests.
        progress: Told about each folder.

    Returns:
        ``{"folder", "finished", "bytes", "files"}`` of each, sorted by folder. An index that stays is listed with what goes
        of its files, a stage that stays by its folder of intermediate files.

    Raises:
        ConfigError: ``days`` is below 1.
    """
    if days < MIN_DAYS:
        raise ConfigError(f"retention of {days} days", expected=f"at least {MIN_DAYS}, and longer than a run takes")
    folders = expired_folders(root, days, pipeline, now)
    rows = []
    for number, folder in enumerate(folders, 1):
        size, files = filesystem.size_of(folder)
        manifest = f"{folder}/{MANIFEST_NAME}"
        rows.append({"folder": folder, "finished": filesystem.exists(manifest), "bytes": size, "files": files})
        if delete:
            filesystem.delete(manifest)
            filesystem.delete(folder, recursive=True)
        progress(number, len(folders), None)
    rows += _left_over_work(filesystem.absolute(root), pipeline, {*folders}, delete)
    return sorted(rows + _kept_indexes(filesystem.absolute(root), days, pipeline, delete, now), key=lambda row: row["folder"])


def _left_over_work(root: str, pipeline: str | None, expired: Collection[str], delete: bool) -> list[dict[str, Any]]:
    """Intermediate files of committed stages."""
    rows = []
    for folder in (folder for name in snapshot_names(root, pipeline) for folder in stage_folders(root, *name)):
        if folder in expired or WORK_FOLDER not in filesystem.list_folders(folder) or not filesystem.exists(f"{folder}/{MANIFEST_NAME}"):
            continue
        work = f"{folder}/{WORK_FOLDER}"
        size, files = filesystem.size_of(work)
        rows.append({"folder": work, "finished": True, "bytes": size, "files": files})
        if delete:
            filesystem.delete(work, recursive=True)
    return rows


def _kept_indexes(root: str, days: int, pipeline: str | None, delete: bool, now: datetime | None) -> list[dict[str, Any]]:
    """What goes of published indexes that stay."""
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    rows = []
    for uri in published_indexes(root, pipeline):
        if delete:
            compact(uri)
        files = superseded_files(uri, before)
        if files:
            rows.append({"folder": uri, "finished": True, "bytes": sum(file.bytes for file in files), "files": len(files)})
        for file in files if delete else ():
            filesystem.delete(file.uri)
    return rows
