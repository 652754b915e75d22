"""Identical documents, and the buckets in which similar ones meet.

``identical``: documents with equal fingerprints are one node, that of the best rank; the others need no comparison.
``bands`` and ``edges``: a shuffle of (band hash, node) by hash, a slice of the bands at a time. A bucket leaves a star: an
edge from its first member to each other. That is enough to know which documents may meet (``components``).

Memory of a task: ``_FINGERPRINT_BYTES`` or ``_BAND_BYTES`` a row of its partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.dedup.index_files import IndexPart, read_range
from curation_tasks.dedup.partitions import PartitionWriter, open_partitions, partition_of, split
from curation_tasks.dedup.placement import Placement, found_in
from curation_tasks.dedup.signatures import Scheme, band_names, fingerprints_uri, read_signatures

#: What a reducer holds for a row: the columns, their sorted copies, and the order.
FINGERPRINT_BYTES, BAND_BYTES = 2 * 48 + 16, 2 * 16 + 16

TWINS = pa.schema([("first", pa.uint64()), ("node", pa.uint64()), ("tie", pa.uint64())])
_BANDS = pa.schema([("hash", pa.uint64()), ("node", pa.uint64())])
_HOT = pa.schema([("hash", pa.uint64()), ("members", pa.int64())])
_EDGES = pa.schema([("first", pa.uint64()), ("node", pa.uint64())])


def twins_uri(work: str, partition: int, by: str) -> str:
    """``by``: the end of a pair whose mapper is the partition of the file, ``node`` or ``first``."""
    return f"{work}/twins-by-{by}/{partition:05}.parquet"


def group_identical(partition: int, work: str, placement: Placement, partitions: int, indexed: Sequence[IndexPart]) -> dict[str, Any]:
    """Groups the documents of a partition by fingerprint; all but the best of a group are its twins."""
    tables = [read_partition(fingerprints_uri(work, mapper["mapper"]), partition) for mapper in placement.mappers[: placement.own]]
    own = {name: _column(tables, name) for name in ("high", "low", "shingles", "key", "tie", "node")}
    earlier = [read_range(part, "fingerprints", partition, partitions, own["high"], placement) for part in indexed]
    orders = [np.full(len(table), part.order) for part, table in zip(indexed, earlier, strict=True)]
    columns = {name: np.concatenate([*(table[name].to_numpy() for table in earlier), own[name]]) for name in own}
    columns["order"] = np.concatenate([*orders, np.full(len(own["node"]), placement.order)])
    by_rank = np.lexsort([columns[name] for name in ("node", "tie", "key", "order", "shingles", "low", "high")])
    columns = {name: values[by_rank] for name, values in columns.items()}
    begins = np.ones(len(by_rank), bool)
    begins[1:] = np.any([columns[name][1:] != columns[name][:-1] for name in ("high", "low", "shingles")], axis=0)
    first = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    twins = np.flatnonzero(~begins & placement.is_own(columns["node"]))
    table = pa.table([columns["node"][first[twins]], columns["node"][twins], columns["tie"][first[twins]]], schema=TWINS)
    for by in ("node", "first"):
        with PartitionWriter(twins_uri(work, partition, by), TWINS) as writer:
            for mapper, chosen in split(placement.mapper_of(table[by].to_numpy())):
                writer.write(mapper, table.take(pa.array(chosen)))
    largest = int(np.bincount(first[twins]).max()) + 1 if len(twins) else 0
    return {"twins": len(twins), "largest": largest}


def read_twins(work: str, mapper: int, partitions: int, by: str) -> pa.Table:
    """All twins that a mapper has, by the pair's ``node`` or ``first``."""
    return pa.concat_tables([read_partition(twins_uri(work, partition, by), mapper) for partition in range(partitions)])


def read_partition(uri: str, partition: int, columns: Sequence[str] | None = None) -> pa.Table:
    """A partition's rows in a file of partitions."""
    with open_partitions(uri) as file:
        return file.read(file.groups(partition), columns)


def write_whole(uri: str, table: pa.Table, *, compress: bool = True) -> None:
    """A table as a file of one partition."""
    with PartitionWriter(uri, table.schema, compress=compress) as writer:
        writer.write(0, table)


def _column(tables: Sequence[pa.Table], name: str) -> np.ndarray:
    return np.concatenate([table[name].to_numpy() for table in tables]) if tables else np.zeros(0, np.uint64)


# --- band hashes --------------------------------------------------------------------------------------------------------


def bands_folder(work: str, part: int) -> str:
    return f"{work}/bands/{part:03}"


