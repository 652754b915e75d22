"""Compaction: the files of an index without the rows of erased documents.

A file that has none of them stays where it is; the others are written again below ``generations/{hash of all that was
erased}/``. So whoever compacts the same erasures writes the same bytes, a compaction that was killed is simply done again,
and readers that opened the index before go on with the files they were told of: housekeeping deletes these later.

Memory: a row group of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.errors import InputError, TransientError
from curation_tasks.index import GENERATIONS, Index, hashed, read_index, write_generation
from curation_tasks.manifest import key_of
from curation_tasks.storage.filesystem import StoredFile, glob_files, last_change, open_input, open_output, storage_errors
from curation_tasks.storage.shard import CanonicalHash, abandon

_THREADS = 4
_ATTEMPTS = 20
#: How the files of each kind are written: as the reduction does that wrote them first (``index_files``, ``key_index``).
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "documents": {"compression": "none", "use_dictionary": False, "write_statistics": ["node"]},
    "bands": {"compression": "zstd", "use_dictionary": False, "column_encoding": {"hash": "DELTA_BINARY_PACKED", "node": "PLAIN"}},
    "fingerprints": {"compression": "zstd", "use_dictionary": False},
    "hashes": {"compression": "zstd", "use_dictionary": False},
}

#: Which rows of a table go: bool, shape (rows,). Given the columns that it reads.
_Goes = Callable[[pa.Table], np.ndarray]


def compact(uri: str) -> Index:
    """Removes the rows of all documents that were erased from an index so far.

    Args:
        uri: Folder of the index.

    Returns:
        The index as it is then: without tombstones, its digest unchanged.

    Raises:
        InputError: A file of the index is missing or damaged.
        TransientError: Others keep compacting it.
    """
    for _ in range(_ATTEMPTS):
        index = read_index(uri)
        if not index.tombstones or write_generation(index, *_without_tombstones(index)):
            return read_index(uri)
    raise TransientError("others keep compacting this index", where=uri, remedy="try again")


def superseded_files(uri: str, before: datetime) -> list[StoredFile]:
    """The files below an index that its newest generation does not name, if that generation is older than ``before``.

    What a compaction wrote that was killed before its commit is among them.
    """
    index = read_index(uri)
    if not index.generation or last_change(f"{uri}/{GENERATIONS}") > before:
        return []
    named = {f"{uri}/{file['path']}" for file in index.files}
    return [file for file in glob_files(uri) if file.uri.endswith(".parquet") and file.uri not in named]


def _without_tombstones(index: Index) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """The files, their places, and the number of documents of the next generation."""
    folder = f"{GENERATIONS}/{key_of({'erased': list(index.erased)})}"
    gone = pa.array(index.tombstones, pa.string())

    def named(table: pa.Table) -> np.ndarray:
        return pc.is_in(table["doc_id"], value_set=gone).to_numpy()

    documents = [file for file in index.files if file["kind"] == "documents"]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda file: _nodes(f"{index.uri}/{file['path']}", named), documents)
        nodes = np.sort(np.concatenate([np.zeros(0, np.uint64), *found]))

        def numbered(table: pa.Table) -> np.ndarray:
            return np.isin(table["node"].to_numpy(), nodes)

        by_identity, by_node = ("doc_id", named), ("node", numbered)
        columns = {"documents": by_identity, "hashes": by_identity, "bands": by_node, "fingerprints": by_node}
        files = list(pool.map(lambda file: _rewritten(index.uri, folder, file, *columns[file["kind"]]), index.files))
    moved = {old["path"]: new["path"] for old, new in zip(index.files, files, strict=True)}
    places = [dict(place) | {"path": moved[place["path"]]} for place in index.places]
    rows = {kind: sum(file["rows"] for file in files if file["kind"] == kind) for kind in ("documents", "hashes")}
    return files, places, rows["documents"] or rows["hashes"]


def _nodes(uri: str, goes: _Goes) -> np.ndarray:
    found = [np.zeros(0, np.uint64)]
    with storage_errors(uri), open_input(uri) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=["node", "doc_id"])
            found.append(table["node"].to_numpy()[goes(table)])
    return np.concatenate(found)


def _rewritten(uri: str, folder: str, file: Mapping[str, Any], column: str, goes: _Goes) -> dict[str, Any]:
    """The description of a file without the rows that go: itself, or that of a new file."""
    source = f"{uri}/{file['path']}"
    try:
        with storage_errors(source), open_input(source) as opened:
            parquet = pq.ParquetFile(opened)
            if not any(goes(parquet.read_row_group(group, columns=[column])).any() for group in range(parquet.num_row_groups)):
                return dict(file)
            name = file["path"].rsplit(f"{GENERATIONS}/", 1)[-1]
            name = name.split("/", 1)[1] if name != file["path"] else name  # of an earlier compaction: the name it had at first
            path = f"{folder}/{name}"
            return dict(file) | {"path": path, **_filtered(parquet, f"{uri}/{path}", file["kind"], goes)}
    except pa.ArrowInvalid as error:
        raise InputError("a file of the index is damaged", where=source, remedy="run its snapshot again") from error


def _filtered(parquet: pq.ParquetFile, uri: str, kind: str, goes: _Goes) -> dict[str, Any]:
    digest, rows = CanonicalHash(), 0
    with open_output(uri) as output:
        options = dict(_OPTIONS[kind])
        if kind == "documents":
            options["compression"] = {name: "zstd" if name == "doc_id" else "none" for name in parquet.schema_arrow.names}
        elif kind == "fingerprints":
            options["column_encoding"] = {n: "DELTA_BINARY_PACKED" if n == "high" else "PLAIN" for n in parquet.schema_arrow.names}
        writer = pq.ParquetWriter(output, parquet.schema_arrow, **options)
        try:
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group)
                kept = table.filter(pa.array(~goes(table)))
                if len(kept):
                    writer.write_table(kept, row_group_size=len(kept))
                    digest.update(hashed(kept))
                    rows += len(kept)
            writer.close()
        except BaseException:
            abandon(writer)
            raise
    with open_input(uri) as written:
        size = written.seek(0, 2)
    return {"rows": rows, "hash": digest.hexdigest(), "bytes": size}
