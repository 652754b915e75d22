"""Rounds of verdicts: which occurrences of repeated items are cut, and which documents become too short by it.

Partitions know the items, shards know the documents. They tell each other what changed, by files:

    repeated/{partition}              occurrences of repeated items, group by group, in the order of rank; ``earlier`` names the
                                      document of an earlier index that has the item too
    verdicts-{round}/{partition}      by shard: occurrences whose verdict is new, and what it is
    rejections-{round}/{mapper}       by partition: occurrences in documents whose rejection is new, and what it is

An occurrence is cut when a better one of its group is in a document that is not rejected, or in its own document; or when a
document of an earlier index has it, which is better than all and never rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.dedup.partitions import PartitionFile, PartitionWriter, open_partitions, split
from curation_tasks.dedup.places import LENGTHS, Places, read_places
from curation_tasks.dedup.rank import ROW_BITS, ROW_MASK
from curation_tasks.storage.filesystem import open_input
from curation_tasks.storage.shard import read_shard

REPEATED = pa.schema(
    [("group", pa.uint32()), ("address", pa.uint64()), ("unit", pa.uint32()), ("earlier", pa.string()), ("earlier_snapshot", pa.string())]
)
_VERDICTS = pa.schema([("row", pa.uint32()), ("unit", pa.uint32()), ("position", pa.uint32()), ("cut", pa.bool_())])
_REJECTIONS = pa.schema([("position", pa.uint32()), ("rejected", pa.bool_())])
_WANTED = pa.schema([("address", pa.uint64())])
_NAMES = pa.schema([("address", pa.uint64()), ("doc_id", pa.string())])
_SURVIVORS = pa.schema([("row", pa.uint32()), ("unit", pa.uint32()), ("survivor", pa.string()), ("survivor_snapshot", pa.string())])


def repeated_uri(work: str, partition: int) -> str:
    return f"{work}/repeated/{partition:05}.parquet"


def _verdicts_uri(work: str, number: int, partition: int) -> str:
    return f"{work}/verdicts-{number}/{partition:05}.parquet"


def _rejections_uri(work: str, number: int, mapper: int) -> str:
    return f"{work}/rejections-{number}/{mapper:05}.parquet"


def survivors_uri(work: str, partition: int) -> str:
    return f"{work}/survivors/{partition:05}.parquet"


# --- partitions ---------------------------------------------------------------------------------------------------------


def cut_by(group: np.ndarray, address: np.ndarray, rejected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The verdict on each occurrence.

    Args:
        group: Shape (occurrences,), ascending; occurrences of a group in the order of rank.
        address: Of the documents.
        rejected: bool: whether the document of each is rejected.

    Returns:
        ``(cut, keeper)``: bool; and int64, the position of the best occurrence of its group whose document is not rejected, or
        the number of occurrences where there is none.
    """
    positions = np.arange(len(group))
    begins = np.flatnonzero(np.diff(group, prepend=-1 if len(group) else 0)) if len(group) else positions
    of_group = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(group))))
    candidates = np.where(rejected, len(group), positions)
    keeper = np.minimum.reduceat(candidates, begins)[of_group] if len(group) else positions
    again = np.zeros(len(group), bool)
    again[1:] = (of_group[1:] == of_group[:-1]) & (address[1:] == address[:-1])
    return again | (keeper < positions), keeper


def first_verdicts(partition: int, work: str, found: pa.Table) -> None:
    """The verdicts of round 0, as if no document were rejected. All occurrences are told, so that shards know their positions."""
    group, address = found["group"].to_numpy().astype(np.int64), found["address"].to_numpy()
    cut, _ = cut_by(group, address, np.zeros(len(group), bool))
    _write_verdicts(partition, work, 0, found, np.arange(len(group)), cut | _is_earlier(found))


def _is_earlier(found: pa.Table) -> np.ndarray:
    """bool, shape (occurrences,): whether an earlier index has the item."""
    return found["earlier"].is_valid().to_numpy()


def revise(partition: int, work: str, mappers: int, number: int) -> dict[str, Any]:
    """Tells the shards which verdicts are new because documents were rejected, or are no longer, in this round."""
    found = pq.read_table(open_input(repeated_uri(work, partition)))
    group, address = found["group"].to_numpy().astype(np.int64), found["address"].to_numpy()
    before, now = (cut_by(group, address, _rejected(partition, work, mappers, last, len(group)))[0] for last in (number - 1, number))
    changed = np.flatnonzero((before != now) & ~_is_earlier(found))
    _write_verdicts(partition, work, number, found, changed, now)
    return {"changed": len(changed)}


