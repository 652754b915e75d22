"""Brings what is compared of a document to the task that compares it.

A *slot* is a task, or a window of ranks of a task whose component is too large for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.dedup.buckets import read_partition
from curation_tasks.dedup.components import LABELS, labels_uri
from curation_tasks.dedup.partitions import PartitionWriter, split
from curation_tasks.dedup.signatures import Scheme, band_names, read_signatures

#: The columns of a rank, the first one first.
RANK = ("order", "key", "tie", "node")
_RANKS = pa.schema([("order", pa.int64()), ("key", pa.uint64()), ("tie", pa.uint64()), ("node", pa.uint64()), ("shingles", pa.int64())])


@dataclass(frozen=True)
class Slots:
    """Where each document of a component goes.

    Attributes:
        bases: First task of each partition of labels.
        windows: Number of windows of each task; documents of a task without one go nowhere.
        cuts: Task of several windows → the rank at which each but the first window begins.
        first: Number of the first slot.
    """

    bases: Sequence[int]
    windows: Sequence[int]
    cuts: Mapping[int, Sequence[Sequence[int]]]
    first: int = 0

    def first_slots(self) -> np.ndarray:
        """int64, shape (tasks + 1,): the first slot of each task."""
        return self.first + np.concatenate([[0], np.cumsum(self.windows)]).astype(np.int64)


def _labels(work: str, mapper: int, bases: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(nodes, components, tasks)`` of a mapper's documents in components, by node."""
    tables = [read_partition(labels_uri(work, partition), mapper) for partition in range(len(bases))]
    tasks = [table["task"].to_numpy() + base for table, base in zip(tables, bases, strict=True)]
    nodes, components = (np.concatenate([table[name].to_numpy() for table in tables]) for name in LABELS.names[:2])
    order = np.argsort(nodes)
    return nodes[order], components[order], np.concatenate(tasks)[order]


def _labelled(
    work: str, mapper: Mapping[str, Any], columns: Sequence[str], bases: Sequence[int], wanted: np.ndarray
) -> Iterator[tuple[pa.Table, np.ndarray, np.ndarray]]:
    """The signatures of documents in components of wanted tasks, with component and task.

    Args:
        work: Of the run.
        mapper: Of the placement.
        columns: Of the signatures.
        bases: As for ``Slots``.
        wanted: bool, shape (tasks,).
    """
    nodes, components, tasks = _labels(work, mapper["mapper"], bases)
    chosen = wanted[tasks]
    nodes, components, tasks = nodes[chosen], components[chosen], tasks[chosen]
    if not len(nodes):
        return
    for table in read_signatures(work, mapper, columns):
        at = np.minimum(np.searchsorted(nodes, table["node"].to_numpy()), len(nodes) - 1)
        found = nodes[at] == table["node"].to_numpy()
        if found.any():
            yield table.filter(pa.array(found)), components[at[found]], tasks[at[found]]


def _ranks_uri(folder: str, mapper: int) -> str:
    return f"{folder}/ranks/{mapper:05}.parquet"


def write_ranks(mapper: Mapping[str, Any], folder: str, work: str, bases: Sequence[int], wanted: Sequence[bool]) -> dict[str, Any]:
    """Writes the ranks of the documents of wanted tasks into a folder, by task."""
    with PartitionWriter(_ranks_uri(folder, mapper["mapper"]), _RANKS, compress=False) as writer:
        for table, _, tasks in _labelled(work, mapper, ["key", "tie", "shingles"], bases, np.array(wanted, bool)):
            order = np.full(len(table), mapper["order"])
            ranks = pa.table([order, *(table[name] for name in _RANKS.names[1:])], schema=_RANKS)
            for task, chosen in split(tasks):
                writer.write(task, ranks.take(pa.array(chosen)))
    return {}


