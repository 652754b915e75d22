"""Exact deduplication: of documents with the same text, the first stays.

Three steps, each a map over the cluster, joined by files in object storage:

1. ``hashes``: the shards' texts become 128-bit hashes, written to one file for each group of shards, cut by hash into partitions.
2. ``groups``: a partition's equal hashes are grouped; all but the first of a group are removed.
3. ``decisions``: the removed documents of each shard, sorted by row.

*First* means the smallest address: order of the shard, then row. So the result is a function of the dataset and the
parameters, whatever the number of partitions, tasks or workers, and whatever is run twice.

A null is never a duplicate; an empty text is one of any other empty text. Memory of a task is bounded by
``context.memory_per_task``, whatever the size of the dataset or of a shard: see ``_RUN_SHARE`` and ``_GROUPING_BYTES``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.catalog import ExactParameters
from curation_tasks.dedup.partitions import PartitionFile, PartitionWriter, open_partitions, split
from curation_tasks.errors import ConfigError
from curation_tasks.kernels.identity import normalize, text_hashes
from curation_tasks.manifest import Dataset, Decisions
from curation_tasks.schema import EVIDENCE_FIELDS, arrow_type
from curation_tasks.storage.filesystem import open_output
from curation_tasks.storage.shard import read_shard

REASON = "exact_duplicate"

#: At most so many files go into the shuffle; beyond, a file serves several shards.
_MAPPERS = 512
#: A mapper writes what it has gathered when it holds this share of a task's memory; sorting it by partition doubles it.
_RUN_SHARE = 8
#: What grouping holds for a row: hash and address (24), their sorted copies (24), the order (8) and flags.
_GROUPING_BYTES = 80
_DECISION_ROWS = 65_536

# An address is (ordinal of the shard in the manifest) << 32 | (row in the shard).
_ROW_BITS = np.uint64(32)
_ROW_MASK = np.uint64(2**32 - 1)

_HASHES = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("address", pa.uint64()), ("doc_id", pa.string())])
_REMOVED = pa.schema([("row", pa.int64()), ("cluster", pa.string()), ("survivor", pa.string())])
_DECISIONS = pa.schema(
    [("row", pa.int64()), ("reason", pa.string()), *((name, arrow_type(kind)) for name, kind in EVIDENCE_FIELDS.items())]
)


def exact(dataset: Dataset, parameters: ExactParameters, context: ReductionContext) -> Decisions:
    """Removes each document whose text, normalised, is that of an earlier one.

    Args:
        dataset: With the columns ``doc_id`` and ``parameters.column`` (text).
        parameters: See ``ExactParameters``.
        context: Of the stage.

    Returns:
        Decisions with reason ``exact_duplicate``; ``cluster`` is the hash of the text (32 hexadecimal digits), ``survivor``
        the ``doc_id`` of the document that stays, ``similarity`` 1. Counters: ``clusters`` (groups of more than one),
        ``removed``, ``largest_cluster`` (documents in it, the survivor included).

    Raises:
        ConfigError: The column does not hold text.
    """
    _require_text(dataset, parameters.column)
    shards = [{"ordinal": ordinal, "uri": dataset.uri(shard)} for ordinal, shard in enumerate(dataset.shards)]
    size = max(1, -(-len(shards) // _MAPPERS))
    mappers = [{"mapper": first // size, "shards": shards[first : first + size]} for first in range(0, len(shards), size)]
    # A retry may have other memory, but must go on with the partitions that the first try began to write.
    [layout] = context.map("layout", settled, [{"partitions": context.partitions_for(dataset.rows * _GROUPING_BYTES)}])
    partitions = layout["partitions"]
    run_bytes = context.memory_per_task // _RUN_SHARE

    context.map("hashes", write_hashes, mappers, context.work, parameters.column, parameters.normalization, partitions, run_bytes)
    groups = context.map("groups", group_partition, list(range(partitions)), context.work, len(mappers))
    decided = context.map("decisions", write_decisions, mappers, context.work, partitions)
    return Decisions(
        uris=[uri for mapper in decided for uri in mapper["uris"]],
        counters={
            "clusters": sum(group["clusters"] for group in groups),
            "removed": sum(group["removed"] for group in groups),
            "largest_cluster": max((group["largest_cluster"] for group in groups), default=0),
        },
    )


def settled(layout: dict[str, Any]) -> dict[str, Any]:
    """The layout itself: as the result of an item it is committed, and every later try is given that of the first."""
    return layout


def _require_text(dataset: Dataset, column: str) -> None:
    kind = dataset.schema.get(column)
    if kind != "string":
        raise ConfigError(
            f"column {column!r} holds {kind or 'nothing: it does not exist'}",
            where=dataset.manifest.stage,
            expected="a column of type string",
            remedy="name a text column in the parameter `column`",
        )


# Step 1: hashes


def write_hashes(
    item: dict[str, Any], work: str, column: str, normalization: Sequence[str], partitions: int, run_bytes: int
) -> dict[str, Any]:
    """Hashes the texts of some shards into one file of partitions. Nulls are left out: they are no duplicates.

    Within a partition of the file, rows are in the order of their addresses.
    """
    rows = 0
    with PartitionWriter(_hashes_uri(work, item["mapper"]), _HASHES) as writer:
        for run in _runs(_hashes(item["shards"], column, normalization), run_bytes):
            for partition, chosen in split(_partition_of(run["high"].to_numpy(), partitions)):
                writer.write(partition, run.take(pa.array(chosen)))
            rows += len(run)
    return {"rows": rows}


def _hashes_uri(work: str, mapper: int) -> str:
    return f"{work}/hashes/{mapper:05}.parquet"


def _hashes(shards: Sequence[dict[str, Any]], column: str, normalization: Sequence[str]) -> Iterator[pa.Table]:
    for shard in shards:
        first_row = 0
        for batch in read_shard(shard["uri"], dict.fromkeys(("doc_id", column))):
            texts = batch.column(column)
            hashes = text_hashes(normalize(texts, normalization))
            address = np.arange(first_row, first_row + len(batch), dtype=np.uint64) | (np.uint64(shard["ordinal"]) << _ROW_BITS)
            table = pa.table([hashes[:, 0], hashes[:, 1], address, batch.column("doc_id")], names=_HASHES.names)
            yield table.filter(texts.is_valid()) if texts.null_count else table
            first_row += len(batch)


def _runs(tables: Iterator[pa.Table], run_bytes: int) -> Iterator[pa.Table]:
    """Tables gathered until they hold ``run_bytes``, so that a shard of very many short texts does not fill the memory."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(part.nbytes for part in pending) >= run_bytes:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def _partition_of(high: np.ndarray, partitions: int) -> np.ndarray:
    """The hash's upper 32 bits, scaled to 0 … partitions − 1."""
    return (((high >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)).astype(np.int64)


# Step 2: groups


def group_partition(partition: int, work: str, mappers: int) -> dict[str, Any]:
    """Finds the groups of equal hashes in a partition and writes what each shard loses, one row group a shard."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(_hashes_uri(work, mapper))) for mapper in range(mappers)]
        groups = [file.groups(partition) for file in files]
        tables = [file.read(found, ["high", "low", "address"]) for file, found in zip(files, groups, strict=True)]
        counts = [len(table) for table in tables]
        high, low, address = (_column(tables, name) for name in ("high", "low", "address"))
        del tables
        removed, survivor = duplicates(high, low)
        keepers, keeper_of = np.unique(survivor, return_inverse=True)
        doc_ids = _doc_ids(files, groups, counts, keepers)
    with PartitionWriter(_removed_uri(work, partition), _REMOVED) as writer:
        for shard, chosen in split((address[removed] >> _ROW_BITS).astype(np.int64)):
            rows = removed[chosen]
            writer.write(
                shard,
                pa.table(
                    {
                        "row": (address[rows] & _ROW_MASK).astype(np.int64),
                        "cluster": [f"{upper:016x}{lower:016x}" for upper, lower in zip(high[rows], low[rows], strict=True)],
                        "survivor": doc_ids.take(pa.array(keeper_of[chosen])),
                    }
                ),
            )
    largest = int(np.bincount(keeper_of).max()) + 1 if len(removed) else 0
    return {"clusters": len(keepers), "removed": len(removed), "largest_cluster": largest}


def _removed_uri(work: str, partition: int) -> str:
    return f"{work}/removed/{partition:05}.parquet"


def _column(tables: Sequence[pa.Table], name: str) -> np.ndarray:
    return np.concatenate([table[name].to_numpy() for table in tables] or [np.zeros(0, np.uint64)])


def duplicates(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose hash an earlier row has. Both halves count: equal halves alone make no duplicate.

    Args:
        high: uint64, shape (rows,); rows in the order of their rank.
        low: uint64, shape (rows,).

    Returns:
        ``(removed, survivor)``: int64, shape (removed,): positions of the removed rows, ascending, and of the first row
        with the same hash.
    """
    order = np.lexsort((low, high))  # stable: equal hashes stay in the order of their rank
    first = np.ones(len(order), bool)
    first[1:] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
    group = np.cumsum(first) - 1
    removed, survivor = order[~first], order[first][group[~first]]
    by_rank = np.argsort(removed)
    return removed[by_rank], survivor[by_rank]


def _doc_ids(files: Sequence[PartitionFile], groups: Sequence[list[int]], counts: Sequence[int], positions: np.ndarray) -> pa.ChunkedArray:
    """The identities of some rows of a partition. Only files that hold one of these rows are read.

    Args:
        files: Of all mappers.
        groups: The partition's row groups in each.
        counts: Its rows in each.
        positions: int64, ascending: positions in the rows of all files, one file after the other.
    """
    chunks: list[pa.Array] = []
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    cuts = np.searchsorted(positions, bounds)
    for file, found, start, first, last in zip(files, groups, bounds, cuts, cuts[1:], strict=False):
        if last > first:
            chunks.extend(file.read(found, ["doc_id"])["doc_id"].take(pa.array(positions[first:last] - start)).chunks)
    return pa.chunked_array(chunks, pa.string())


# Step 3: decisions


def write_decisions(item: dict[str, Any], work: str, partitions: int) -> dict[str, Any]:
    """Gathers what each of some shards loses, from all partitions, and writes it sorted by row."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(_removed_uri(work, partition))) for partition in range(partitions)]
        return {"uris": [_write_shard_decisions(files, shard["ordinal"], work) for shard in item["shards"]]}


def _write_shard_decisions(files: Sequence[PartitionFile], shard: int, work: str) -> str:
    removed = pa.concat_tables([file.read(file.groups(shard)) for file in files]).sort_by("row")
    if not len(removed):
        return ""
    rows = len(removed)
    columns = {
        "row": removed["row"],
        "reason": pa.repeat(REASON, rows),
        "cluster": removed["cluster"],
        "survivor": removed["survivor"],
        "similarity": pa.repeat(1.0, rows),
        "similarity_kind": pa.repeat("exact", rows),
    }
    uri = f"{work}/decisions/{shard:06}.parquet"
    with open_output(uri) as file:
        pq.write_table(pa.table(columns, schema=_DECISIONS), file, row_group_size=_DECISION_ROWS)
    return uri