def write_bands(
    mapper: Mapping[str, Any],
    work: str,
    scheme: Scheme,
    part: int,
    chosen: Sequence[int],
    partitions: int,
    twin_partitions: int,
    run_bytes: int,
) -> dict[str, Any]:
    """Writes (band hash, node) of a slice of the bands, by partition of the hash. Twins and empty documents have none."""
    names = [band_names(scheme.bands)[band] for band in chosen]
    twins = np.sort(read_twins(work, mapper["mapper"], twin_partitions, "node")["node"].to_numpy())
    rows = 0
    with PartitionWriter(f"{bands_folder(work, part)}/{mapper['mapper']:05}.parquet", _BANDS, compress=False) as writer:
        for hashes, nodes in _band_runs(work, mapper, names, twins, run_bytes):
            rows += len(nodes)
            for partition, positions in split(partition_of(hashes, partitions)):
                writer.write(partition, pa.table([hashes[positions], nodes[positions]], schema=_BANDS))
    return {"rows": rows}


def _band_runs(
    work: str, mapper: Mapping[str, Any], names: Sequence[str], twins: np.ndarray, run_bytes: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    pending: list[tuple[np.ndarray, np.ndarray]] = []
    size = 0
    for table in read_signatures(work, mapper, ["shingles", *names]):
        nodes = table["node"].to_numpy()
        used = (table["shingles"].to_numpy() > 0) & ~found_in(nodes, twins)
        pending += [(table[name].to_numpy()[used], nodes[used]) for name in names]
        size += 16 * int(used.sum()) * len(names)
        if size >= run_bytes:
            yield tuple(np.concatenate(columns) for columns in zip(*pending, strict=True))  # type: ignore[misc]
            pending, size = [], 0
    if size:
        yield tuple(np.concatenate(columns) for columns in zip(*pending, strict=True))  # type: ignore[misc]


def edges_uri(work: str, part: int, partition: int) -> str:
    return f"{work}/edges/{part:03}-{partition:05}.parquet"


def hot_uri(work: str) -> str:
    return f"{work}/hot.parquet"


def _hot_part_uri(work: str, part: int, partition: int) -> str:
    return f"{work}/hot/{part:03}-{partition:05}.parquet"


def write_edges(
    partition: int, work: str, part: int, placement: Placement, partitions: int, indexed: Sequence[IndexPart], hot_size: int
) -> dict[str, Any]:
    """The buckets of a partition of band hashes, each as a star. Buckets without a document of the dataset are left out."""
    uris = [f"{bands_folder(work, part)}/{mapper['mapper']:05}.parquet" for mapper in placement.mappers[: placement.own]]
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(uri)) for uri in uris]
        tables = [file.read(file.groups(partition)) for file in files]
    hashes, nodes = _column(tables, "hash"), _column(tables, "node")
    del tables
    earlier = [read_range(index, "bands", partition, partitions, hashes, placement) for index in indexed]
    if any(len(table) for table in earlier):
        hashes = np.concatenate([hashes, *(table["hash"].to_numpy() for table in earlier)])
        nodes = np.concatenate([nodes, *(table["node"].to_numpy() for table in earlier)])
    order = np.argsort(hashes)
    hashes = hashes[order]
    begins = np.ones(len(order), bool)
    begins[1:] = hashes[1:] != hashes[:-1]
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, len(order)))
    shared = np.repeat(sizes > 1, sizes)
    nodes, begins = nodes[order][shared], begins[shared]
    del order
    hot = pa.table([hashes[starts[sizes > hot_size]], sizes[sizes > hot_size]], schema=_HOT)
    # Which member is the centre of the star is of no consequence: the component is the same.
    centres = np.repeat(nodes[begins], sizes[sizes > 1])
    table = pa.table([centres[~begins], nodes[~begins]], schema=_EDGES)
    write_whole(edges_uri(work, part, partition), table, compress=False)
    write_whole(_hot_part_uri(work, part, partition), hot)
    return {"edges": len(table), "buckets": int((sizes > 1).sum()), "largest": int(sizes.max()) if len(sizes) else 0}


def read_edges(work: str, part: int, partition: int) -> tuple[np.ndarray, np.ndarray]:
    """``(first, node)`` of the stars of a partition."""
    table = read_partition(edges_uri(work, part, partition), 0)
    return table["first"].to_numpy(), table["node"].to_numpy()


def gather_hot(item: int, work: str, files: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """All hot buckets in one file, by ascending hash."""
    hot = pa.concat_tables([read_partition(_hot_part_uri(work, *file), 0) for file in files]).sort_by("hash")
    write_whole(hot_uri(work), hot)
    return {"buckets": len(hot)}


def read_hot(work: str) -> pa.Table:
    """All hot buckets, by ascending hash, with their number of members."""
    return read_partition(hot_uri(work), 0)
