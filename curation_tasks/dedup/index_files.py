"""The index of near-duplicate detection: signatures of kept documents, and their hashes sorted so that a range can be read.

    documents/{mapper}.parquet       signatures of kept documents, in the order of their nodes
    bands/{partition}.parquet        (hash, node) of all band hashes, by hash
    fingerprints/{partition}.parquet fingerprints, by their high half

A partition holds a range of hashes; row groups are small, so that a reader with few hashes skips most of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup.partitions import PartitionWriter, open_partitions, partition_of, split
from curation_tasks.dedup.placement import Placement, found_in
from curation_tasks.dedup.rank import ROW_BITS
from curation_tasks.dedup.row_groups import row_groups_near
from curation_tasks.dedup.signatures import (
    FINGERPRINTS,
    Scheme,
    band_names,
    read_signatures,
    signature_schema,
    signature_writer,
)
from curation_tasks.errors import InputError
from curation_tasks.index import hashed, read_index, require_comparable
from curation_tasks.storage.filesystem import open_input, open_output
from curation_tasks.storage.shard import CanonicalHash, one_batch

_BANDS = pa.schema([("hash", pa.uint64()), ("node", pa.uint64())])
_SCHEMAS = {"bands": _BANDS, "fingerprints": FINGERPRINTS}
_ROW_GROUP = 65_536


@dataclass(frozen=True)
class IndexPart:
    """An earlier index as the steps of a run see it.

    Attributes:
        snapshot: Its name, for errors.
        uri: Its folder.
        order: Its rank among the indexes.
        base: Ordinal that its first shard has in the placement.
        bands: Paths of its files of band hashes, by partition.
        fingerprints: Paths of its files of fingerprints, by partition.
    """

    snapshot: str
    uri: str
    order: int
    base: int
    bands: tuple[str, ...]
    fingerprints: tuple[str, ...]


def open_indexes(
    earlier: Sequence[EarlierIndex], scheme: Scheme, shards: int, mappers: int
) -> tuple[list[IndexPart], list[dict[str, Any]]]:
    """Reads what earlier indexes say of themselves.

    Args:
        earlier: In the order of their rank.
        scheme: Of the run; theirs must be the same.
        shards: Number of shards of the dataset.
        mappers: Number of its mappers.

    Returns:
        The indexes, and their mappers for the placement.

    Raises:
        ConfigError: An index was made with other parameters.
        InputError: An index is missing, or one of its files is not named.
    """
    parts: list[IndexPart] = []
    more: list[dict[str, Any]] = []
    base = shards
    for order, given in enumerate(earlier):
        index = read_index(given.uri)
        require_comparable(index, given.snapshot, scheme.identity())
        if index.digest != given.digest:
            raise InputError(
                f"the index of {given.snapshot} changed since this run was resolved",
                where=given.uri,
                expected=f"digest {given.digest}",
                remedy="run `resolve` again, so that the run compares with what is there now",
            )
        files: dict[str, list[Mapping[str, Any]]] = {"documents": [], "bands": [], "fingerprints": []}
        for file in index.files:
            files[file["kind"]].append(file)
        places = {place["path"]: place["shards"] for place in index.places}
        first = base
        for file in files["documents"]:
            rows = [{"ordinal": base + k, "rows": count} for k, count in enumerate(file["shards"])]
            uris = places.get(file["path"], [""] * len(rows))
            more.append({
                "mapper": mappers + len(more), "order": order, "snapshot": given.snapshot, "base": first,
                "signatures": f"{given.uri}/{file['path']}",
                "shards": [row | {"uri": uri} for row, uri in zip(rows, uris, strict=True)],
            })  # fmt: skip
            base += len(rows)
        paths = {kind: tuple(file["path"] for file in files[kind]) for kind in ("bands", "fingerprints")}
        parts.append(IndexPart(given.snapshot, given.uri, order, first, **paths))
    return parts, more


def find_erased(mapper: Mapping[str, Any], work: str, erased: Sequence[str]) -> dict[str, Any]:
    """The nodes of erased identities in a file of an index."""
    found: list[int] = []
    wanted = pa.array(erased, pa.string())
    for table in read_signatures(work, mapper, ["doc_id"]):
        found += table["node"].filter(pc.is_in(table["doc_id"], value_set=wanted)).to_pylist()
    return {"nodes": found}


def read_range(part: IndexPart, kind: str, partition: int, partitions: int, hashes: np.ndarray, placement: Placement) -> pa.Table:
    """The rows of an index whose hash is among ``hashes``, which are those of one partition of the run.

    Args:
        part: The index.
        kind: ``bands`` or ``fingerprints``.
        partition: Of the run.
        partitions: Their number.
        hashes: uint64, in any order.
        placement: For what is erased.

    Raises:
        InputError: A file of the index is missing or damaged.
    """
    schema = _SCHEMAS[kind]
    paths = part.bands if kind == "bands" else part.fingerprints
    wanted = np.unique(hashes)
    found = [schema.empty_table()]
    if len(wanted) and paths:
        low, high = (-(-(number << 32) // partitions) for number in (partition, partition + 1))
        for place in range((low * len(paths)) >> 32, ((high - 1) * len(paths) >> 32) + 1):
            found += _matching(f"{part.uri}/{paths[place]}", schema, wanted, part.snapshot)
    table = pa.concat_tables(found)
    nodes = table["node"].to_numpy() + (np.uint64(part.base) << ROW_BITS)
    table = table.set_column(table.schema.get_field_index("node"), "node", pa.array(nodes, pa.uint64()))
    return table.filter(pa.array(~found_in(nodes, placement.erased))) if len(placement.erased) else table


def _matching(uri: str, schema: pa.Schema, wanted: np.ndarray, snapshot: str) -> list[pa.Table]:
    near = row_groups_near(uri, wanted, snapshot)
    return [table.filter(pa.array(found_in(table.column(0).to_numpy(), wanted))).cast(schema) for table in near]


# --- writing ------------------------------------------------------------------------------------------------------------


def write_documents(mapper: Mapping[str, Any], work: str, scheme: Scheme, index: str, removed_uris: Sequence[str]) -> dict[str, Any]:
    """Writes the signatures of the documents of a mapper that stay."""
    removed = _removed(mapper, removed_uris)
    path = f"documents/{mapper['mapper']:05}.parquet"
    digest, rows = CanonicalHash(), 0
    with signature_writer(f"{index}/{path}", scheme) as writer:
        for table in read_signatures(work, mapper, signature_schema(scheme).names):
            kept = table.filter(pa.array(~found_in(table["node"].to_numpy(), removed)))
            if len(kept):
                writer.write_table(kept, row_group_size=len(kept))
                digest.update(hashed(kept))
                rows += len(kept)
    shards = [shard["rows"] for shard in mapper["shards"]]
    return {
        "kind": "documents",
        "path": path,
        "rows": rows,
        "hash": digest.hexdigest(),
        "bytes": _size(f"{index}/{path}"),
        "shards": shards,
    }


def _removed(mapper: Mapping[str, Any], removed_uris: Sequence[str]) -> np.ndarray:
    found = []
    for uri in removed_uris:
        with open_partitions(uri) as file:
            found.append(file.read(file.groups(mapper["mapper"]), ["node"])["node"].to_numpy())
    return np.sort(np.concatenate(found)) if found else np.zeros(0, np.uint64)


def shuffle_hashes(
    mapper: Mapping[str, Any], work: str, scheme: Scheme, index: str, kind: str, first: int, last: int, partitions: int
) -> dict[str, Any]:
    """Writes the hashes of a mapper's kept documents that belong to the partitions ``first`` … ``last`` − 1."""
    names = band_names(scheme.bands) if kind == "bands" else ["high"]
    kept = dict(mapper) | {"signatures": f"{index}/documents/{mapper['mapper']:05}.parquet"}
    with PartitionWriter(_shuffled_uri(work, kind, mapper["mapper"]), _SCHEMAS[kind], compress=False) as writer:
        for table in read_signatures(work, kept, FINGERPRINTS.names if kind == "fingerprints" else names):
            table = table.filter(pc.greater(table["shingles"], 0)) if kind == "fingerprints" else table
            for name in names:
                places = partition_of(table[name].to_numpy(), partitions)
                rows = (
                    table.select(FINGERPRINTS.names)
                    if kind == "fingerprints"
                    else table.select([name, "node"]).rename_columns(_BANDS.names)
                )
                for partition, chosen in split(places):
                    if first <= partition < last:
                        writer.write(partition, rows.take(pa.array(chosen)))
    return {}


