"""Freshness: whether a published snapshot was compared with the earlier indexes as they are now.

Nothing is ever written into a manifest to say that it is stale. Each stage recorded the digests of the indexes that it was
compared with; they are held against those that are published now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.dedup.rank import ties
from curation_tasks.errors import ConfigError
from curation_tasks.index import read_index
from curation_tasks.lineage.published import published_entries, published_folder
from curation_tasks.manifest import Manifest, read_list, read_manifest
from curation_tasks.runner.earlier import find_indexes
from curation_tasks.schema import ORIGIN_COLUMNS
from curation_tasks.storage.filesystem import open_input, storage_errors

FRESH, INCOMPLETE, UNSUPPORTED = "fresh", "incomplete", "unsupported"
#: Survivors looked up at a time: 8 bytes for the hash of each, and as much for the order.
_SURVIVORS = 20_000_000
[_ORIGIN] = ORIGIN_COLUMNS
#: Stands for a survivor's snapshot in datasets whose ledgers do not tell it: of the first versions.
_ANY = "*"


def freshness(root: str, pipeline: str, snapshot: str) -> list[dict[str, Any]]:
    """How the reductions of a published snapshot stand to the indexes of now.

    Returns:
        One row for each stage with ``against``: ``stage``, ``state``, ``changed`` (snapshots whose index is another one than was
        recorded), ``unsupported_documents``. ``state`` is ``fresh``; ``incomplete``: an earlier snapshot appeared or grew, so
        that duplicates may remain, but nothing was removed wrongly; or ``unsupported``: documents were removed, or spans cut, in favour
        of a document that its snapshot does not keep any more. To be fresh again, the snapshot is run again.
    """
    entries = published_entries(published_folder(root, pipeline, snapshot))
    rows = []
    for stage, item in sorted((entries[-1].get("indexes", {}) if entries else {}).items()):
        manifest = read_manifest(f"{root}/{item['manifest']}")
        against = manifest.lineage["fingerprint"]["options"].get("against")
        if against:
            rows.append({"stage": stage, **_compared(root, pipeline, snapshot, manifest)})
    return rows


def _compared(root: str, pipeline: str, snapshot: str, manifest: Manifest) -> dict[str, Any]:
    fingerprint = manifest.lineage["fingerprint"]
    stage = {"id": manifest.stage, "options": fingerprint["options"], "calls": fingerprint["calls"]}
    recorded = {row["snapshot"]: row for row in read_list(manifest, "earlier")}
    try:
        present = {row["snapshot"]: row for row in find_indexes(root, pipeline, snapshot, stage)}
    except ConfigError:
        present = {}  # a named dataset is not published any more

    def differing(column: str) -> list[str]:
        pairs = {name: [rows.get(name, {}).get(column) for rows in (recorded, present)] for name in {*recorded, *present}}
        return sorted(name for name, (then, now) in pairs.items() if then != now)

    changed = differing("digest")
    if not changed:
        return {"state": FRESH, "changed": [], "unsupported_documents": 0}
    indexes = {name: f"{root}/{row['path']}" for name, row in present.items() if row["path"]}
    lost = _unsupported(manifest, indexes, changed)
    if not lost and not differing("content"):
        # Only erasures of documents for which nothing was removed or cut: another run would give the same.
        return {"state": FRESH, "changed": [], "unsupported_documents": 0}
    return {"state": UNSUPPORTED if lost else INCOMPLETE, "changed": changed, "unsupported_documents": lost}


def _unsupported(manifest: Manifest, indexes: Mapping[str, str], changed: Iterable[str]) -> int:
    """Documents in a stage's ledger, and spans cut from others, whose survivor the index of its snapshot does not list any more.

    The same ``doc_id`` in another snapshot is another document. Survivors of the stage's own snapshot stand in the same dataset.

    Args:
        manifest: Of the stage.
        indexes: Snapshot → URI of its present index.
        changed: Snapshots whose index is another one than the stage was compared with.
    """
    total, suspects = 0, {*changed, _ANY}
    for snapshot, survivors in _survivors(manifest, suspects):
        uris = [*indexes.values(), manifest.index or ""] if snapshot == _ANY else [indexes.get(snapshot, "")]
        hashes, counts = np.unique(survivors, return_counts=True)
        found = np.zeros(len(hashes), bool)
        for doc_ids in (names for uri in uris if uri for names in indexed_documents(uri)):
            at = np.searchsorted(hashes, wanted := ties(doc_ids))
            at[at == len(hashes)] = 0
            found[at[hashes[at] == wanted]] = True
        total += int(counts[~found].sum())
    return total


def _survivors(manifest: Manifest, snapshots: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
    """``(snapshot, hashes of survivors)`` of some snapshots, from a stage's ledger and list of cuts, so many at a time that
    they fit the memory."""
    pending: dict[str, list[np.ndarray]] = {}
    held = 0
    files = [(file["path"], "evidence") for file in read_list(manifest, "ledger")]
    files += [(file["path"], "survivor") for file in read_list(manifest, "cuts")]
    for path, column in files:
        for table in _tables(f"{manifest.folder}/{path}", [column, _ORIGIN]):
            survivors = pc.struct_field(table[column], "survivor") if column == "evidence" else table[column]
            origins = table[_ORIGIN] if _ORIGIN in table.column_names else pc.if_else(survivors.is_valid(), _ANY, None)
            for snapshot in {*origins.unique().to_pylist()} & {*snapshots}:
                chosen = ties(survivors.filter(pc.and_(survivors.is_valid(), pc.equal(origins, snapshot))))
                pending.setdefault(snapshot, []).append(chosen)
                held += len(chosen)
            if held >= _SURVIVORS:
                yield from ((snapshot, np.concatenate(found)) for snapshot, found in sorted(pending.items()))
                pending, held = {}, 0
    yield from ((snapshot, np.concatenate(found)) for snapshot, found in sorted(pending.items()))


def indexed_documents(uri: str) -> Iterator[pa.ChunkedArray]:
    """The identities that an index lists, without those that were erased."""
    index = read_index(uri)
    erased = pa.array(index.tombstones, pa.string())
    for file in index.files:
        for table in _tables(f"{uri}/{file['path']}", ["doc_id"]):
            doc_ids = table["doc_id"]
            yield doc_ids.filter(pc.invert(pc.is_in(doc_ids, value_set=erased))) if len(erased) else doc_ids


def _tables(uri: str, columns: Iterable[str]) -> Iterator[pa.Table]:
    """Some columns of a Parquet file, one row group at a time; nothing if it does not have them."""
    with storage_errors(uri), open_input(uri, exact_ranges=True) as file:
        parquet = pq.ParquetFile(file)
        names = [name for name in columns if name in parquet.schema_arrow.names]
        for group in range(parquet.num_row_groups) if names else ():
            yield parquet.read_row_group(group, columns=names)


def states(rows: Iterable[Mapping[str, Any]]) -> str:
    """The worst state of a snapshot's stages, with the number of unsupported documents; "" for snapshots without ``against``."""
    rows = list(rows)
    lost = sum(row["unsupported_documents"] for row in rows)
    if lost:
        return f"{UNSUPPORTED}: {lost:,}"
    found = {row["state"] for row in rows}
    return INCOMPLETE if INCOMPLETE in found else FRESH if rows else ""
