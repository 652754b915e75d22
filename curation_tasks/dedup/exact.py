"""Exact deduplication: of documents with the same key, the one with the best rank stays.

Three steps, each a map over the cluster, joined by files in object storage:

1. ``hashes``: the shards' keys (a text, a URL, several columns, what a function makes of them) become 128-bit hashes, written
   to one file for each group of shards, cut by hash into partitions.
2. ``groups``: a partition's equal hashes are grouped; all but the best of a group are removed.
3. ``decisions``: the removed documents of each shard, sorted by row.

*Best* is the smallest rank (``curation_tasks.dedup.rank``), by default the smallest address: order of the shard, then row. So
the result is a function of the dataset and the parameters, whatever the number of partitions, tasks or workers, and
whatever is run twice.

Documents of earlier indexes rank before all of the dataset, and stay. The index that is left holds the hashes of what is kept.

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
from curation_tasks.dedup.grouping import grouped
from curation_tasks.dedup.key_index import claimed, commit_index, index_partitions, open_indexes, write_kept, write_partition
from curation_tasks.dedup.keys import hex_hashes, key_hashes
from curation_tasks.dedup.partitions import (
    PartitionFile,
    PartitionWriter,
    mapper_items,
    open_partitions,
    partition_of,
    runs,
    settled,
    split,
)
from curation_tasks.dedup.rank import ROW_BITS, ROW_MASK, addresses, policy_keys, rank_order, ties
from curation_tasks.functions import function_hash, load_function
from curation_tasks.manifest import Dataset, Decisions
from curation_tasks.parts import check_uses, place_of
from curation_tasks.schema import EVIDENCE_FIELDS, ORIGIN_COLUMNS, arrow_type
from curation_tasks.storage.filesystem import open_output
from curation_tasks.storage.shard import read_shard

REASON = "exact_duplicate"

#: At most so many files go into the shuffle; beyond, a file serves several shards.
_MAPPERS = 512
#: A mapper writes what it has gathered when it holds this share of a task's memory; sorting it by partition doubles it.
_RUN_SHARE = 8
#: What grouping holds for a row: hash and address (24), sorted hashes (16), order, group and their copies (48), and flags.
_GROUPING_BYTES = 100
#: And with a policy: key and tie (16), their sorted copies (16) and the order by rank (8).
_RANKING_BYTES = 40
#: And for an index: identities of some 40 bytes, and their sorted copies.
_INDEXING_BYTES = 100
#: Raised when the same parameters give other hashes: indexes of another version cannot be compared.
_INDEX_VERSION = 1
_DECISION_ROWS = 65_536

_HASHES = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("address", pa.uint64()), ("doc_id", pa.string())])
_RANKED = pa.schema([*_HASHES, ("key", pa.uint64()), ("tie", pa.uint64())])
_REMOVED = pa.schema([("row", pa.int64()), ("cluster", pa.string()), ("survivor", pa.string()), ("survivor_snapshot", pa.string())])
_DECISIONS = pa.schema(
    [("row", pa.int64()), ("reason", pa.string())]
    + [(name, arrow_type(kind)) for name, kind in {**EVIDENCE_FIELDS, **ORIGIN_COLUMNS}.items()]
)


def exact(dataset: Dataset, parameters: ExactParameters, context: ReductionContext) -> Decisions:
    """Removes each document whose key is that of a better one.

    Args:
        dataset: With the columns ``doc_id``, those that are compared, and that of the policy.
        parameters: See ``ExactParameters``.
        context: Of the stage.

    Returns:
        Decisions with reason ``exact_duplicate``; ``cluster`` is the hash of the key (32 hexadecimal digits), ``survivor``
        the ``doc_id`` of the document that stays, ``similarity`` 1. Counters: ``clusters`` (groups of more than one),
        ``removed``, ``largest_cluster`` (documents in it, the survivor included), where snapshots are compared ``removed_by_earlier``.

    Raises:
        ConfigError: A column is missing or holds what cannot be compared or ranked.
    """
    check_uses(parameters.uses(), dataset.schema, place_of(context.stage))
    if parameters.key:
        load_function(parameters.key, context.stage)
    indexes = open_indexes(context.earlier, identity(parameters))
    mappers = mapper_items(dataset, _MAPPERS)
    row_bytes = _GROUPING_BYTES + (_RANKING_BYTES if _is_ranked(parameters) else 0) + (_INDEXING_BYTES if context.index else 0)
    # Each partition of the index is made of whole partitions of the run.
    indexed = index_partitions(dataset.rows)
    pieces = -(-context.partitions_for(dataset.rows * row_bytes) // indexed) if context.index else 1
    wanted = indexed * pieces if context.index else context.partitions_for(dataset.rows * row_bytes)
    [layout] = context.map("layout", settled, [{"partitions": wanted}])
    partitions = layout["partitions"]
    run_bytes = context.memory_per_task // _RUN_SHARE

    given = parameters.model_dump(mode="json")
    context.map("hashes", write_hashes, mappers, context.work, given, partitions, run_bytes)
    step = (context.work, len(mappers), _is_ranked(parameters), indexes, bool(context.index))
    groups = context.map("groups", group_partition, list(range(partitions)), *step)
    decided = context.map("decisions", write_decisions, mappers, context.work, partitions)
    index = None
    if context.index:
        step = (context.work, context.index, partitions // indexed)
        index = commit_index(context.index, identity(parameters), context.map("index", write_partition, list(range(indexed)), *step))
    return Decisions(
        uris=[uri for mapper in decided for uri in mapper["uris"]],
        counters={
            "clusters": sum(group["clusters"] for group in groups),
            "removed": sum(group["removed"] for group in groups),
            "largest_cluster": max((group["largest_cluster"] for group in groups), default=0),
            **({"removed_by_earlier": sum(group["removed_by_earlier"] for group in groups)} if context.index or context.earlier else {}),
        },
        index=index,
    )


def identity(parameters: ExactParameters) -> dict[str, Any]:
    """What decides whether the keys of two datasets can be compared."""
    url = {"tracking_parameters": list(parameters.tracking_parameters)} if "url" in parameters.normalization else {}
    own = {"key": parameters.key, "key_code": function_hash(parameters.key)} if parameters.key else {}
    columns = {"columns": list(parameters.columns), "normalization": list(parameters.normalization)}
    return {"reduction": "dedup.exact", "version": _INDEX_VERSION, **columns, **url, **own}


def _is_ranked(parameters: ExactParameters) -> bool:
    """Whether ranks are more than addresses, which are there in any case."""
    return parameters.keep.policy != "first"


# Step 1: hashes


def write_hashes(item: dict[str, Any], work: str, given: dict[str, Any], partitions: int, run_bytes: int) -> dict[str, Any]:
    """Hashes the keys of some shards into one file of partitions. Nulls are left out: they are no duplicates.

    Within a partition of the file, rows are in the order of their addresses.
    """
    parameters = ExactParameters.model_validate(given)
    rows = 0
    schema = _RANKED if _is_ranked(parameters) else _HASHES
    with PartitionWriter(_hashes_uri(work, item["mapper"]), schema, hashes=("high", "low", "tie")) as writer:
        for run in runs(_hashes(item["shards"], parameters), run_bytes):
            for partition, chosen in split(partition_of(run["high"].to_numpy(), partitions)):
                writer.write(partition, run.take(pa.array(chosen)))
            rows += len(run)
    return {"rows": rows}


def _hashes_uri(work: str, mapper: int) -> str:
    return f"{work}/hashes/{mapper:05}.parquet"


def _hashes(shards: Sequence[dict[str, Any]], parameters: ExactParameters) -> Iterator[pa.Table]:
    for shard in shards:
        first_row = 0
        for batch in read_shard(shard["uri"], dict.fromkeys(("doc_id", *parameters.columns, *parameters.keep.reads))):
            hashes, valid = key_hashes(batch, parameters)
            address = addresses(shard["ordinal"], first_row, len(batch))
            columns = {"high": hashes[:, 0], "low": hashes[:, 1], "address": address, "doc_id": batch.column("doc_id")}
            if _is_ranked(parameters):
                columns |= {"key": policy_keys(batch, parameters.keep, address), "tie": ties(batch.column("doc_id"))}
            table = pa.table(columns)
            yield table if valid.all() else table.filter(pa.array(valid))
            first_row += len(batch)


# Step 2: groups


def group_partition(
    partition: int, work: str, mappers: int, ranked: bool, indexes: Sequence[dict[str, Any]], indexing: bool
) -> dict[str, Any]:
    """Finds the groups of equal hashes in a partition and writes what each shard loses, one row group a shard."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(_hashes_uri(work, mapper))) for mapper in range(mappers)]
        groups = [file.groups(partition) for file in files]
        names = ["high", "low", "address", *(("key", "tie") if ranked else ())]
        tables = [file.read(found, names) for file, found in zip(files, groups, strict=True)]
        counts = [len(table) for table in tables]
        high, low, address, *rank = (_column(tables, name) for name in names)
        del tables
        best, members, group = grouped(high, low, rank_order(*rank, address) if ranked else None)
        owner, owners = claimed(high[best], low[best], indexes)
        stays = members == best[group]
        stays &= owner[group] < 0
        removed = members[~stays]
        group = group[~stays]
        if indexing:
            write_kept(work, partition, _kept(files, groups, counts, high, low, best[owner < 0]))
        keepers = np.unique(best[group[owner[group] < 0]])
        doc_ids = pa.chunked_array([*_doc_ids(files, groups, counts, keepers).chunks, *owners["doc_id"].chunks], pa.string())
        snapshots = pa.chunked_array([pa.nulls(len(keepers), pa.string()), *owners["snapshot"].chunks])
    survivor = np.where(owner[group] < 0, np.searchsorted(keepers, best[group]), len(keepers) + owner[group])
    with PartitionWriter(_removed_uri(work, partition), _REMOVED) as writer:
        for shard, chosen in split((address[removed] >> ROW_BITS).astype(np.int64)):
            rows = removed[chosen]
            writer.write(
                shard,
                pa.table(
                    {
                        "row": (address[rows] & ROW_MASK).astype(np.int64),
                        "cluster": hex_hashes(high[rows], low[rows]),
                        "survivor": doc_ids.take(pa.array(survivor[chosen])),
                        "survivor_snapshot": snapshots.take(pa.array(survivor[chosen])),
                    }
                ),
            )
    sizes = np.bincount(group, minlength=len(best)) + (owner < 0)  # the survivor included, unless it is another snapshot's
    several = sizes > (owner < 0)
    return {
        "clusters": int(np.count_nonzero(several)),
        "removed": len(removed),
        "largest_cluster": int(sizes[several].max(initial=0)),
        "removed_by_earlier": int(np.count_nonzero(owner[group] >= 0)),
    }


def _kept(
    files: Sequence[PartitionFile], groups: Sequence[list[int]], counts: Sequence[int], high: np.ndarray, low: np.ndarray, kept: np.ndarray
) -> pa.Table:
    """The hashes of kept documents with their identities. ``kept``: positions of rows, by hash; so is the table."""
    order = np.argsort(kept)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    doc_ids = _doc_ids(files, groups, counts, kept[order]).take(pa.array(back))
    return pa.table([high[kept], low[kept], doc_ids], names=["high", "low", "doc_id"])


def _removed_uri(work: str, partition: int) -> str:
    return f"{work}/removed/{partition:05}.parquet"


def _column(tables: Sequence[pa.Table], name: str) -> np.ndarray:
    return np.concatenate([table[name].to_numpy() for table in tables] or [np.zeros(0, np.uint64)])


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
        "survivor_snapshot": removed["survivor_snapshot"],
    }
    uri = f"{work}/decisions/{shard:06}.parquet"
    with open_output(uri) as file:
        pq.write_table(pa.table(columns, schema=_DECISIONS), file, row_group_size=_DECISION_ROWS)
    return uri