def _shuffled_uri(work: str, kind: str, mapper: int) -> str:
    return f"{shuffled_folder(work, kind)}/{mapper:05}.parquet"


def shuffled_folder(work: str, kind: str) -> str:
    return f"{work}/index-{kind}"


def sort_hashes(partition: int, work: str, index: str, kind: str, mappers: int) -> dict[str, Any]:
    """Writes a partition of an index, sorted by hash and node."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(_shuffled_uri(work, kind, mapper))) for mapper in range(mappers)]
        table = pa.concat_tables([file.read(file.groups(partition)) for file in files])
    path = f"{kind}/{partition:05}.parquet"
    name = table.schema.names[0]
    table = table.take(pa.array(np.lexsort((table["node"].to_numpy(), table[name].to_numpy()))))
    digest = CanonicalHash()
    digest.update(one_batch(table))
    with open_output(f"{index}/{path}") as file:
        # Sorted hashes differ by little: their differences take half of the bytes.
        encodings = {column.name: "DELTA_BINARY_PACKED" if column.name == name else "PLAIN" for column in table.schema}
        pq.write_table(table, file, row_group_size=_ROW_GROUP, compression="zstd", use_dictionary=False, column_encoding=encodings)
    return {"kind": kind, "path": path, "rows": len(table), "hash": digest.hexdigest(), "bytes": _size(f"{index}/{path}")}


def _size(uri: str) -> int:
    with open_input(uri) as file:
        return file.seek(0, 2)
