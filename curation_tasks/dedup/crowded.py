"""Crowded tasks: documents so alike, or alike to just such a degree, that sketches leave too much open.

The usual passes put down every pair that the texts must decide. Among m documents that may all be similar these are m² ÷ 2:
with ``verify: exact`` any large family, by two stages one whose similarity is about the threshold. Such a task is compared
again with its texts at hand, by ``kernels.settlement``: a document is decided before the next one is looked at, so that it is
compared with those that stay only, and nothing is put down but what removes.

The windows of a crowded task hold less, and a window's comparisons with each earlier one are an item of their own: a bucket of
a million documents that all stay is work for many, and what is done is not done again.

Memory of a task: of each document of two windows its row, its parity and its shingles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import TaskMap
from curation_tasks.dedup import rows
from curation_tasks.dedup.buckets import read_hot, read_partition, write_whole
from curation_tasks.dedup.comparison import (
    EDGES,
    NODES,
    ROW_BYTES,
    Limits,
    Rows,
    add_up,
    compared_uri,
    cross_uri,
    edges_in_order,
    load_rows,
    nodes_uri,
    slot_nodes,
    starting_status,
)
from curation_tasks.dedup.partitions import PartitionWriter, open_partitions
from curation_tasks.dedup.placement import Placement
from curation_tasks.dedup.signatures import Scheme, band_names, read_signatures
from curation_tasks.dedup.verification import EXACT_SCHEMA, exact_uri, ship_texts
from curation_tasks.errors import ConfigError
from curation_tasks.kernels.settlement import PARITY_BYTES, Sets, Settled, settle
from curation_tasks.kernels.shingles import distinct_shingles
from curation_tasks.kernels.survivors import KNOWN, REMOVED

#: Windows of a crowded task, at most: each is compared with all before it.
MOST_WINDOWS = 1024
#: Documents of a bucket that an error names.
_NAMED = 3

_SETS = pa.schema([("shingles", pa.large_binary())])
_CROSS = pa.schema([
    *((name, kind) for name, kind in zip(EDGES.names[:5], EDGES.types[:5], strict=True)), ("by_sketch", pa.bool_()),
    ("similarity", pa.float64()),
])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Crowd:
    """What the crowded tasks of a run are settled with.

    Attributes:
        run: ``context.map``.
        work: Of the run.
        scheme: Of the run.
        placement: Of the documents.
        limits: When to give up.
        memory: Bytes that a task may hold.
    """

    run: TaskMap
    work: str
    scheme: Scheme
    placement: Placement
    limits: Limits
    memory: int

    @property
    def folder(self) -> str:
        return f"{self.work}/crowded"

    @property
    def needs_texts(self) -> bool:
        """Whether sketches ever leave a pair open."""
        return self.scheme.measure.accept > self.scheme.measure.reject + 1

    def settle(self, tasks: Sequence[dict[str, Any]], bases: Sequence[int], count: int, slot: int, chunk: int) -> list[dict[str, Any]]:
        """Compares and decides crowded tasks, and tells each its new slots and the numbers of its chunks.

        Args:
            tasks: ``{"task"}``.
            bases: As for ``rows.Slots``.
            count: Number of all tasks.
            slot: Number of the first new slot.
            chunk: Number of the first new chunk.

        Returns:
            The results of the comparisons.
        """
        wanted = np.isin(np.arange(count), [task["task"] for task in tasks]).tolist()
        mappers, run_bytes = self.placement.mappers, self.memory // 8
        self.run("crowded-ranks", rows.write_ranks, mappers, self.folder, self.work, bases, wanted)
        shingle_bytes = 8 if self.needs_texts else 0
        cost = {
            "most_rows": max(1, int((2 * self.limits.comparisons) ** 0.5)), "most_bytes": self.memory // 3,
            "row_bytes": ROW_BYTES + (PARITY_BYTES if self.needs_texts else 0), "shingle_bytes": shingle_bytes,
        }  # fmt: skip
        found = self.run("crowded-cuts", rows.cut_ranks, [{"task": task["task"], **cost} for task in tasks], self.folder, len(mappers))
        windows = [0] * count
        for task, cut in zip(tasks, found, strict=True):
            windows[task["task"]] = self._few_enough(len(cut["cuts"]) + 1, cut["bounds"][-1])
            task["bounds"] = cut["bounds"]
        slots = rows.Slots(bases, windows, {task["task"]: cut["cuts"] for task, cut in zip(tasks, found, strict=True)}, slot)
        first = slots.first_slots().tolist()
        for task in tasks:
            task["slots"] = list(range(first[task["task"]], first[task["task"] + 1]))
            task["chunks"] = [[chunk + number - slot] for number in task["slots"]]
        self.run("crowded-rows", rows.write_rows, mappers, f"{self.folder}/rows", self.work, self.scheme, slots, run_bytes)
        if self.needs_texts:
            own = self.placement.own
            for step, chosen in (("crowded-texts", mappers[:own]), ("crowded-texts-earlier", mappers[own:])):
                if chosen:
                    self.run(
                        step, write_texts, chosen, self.folder, self.scheme.column, slot, first[-1], step == "crowded-texts", run_bytes
                    )
            self.run("crowded-shingles", write_shingles, list(range(slot, first[-1])), self.folder, self.scheme, len(mappers), run_bytes)
        return self._compare(tasks)

    def _few_enough(self, windows: int, documents: int) -> int:
        if windows > MOST_WINDOWS:
            raise ConfigError(
                f"{documents:,} documents are linked by shared buckets, and crowded: comparing them takes {windows:,} windows of "
                f"{documents // windows:,} documents, each with all others",
                where=f"tasks of {self.memory:,} bytes",
                expected=f"at most {MOST_WINDOWS:,} windows",
                remedy="give the stage more `resources.memory`, remove the boilerplate that they share, or take a higher threshold",
            )
        return windows

    def _compare(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for window in range(max(len(task["slots"]) for task in tasks)):
            items = [
                {
                    "slot": task["slots"][window], "first": task["bounds"][window], "earlier": task["slots"][:window],
                    "chunk": task["chunks"][window][0], "firsts": task["bounds"][:window],
                }
                for task in tasks
                if window < len(task["slots"])
            ]  # fmt: skip
            pairs = [
                item | {"other": other, "other_first": first}
                for item in items
                for other, first in zip(item["earlier"], item["firsts"], strict=True)
            ]
            arguments = (self.work, self.folder, self.scheme, self.placement, self.limits)
            if pairs:
                results += self.run(f"crowded-cross-{window}", settle_cross, pairs, *arguments)
            results += self.run(f"crowded-compare-{window}", settle_slot, items, *arguments)
        return results


# --- texts --------------------------------------------------------------------------------------------------------------


def _texts_uri(folder: str, mapper: int) -> str:
    return f"{folder}/texts/{mapper:05}.parquet"


def _sets_uri(folder: str, slot: int) -> str:
    return f"{folder}/shingles/{slot:06}.parquet"


def write_texts(mapper: Mapping[str, Any], folder: str, column: str, first: int, last: int, own: bool, run_bytes: int) -> dict[str, Any]:
    """Writes the texts of a mapper's documents in the slots from ``first`` to before ``last``, by slot."""
    with open_partitions(rows.rows_uri(f"{folder}/rows", mapper["mapper"])) as file:
        nodes = [file.read(file.groups(slot), ["node"])["node"].to_numpy() for slot in range(first, last)]
    slots = np.repeat(np.arange(first, last), [len(part) for part in nodes])
    flat = np.concatenate(nodes)
    order = np.argsort(flat)
    return {"gone": ship_texts(_texts_uri(folder, mapper["mapper"]), mapper, column, flat[order], slots[order], own, run_bytes)}