def cut_ranks(task: Mapping[str, int], folder: str, mappers: int) -> dict[str, Any]:
    """Cuts a task into windows of ranks.

    Args:
        task: ``{"task"}`` with ``"windows"``: their number, all of as many documents; or with ``"most_rows"``, ``"most_bytes"``,
            ``"row_bytes"`` and ``"shingle_bytes"``: what a window may hold of documents that cost so much, at least one.
        folder: Of ``write_ranks``.
        mappers: Their number.

    Returns:
        ``{"cuts", "bounds"}``: the rank at which each window but the first begins; and shape (windows + 1,), the number of
        documents before each window.
    """
    tables = [read_partition(_ranks_uri(folder, mapper), task["task"]) for mapper in range(mappers)]
    columns = [np.concatenate([table[name].to_numpy() for table in tables]) for name in _RANKS.names]
    order = np.lexsort(tuple(reversed(columns[: len(RANK)])))
    if "windows" in task:
        bounds = np.arange(task["windows"] + 1, dtype=np.int64) * len(order) // task["windows"]
    else:
        costs = np.cumsum(task["row_bytes"] + task["shingle_bytes"] * columns[-1][order])
        bounds = _bounds_within(costs, task["most_rows"], task["most_bytes"])
    cuts = [[int(column[order[start]]) for column in columns[: len(RANK)]] for start in bounds[1:-1]]
    return {"cuts": cuts, "bounds": bounds.tolist()}


def _bounds_within(costs: np.ndarray, most_rows: int, most_bytes: int) -> np.ndarray:
    """int64: where windows begin that hold no more than they may, and the end; ``costs`` are sums up to each document."""
    bounds = [0]
    while bounds[-1] < len(costs):
        first = bounds[-1]
        before = int(costs[first - 1]) if first else 0
        end = int(np.searchsorted(costs, before + most_bytes, side="right"))
        bounds.append(max(first + 1, min(end, first + most_rows)))
    return np.array(bounds, np.int64)


def rows_schema(scheme: Scheme) -> pa.Schema:
    bands = [(name, pa.uint64()) for name in band_names(scheme.bands)]
    return pa.schema([("component", pa.uint64()), *_RANKS, ("sketch", pa.binary(scheme.size)), *bands])


def rows_uri(folder: str, mapper: int) -> str:
    return f"{folder}/{mapper:05}.parquet"


def write_rows(mapper: Mapping[str, Any], folder: str, work: str, scheme: Scheme, slots: Slots, run_bytes: int) -> dict[str, Any]:
    """Writes what is compared of a mapper's documents into a folder, by slot."""
    schema, first_slots = rows_schema(scheme), slots.first_slots()
    rows = 0
    with PartitionWriter(rows_uri(folder, mapper["mapper"]), schema, compress=False) as writer:
        pending: list[pa.Table] = []
        places: list[np.ndarray] = []

        def flush() -> None:
            run = pa.concat_tables(pending)
            for slot, chosen in split(np.concatenate(places)):
                writer.write(slot, run.take(pa.array(chosen)))
            pending.clear()
            places.clear()

        columns = [name for name in schema.names if name not in ("component", "order")]
        for table, components, tasks in _labelled(work, mapper, columns, slots.bases, np.array(slots.windows) > 0):
            table = table.append_column("component", pa.array(components)).append_column(
                "order", pa.array(np.full(len(table), mapper["order"]))
            )
            pending.append(table.select(schema.names))
            places.append(first_slots[tasks] + _windows(table, tasks, slots.cuts))
            rows += len(table)
            if sum(part.nbytes for part in pending) >= run_bytes:
                flush()
        if pending:
            flush()
    return {"rows": rows}


def _windows(table: pa.Table, tasks: np.ndarray, cuts: Mapping[int, Sequence[Sequence[int]]]) -> np.ndarray:
    windows = np.zeros(len(table), np.int64)
    for task, starts in cuts.items():
        rows = np.flatnonzero(tasks == task)
        if len(rows):
            columns = [table[name].to_numpy()[rows] for name in RANK]
            for start in starts:
                windows[rows] += _at_least(columns, start)
    return windows


def _at_least(columns: Sequence[np.ndarray], rank: Sequence[int]) -> np.ndarray:
    """Whether each row's rank is at least ``rank``."""
    result = np.ones(len(columns[0]), bool)
    for column, value in reversed(list(zip(columns, rank, strict=True))):
        result = (column > column.dtype.type(value)) | ((column == column.dtype.type(value)) & result)
    return result
