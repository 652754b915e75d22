"""Pairs that sketches cannot decide are decided by their texts; then it is known which documents stay.

A text is read from its own shard, once for each chunk of pairs that it is in, and travels to the task that compares it.
Memory of a task: ``SHINGLE_BYTES`` a shingle of the chunk's documents; a chunk is cut so that they fit, and a single pair
always is one. A text that is gone (of an earlier snapshot whose shards were deleted) leaves the verdict to the estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.dedup.buckets import read_partition, write_whole
from curation_tasks.dedup.comparison import EDGES, compared_uri, nodes_uri, requests_uri
from curation_tasks.dedup.partitions import PartitionWriter, split
from curation_tasks.dedup.placement import Placement
from curation_tasks.dedup.rank import ROW_BITS, ROW_MASK
from curation_tasks.dedup.signatures import Scheme
from curation_tasks.errors import InputError
from curation_tasks.kernels.decisions import decide
from curation_tasks.kernels.shingles import distinct_shingles, jaccard
from curation_tasks.kernels.survivors import REMOVED, Edges
from curation_tasks.storage.filesystem import open_input, storage_errors

#: How the similarity of a decision was found.
KINDS = ("exact", "estimate", "estimate_no_text")
EXACT, ESTIMATE, NO_TEXT = range(3)

TEXTS = pa.schema([("node", pa.uint64()), ("text", pa.large_string())])
EXACT_SCHEMA = pa.schema([("edge", pa.int64()), ("similarity", pa.float64())])
OUTCOMES = pa.schema([
    ("node", pa.uint64()), ("survivor", pa.uint64()), ("removed", pa.bool_()), ("similarity", pa.float64()), ("kind", pa.int8()),
    ("cluster", pa.uint64()),
])  # fmt: skip


def _texts_uri(work: str, attempt: int, mapper: int) -> str:
    return f"{work}/texts-{attempt}/{mapper:05}.parquet"


def write_texts(
    mapper: Mapping[str, Any], work: str, attempt: int, column: str, bases: Mapping[int, int], own: bool, run_bytes: int
) -> dict[str, Any]:
    """Writes the texts of a mapper that are asked for, by chunk.

    Args:
        mapper: Of the placement.
        work: Of the run.
        attempt: Number of times that its tasks were compared before.
        column: That is compared.
        bases: First chunk of each slot.
        own: Whether the shards are of the dataset: those of an earlier snapshot may be gone.
        run_bytes: What is held before it is written.
    """
    nodes, chunks = _requested(work, mapper["mapper"], bases)
    return {"gone": ship_texts(_texts_uri(work, attempt, mapper["mapper"]), mapper, column, nodes, chunks, own, run_bytes)}


def ship_texts(uri: str, mapper: Mapping[str, Any], column: str, nodes: np.ndarray, places: np.ndarray, own: bool, run_bytes: int) -> int:
    """Writes texts of a mapper by the place where each is wanted.

    Args:
        uri: Of the file.
        mapper: Of the placement.
        column: That is compared.
        nodes: uint64, ascending; one that is wanted in several places stands there as often.
        places: int64, of the same shape.
        own: As for ``write_texts``.
        run_bytes: What is held before it is written.

    Returns:
        Number of texts that are gone.
    """
    gone = 0
    with PartitionWriter(uri, TEXTS) as writer:
        for shard in mapper["shards"]:
            begin, end = np.searchsorted(nodes, [np.uint64(shard["ordinal"]) << ROW_BITS, np.uint64(shard["ordinal"] + 1) << ROW_BITS])
            rows = (nodes[begin:end] & ROW_MASK).astype(np.int64)
            if begin == end:
                continue
            try:
                for run, wanted in _runs(shard["uri"], column, nodes[begin:end], rows, places[begin:end], run_bytes):
                    for place, chosen in split(wanted):
                        writer.write(place, run.take(pa.array(chosen)))
            except InputError:
                if own:
                    raise
                gone += len(np.unique(rows))
    return gone


def _requested(work: str, mapper: int, bases: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
    tables = [read_partition(requests_uri(work, slot), mapper) for slot in bases]
    nodes = np.concatenate([table["node"].to_numpy() for table in tables])
    chunks = np.concatenate([table["chunk"].to_numpy().astype(np.int64) + base for table, base in zip(tables, bases.values(), strict=True)])
    order = np.lexsort((chunks, nodes))
    return nodes[order], chunks[order]


def _runs(
    uri: str, column: str, nodes: np.ndarray, rows: np.ndarray, chunks: np.ndarray, run_bytes: int
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Texts of some rows of a shard; row groups without any of them are not read."""
    if not uri:
        raise InputError("the place of the shard is not known")
    pending: list[pa.Table] = []
    places: list[np.ndarray] = []
    with storage_errors(uri), open_input(uri) as file:
        try:
            parquet = pq.ParquetFile(file)
            if column not in parquet.schema_arrow.names:
                raise InputError(f"there is no column {column!r}", where=uri)
            first = 0
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                begin, end = np.searchsorted(rows, [first, first + count])
                if end > begin:
                    texts = parquet.read_row_group(group, columns=[column])[column].cast(pa.large_string())
                    chosen = texts.take(pa.array(rows[begin:end] - first))
                    pending.append(pa.table([nodes[begin:end], chosen], schema=TEXTS))
                    places.append(chunks[begin:end])
                    if sum(part.nbytes for part in pending) >= run_bytes:
                        yield pa.concat_tables(pending), np.concatenate(places)
                        pending, places = [], []
                first += count
        except pa.ArrowInvalid as error:
            raise InputError(f"not a whole Parquet file: {error}", where=uri) from error
    if pending:
        yield pa.concat_tables(pending), np.concatenate(places)


