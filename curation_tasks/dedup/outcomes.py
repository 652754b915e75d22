"""From what became of each node to decisions by shard, with the identity of the document kept instead.

Three light steps, each a shuffle: twins follow the document that stands for them (``follow``, at the mapper of that
document), survivors get their identity (``name``, at the mapper of the survivor), and removed documents are gathered
(``write_decisions``, at their own).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.dedup.buckets import read_partition, read_twins
from curation_tasks.dedup.partitions import PartitionWriter, open_partitions, split
from curation_tasks.dedup.placement import Placement
from curation_tasks.dedup.rank import ROW_BITS, ROW_MASK
from curation_tasks.dedup.signatures import Scheme, read_signatures
from curation_tasks.dedup.verification import EXACT, KINDS, NO_TEXT, OUTCOMES, is_similar, outcomes_uri, read_verified, task_nodes
from curation_tasks.schema import EVIDENCE_FIELDS, ORIGIN_COLUMNS, arrow_type
from curation_tasks.storage.filesystem import open_output

_FOLLOWED = pa.schema([field for field in OUTCOMES if field.name != "removed"])
_NAMED = pa.schema([
    ("node", pa.uint64()), ("doc_id", pa.string()), ("snapshot", pa.string()), ("similarity", pa.float64()), ("kind", pa.int8()),
    ("cluster", pa.uint64()),
])  # fmt: skip
_DECISIONS = pa.schema(
    [("row", pa.int64()), ("reason", pa.string())]
    + [(name, arrow_type(kind)) for name, kind in {**EVIDENCE_FIELDS, **ORIGIN_COLUMNS}.items()]
)
_CLUSTERS = pa.schema([("doc_id", pa.string()), ("cluster", pa.string())])
_PAIRS = pa.schema([("a", pa.string()), ("b", pa.string()), ("similarity", pa.float64()), ("similarity_kind", pa.string())])
_ROW_GROUP = 65_536
#: For evaluation: pairs of larger groups of identical documents are not listed.
_LISTED_GROUP = 1000


def _followed_uri(work: str, mapper: int) -> str:
    return f"{work}/followed/{mapper:05}.parquet"


def named_uri(work: str, mapper: int) -> str:
    return f"{work}/named/{mapper:05}.parquet"


def follow(mapper: Mapping[str, Any], work: str, placement: Placement, tasks: int, twin_partitions: int) -> dict[str, Any]:
    """What became of a mapper's documents, and of the twins of each, by mapper of the survivor."""
    table = pa.concat_tables(
        [OUTCOMES.empty_table(), *(read_partition(outcomes_uri(work, task), mapper["mapper"]) for task in range(tasks))]
    )
    table = table.sort_by("node").combine_chunks()
    nodes = table["node"].to_numpy()
    twins = read_twins(work, mapper["mapper"], twin_partitions, "first")
    first = twins["first"].to_numpy()
    at = np.minimum(np.searchsorted(nodes, first), max(0, len(nodes) - 1))
    told = nodes[at] == first if len(nodes) else np.zeros(len(first), bool)
    # A document of which nothing is told stays, and stands for its twins alone.
    columns = {"node": twins["node"].to_numpy()}
    alone = {"survivor": first, "similarity": 1.0, "kind": EXACT, "cluster": twins["tie"].to_numpy()}
    for name, other in alone.items():
        columns[name] = (
            np.where(told, table[name].to_numpy()[at], other) if len(nodes) else np.full(len(first), other) if np.isscalar(other) else other
        )
    removed = table.filter(table["removed"]).select(_FOLLOWED.names)
    result = pa.concat_tables([removed, pa.table([columns[name] for name in _FOLLOWED.names], schema=_FOLLOWED)])
    with PartitionWriter(_followed_uri(work, mapper["mapper"]), _FOLLOWED) as writer:
        for target, chosen in split(placement.mapper_of(result["survivor"].to_numpy())):
            writer.write(target, result.take(pa.array(chosen)))
    return {"removed": len(result), "without_text": int((result["kind"].to_numpy() == NO_TEXT).sum())}


def name_survivors(mapper: Mapping[str, Any], work: str, placement: Placement) -> dict[str, Any]:
    """Gives survivors of a mapper their identity and, if they are of an earlier index, its snapshot; by mapper of the removed document."""
    rows = pa.concat_tables([read_partition(_followed_uri(work, source), mapper["mapper"]) for source in range(len(placement.mappers))])
    wanted = np.unique(rows["survivor"].to_numpy())
    names = _doc_ids(work, mapper, wanted)
    at = np.searchsorted(wanted, rows["survivor"].to_numpy())
    columns = {name: rows[name] for name in ("node", "similarity", "kind", "cluster")} | {"doc_id": names.take(pa.array(at))}
    columns["snapshot"] = pa.repeat(pa.scalar(mapper.get("snapshot"), pa.string()), len(rows))
    table = pa.table([columns[name] for name in _NAMED.names], schema=_NAMED)
    with PartitionWriter(named_uri(work, mapper["mapper"]), _NAMED) as writer:
        for target, chosen in split(placement.mapper_of(table["node"].to_numpy())):
            writer.write(target, table.take(pa.array(chosen)))
    return {}


