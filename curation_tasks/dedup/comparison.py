"""Comparing the documents of a component by their sketches: what is kept, what is removed, and what the texts must decide.

``rows`` brings what is compared to the task that compares it: a slot for each task, or for each window of a task whose
component is too large for one. Windows are decided one after the other, in the order of ranks; a window is compared with the
documents of earlier windows that are not removed (``cross``, all at once on as many workers), then with itself. So a pair is
compared once and by the same rule as in one task, and every packing gives the same.

Memory of a task: ``ROW_BYTES`` a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.dedup.buckets import read_hot, read_partition, write_whole
from curation_tasks.dedup.partitions import PartitionWriter, open_partitions, split
from curation_tasks.dedup.placement import Placement, found_in
from curation_tasks.dedup.rows import RANK, rows_uri
from curation_tasks.dedup.signatures import Scheme, band_names, read_signatures, sketch_words
from curation_tasks.errors import ConfigError
from curation_tasks.kernels.survivors import (
    KEPT,
    KNOWN,
    OPEN,
    REMOVED,
    UNDECIDED,
    Buckets,
    Comparison,
    Edges,
    buckets_of,
    compare,
    cut_pairs,
)

#: A sketch of 256 bytes, 25 numbers of buckets, rank, node and status.
ROW_BYTES = 380
#: What exact comparison holds of a text for each of its shingles: the text, its units, its hashes and their sorted copy.
SHINGLE_BYTES = 40

NODES = pa.schema([("node", pa.uint64()), ("tie", pa.uint64()), ("shingles", pa.int64()), ("status", pa.uint8())])
EDGES = pa.schema([
    ("later", pa.int64()), ("earlier", pa.int64()), ("equal", pa.int32()), ("listed", pa.bool_()), ("chunk", pa.int32()),
])  # fmt: skip
_CROSS = pa.schema([("later", pa.int64()), ("earlier", pa.int64()), ("equal", pa.int32()), ("listed", pa.bool_()), ("kept", pa.bool_())])
REQUESTS = pa.schema([("node", pa.uint64()), ("chunk", pa.int32())])


# --- comparing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """A slot, in the order of component and rank."""

    node: np.ndarray
    tie: np.ndarray
    shingles: np.ndarray
    sketches: np.ndarray
    buckets: Buckets
    hot: np.ndarray


def _load(work: str, slots: Sequence[int], scheme: Scheme, mappers: int) -> _Rows:
    """Reads slots of ascending ranks as one, a column at a time.

    Args:
        work: Of the run.
        slots: Windows of one task, ascending.
        scheme: Of the run.
        mappers: Their number.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(rows_uri(work, mapper))) for mapper in range(mappers)]
        groups = [[file.groups(slot) for file in files] for slot in slots]

        def read(column: str) -> list[pa.ChunkedArray]:
            """A column of each slot."""
            return [
                pa.concat_tables([file.read(found, [column]) for file, found in zip(files, of_slot, strict=True)])[column]
                for of_slot in groups
            ]

        small = {name: [part.to_numpy() for part in read(name)] for name in ("component", *RANK, "shingles")}
        orders = [
            np.lexsort(tuple(small[name][number] for name in ("node", "tie", "key", "order", "component"))) for number in range(len(slots))
        ]

        def ordered(parts: Sequence[np.ndarray]) -> np.ndarray:
            return np.concatenate([part[order] for part, order in zip(parts, orders, strict=True)])

        sketches = ordered([sketch_words(part, scheme.size) for part in read("sketch")])
        bands = (ordered([part.to_numpy() for part in read(name)]) for name in band_names(scheme.bands))
        buckets = buckets_of(bands, scheme.bands, len(sketches))
    hot = found_in(buckets.hashes, read_hot(work))
    return _Rows(ordered(small["node"]), ordered(small["tie"]), ordered(small["shingles"]), sketches, buckets, hot)


def nodes_uri(work: str, slot: int) -> str:
    return f"{work}/nodes/{slot:06}.parquet"


def compared_uri(work: str, slot: int) -> str:
    return f"{work}/compared/{slot:06}.parquet"


def requests_uri(work: str, slot: int) -> str:
    return f"{work}/requests/{slot:06}.parquet"


