"""Comparing the documents of a component by their sketches: what is kept, what is removed, and what the texts must decide.

``rows`` brings what is compared to the task that compares it: a slot for each task, or for each window of a task whose
component is too large for one. Windows are decided one after the other, in the order of ranks; a window is compared with the
documents of earlier windows that are not removed (``cross``, all at once on as many workers), then with itself. So a pair is
compared once and by the same rule as in one task, and every packing gives the same.

A task in which too many pairs are compared, or too many are left to the texts, is *crowded*: it stops, and is compared again
with its texts at hand (``crowded``), in smaller windows.

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
from curation_tasks.dedup.signatures import Scheme, band_names, sketch_words
from curation_tasks.errors import ConfigError
from curation_tasks.kernels.buckets import Buckets, buckets_of
from curation_tasks.kernels.pair_cuts import cut_pairs
from curation_tasks.kernels.survivors import KEPT, KNOWN, OPEN, REMOVED, UNDECIDED, Comparison, Edges, compare

#: A sketch of 256 bytes, 25 numbers of buckets, rank, node and status.
ROW_BYTES = 380
#: What exact comparison holds of a text for each of its shingles: the text, its units, its hashes and their sorted copy.
SHINGLE_BYTES = 40
#: More pairs than so many for each document are a crowd: with the texts at hand one costs a fiftieth. Few documents never are.
EDGES_PER_DOCUMENT, _FEW_EDGES = 32, 100_000

NODES = pa.schema([("node", pa.uint64()), ("tie", pa.uint64()), ("shingles", pa.int64()), ("status", pa.uint8())])
_PAIR = [("later", pa.int64()), ("earlier", pa.int64()), ("equal", pa.int32()), ("listed", pa.bool_()), ("links", pa.bool_())]
EDGES = pa.schema([*_PAIR, ("chunk", pa.int32())])
_CROSS = pa.schema([*_PAIR, ("kept", pa.bool_())])
REQUESTS = pa.schema([("node", pa.uint64()), ("chunk", pa.int32())])
_SPENT = pa.schema([("hash", pa.uint64()), ("work", pa.int64())])


# --- rows of a slot -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Slots of a task, in the order of component and rank."""

    node: np.ndarray
    tie: np.ndarray
    shingles: np.ndarray
    sketches: np.ndarray
    buckets: Buckets
    hot: np.ndarray