def write_shingles(slot: int, folder: str, scheme: Scheme, mappers: int, run_bytes: int) -> dict[str, Any]:
    """The set of shingles of each document of a slot, in the order of ``load_rows``; without any where the text is gone."""
    nodes = slot_nodes(f"{folder}/rows", slot, mappers)
    texts = pa.concat_tables([read_partition(_texts_uri(folder, mapper), slot) for mapper in range(mappers)])
    order = np.argsort(texts["node"].to_numpy())
    known = texts["node"].to_numpy()[order]
    at = np.minimum(np.searchsorted(known, nodes), max(0, len(known) - 1))
    missing = known[at] != nodes if len(known) else np.ones(len(nodes), bool)
    places = pa.array(order[at] if len(known) else np.zeros(len(nodes), np.int64), mask=missing)
    lengths = pc.fill_null(pc.binary_length(texts["text"]).take(places), 0).to_numpy()
    # A hash takes as many bytes as eight of the text, which may have one for each byte.
    starts = np.flatnonzero(np.diff(np.cumsum(lengths) // max(1, run_bytes // 16), prepend=-1))
    with PartitionWriter(_sets_uri(folder, slot), _SETS, compress=False) as writer:
        for start, end in zip(starts, [*starts[1:], len(nodes)], strict=True):
            run = texts["text"].take(places.slice(start, end - start)).combine_chunks()
            offsets, shingles = distinct_shingles(
                pa.concat_arrays(run.chunks) if isinstance(run, pa.ChunkedArray) else run, scheme.shingling
            )
            column = pa.LargeBinaryArray.from_buffers(
                pa.large_binary(), end - start, [None, pa.py_buffer(8 * offsets), pa.py_buffer(shingles)]
            )
            writer.write(0, pa.table([column], schema=_SETS))
    return {}


def _read_sets(folder: str, slots: Sequence[int], count: int) -> Sets:
    """The sets of the documents of some slots.

    Args:
        folder: Of the crowded tasks.
        slots: In their order.
        count: Number of documents.
    """
    if not slots:
        return Sets(np.zeros(count + 1, np.int64), np.zeros(0, np.uint64))
    sizes, parts = [], []
    for slot in slots:
        column = read_partition(_sets_uri(folder, slot), 0)["shingles"]
        for chunk in column.chunks:
            offsets = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            sizes.append(np.diff(offsets) // 8)
            parts.append(np.frombuffer(chunk.buffers()[2] or b"", np.uint64)[offsets[0] // 8 : offsets[-1] // 8])
    return Sets(np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64), np.concatenate(parts))


# --- comparing ----------------------------------------------------------------------------------------------------------


def settle_cross(item: Mapping[str, Any], work: str, folder: str, scheme: Scheme, placement: Placement, limits: Limits) -> dict[str, Any]:
    """Compares a window with an earlier one, which is decided. ``item`` as for ``comparison.compare_cross``."""
    slot, other = item["slot"], item["other"]
    before = read_partition(nodes_uri(work, other), 0)["status"].to_numpy()
    found_rows = load_rows(f"{folder}/rows", work, [other, slot], scheme, len(placement.mappers))
    count = len(before)
    status = np.concatenate([before, starting_status(found_rows.node[count:], placement)])
    sets = _sets_of(folder, [other, slot], scheme, len(status))
    found = _settle(found_rows, status, np.zeros(len(status), bool), sets, scheme, limits, among=False)
    add_up(work, item, found_rows, found.work, limits.bucket, other)
    if found.stopped >= 0:
        _give_up(int(found_rows.buckets.hashes[found.stopped]), work, scheme, placement, limits)
    edges = found.edges
    later, earlier = edges.later - np.int64(count) + item["first"], edges.earlier + np.int64(item["other_first"])
    columns = [later, earlier, edges.equal, edges.listed, edges.links, found.by_sketch, found.similarity]
    write_whole(cross_uri(work, slot, other), pa.table(columns, schema=_CROSS))
    return {"comparisons": found.comparisons}


def settle_slot(item: Mapping[str, Any], work: str, folder: str, scheme: Scheme, placement: Placement, limits: Limits) -> dict[str, Any]:
    """Decides the documents of a slot, and puts down what removes them.

    Args:
        item: ``{"slot", "first", "earlier", "chunk"}``: as for ``comparison.compare_slot``, and the number under which the
            similarities that texts gave are written.
        work: Of the run.
        folder: Of the crowded tasks.
        scheme: Of the run.
        placement: Of the documents.
        limits: When to give up.
    """
    slot, first = item["slot"], item["first"]
    found_rows = load_rows(f"{folder}/rows", work, [slot], scheme, len(placement.mappers))
    status, sure = starting_status(found_rows.node, placement), np.zeros(len(found_rows.node), bool)
    cross = [read_partition(cross_uri(work, slot, earlier), 0) for earlier in item["earlier"]]
    for table in cross:
        removing = table.filter(pc.invert(table["listed"]))
        status[removing["later"].to_numpy() - first] = KNOWN | REMOVED
        sure[removing.filter(removing["by_sketch"])["later"].to_numpy() - first] = True
    sets = _sets_of(folder, [slot], scheme, len(status))
    found = _settle(found_rows, status, sure, sets, scheme, limits, among=True)
    over, _ = add_up(work, item, found_rows, found.work, limits.bucket)
    if found.stopped >= 0 or over:
        _give_up(over or int(found_rows.buckets.hashes[found.stopped]), work, scheme, placement, limits)
    write_whole(nodes_uri(work, slot), pa.table([found_rows.node, found_rows.tie, found_rows.shingles, status], schema=NODES))
    edges = edges_in_order(found.edges, first, cross, {"by_sketch": found.by_sketch, "similarity": found.similarity})
    by_texts = np.flatnonzero(~edges["by_sketch"])
    edges["chunk"] = np.where(edges["by_sketch"], -1, 0).astype(np.int32)
    write_whole(compared_uri(work, slot), pa.table([edges[name] for name in EDGES.names], schema=EDGES))
    write_whole(exact_uri(work, item["chunk"]), pa.table([by_texts, edges["similarity"][by_texts]], schema=EXACT_SCHEMA))
    return {"comparisons": found.comparisons, "grey": len(by_texts), "without_text": int(np.isnan(edges["similarity"][by_texts]).sum())}


def _sets_of(folder: str, slots: Sequence[int], scheme: Scheme, count: int) -> Sets:
    needed = scheme.measure.accept > scheme.measure.reject + 1
    return _read_sets(folder, slots if needed else [], count)


def _settle(found: Rows, status: np.ndarray, sure: np.ndarray, sets: Sets, scheme: Scheme, limits: Limits, *, among: bool) -> Settled:
    equal = np.arange(8 * scheme.size + 1)
    enough = int(np.argmax(scheme.similarity(equal) >= scheme.threshold))
    return settle(
        found.sketches, found.buckets, found.hot, status, sure, sets, scheme.measure, scheme.threshold, enough, among=among,
        bucket_limit=limits.bucket,
    )  # fmt: skip


# --- giving up ----------------------------------------------------------------------------------------------------------


def _give_up(bucket: int, work: str, scheme: Scheme, placement: Placement, limits: Limits) -> None:
    """Fails with the numbers of a bucket that costs more than is allowed: those of the whole dataset, not of a window."""
    hot = read_hot(work)
    at = int(np.searchsorted(hot["hash"].to_numpy(), np.uint64(bucket)))
    known = at < len(hot) and hot["hash"][at].as_py() == bucket
    members = hot["members"][at].as_py() if known else 0
    size = f"{members:,} documents" if known else "documents"
    raise ConfigError(
        f"a bucket of {size} that are alike but not similar enough costs more than {limits.bucket:,} comparisons"
        + (f", up to {members * (members - 1) // 2:,}" if known else ""),
        where=f"documents {', '.join(_members(bucket, work, scheme, placement))}, …",
        expected=f"at most {limits.bucket:,} comparisons with documents that stay, in all of its windows (bucket_comparisons)",
        remedy="remove the boilerplate that they share, raise `bucket_comparisons`, or set `on_hot_bucket: exact` to pay for it",
    )


def _members(bucket: int, work: str, scheme: Scheme, placement: Placement) -> list[str]:
    """Identities of the first documents of a bucket."""
    found: list[str] = []
    for mapper in placement.mappers:
        for table in read_signatures(work, mapper, ["doc_id", *band_names(scheme.bands)]):
            here = np.zeros(len(table), bool)
            for name in band_names(scheme.bands):
                here |= table[name].to_numpy() == np.uint64(bucket)
            found += table["doc_id"].filter(pa.array(here)).to_pylist()
            if len(found) >= _NAMED:
                return found[:_NAMED]
    return found