def _cross_uri(work: str, slot: int, earlier: int) -> str:
    return f"{work}/cross/{slot:06}-{earlier:06}.parquet"


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Attributes:
        bucket: Pairs looked at in one bucket.
        edges: Pairs that are similar or may be, in one task.
        follows: Open documents that another must be similar to, to be taken for removed; see ``kernels.survivors``.
        chunk_bytes: Of texts compared at once; not a limit but a measure.
    """

    bucket: int
    edges: int
    follows: int
    chunk_bytes: int


def compare_cross(item: Mapping[str, int], work: str, scheme: Scheme, placement: Placement, limits: Limits) -> dict[str, Any]:
    """Compares a window with an earlier one, whose documents are decided as far as sketches can."""
    slot, earlier = item["slot"], item["earlier"]
    before = read_partition(nodes_uri(work, earlier), 0)["status"].to_numpy()
    rows = _load(work, [earlier, slot], scheme, len(placement.mappers))
    count = len(before)
    status = np.concatenate([before, _start(rows.node[count:], placement)])
    found = _compare(rows, status, np.zeros(len(status), np.int32), scheme, limits, among=False)
    _require_within(found, rows, work, placement, limits)
    edges = found.edges
    later, other = edges.later - np.int64(count) + item["first"], edges.earlier + np.int64(item["earlier_first"])
    table = pa.table([later, other, edges.equal, edges.listed, before[edges.earlier] == KEPT], schema=_CROSS)
    write_whole(_cross_uri(work, slot, earlier), table)
    return {"comparisons": found.comparisons}


def _compare(rows: _Rows, status: np.ndarray, opened: np.ndarray, scheme: Scheme, limits: Limits, *, among: bool) -> Comparison:
    return compare(
        rows.sketches, rows.buckets, rows.hot, status, scheme.measure, follows=limits.follows, opened=opened, among=among,
        list_all=scheme.list_pairs, bucket_limit=limits.bucket, edge_limit=limits.edges,
    )  # fmt: skip


def _start(nodes: np.ndarray, placement: Placement) -> np.ndarray:
    """Documents of earlier indexes are kept."""
    return np.where(placement.is_own(nodes), UNDECIDED, KEPT).astype(np.uint8)


def compare_slot(item: Mapping[str, Any], work: str, scheme: Scheme, placement: Placement, limits: Limits) -> dict[str, Any]:
    """Compares the documents of a slot with each other, and puts down what it found.

    Args:
        item: ``{"slot", "first", "earlier": slots of the earlier windows}``; positions in the task begin at ``first``.
        work: Of the run.
        scheme: Of the run.
        placement: Of the documents.
        limits: When to give up.
    """
    slot, first = item["slot"], item["first"]
    rows = _load(work, [slot], scheme, len(placement.mappers))
    status = _start(rows.node, placement)
    cross = [read_partition(_cross_uri(work, slot, earlier), 0) for earlier in item["earlier"]]
    opened = np.zeros(len(status), np.int32)
    for table in cross:
        _take_over(status, opened, table, first, scheme)
    status[(opened >= limits.follows) & (status == KNOWN | OPEN)] = KNOWN | REMOVED
    found = _compare(rows, status, opened, scheme, limits, among=True)
    _require_within(found, rows, work, placement, limits)
    write_whole(nodes_uri(work, slot), pa.table([rows.node, rows.tie, rows.shingles, status], schema=NODES))
    later, earlier, equal, listed = _joined(found.edges, first, cross, status, scheme)
    # A link that decides nothing is not worth two texts, but where all pairs are to be listed.
    undecided = (equal < scheme.measure.accept) & (~listed | scheme.list_pairs)
    # Documents of earlier windows are not at hand: their length is taken to be that of the later one of a pair.
    cost = (rows.shingles * SHINGLE_BYTES + 64).astype(np.int64)
    chunk = cut_pairs(later - first, earlier, undecided, cost, first, limits.chunk_bytes)
    write_whole(compared_uri(work, slot), pa.table([later, earlier, equal, listed, chunk], schema=EDGES))
    nodes_of = _task_nodes(work, item["earlier"], rows.node)
    _write_requests(requests_uri(work, slot), nodes_of, later[undecided], earlier[undecided], chunk[undecided], placement)
    return {
        "comparisons": found.comparisons, "edges": len(later), "grey": int((undecided & ~listed).sum()),
        "chunks": int(chunk.max()) + 1 if undecided.any() else 0,
    }  # fmt: skip


def _take_over(status: np.ndarray, opened: np.ndarray, cross: pa.Table, first: int, scheme: Scheme) -> None:
    """What the comparison with an earlier window says of the documents of this one."""
    counts, kept = (~cross["listed"].to_numpy(zero_copy_only=False), cross["kept"].to_numpy(zero_copy_only=False))
    later = cross["later"].to_numpy() - first
    similar = counts & (cross["equal"].to_numpy() >= scheme.measure.accept)
    removes = similar & kept
    opened += np.bincount(later[similar & ~kept], minlength=len(opened)).astype(np.int32)
    open_ = later[counts]
    status[open_[status[open_] == UNDECIDED]] = KNOWN | OPEN
    status[later[removes]] = KNOWN | REMOVED


def _joined(
    edges: Edges, first: int, cross: Sequence[pa.Table], status: np.ndarray, scheme: Scheme
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The edges of a slot and those with earlier windows, by ascending later and earlier document."""
    columns = [[edges.later + np.int64(first)], [edges.earlier + np.int64(first)], [edges.equal], [edges.listed]]
    for table in cross:
        for column, name in zip(columns, ("later", "earlier", "equal", "listed"), strict=True):
            column.append(table[name].to_numpy(zero_copy_only=False))
    later, earlier, equal, listed = (np.concatenate(column) for column in columns)
    order = np.lexsort((earlier, later))
    later, earlier, equal, listed = later[order], earlier[order], equal[order], listed[order]
    idle = (status[later - first] == REMOVED) & (listed | (equal < scheme.measure.accept))
    if scheme.list_pairs:
        return later, earlier, equal, listed | idle
    return later[~idle], earlier[~idle], equal[~idle], listed[~idle]