def load_rows(folder: str, work: str, slots: Sequence[int], scheme: Scheme, mappers: int) -> Rows:
    """Reads slots of ascending ranks as one, a column at a time.

    Args:
        folder: Of the rows, by slot.
        work: Of the run.
        slots: Windows of one task, ascending.
        scheme: Of the run.
        mappers: Their number.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(rows_uri(folder, mapper))) for mapper in range(mappers)]
        groups = [[file.groups(slot) for file in files] for slot in slots]

        def read(column: str) -> list[pa.ChunkedArray]:
            """A column of each slot."""
            return [
                pa.concat_tables([file.read(found, [column]) for file, found in zip(files, of_slot, strict=True)])[column]
                for of_slot in groups
            ]

        small = {name: [part.to_numpy() for part in read(name)] for name in ("component", *RANK, "shingles")}
        orders = [_in_order({name: columns[number] for name, columns in small.items()}) for number in range(len(slots))]

        def ordered(parts: Sequence[np.ndarray]) -> np.ndarray:
            return np.concatenate([part[order] for part, order in zip(parts, orders, strict=True)])

        sketches = ordered([sketch_words(part, scheme.size) for part in read("sketch")])
        bands = (ordered([part.to_numpy() for part in read(name)]) for name in band_names(scheme.bands))
        buckets = buckets_of(bands, scheme.bands, len(sketches))
    hot = found_in(buckets.hashes, read_hot(work)["hash"].to_numpy())
    return Rows(ordered(small["node"]), ordered(small["tie"]), ordered(small["shingles"]), sketches, buckets, hot)


def _in_order(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """The order of the documents of a slot: by component, then by rank."""
    return np.lexsort(tuple(columns[name] for name in reversed(("component", *RANK))))


def slot_nodes(folder: str, slot: int, mappers: int) -> np.ndarray:
    """The nodes of a slot in the order in which ``load_rows`` gives them."""
    tables = [read_partition(rows_uri(folder, mapper), slot, ["component", *RANK]) for mapper in range(mappers)]
    columns = {name: np.concatenate([table[name].to_numpy() for table in tables]) for name in ("component", *RANK)}
    return columns["node"][_in_order(columns)]


def nodes_uri(work: str, slot: int) -> str:
    return f"{work}/nodes/{slot:06}.parquet"


def compared_uri(work: str, slot: int) -> str:
    return f"{work}/compared/{slot:06}.parquet"


def requests_uri(work: str, slot: int) -> str:
    return f"{work}/requests/{slot:06}.parquet"


def cross_uri(work: str, slot: int, earlier: int) -> str:
    return f"{work}/cross/{slot:06}-{earlier:06}.parquet"


def starting_status(nodes: np.ndarray, placement: Placement) -> np.ndarray:
    """Documents of earlier indexes are kept."""
    return np.where(placement.is_own(nodes), UNDECIDED, KEPT).astype(np.uint8)


# --- what a bucket costs ------------------------------------------------------------------------------------------------

#: Work in a bucket that is not hot, at most.
_COLD_WORK = 256 * 256 // 2


def _spent_uri(work: str, slot: int, earlier: int | None) -> str:
    return f"{work}/spent/{slot:06}{'' if earlier is None else f'-{earlier:06}'}.parquet"


def add_up(work: str, item: Mapping[str, Any], rows: Rows, spent: np.ndarray, limit: int, earlier: int | None = None) -> tuple[int, int]:
    """Counts what the buckets of a task have cost so far, over all of its windows.

    Args:
        work: Of the run.
        item: A window, as for ``compare_slot``.
        rows: That were compared.
        spent: int64, shape (buckets,): comparisons in each.
        limit: In one bucket.
        earlier: The earlier window that this one was compared with. It is written down, and what is over the limit is found
            when the window is compared with itself.

    Returns:
        ``(hash, comparisons)`` of a bucket that is over the limit, or (0, 0).
    """
    told = (spent > 0) & (rows.hot if limit >= _COLD_WORK else True)
    tables = [pa.table([rows.buckets.hashes[told], spent[told]], schema=_SPENT)]
    if earlier is None and item["earlier"]:
        before = [(item["earlier"][-1], None), *((item["slot"], window) for window in item["earlier"])]
        tables += [read_partition(_spent_uri(work, *place), 0) for place in before]
    total = pa.concat_tables(tables).group_by("hash", use_threads=False).aggregate([("work", "sum")]).rename_columns(_SPENT.names)
    write_whole(_spent_uri(work, item["slot"], earlier), total.cast(_SPENT))
    over = total.filter(pa.array(total["work"].to_numpy() > limit)).sort_by("hash")
    return (over["hash"][0].as_py(), over["work"][0].as_py()) if len(over) else (0, 0)


# --- comparing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Attributes:
        bucket: Pairs looked at in one bucket.
        edges: Pairs that are similar or may be, in one task: beyond, it is crowded; or earlier, see ``EDGES_PER_DOCUMENT``.
        comparisons: Pairs compared in one task: beyond, it is crowded.
        follows: Open documents that another must be similar to, to be taken for removed; see ``kernels.survivors``.
        chunk_bytes: Of texts compared at once; not a limit but a measure.
    """

    bucket: int
    edges: int
    comparisons: int
    follows: int
    chunk_bytes: int


def compare_cross(item: Mapping[str, Any], work: str, scheme: Scheme, placement: Placement, limits: Limits) -> dict[str, Any]:
    """Compares a window with an earlier one, whose documents are decided as far as sketches can.

    Args:
        item: ``{"slot", "first", "earlier", "other": one of the earlier windows, "other_first"}``.
        work: Of the run.
        scheme: Of the run.
        placement: Of the documents.
        limits: When to give up.
    """
    slot, other = item["slot"], item["other"]
    before = read_partition(nodes_uri(work, other), 0)["status"].to_numpy()
    rows = load_rows(f"{work}/rows", work, [other, slot], scheme, len(placement.mappers))
    count = len(before)
    status = np.concatenate([before, starting_status(rows.node[count:], placement)])
    found = _compare(rows, status, np.zeros(len(status), np.int32), scheme, limits, among=False)
    if found.stopped >= 0:
        return _crowded(found, rows, scheme, placement, limits)
    add_up(work, item, rows, found.work, limits.bucket, other)
    edges = found.edges
    later, earlier = edges.later - np.int64(count) + item["first"], edges.earlier + np.int64(item["other_first"])
    table = pa.table([later, earlier, edges.equal, edges.listed, edges.links, before[edges.earlier] == KEPT], schema=_CROSS)
    write_whole(cross_uri(work, slot, other), table)
    return {"comparisons": found.comparisons, "crowded": False}


