"""The index of keys: the 128-bit hashes of the kept documents of a snapshot, sorted, with whose they are.

    hashes-{partition}.parquet      high, low, doc_id; by hash; a partition is a range of hashes

The number of partitions follows from the number of documents alone, so that the digest of an index is a function of the
documents. Row groups are small and sorted: a reader skips those in which none of its hashes can lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup.row_groups import row_groups_near
from curation_tasks.errors import InputError
from curation_tasks.index import Index, read_index, require_comparable, write_index
from curation_tasks.storage.filesystem import open_input, open_output, storage_errors
from curation_tasks.storage.shard import CanonicalHash

#: Rows of a partition of an index, on average.
_PARTITION_ROWS = 4_000_000
_ROW_GROUP = 32_768

_OWNERS = pa.schema([("doc_id", pa.string()), ("snapshot", pa.string())])
HASHES = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("doc_id", pa.string())])


def index_partitions(rows: int) -> int:
    """Into how many partitions the index of a dataset is cut; a function of its rows alone."""
    return max(1, -(-rows // _PARTITION_ROWS))


def open_indexes(earlier: Sequence[EarlierIndex], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the tasks of a run are told of the earlier indexes, in the order of their rank.

    Raises:
        ConfigError: One was made with other parameters.
        InputError: One is missing, or changed since the run was resolved.
    """
    opened = []
    for given in earlier:
        index = read_index(given.uri)
        require_comparable(index, given.snapshot, parameters)
        if index.digest != given.digest:
            raise InputError(
                f"the index of {given.snapshot} changed since this run was resolved", where=given.uri,
                expected=f"digest {given.digest}", remedy="start the run again, from resolve on",
            )  # fmt: skip
        paths = [f"{given.uri}/{file['path']}" for file in index.files]
        opened.append({"snapshot": given.snapshot, "paths": paths, "erased": list(index.tombstones)})
    return opened


def claimed(high: np.ndarray, low: np.ndarray, indexes: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, pa.Table]:
    """Which hashes a document of an earlier index has; the index that ranks first is told.

    Args:
        high: uint64, shape (hashes,), ascending; with ``low`` the distinct hashes of one partition of the run.
        low: uint64, shape (hashes,), ascending among equal ``high``.
        indexes: Of ``open_indexes``.

    Returns:
        ``(owner, owners)``: int64, shape (hashes,): position in ``owners``, −1 for a hash that is new; and ``doc_id`` and
        ``snapshot`` of each document that has one.
    """
    owner = np.full(len(high), -1, np.int64)
    found: list[pa.Table] = [_OWNERS.empty_table()]
    known = 0
    for index in indexes if len(high) else ():
        erased = pa.array(index["erased"], pa.string())
        for table in _near(high, index):
            if len(erased):
                table = table.filter(pc.invert(pc.is_in(table["doc_id"], value_set=erased)))
            theirs, ours = _matches(table["high"].to_numpy(), table["low"].to_numpy(), high, low)
            fresh = owner[ours] < 0
            theirs, ours = theirs[fresh], ours[fresh]
            owner[ours] = known + np.arange(len(ours))
            doc_ids = table["doc_id"].take(pa.array(theirs))
            found.append(pa.table([doc_ids, pa.repeat(index["snapshot"], len(ours))], schema=_OWNERS))
            known += len(ours)
    return owner, pa.concat_tables(found).combine_chunks()


def _near(high: np.ndarray, index: Mapping[str, Any]) -> Iterable[pa.Table]:
    """The row groups of an index in whose range a hash lies."""
    partitions = len(index["paths"])
    first, last = (int(high[at] >> np.uint64(32)) * partitions >> 32 for at in (0, -1))
    for uri in index["paths"][first : last + 1]:
        yield from row_groups_near(uri, high, index["snapshot"])


def _matches(their_high: np.ndarray, their_low: np.ndarray, high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of equal hashes, theirs and ours. Among equal upper halves, which are as good as never more than one, all are tried."""
    theirs = np.arange(len(their_high))
    ours = np.searchsorted(high, their_high)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    while len(theirs):
        inside = ours < len(high)
        theirs, ours = theirs[inside], ours[inside]
        near = high[ours] == their_high[theirs]
        theirs, ours = theirs[near], ours[near]
        equal = low[ours] == their_low[theirs]
        found.append((theirs[equal], ours[equal]))
        theirs, ours = theirs[~equal], ours[~equal] + 1
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    theirs, ours = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(theirs, kind="stable")
    return theirs[order], ours[order]


def write_partition(partition: int, work: str, folder: str, pieces: int) -> dict[str, Any]:
    """Writes a partition of an index from neighbouring partitions of the run, each sorted by hash.

    Args:
        partition: Of the index.
        work: The stage's folder of intermediate files.
        folder: Of the index.
        pieces: Number of partitions of the run in one of the index.
    """
    path = f"hashes-{partition:05}.parquet"
    digest, rows = CanonicalHash(), 0
    uri = f"{folder}/{path}"
    with open_output(uri) as output, pq.ParquetWriter(output, HASHES, compression="zstd", use_dictionary=False) as writer:
        for piece in range(partition * pieces, (partition + 1) * pieces):
            source = kept_uri(work, piece)
            with storage_errors(source), open_input(source) as file:
                for batch in pq.ParquetFile(file).iter_batches(_ROW_GROUP):
                    writer.write_batch(batch, row_group_size=_ROW_GROUP)
                    digest.update(batch)
                    rows += len(batch)
    with open_input(uri) as file:
        size = file.seek(0, 2)
    return {"kind": "hashes", "path": path, "rows": rows, "hash": digest.hexdigest(), "bytes": size}


def kept_uri(work: str, partition: int) -> str:
    """Where a partition of the run leaves the hashes that it keeps, by hash."""
    return f"{work}/kept/{partition:05}.parquet"


def write_kept(work: str, partition: int, kept: pa.Table) -> None:
    """Writes the hashes that a partition of the run keeps; ``kept`` is sorted by hash."""
    with open_output(kept_uri(work, partition)) as file:
        pq.write_table(kept.cast(HASHES), file, compression="none", use_dictionary=False, row_group_size=_ROW_GROUP)


def commit_index(folder: str, parameters: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Commits an index; what the manifest says of it."""
    listed = [{name: file[name] for name in ("kind", "path", "rows", "hash", "bytes")} for file in files]
    index = Index(folder, parameters, sum(file["rows"] for file in listed), listed)
    write_index(index)
    return index.described()