def exact_uri(work: str, chunk: int) -> str:
    return f"{work}/exact/{chunk:06}.parquet"


def compare_texts(item: Mapping[str, Any], work: str, attempt: int, scheme: Scheme, mappers: int) -> dict[str, Any]:
    """Exact Jaccard similarity of the pairs of a chunk; null where a text is gone.

    Args:
        item: ``{"chunk": global, "local": in its slot, "slot", "slots": those of the task up to this one}``.
        work: Of the run.
        attempt: As for ``write_texts``.
        scheme: Of the run.
        mappers: Their number.
    """
    edges = read_partition(compared_uri(work, item["slot"]), 0, ["later", "earlier", "chunk"])
    chosen = np.flatnonzero(edges["chunk"].to_numpy() == item["local"])
    nodes = task_nodes(work, item["slots"])
    texts = pa.concat_tables([read_partition(_texts_uri(work, attempt, mapper), item["chunk"]) for mapper in range(mappers)])
    at_hand = texts["node"].to_numpy()
    order = np.argsort(at_hand)
    column = texts["text"].combine_chunks()
    offsets, shingles = distinct_shingles(column.chunk(0) if isinstance(column, pa.ChunkedArray) else column, scheme.shingling)
    ends = []
    missing = np.zeros(len(chosen), bool)
    for name in ("later", "earlier"):
        wanted = nodes[edges[name].to_numpy()[chosen]]
        at = (
            order[np.minimum(np.searchsorted(at_hand, wanted, sorter=order), max(0, len(order) - 1))]
            if len(order)
            else np.zeros(len(wanted), np.int64)
        )
        missing |= (at_hand[at] != wanted) if len(order) else True
        ends.append(at)
    similarity = np.full(len(chosen), np.nan)
    similarity[~missing] = jaccard(offsets, shingles, ends[0][~missing], ends[1][~missing])
    write_whole(exact_uri(work, item["chunk"]), pa.table([chosen, similarity], schema=EXACT_SCHEMA))
    return {"without_text": int(missing.sum())}


def task_nodes(work: str, slots: Sequence[int], column: str = "node") -> np.ndarray:
    """A column of the documents of a task, by position."""
    return np.concatenate([read_partition(nodes_uri(work, slot), 0, [column])[column].to_numpy() for slot in slots])


def outcomes_uri(work: str, task: int) -> str:
    return f"{work}/outcomes/{task:06}.parquet"


