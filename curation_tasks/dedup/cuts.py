"""What a shard loses by repeated units: documents that become too short, and spans of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.dedup.key_index import HASHES, write_kept
from curation_tasks.dedup.partitions import PartitionFile, PartitionWriter, open_partitions, split
from curation_tasks.dedup.placement import found_in
from curation_tasks.dedup.places import LENGTHS, Places, read_places
from curation_tasks.dedup.rank import ROW_BITS, ROW_MASK
from curation_tasks.dedup.rounds import Verdicts, open_verdicts, survivors_uri, too_short
from curation_tasks.schema import CUT_FIELDS, DECISION_FIELDS, arrow_type
from curation_tasks.storage.filesystem import open_output
from curation_tasks.storage.shard import read_shard

TOO_SHORT = "too_short_after_cuts"

_ROWS = 65_536
_DECISIONS = pa.schema([(name, arrow_type(kind)) for name, kind in DECISION_FIELDS.items()])
_CUTS = pa.schema([(name, arrow_type(kind)) for name, kind in CUT_FIELDS.items()])


def write_decisions(
    item: Mapping[str, Any], work: str, partitions: int, limits: Mapping[str, int], rounds: int, reason: str
) -> dict[str, Any]:
    """Writes, for each of some shards, the documents that go and the spans to cut from those that stay; "" where there are none."""
    uris, cuts = [], []
    with ExitStack() as stack:
        verdicts = open_verdicts(stack, work, partitions, rounds)
        survivors = [stack.enter_context(open_partitions(survivors_uri(work, partition))) for partition in range(partitions)]
        for shard in item["shards"]:
            number = shard["ordinal"]
            places = read_places(work, number)
            rows, left = too_short(places, Verdicts(verdicts, number), limits)
            uris.append(_write(f"{work}/decisions/{number:06}.parquet", _rejections(rows, left, limits)))
            cuts.append(_write(f"{work}/cuts/{number:06}.parquet", _spans(places, survivors, number, limits["span"], reason)))
    return {"uris": uris, "cuts": cuts}


def _rejections(rows: np.ndarray, left: np.ndarray, limits: Mapping[str, int]) -> pa.Table:
    columns = {name: pa.nulls(len(rows), field.type) for name, field in zip(_DECISIONS.names, _DECISIONS, strict=True)}
    columns |= {"row": pa.array(rows, pa.int64()), "reason": pa.array([TOO_SHORT] * len(rows), pa.string())}
    columns["value"] = pa.array(left, pa.float64())
    columns["threshold"] = pa.array(np.full(len(rows), float(limits["min_document_characters"])))
    return pa.table(columns, schema=_DECISIONS)


def _spans(places: Places, files: Sequence[PartitionFile], shard: int, span: int, reason: str) -> pa.Table:
    """One span for each unit that is cut, with the document in which the first item stays that has it."""
    found = pa.concat_tables([file.read(file.groups(shard)) for file in files]).combine_chunks()
    row, unit = (found[name].to_numpy().astype(np.int64) for name in ("row", "unit"))
    units, items = places.covered(row, unit, span)
    return pa.table(
        {
            "row": places.row[units],
            "start": _starts(places, units),
            "end": places.end[units],
            "reason": pa.array([reason] * len(units), pa.string()),
            "survivor": found["survivor"].take(pa.array(items)),
            "survivor_snapshot": found["survivor_snapshot"].take(pa.array(items)),
        }
    ).cast(_CUTS)


def _starts(places: Places, units: np.ndarray) -> np.ndarray:
    """Where the spans begin. At the end of a text the white space before what is cut goes too: it parts nothing any more."""
    starts = places.start[units].copy()
    if not len(units):
        return starts
    # A run is neighbouring units of one document; only its first unit has something before it that stays.
    first = np.ones(len(units), bool)
    first[1:] = (units[1:] != units[:-1] + 1) | (places.row[units[1:]] != places.row[units[:-1]])
    last_of_run = np.append(np.flatnonzero(first)[1:], len(units)) - 1
    last_unit = units[last_of_run]
    following = np.minimum(last_unit + 1, len(places.row) - 1)
    reaches_end = (last_unit == len(places.row) - 1) | (places.row[following] != places.row[last_unit])
    begins = np.flatnonzero(first)[reaches_end]
    before = units[begins] - 1
    inside = (before >= 0) & (places.row[before] == places.row[units[begins]])
    starts[begins[inside]] = places.content_end[before[inside]]
    return starts


def _write(uri: str, table: pa.Table) -> str:
    if not len(table):
        return ""
    with open_output(uri) as file:
        pq.write_table(table, file, compression="zstd", row_group_size=_ROWS)
    return uri


# --- what an index lists ------------------------------------------------------------------------------------------------


def items_uri(work: str, mapper: int) -> str:
    return f"{work}/items/{mapper:05}.parquet"


def write_indexed(
    item: Mapping[str, Any], work: str, partitions: int, limits: Mapping[str, int], rounds: int, run_bytes: int
) -> dict[str, Any]:
    """Writes the items that stay in the kept documents of some shards, by partition, with whose they are.

    The items are read once for so many shards as ``run_bytes`` can hold what is known of, at least one.
    """
    rows = 0
    with ExitStack() as stack:
        verdicts = open_verdicts(stack, work, partitions, rounds)
        source = stack.enter_context(open_partitions(items_uri(work, item["mapper"])))
        writer = stack.enter_context(PartitionWriter(f"{work}/indexed/{item['mapper']:05}.parquet", HASHES))
        for stays in _staying(item["shards"], work, verdicts, limits, run_bytes):
            for partition in range(partitions):
                table = source.read(source.groups(partition), ["high", "low", "address", "unit"])
                for shard, at in split((table["address"].to_numpy() >> ROW_BITS).astype(np.int64)):
                    if shard in stays:
                        chosen = stays[shard].of(table.take(pa.array(at)))
                        writer.write(partition, chosen)
                        rows += len(chosen)
    return {"rows": rows}


def _staying(
    shards: Sequence[Mapping[str, Any]], work: str, verdicts: Sequence[Sequence[PartitionFile]], limits: Mapping[str, int], run_bytes: int
) -> Iterator[dict[int, _Staying]]:
    """What stays of some shards, by ordinal, as many at a time as fit."""
    stays: dict[int, _Staying] = {}
    held = 0
    for shard in shards:
        found = Verdicts(verdicts, shard["ordinal"])
        rejected, _ = too_short(read_places(work, shard["ordinal"], LENGTHS), found, limits)
        doc_ids = pa.chunked_array([batch.column("doc_id") for batch in read_shard(shard["uri"], ["doc_id"])], pa.string())
        cut = np.sort(found.row[found.cut] << 32 | found.unit[found.cut])
        stays[shard["ordinal"]] = _Staying(rejected, cut, doc_ids)
        held += doc_ids.nbytes + cut.nbytes + rejected.nbytes
        if held >= run_bytes:
            yield stays
            stays, held = {}, 0
    if stays:
        yield stays


@dataclass(frozen=True)
class _Staying:
    """Of one shard: rejected rows and cut items (row << 32 | unit), ascending, and the identities of all rows."""

    rejected: np.ndarray
    cut: np.ndarray
    doc_ids: pa.ChunkedArray

    def of(self, items: pa.Table) -> pa.Table:
        row, unit = (items["address"].to_numpy() & ROW_MASK).astype(np.int64), items["unit"].to_numpy().astype(np.int64)
        stays = ~found_in(row, self.rejected) & ~found_in(row << 32 | unit, self.cut)
        items = items.filter(pa.array(stays))
        return pa.table([items["high"], items["low"], self.doc_ids.take(pa.array(row[stays]))], schema=HASHES)


def gather_indexed(partition: int, work: str, mappers: int) -> dict[str, Any]:
    """Brings the items of a partition that stay in the order of their hashes. Each is there once: of equal ones one stays."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(f"{work}/indexed/{mapper:05}.parquet")) for mapper in range(mappers)]
        table = pa.concat_tables([HASHES.empty_table(), *(file.read(file.groups(partition)) for file in files)])
    write_kept(work, partition, table.sort_by([("high", "ascending"), ("low", "ascending")]))
    return {"rows": len(table)}