def _rejected(partition: int, work: str, mappers: int, last: int, occurrences: int) -> np.ndarray:
    """bool, shape (occurrences,): whether the document of each is rejected after a round."""
    rejected = np.zeros(occurrences, bool)
    for number in range(1, last + 1):
        for mapper in range(mappers):
            with open_partitions(_rejections_uri(work, number, mapper)) as file:
                if groups := file.groups(partition):
                    table = file.read(groups)
                    rejected[table["position"].to_numpy()] = table["rejected"].to_numpy()
    return rejected


def _write_verdicts(partition: int, work: str, number: int, found: pa.Table, chosen: np.ndarray, cut: np.ndarray) -> None:
    address, unit = found["address"].to_numpy()[chosen], found["unit"].to_numpy()[chosen]
    with PartitionWriter(_verdicts_uri(work, number, partition), _VERDICTS) as writer:
        for shard, at in split((address >> ROW_BITS).astype(np.int64)):
            table = {"row": address[at] & ROW_MASK, "unit": unit[at], "position": chosen[at], "cut": cut[chosen[at]]}
            writer.write(shard, pa.table(table))


# --- shards -------------------------------------------------------------------------------------------------------------


class Verdicts:
    """The verdicts on the items of one shard after some round.

    Attributes:
        row: int64: document of each item.
        unit: int64: place of its first unit in the document.
        cut: bool.
        partition: int64: where the item is known.
        position: int64: by which number.
    """

    def __init__(self, files: Sequence[Sequence[PartitionFile]], shard: int):
        told = [[_told(file, shard) for file in of_round] for of_round in files]
        # Round 0 tells of all items of the shard, by ascending position; the others of those that are judged anew.
        first = told[0] if told else []
        columns = {name: [table[name].to_numpy().astype(np.int64) for table in first] for name in ("row", "unit", "position")}
        cut = [table["cut"].to_numpy(zero_copy_only=False).copy() for table in first]
        for of_round in told[1:]:
            for number, table in enumerate(of_round):
                if len(table):
                    cut[number][np.searchsorted(columns["position"][number], table["position"].to_numpy())] = table["cut"].to_numpy(
                        zero_copy_only=False
                    )
        self.row, self.unit, self.position = (_joined(columns[name], np.int64) for name in ("row", "unit", "position"))
        self.cut = _joined(cut, bool)
        self.partition = np.repeat(np.arange(len(first)), [len(table) for table in first])


def _told(file: PartitionFile, shard: int) -> pa.Table:
    groups = file.groups(shard)
    return file.read(groups) if groups else _VERDICTS.empty_table()


def _joined(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *parts])