def read_verified(work: str, slots: Sequence[int], chunks: Sequence[Sequence[int]], scheme: Scheme) -> tuple[Edges, np.ndarray, np.ndarray]:
    """All edges of a task with what is known of them.

    Args:
        work: Of the run.
        slots: Of the task.
        chunks: Global numbers of the chunks of each slot.
        scheme: Of the run.

    Returns:
        ``(edges, similarity, kind)``: float64 and int8, shape (edges,).
    """
    columns: list[list[np.ndarray]] = [[] for _ in range(7)]
    for slot, numbers in zip(slots, chunks, strict=True):
        table = read_partition(compared_uri(work, slot), 0)
        equal = table["equal"].to_numpy()
        similarity, kind = scheme.similarity(equal), np.full(len(equal), ESTIMATE, np.int8)
        for chunk in numbers:
            exact = read_partition(exact_uri(work, chunk), 0)
            edge, found = exact["edge"].to_numpy(), exact["similarity"].to_numpy()
            gone = np.isnan(found)
            similarity[edge[~gone]] = found[~gone]
            kind[edge] = np.where(gone, NO_TEXT, EXACT)
        values = [table[name].to_numpy(zero_copy_only=False) for name in EDGES.names[:5]]
        for column, value in zip(columns, [*values, similarity, kind], strict=True):
            column.append(value)
    later, earlier, equal, listed, links, similarity, kind = (np.concatenate(column) for column in columns)
    return Edges(later.astype(np.int32), earlier.astype(np.int32), equal, listed, links), similarity, kind


def is_similar(edges: Edges, similarity: np.ndarray, kind: np.ndarray, scheme: Scheme) -> np.ndarray:
    """bool, shape (edges,): accepted by its sketch, or at least the threshold."""
    enough = np.where(edges.listed, scheme.measure.link, scheme.measure.accept)
    return np.where(kind == ESTIMATE, edges.equal >= enough, similarity >= scheme.threshold)


def is_linking(edges: Edges, similarity: np.ndarray, kind: np.ndarray, scheme: Scheme) -> np.ndarray:
    """bool, shape (edges,): which of those that may link do: by sketches first, whatever else is known of the pair."""
    return edges.links & ((edges.equal >= scheme.measure.link) | ((kind != ESTIMATE) & (similarity >= scheme.threshold)))


def decide_task(item: Mapping[str, Any], work: str, scheme: Scheme, placement: Placement) -> dict[str, Any]:
    """Decides the documents of a task and writes what is worth telling, by mapper of the document.

    Args:
        item: ``{"task", "slots", "chunks"}``, as for ``read_verified``.
        work: Of the run.
        scheme: Of the run.
        placement: Of the documents.

    Returns:
        ``{"removed", "orphans"}``. With orphans nothing is written: the task must be compared again.
    """
    nodes, tie = task_nodes(work, item["slots"]), task_nodes(work, item["slots"], "tie")
    edges, similarity, kind = read_verified(work, item["slots"], item["chunks"], scheme)
    similar = is_similar(edges, similarity, kind, scheme)
    linking = is_linking(edges, similarity, kind, scheme)
    survivor, edge, cluster = decide(len(nodes), ~placement.is_own(nodes), edges, similar, linking, kind == ESTIMATE)
    removed = survivor >= 0
    orphans = (task_nodes(work, item["slots"], "status") == REMOVED) & ~removed
    if orphans.any():
        return {"removed": 0, "orphans": int(orphans.sum())}
    told = removed | (np.bincount(cluster, minlength=len(nodes))[cluster] > 1)
    chosen = edge[told]
    table = pa.table(
        [
            nodes[told],
            np.where(removed, nodes[survivor], nodes)[told],
            removed[told],
            np.where(chosen >= 0, similarity[chosen] if len(similarity) else 1.0, 1.0),
            np.where(chosen >= 0, kind[chosen] if len(kind) else EXACT, EXACT).astype(np.int8),
            tie[cluster][told],
        ],
        schema=OUTCOMES,
    )
    with PartitionWriter(outcomes_uri(work, item["task"]), OUTCOMES) as writer:
        for mapper, rows in split(placement.mapper_of(table["node"].to_numpy())):
            writer.write(mapper, table.take(pa.array(rows)))
    return {"removed": int(removed.sum()), "orphans": 0}
