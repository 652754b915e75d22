"""Earlier indexes: what a reduction with ``against`` is compared with, found where it was published.

The snapshots of a pipeline are ordered by their names. The index of a snapshot is seen by later ones only through its
newest published entry, so a run that is still going, or was never published, decides nothing elsewhere. ``resolve`` freezes
the list: the same list gives the same key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from curation_tasks.context import EarlierIndex
from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.index import read_index
from curation_tasks.lineage.published import published_entries, published_folder
from curation_tasks.manifest import digest_of, write_list
from curation_tasks.plan import Plan
from curation_tasks.spec import EARLIER
from curation_tasks.storage import filesystem

#: One row for each snapshot before this one, also for those without a published index: all else is null for them. ``content``
#: is the digest without erasures.
EARLIER_LIST = {"snapshot": "string", "path": "string", "digest": "string", "content": "string"}
_READERS = 16


def earlier_snapshots(root: str, pipeline: str, snapshot: str) -> list[str]:
    """The snapshots of a pipeline before one, ascending. Trials (``name+suffix``) come before nothing."""
    names = filesystem.list_folders(filesystem.join(root, pipeline))
    return sorted(name for name in names if name != "index" and "+" not in name and name < snapshot.split("+")[0])


def find_indexes(root: str, pipeline: str, snapshot: str, stage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The present indexes that a stage is to be compared with.

    Args:
        root: The storage root.
        pipeline: Of the stage.
        snapshot: To be curated.
        stage: As described by the plan, with ``options.against``.

    Returns:
        Rows of ``EARLIER_LIST`` in the order of rank: named other datasets, then the snapshots before this one.

    Raises:
        ConfigError: A named dataset has no published index of this reduction.
        InputError: A published index is gone.
    """
    against, use = stage["options"]["against"], stage["calls"][0]["use"]
    wanted: list[tuple[str, str | None]] = []
    for reference in against:
        if reference != EARLIER:
            wanted += _foreign(root, reference, use)
    if EARLIER in against:
        names = earlier_snapshots(root, pipeline, snapshot)
        wanted += [(name, _published_index(root, pipeline, name, stage["id"], use)) for name in names]
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda item: read_index(f"{root}/{item[1]}") if item[1] else None, wanted))
    return [
        {"snapshot": label, "path": path, "digest": index and index.digest, "content": index and index.content_digest}
        for (label, path), index in zip(wanted, found, strict=True)
    ]


def _foreign(root: str, reference: str, use: str) -> list[tuple[str, str | None]]:
    pipeline, _, only = reference.partition("/")
    known = [name for name in filesystem.list_folders(filesystem.join(root, pipeline)) if name != "index"]
    names = [only] if only else sorted(name for name in known if "+" not in name)
    found = [(f"{pipeline}/{name}", path) for name in names if (path := _published_index(root, pipeline, name, None, use))]
    if not found:
        hint = did_you_mean(only, known) if known else did_you_mean(pipeline, filesystem.list_folders(root))
        raise ConfigError(
            f"`against` names {reference!r}, which has no published index of {use}; {hint}",
            where=filesystem.join(root, pipeline),
            expected="PIPELINE or PIPELINE/SNAPSHOT below the same storage root",
            remedy=f"run and publish that pipeline with `index: true` beside `reduction: {use}`",
        )
    return found


def _published_index(root: str, pipeline: str, snapshot: str, stage: str | None, use: str) -> str | None:
    """Path of the index of a snapshot's newest published entry: that of a stage, or the first of a reduction."""
    entries = published_entries(published_folder(root, pipeline, snapshot))
    listed = entries[-1].get("indexes", {}) if entries else {}
    for name, item in sorted(listed.items()):
        if name == stage or (stage is None and item["reduction"] == use):
            return item["path"]
    return None


def frozen_indexes(planned: Plan, root: str, snapshot: str) -> dict[str, list[dict[str, Any]]]:
    """``find_indexes`` for each stage of a pipeline that has ``against``."""
    stages = [stage.described() for stage in planned.stages if stage.spec.against]
    return {stage["id"]: find_indexes(root, planned.spec.name, snapshot, stage) for stage in stages}


def indexes_digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a stage's key depends on. A snapshot without an index is like one that is not there."""
    return digest_of([[row["snapshot"], row["digest"]] for row in rows if row["digest"] is not None])


def write_earlier(folder: str, name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Writes a list of earlier indexes beside a manifest."""
    return write_list(folder, name, rows, EARLIER_LIST)


def opened(root: str, rows: Sequence[Mapping[str, Any]]) -> tuple[EarlierIndex, ...]:
    """The indexes of a frozen list, checked to be those that were frozen.

    Raises:
        InputError: One is gone or was changed since, by an erasure for example.
    """
    found = []
    for row in rows:
        if row["digest"] is None:
            continue
        uri = f"{root}/{row['path']}"
        digest = read_index(uri).digest
        if digest != row["digest"]:
            raise InputError(
                f"the index of {row['snapshot']!r} is no longer the one that resolve froze", where=uri,
                expected=f"digest {row['digest']}", remedy="start the run again, from resolve on",
            )  # fmt: skip
        found.append(EarlierIndex(row["snapshot"], uri, digest))
    return tuple(found)
