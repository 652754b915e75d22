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
_RANKS = pa.schema([("order", pa.int64()), ("key", pa.uint64()), ("tie", pa.uint64()), ("node", pa.uint64())])


@dataclass(frozen=True)
class Slots:
    """Where each document of a component goes.

    Attributes:
        bases: First task of each partition of labels.
        tasks: ``{"rows", "windows"}`` of all tasks.
        cuts: Task of several windows → the rank at which each but the first window begins.
    """

    bases: Sequence[int]
    tasks: Sequence[Mapping[str, int]]
    cuts: Mapping[int, Sequence[Sequence[int]]]

    def first_slots(self) -> np.ndarray:
        """int64, shape (tasks + 1,): number of windows before each task."""
        return np.concatenate([[0], np.cumsum([task["windows"] for task in self.tasks])]).astype(np.int64)


def _labels(work: str, mapper: int, bases: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(nodes, components, tasks)`` of a mapper's documents in components, by node."""
    tables = [read_partition(labels_uri(work, partition), mapper) for partition in range(len(bases))]
    tasks = [table["task"].to_numpy() + base for table, base in zip(tables, bases, strict=True)]
    nodes, components = (np.concatenate([table[name].to_numpy() for table in tables]) for name in LABELS.names[:2])
    order = np.argsort(nodes)
    return nodes[order], components[order], np.concatenate(tasks)[order]


def _labelled(
    work: str, mapper: Mapping[str, Any], columns: Sequence[str], bases: Sequence[int]
) -> Iterator[tuple[pa.Table, np.ndarray, np.ndarray]]:
    """The signatures of documents in components, with component and task."""
    nodes, components, tasks = _labels(work, mapper["mapper"], bases)
    if not len(nodes):
        return
    for table in read_signatures(work, mapper, columns):
        at = np.minimum(np.searchsorted(nodes, table["node"].to_numpy()), len(nodes) - 1)
        found = nodes[at] == table["node"].to_numpy()
        if found.any():
            yield table.filter(pa.array(found)), components[at[found]], tasks[at[found]]


def write_ranks(mapper: Mapping[str, Any], work: str, bases: Sequence[int], large: Sequence[int]) -> dict[str, Any]:
    """Writes the ranks of the documents of large components, by task."""
    with PartitionWriter(f"{work}/ranks/{mapper['mapper']:05}.parquet", _RANKS, compress=False) as writer:
        for table, _, tasks in _labelled(work, mapper, ["key", "tie"], bases):
            order = np.full(len(table), mapper["order"])
            ranks = pa.table([order, table["key"], table["tie"], table["node"]], schema=_RANKS)
            for task, chosen in split(tasks):
                if task in large:
                    writer.write(task, ranks.take(pa.array(chosen)))
    return {}


def cut_ranks(task: Mapping[str, int], work: str, mappers: int) -> dict[str, Any]:
    """The ranks at which the windows of a large component begin."""
    tables = [read_partition(f"{work}/ranks/{mapper:05}.parquet", task["task"]) for mapper in range(mappers)]
    columns = [np.concatenate([table[name].to_numpy() for table in tables]) for name in RANK]
    order = np.lexsort(tuple(reversed(columns)))
    starts = order[window_bounds(len(order), task["windows"])[1:-1]]
    return {"cuts": [[int(column[start]) for column in columns] for start in starts]}


def window_bounds(rows: int, windows: int) -> np.ndarray:
    """int64, shape (windows + 1,): where each window of ranks begins."""
    return np.arange(windows + 1, dtype=np.int64) * rows // windows


def rows_schema(scheme: Scheme) -> pa.Schema:
    bands = [(name, pa.uint64()) for name in band_names(scheme.bands)]
    return pa.schema([("component", pa.uint64()), *_RANKS, ("shingles", pa.int64()), ("sketch", pa.binary(scheme.size)), *bands])


def rows_uri(work: str, mapper: int) -> str:
    return f"{work}/rows/{mapper:05}.parquet"


def write_rows(mapper: Mapping[str, Any], work: str, scheme: Scheme, slots: Slots, run_bytes: int) -> dict[str, Any]:
    """Writes what is compared of a mapper's documents, by slot."""
    schema, first_slots = rows_schema(scheme), slots.first_slots()
    rows = 0
    with PartitionWriter(rows_uri(work, mapper["mapper"]), schema, compress=False) as writer:
        pending: list[pa.Table] = []
        places: list[np.ndarray] = []

        def flush() -> None:
            run = pa.concat_tables(pending)
            for slot, chosen in split(np.concatenate(places)):
                writer.write(slot, run.take(pa.array(chosen)))
            pending.clear()
            places.clear()

        for table, components, tasks in _labelled(
            work, mapper, [name for name in schema.names if name not in ("component", "order")], slots.bases
        ):
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