def _doc_ids(work: str, mapper: Mapping[str, Any], nodes: np.ndarray) -> pa.ChunkedArray:
    """Identities of nodes of a mapper, which are sorted."""
    chunks: list[pa.Array] = []
    if len(nodes):
        for table in read_signatures(work, mapper, ["doc_id"]):
            chosen = np.flatnonzero(np.isin(table["node"].to_numpy(), nodes, assume_unique=True))
            chunks += table["doc_id"].take(pa.array(chosen)).chunks
    return pa.chunked_array(chunks, pa.string())


def write_decisions(mapper: Mapping[str, Any], work: str, mappers: int, reason: str) -> dict[str, Any]:
    """The decisions of each shard of a mapper, sorted by row; "" where nothing is removed."""
    tables = []
    for source in range(mappers):
        with open_partitions(named_uri(work, source)) as file:
            tables.append(file.read(file.groups(mapper["mapper"])))
    table = pa.concat_tables(tables).sort_by("node").combine_chunks()
    shards = (table["node"].to_numpy() >> ROW_BITS).astype(np.int64)
    uris = []
    for shard in mapper["shards"]:
        begin, end = np.searchsorted(shards, [shard["ordinal"], shard["ordinal"] + 1])
        uris.append(
            _write_shard(f"{work}/decisions/{shard['ordinal']:06}.parquet", table.slice(begin, end - begin), reason) if end > begin else ""
        )
    return {"uris": uris}


def _write_shard(uri: str, table: pa.Table, reason: str) -> str:
    columns = {
        "row": (table["node"].to_numpy() & ROW_MASK).astype(np.int64),
        "reason": pa.repeat(reason, len(table)),
        "cluster": pa.array([f"{tie:016x}" for tie in table["cluster"].to_pylist()], pa.string()),
        "survivor": table["doc_id"],
        "similarity": table["similarity"],
        "similarity_kind": pa.array(KINDS).take(table["kind"].combine_chunks()),
        "survivor_snapshot": table["snapshot"],
    }
    with open_output(uri) as file:
        pq.write_table(pa.table(columns, schema=_DECISIONS), file, row_group_size=_ROW_GROUP)
    return uri


def list_pairs(
    item: int, work: str, scheme: Scheme, placement: Placement, tasks: Sequence[Mapping[str, Any]], twin_partitions: int, folder: str
) -> dict[str, Any]:
    """For evaluation: all similar pairs of small buckets as ``pairs.parquet``, and of clusters all documents, also those that
    stay, as ``clusters.parquet``; twins included. Everything is held at once: not for production.
    """
    twins = pa.concat_tables([read_twins(work, mapper, twin_partitions, "node") for mapper in range(placement.own)])
    groups: dict[int, list[int]] = {}
    clusters: dict[int, int] = {}
    for first, node, tie in zip(*(twins[name].to_pylist() for name in ("first", "node", "tie")), strict=True):
        groups.setdefault(first, [first]).append(node)
        clusters[first] = tie
    pairs = [(*pair, 1.0, EXACT) for group in groups.values() if len(group) <= _LISTED_GROUP for pair in combinations(group, 2)]
    for task in tasks:
        nodes = task_nodes(work, task["slots"])
        edges, similarity, kind = read_verified(work, task["slots"], task["chunks"], scheme)
        for edge in np.flatnonzero(is_similar(edges, similarity, kind, scheme)):
            left, right = int(nodes[edges.later[edge]]), int(nodes[edges.earlier[edge]])
            value = (float(similarity[edge]), int(kind[edge]))
            pairs += [(a, b, *value) for a in groups.get(left, [left]) for b in groups.get(right, [right])]
        for mapper in range(len(placement.mappers)):
            told = read_partition(outcomes_uri(work, task["task"]), mapper)
            clusters |= dict(zip(told["node"].to_pylist(), told["cluster"].to_pylist(), strict=True))
    clusters |= {node: clusters[first] for first, group in groups.items() for node in group}
    names = _all_doc_ids(work, placement, {*clusters, *(node for pair in pairs for node in pair[:2])})
    listed = sorted((*sorted((names[a], names[b])), similarity, KINDS[kind]) for a, b, similarity, kind in pairs)
    _write_rows(f"{folder}/pairs.parquet", listed, _PAIRS)
    _write_rows(f"{folder}/clusters.parquet", sorted((names[node], f"{tie:016x}") for node, tie in clusters.items()), _CLUSTERS)
    return {"pairs": len(listed)}


def _all_doc_ids(work: str, placement: Placement, nodes: set[int]) -> dict[int, str]:
    wanted = np.array(sorted(nodes), np.uint64)
    chunks = [chunk for mapper in placement.mappers for chunk in _doc_ids(work, mapper, wanted).chunks]
    return dict(zip(wanted.tolist(), pa.chunked_array(chunks, pa.string()).to_pylist(), strict=True))


def _write_rows(uri: str, rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> None:
    columns = list(zip(*rows, strict=True)) or [[]] * len(schema)
    with open_output(uri) as file:
        pq.write_table(pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema), file)