def _task_nodes(work: str, earlier: Sequence[int], nodes: np.ndarray) -> np.ndarray:
    """The nodes of a task up to and with this slot, by position."""
    return np.concatenate([*(read_partition(nodes_uri(work, slot), 0, ["node"])["node"].to_numpy() for slot in earlier), nodes])


def _write_requests(uri: str, nodes: np.ndarray, later: np.ndarray, earlier: np.ndarray, chunk: np.ndarray, placement: Placement) -> None:
    pairs = np.unique(np.stack([np.concatenate([chunk, chunk]).astype(np.int64), np.concatenate([later, earlier])]), axis=1)
    wanted = nodes[pairs[1]]
    table = pa.table([wanted, pairs[0].astype(np.int32)], schema=REQUESTS)
    with PartitionWriter(uri, REQUESTS) as writer:
        for mapper, chosen in split(placement.mapper_of(wanted)):
            writer.write(mapper, table.take(pa.array(chosen)))


def _require_within(found: Comparison, rows: _Rows, work: str, placement: Placement, limits: Limits) -> None:
    """Fails with the numbers when a bucket costs more than is allowed."""
    if found.stopped < 0:
        return
    members = np.flatnonzero((rows.buckets.ids == found.stopped).any(axis=1))
    looked_at = int(found.work[found.stopped])
    what = f"a bucket of {len(members):,} documents that are alike but not the same costs too much: {looked_at:,} comparisons so far"
    where = f"documents {', '.join(doc_ids(work, placement, np.sort(rows.node[members])[:3]))}, …"
    if looked_at > limits.bucket:
        raise ConfigError(
            f"{what}, up to {len(members) ** 2 // 2:,} in all",
            where=where,
            expected=f"at most {limits.bucket:,} comparisons in a bucket (bucket_comparisons)",
            remedy="remove the boilerplate that they share, raise `bucket_comparisons`, or set `on_hot_bucket: exact` to pay for it",
        )
    raise ConfigError(
        f"{what}, and more than {limits.edges:,} pairs in its task that only the texts can decide",
        where=where,
        expected=f"at most {limits.edges:,} such pairs in a task of this memory",
        remedy="remove the boilerplate that they share, give the stage more `resources.memory`, or choose another threshold",
    )


def doc_ids(work: str, placement: Placement, nodes: np.ndarray) -> list[str]:
    """Identities of a few documents, by ascending node."""
    found: list[str] = []
    for mapper in np.unique(placement.mapper_of(nodes)):
        for table in read_signatures(work, placement.mappers[mapper], ["doc_id"]):
            found += table["doc_id"].filter(pa.array(np.isin(table["node"].to_numpy(), nodes))).to_pylist()
    return found