def _compare(rows: Rows, status: np.ndarray, opened: np.ndarray, scheme: Scheme, limits: Limits, *, among: bool) -> Comparison:
    few = limits.edges if scheme.list_pairs else min(limits.edges, _FEW_EDGES + EDGES_PER_DOCUMENT * len(status))
    return compare(
        rows.sketches, rows.buckets, rows.hot, status, scheme.measure, follows=limits.follows, opened=opened, among=among,
        list_all=scheme.list_pairs, bucket_limit=limits.bucket, edge_limit=few, comparison_limit=limits.comparisons,
    )  # fmt: skip


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
    rows = load_rows(f"{work}/rows", work, [slot], scheme, len(placement.mappers))
    status = starting_status(rows.node, placement)
    cross = [read_partition(cross_uri(work, slot, earlier), 0) for earlier in item["earlier"]]
    opened = np.zeros(len(status), np.int32)
    for table in cross:
        _take_over(status, opened, table, first, scheme)
    status[(opened >= limits.follows) & (status == KNOWN | OPEN)] = KNOWN | REMOVED
    found = _compare(rows, status, opened, scheme, limits, among=True)
    if found.stopped >= 0 or add_up(work, item, rows, found.work, limits.bucket)[1]:
        return _crowded(found, rows, scheme, placement, limits)
    write_whole(nodes_uri(work, slot), pa.table([rows.node, rows.tie, rows.shingles, status], schema=NODES))
    edges = _joined(found.edges, first, cross, status, scheme)
    bound = np.where(edges["listed"] & (not scheme.list_pairs), scheme.measure.link, scheme.measure.accept)
    undecided = edges["equal"] < bound
    # Documents of earlier windows are not at hand: their length is taken to be that of the later one of a pair.
    cost = (rows.shingles * SHINGLE_BYTES + 64).astype(np.int64)
    edges["chunk"] = cut_pairs(edges["later"] - first, edges["earlier"], undecided, cost, first, limits.chunk_bytes)
    write_whole(compared_uri(work, slot), pa.table(edges, schema=EDGES))
    nodes_of = _task_nodes(work, item["earlier"], rows.node)
    _write_requests(requests_uri(work, slot), nodes_of, {name: column[undecided] for name, column in edges.items()}, placement)
    return {
        "comparisons": found.comparisons, "edges": len(undecided), "grey": int((undecided & ~edges["listed"]).sum()),
        "chunks": int(edges["chunk"].max()) + 1 if undecided.any() else 0, "crowded": False,
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


def edges_in_order(
    edges: Edges, first: int, cross: Sequence[pa.Table], more: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """The edges of a slot and those with earlier windows, by ascending later and earlier document.

    Args:
        edges: Positions in the slot.
        first: Position of the slot in its task.
        cross: Edges with each earlier window, positions in the task.
        more: More columns of the edges, which ``cross`` has too.

    Returns:
        The columns of ``Edges``, and ``more``; positions in the task.
    """
    own = {**vars(edges), "later": edges.later + np.int64(first), "earlier": edges.earlier + np.int64(first), **(more or {})}
    columns = {
        name: np.concatenate([column, *(table[name].to_numpy(zero_copy_only=False) for table in cross)]) for name, column in own.items()
    }
    order = np.lexsort((columns["earlier"], columns["later"]))
    return {name: column[order] for name, column in columns.items()}


def _joined(edges: Edges, first: int, cross: Sequence[pa.Table], status: np.ndarray, scheme: Scheme) -> dict[str, np.ndarray]:
    """The edges of a slot and those with earlier windows, without those that decide nothing any more."""
    columns = edges_in_order(edges, first, cross)
    settled = (status[columns["later"] - first] == REMOVED) & (columns["equal"] < scheme.measure.accept)
    columns["listed"] |= settled
    idle = settled & ~columns["links"] & (not scheme.list_pairs)
    return {name: column[~idle] for name, column in columns.items()}


def _task_nodes(work: str, earlier: Sequence[int], nodes: np.ndarray) -> np.ndarray:
    """The nodes of a task up to and with this slot, by position."""
    return np.concatenate([*(read_partition(nodes_uri(work, slot), 0, ["node"])["node"].to_numpy() for slot in earlier), nodes])


def _write_requests(uri: str, nodes: np.ndarray, edges: Mapping[str, np.ndarray], placement: Placement) -> None:
    chunks, ends = (np.concatenate([edges[left], edges[right]]) for left, right in (("chunk", "chunk"), ("later", "earlier")))
    pairs = np.unique(np.stack([chunks.astype(np.int64), ends]), axis=1)
    wanted = nodes[pairs[1]]
    table = pa.table([wanted, pairs[0].astype(np.int32)], schema=REQUESTS)
    with PartitionWriter(uri, REQUESTS) as writer:
        for mapper, chosen in split(placement.mapper_of(wanted)):
            writer.write(mapper, table.take(pa.array(chosen)))


def _crowded(found: Comparison, rows: Rows, scheme: Scheme, placement: Placement, limits: Limits) -> dict[str, Any]:
    """Gives up what was begun.

    Raises:
        ConfigError: All pairs are to be listed, which is for small datasets.
    """
    if scheme.list_pairs:
        members = np.flatnonzero((rows.buckets.ids == max(found.stopped, 0)).any(axis=1))
        raise ConfigError(
            f"`report_pairs` would list too much: a bucket of {len(members):,} documents is among {found.comparisons:,} comparisons",
            where=f"documents of {placement.mappers[0]['shards'][0]['uri'] if placement.own else 'an earlier index'}, …",
            expected=f"at most {min(limits.edges, limits.comparisons):,} pairs in a task of this memory",
            remedy="evaluate on a smaller dataset, or leave `report_pairs` out",
        )
    return {"comparisons": found.comparisons, "crowded": True}
