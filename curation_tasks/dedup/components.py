"""Components: which documents may meet at all, so that each task can decide its own without asking another.

The stars of the buckets (``buckets``) are joined to components, in one of two ways that give the same:

- ``union_find``: one task, compiled, ``_UNION_BYTES`` a document.
- ``stars``: large-star and small-star rounds over files (Kiveris et al., Connected components in MapReduce and beyond,
  SoCC 2014), for more documents than fit one task. Each round takes O(1) of memory a row of a partition; the number of
  rounds grows with the logarithm of the size.

Components are packed into tasks of at most ``component_rows`` documents. A larger one is cut into windows of ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.context import TaskMap
from curation_tasks.dedup.buckets import read_edges, read_partition
from curation_tasks.dedup.partitions import PartitionWriter, partition_of, split
from curation_tasks.dedup.placement import Placement, nodes_at, positions
from curation_tasks.kernels.shingles import mixed
from curation_tasks.kernels.union_find import components, settle

#: Parents and sizes of all documents, and what finding and ordering the components takes.
UNION_BYTES = 40
#: What a star task holds for a document: some seven edges of 16 bytes in both directions, and their sorted copies.
STAR_BYTES = 400
#: Documents of a task, at least: below, more tasks cost more than they bring.
_LEAST_ROWS = 65_536
#: A task gets about this part of all documents, so that there is work for many workers.
_TASKS = 16

LABELS = pa.schema([("node", pa.uint64()), ("component", pa.uint64()), ("task", pa.int64())])
_PAIRS = pa.schema([("key", pa.uint64()), ("other", pa.uint64())])

EdgeFiles = Sequence[tuple[int, int]]


def labels_uri(work: str, partition: int) -> str:
    return f"{work}/labels/{partition:05}.parquet"


def find_components(
    run: TaskMap, work: str, edges: EdgeFiles, placement: Placement, component_rows: int, partitions: int
) -> list[dict[str, Any]]:
    """Joins all edges, and packs the components into tasks.

    Args:
        run: ``context.map``.
        work: ``context.work``.
        edges: ``(part, partition)`` of the files of edges.
        placement: Of the documents.
        component_rows: At most so many documents in a task.
        partitions: 1: ``union_find``; more: ``stars`` over so many partitions.

    Returns:
        The results of the step that wrote the labels, one for each partition: ``{"tasks": [{"rows", "windows"}], "components",
        "largest"}``. Labels of partition p number their tasks from 0: those of the partitions before it come first.
    """
    if partitions == 1:
        return run("components", union_find, [0], work, list(edges), placement, component_rows)
    final = _stars(run, work, edges, partitions)
    return run("components", label_stars, list(range(partitions)), work, final, placement, component_rows, partitions)


def union_find(item: int, work: str, edges: EdgeFiles, placement: Placement, component_rows: int) -> dict[str, Any]:
    """Components in one task."""
    bounds = placement.bounds()
    parents = np.arange(bounds[-1])
    for part, partition in edges:
        first, node = read_edges(work, part, partition)
        components(positions(first, bounds), positions(node, bounds), parents)
    settle(parents)
    sizes = np.bincount(parents, minlength=len(parents)) if len(parents) else np.zeros(0, np.int64)
    members = np.flatnonzero(sizes[parents] > 1)
    roots = parents[members]
    del parents
    return _write_labels(item, work, nodes_at(members, bounds), nodes_at(roots, bounds), placement, component_rows)


def _write_labels(
    partition: int, work: str, nodes: np.ndarray, roots: np.ndarray, placement: Placement, component_rows: int
) -> dict[str, Any]:
    found, of, sizes = np.unique(roots, return_inverse=True, return_counts=True)
    task_of, tasks = pack(sizes, component_rows)
    table = pa.table([nodes, roots, task_of[of]], schema=LABELS) if len(nodes) else LABELS.empty_table()
    with PartitionWriter(labels_uri(work, partition), LABELS) as writer:
        for mapper, chosen in split(placement.mapper_of(nodes)):
            writer.write(mapper, table.take(pa.array(chosen)))
    return {"tasks": tasks, "components": len(found), "largest": int(sizes.max()) if len(sizes) else 0}


def pack(sizes: np.ndarray, component_rows: int) -> tuple[np.ndarray, list[dict[str, int]]]:
    """Packs components into tasks, the largest first.

    Args:
        sizes: int64, shape (components,): documents in each.
        component_rows: At most so many documents in a task; a larger component is a task of several windows.

    Returns:
        ``(task, tasks)``: int64, shape (components,), and ``{"rows", "windows"}`` of each task.
    """
    order = np.argsort(-sizes, kind="stable")
    ends = np.cumsum(sizes[order])
    target = min(component_rows, max(_LEAST_ROWS, int(sizes.sum()) // _TASKS))
    task_of = np.zeros(len(sizes), np.int64)
    tasks: list[dict[str, int]] = []
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + target, side="right")))
        task_of[order[start:end]] = len(tasks)
        rows = int(ends[end - 1]) - before
        # Half of the memory for a window, half for the documents of earlier windows that it is compared with.
        windows = 1 if rows <= component_rows else -(-rows // max(1, component_rows // 2))
        tasks.append({"rows": rows, "windows": windows})
        start = end
    return task_of, tasks


# --- stars --------------------------------------------------------------------------------------------------------------


def _stars(run: TaskMap, work: str, edges: EdgeFiles, partitions: int) -> str:
    """Rounds of large-star and small-star until nothing changes.

    Returns:
        The folder of the stars: each node with its centre, by partition of the node.
    """
    folder = f"{work}/stars"
    run("stars-start", spread_edges, list(edges), work, f"{folder}/start", partitions)
    sources = [f"{folder}/start/{part:03}-{partition:05}.parquet" for part, partition in edges]
    state, turn = None, 0
    while True:
        for name, step in (("large", large_star), ("small", small_star)):
            target = f"{folder}/{turn:03}-{name}"
            results = run(f"stars-{turn:03}-{name}", step, list(range(partitions)), sources, target, partitions)
            sources = [f"{target}/{partition:05}.parquet" for partition in range(partitions)]
        before, state = state, [[result["edges"] for result in results], [result["sum"] for result in results]]
        if state == before:
            return target
        turn += 1


def spread_edges(item: tuple[int, int], work: str, folder: str, partitions: int) -> dict[str, Any]:
    """Writes the edges of a file in both directions, by partition of their key."""
    part, partition = item
    first, node = read_edges(work, part, partition)
    return _write_pairs(f"{folder}/{part:03}-{partition:05}.parquet", _both(first, node), partitions)


def _both(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([left, right]), np.concatenate([right, left])


def _write_pairs(uri: str, pairs: tuple[np.ndarray, np.ndarray], partitions: int) -> dict[str, Any]:
    keys, others = pairs
    with PartitionWriter(uri, _PAIRS, compress=False) as writer:
        for partition, chosen in split(partition_of(mixed(keys), partitions)):
            writer.write(partition, pa.table([keys[chosen], others[chosen]], schema=_PAIRS))
    return {}


def _neighbours(sources: Sequence[str], partition: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct edges by key, and for each the smallest of the key and its neighbours."""
    tables = [read_partition(uri, partition) for uri in sources]
    keys, others = (np.concatenate([table[name].to_numpy() for table in tables]) for name in _PAIRS.names)
    order = np.lexsort((others, keys))
    keys, others = keys[order], others[order]
    fresh = np.ones(len(keys), bool)
    fresh[1:] = (keys[1:] != keys[:-1]) | (others[1:] != others[:-1])
    keys, others = keys[fresh], others[fresh]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
    smallest = np.minimum(others[starts], keys[starts])  # neighbours are sorted
    return keys, others, np.repeat(smallest, np.diff(np.append(starts, len(keys))))