def too_short(places: Places, verdicts: Verdicts, limits: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The documents of a shard that lose so much that they become too short.

    Returns:
        ``(rows, characters)``: int64, ascending: the documents, and what would be left of each.
    """
    rows, left = places.left(verdicts.row[verdicts.cut], verdicts.unit[verdicts.cut], limits["span"])
    short = (left < limits["min_document_characters"]) | (left == 0)
    return rows[short], left[short]


def open_verdicts(stack: ExitStack, work: str, partitions: int, rounds: int) -> list[list[PartitionFile]]:
    """The files of verdicts of the rounds 0 … ``rounds`` − 1."""
    return [
        [stack.enter_context(open_partitions(_verdicts_uri(work, number, partition))) for partition in range(partitions)]
        for number in range(rounds)
    ]


def find_rejections(item: Mapping[str, Any], work: str, partitions: int, limits: Mapping[str, int], number: int) -> dict[str, Any]:
    """Tells the partitions which documents of some shards are rejected by now, and were not before, or the other way."""
    changed = 0
    with ExitStack() as stack, PartitionWriter(_rejections_uri(work, number, item["mapper"]), _REJECTIONS) as writer:
        files = open_verdicts(stack, work, partitions, number)
        for shard in item["shards"]:
            if not any(file.groups(shard["ordinal"]) for file in files[-1]):
                continue  # nothing is new
            places = read_places(work, shard["ordinal"], LENGTHS)
            now = Verdicts(files, shard["ordinal"])
            rejected = _flags(too_short(places, now, limits)[0], places.rows)
            news = rejected.copy()
            if number > 1:
                news ^= _flags(too_short(places, Verdicts(files[:-1], shard["ordinal"]), limits)[0], places.rows)
            told = np.flatnonzero(news[now.row])
            for partition, chosen in split(now.partition[told]):
                at = told[chosen]
                writer.write(partition, pa.table({"position": now.position[at], "rejected": rejected[now.row[at]]}))
            changed += int(news.sum())
    return {"changed": changed}


def _flags(rows: np.ndarray, count: int) -> np.ndarray:
    """bool, shape (count,): whether each row is one of ``rows``."""
    found = np.zeros(count, bool)
    found[rows] = True
    return found


# --- names of survivors -------------------------------------------------------------------------------------------------


def _cut_items(partition: int, work: str, mappers: int, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, pa.Table]:
    """What is cut: from documents that stay, and what was taken off those that became too short by it.

    Returns:
        ``(address, unit, survivor, earlier)``: where it is cut; the address of the document in which it stays, or the same one
        where it only repeats what stands before in a document that is rejected; and as ``earlier`` and ``earlier_snapshot``
        identity and snapshot of that document where it is one of an earlier index, else null.
    """
    found = pq.read_table(open_input(repeated_uri(work, partition)))
    group, address = found["group"].to_numpy().astype(np.int64), found["address"].to_numpy()
    rejected = _rejected(partition, work, mappers, rounds - 1, len(group))
    cut, keeper = cut_by(group, address, rejected)
    cut |= _is_earlier(found)
    survivor = address[np.minimum(keeper, np.arange(len(group)))][cut]
    return address[cut], found["unit"].to_numpy()[cut], survivor, found.select(["earlier", "earlier_snapshot"]).filter(pa.array(cut))


def want_names(partition: int, work: str, mappers: int, rounds: int) -> dict[str, Any]:
    """Asks the shards for the identities of the documents in which cut pieces stay."""
    _, _, survivor, earlier = _cut_items(partition, work, mappers, rounds)
    wanted = np.unique(survivor[earlier["earlier"].is_null().to_numpy()])
    with PartitionWriter(f"{work}/wanted/{partition:05}.parquet", _WANTED) as writer:
        for shard, chosen in split((wanted >> ROW_BITS).astype(np.int64)):
            writer.write(shard, pa.table({"address": wanted[chosen]}))
    return {}


def name_wanted(item: Mapping[str, Any], work: str, partitions: int) -> dict[str, Any]:
    """Answers with the identities of the wanted documents of some shards."""
    with ExitStack() as stack, PartitionWriter(f"{work}/names/{item['mapper']:05}.parquet", _NAMES) as writer:
        files = [stack.enter_context(open_partitions(f"{work}/wanted/{partition:05}.parquet")) for partition in range(partitions)]
        for shard in item["shards"]:
            asked = {number: file.groups(shard["ordinal"]) for number, file in enumerate(files)}
            wanted = {number: files[number].read(groups)["address"].to_numpy() for number, groups in asked.items() if groups}
            first_row = 0
            for batch in read_shard(shard["uri"], ["doc_id"]) if wanted else ():
                for partition, address in wanted.items():
                    rows = (address & ROW_MASK).astype(np.int64) - first_row
                    here = (rows >= 0) & (rows < len(batch))
                    doc_ids = batch.column("doc_id").take(pa.array(rows[here]))
                    writer.write(partition, pa.table({"address": address[here], "doc_id": doc_ids}))
                first_row += len(batch)
    return {}


def name_survivors(partition: int, work: str, mappers: int, rounds: int) -> dict[str, Any]:
    """Tells the shards in which document each cut piece stays."""
    address, unit, survivor, earlier = _cut_items(partition, work, mappers, rounds)
    names = [_NAMES.empty_table()]
    for mapper in range(mappers):
        with open_partitions(f"{work}/names/{mapper:05}.parquet") as file:
            names.append(file.read(file.groups(partition)))
    known = pa.concat_tables(names).sort_by("address")
    at = np.searchsorted(known["address"].to_numpy(), survivor)
    doc_ids = pc.coalesce(earlier["earlier"], known["doc_id"].take(pa.array(at, mask=earlier["earlier"].is_valid().to_numpy())))
    with PartitionWriter(survivors_uri(work, partition), _SURVIVORS) as writer:
        for shard, chosen in split((address >> ROW_BITS).astype(np.int64)):
            places = pa.array(chosen)
            table = {"row": address[chosen] & ROW_MASK, "unit": unit[chosen], "survivor": doc_ids.take(places)}
            writer.write(shard, pa.table(table | {"survivor_snapshot": earlier["earlier_snapshot"].take(places)}))
    return {}