def large_star(partition: int, sources: Sequence[str], target: str, partitions: int) -> dict[str, Any]:
    """Ties each neighbour that is larger than a node to the smallest of the node and its neighbours."""
    keys, others, smallest = _neighbours(sources, partition)
    larger = others > keys
    # Each edge is handed on by its larger end, which is what small-star needs.
    return _write_pairs(f"{target}/{partition:05}.parquet", (others[larger], smallest[larger]), partitions)


def small_star(partition: int, sources: Sequence[str], target: str, partitions: int) -> dict[str, Any]:
    """Ties a node and its smaller neighbours to the smallest of them."""
    keys, others, smallest = _neighbours(sources, partition)
    left, right = np.concatenate([others, keys]), np.concatenate([smallest, smallest])
    used = left != right
    left, right = left[used], right[used]
    _write_pairs(f"{target}/{partition:05}.parquet", _both(left, right), partitions)
    pairs = np.unique(np.stack([left, right], axis=1), axis=0) if len(left) else np.zeros((0, 2), np.uint64)
    return {"edges": len(pairs), "sum": int(mixed(mixed(pairs[:, 0]) + pairs[:, 1]).sum(dtype=np.uint64))}


def label_stars(partition: int, work: str, folder: str, placement: Placement, component_rows: int, partitions: int) -> dict[str, Any]:
    """The members of the stars whose centre is in a partition, centres included."""
    keys, others, _ = _neighbours([f"{folder}/{source:05}.parquet" for source in range(partitions)], partition)
    # A centre has its larger members as neighbours; members have their centre, which is smaller.
    centre = others > keys
    roots, members = keys[centre], others[centre]
    centres = np.unique(roots)
    return _write_labels(partition, work, np.concatenate([centres, members]), np.concatenate([centres, roots]), placement, component_rows)
