"""Repeated sentences and paragraphs: what stands in several documents stays in the best of them and is cut from the others.

An *item* is what is compared: a paragraph, or so many neighbouring sentences. Of equal items the first by (rank of the
document, place in it) stays; all others are cut, also in the same document. A document that becomes too short is rejected,
and then keeps nothing for others: what they have in common with it stays with the next one. So every piece of text that is
cut from a kept document still stands in a kept document. That is what one pass over the documents in the order of rank
would do; here it is reached by rounds:

1. ``items``: the shards' items become 128-bit hashes, cut by hash into partitions; places of all units are noted by shard.
2. ``groups``: a partition's items that occur more than once, by rank, and a first verdict on each.
3. Rounds: ``rejections`` looks which documents of each shard are too short by the verdicts, and tells the partitions that
   change; ``verdicts`` revises them and tells the shards. They end when nothing changes: a document's fate depends on
   better ones only, so after each round at least the best undecided one is settled for good.
4. ``wanted``, ``names``, ``survivors``: the identities of the documents in which the cut pieces stay.
5. ``decisions``: what each shard loses: documents, and spans of text.
6. ``indexed``, ``kept``, ``index``: where one is wanted, the items that stay in kept documents.

What an earlier index has is cut everywhere: its documents rank before all others and stay.

Memory of a task: a partition of items (``_ITEM_BYTES`` each), or the places of the units of one shard.

Source:
    Raffel et al. 2020 (C4), section 2.2: three-sentence spans; Wenzek et al. 2020 (CCNet), section 3.1: paragraphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.catalog import ParagraphsParameters, RepeatedUnits, SentencesParameters
from curation_tasks.dedup.cuts import gather_indexed, items_uri, write_decisions, write_indexed
from curation_tasks.dedup.grouping import grouped
from curation_tasks.dedup.key_index import claimed, commit_index, index_partitions, open_indexes, write_partition
from curation_tasks.dedup.partitions import PartitionWriter, mapper_items, open_partitions, partition_of, runs, settled, split
from curation_tasks.dedup.places import UNIT_OPTIONS, UNITS, units_uri
from curation_tasks.dedup.rank import addresses, policy_keys, ties
from curation_tasks.dedup.rounds import (
    REPEATED,
    find_rejections,
    first_verdicts,
    name_survivors,
    name_wanted,
    repeated_uri,
    revise,
    want_names,
)
from curation_tasks.kernels import text_units, unit_comparison
from curation_tasks.kernels.characters import unicode_version
from curation_tasks.manifest import Dataset, Decisions
from curation_tasks.parts import check_uses, place_of
from curation_tasks.storage.filesystem import open_output
from curation_tasks.storage.shard import read_shard

#: A mapper writes what it has gathered when it holds this share of a task's memory; sorting it by partition doubles it.
_RUN_SHARE = 8
#: What grouping holds for an item: hash, address, unit (28), rank (16), their sorted copies and orders (60).
_ITEM_BYTES = 120
#: Bytes of text for each unit, at least, when partitions are counted before any text was read.
_UNIT_TEXT_BYTES = 40
#: Raised when the same parameters give other hashes: indexes of another version cannot be compared.
_INDEX_VERSION = 1

_ITEMS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("address", pa.uint64()), ("unit", pa.uint32())])
_RANKED = pa.schema([*_ITEMS, ("key", pa.uint64()), ("tie", pa.uint64())])


def sentences(dataset: Dataset, parameters: SentencesParameters, context: ReductionContext) -> Decisions:
    """Cuts each run of ``span`` sentences that stands at a better place too. See ``repeated``."""
    return repeated(dataset, parameters, context, "repeated_sentences")


def paragraphs(dataset: Dataset, parameters: ParagraphsParameters, context: ReductionContext) -> Decisions:
    """Cuts each paragraph that stands at a better place too. See ``repeated``."""
    return repeated(dataset, parameters, context, "repeated_paragraph")


def repeated(dataset: Dataset, parameters: RepeatedUnits, context: ReductionContext, reason: str) -> Decisions:
    """Cuts what is repeated, and rejects what becomes too short.

    Args:
        dataset: With the columns ``doc_id``, ``text`` and that of the policy.
        parameters: Of the reduction.
        context: Of the stage.
        reason: Of the cuts.

    Returns:
        Decisions with the reason ``too_short_after_cuts`` (``value``: characters that would be left), and spans to cut with
        the ``doc_id`` of the document in which they stay. Counters: ``repeated`` (items that occur more than once),
        ``most_repeated`` (occurrences of the most frequent one), ``rounds``.

    Raises:
        ConfigError: The policy's column is missing or cannot be ranked.
    """
    check_uses(parameters.uses(), dataset.schema, place_of(context.stage))
    indexes = open_indexes(context.earlier, identity(parameters, reason))
    mappers = mapper_items(dataset)
    expected = sum(shard.text_bytes for shard in dataset.shards) // _UNIT_TEXT_BYTES
    # Each partition of an index is made of whole partitions of the run.
    indexed = index_partitions(expected)
    wanted = context.partitions_for(expected * _ITEM_BYTES)
    [layout] = context.map("layout", settled, [{"partitions": indexed * -(-wanted // indexed) if context.index else wanted}])
    numbers = list(range(layout["partitions"]))
    kind, given, work = type(parameters).__name__, parameters.model_dump(mode="json"), context.work
    of_partitions, of_mappers = (work, len(mappers)), (work, len(numbers), kind, given)

    context.map("items", write_items, mappers, *of_mappers, context.memory_per_task // _RUN_SHARE)
    groups = context.map("groups", group_items, numbers, *of_partitions, _is_ranked(parameters), indexes)
    rounds = 0
    while True:
        rounds += 1
        found = context.map(f"rejections-{rounds}", find_rejections, mappers, work, len(numbers), _limits(parameters), rounds)
        if not sum(item["changed"] for item in found):
            break
        context.map(f"verdicts-{rounds}", revise, numbers, *of_partitions, rounds)
    context.map("wanted", want_names, numbers, *of_partitions, rounds)
    context.map("names", name_wanted, mappers, work, len(numbers))
    context.map("survivors", name_survivors, numbers, *of_partitions, rounds)
    decided = context.map("decisions", write_decisions, mappers, work, len(numbers), _limits(parameters), rounds, reason)
    index = None
    if context.index:
        run_bytes = context.memory_per_task // _RUN_SHARE
        context.map("indexed", write_indexed, mappers, work, len(numbers), _limits(parameters), rounds, run_bytes)
        context.map("kept", gather_indexed, numbers, *of_partitions)
        step = (work, context.index, len(numbers) // indexed)
        index = commit_index(
            context.index, identity(parameters, reason), context.map("index", write_partition, list(range(indexed)), *step)
        )
    return Decisions(
        uris=[uri for mapper in decided for uri in mapper["uris"]],
        cuts=[uri for mapper in decided for uri in mapper["cuts"]],
        counters={
            "repeated": sum(group["repeated"] for group in groups),
            "most_repeated": max((group["most_repeated"] for group in groups), default=0),
            "rounds": rounds,
        },
        index=index,
    )


def identity(parameters: RepeatedUnits, reason: str) -> dict[str, Any]:
    """What decides whether the items of two datasets can be compared."""
    return {
        "reduction": reason, "version": _INDEX_VERSION, "unicode": unicode_version(), "normalization": list(parameters.normalization),
        "span": parameters.units_in_span, "min_characters": parameters.min_characters,
    }  # fmt: skip


def _limits(parameters: RepeatedUnits) -> dict[str, int]:
    return {"span": parameters.units_in_span, "min_document_characters": parameters.min_document_characters}


def _is_ranked(parameters: RepeatedUnits) -> bool:
    return parameters.keep.policy != "first"


# Step 1: items


def write_items(item: dict[str, Any], work: str, partitions: int, kind: str, given: dict[str, Any], run_bytes: int) -> dict[str, Any]:
    """Hashes the items of some shards into one file of partitions, and notes the places of all units, one file a shard.

    Within a partition of the file, items are in the order of their addresses and places.
    """
    parameters = {model.__name__: model for model in (SentencesParameters, ParagraphsParameters)}[kind].model_validate(given)
    items = 0
    schema = _RANKED if _is_ranked(parameters) else _ITEMS
    with PartitionWriter(items_uri(work, item["mapper"]), schema, hashes=("high", "low", "tie")) as writer:
        for run in runs(_items(item["shards"], work, parameters), run_bytes):
            for partition, chosen in split(partition_of(run["high"].to_numpy(), partitions)):
                writer.write(partition, run if len(chosen) == len(run) else run.take(pa.array(chosen)))
            items += len(run)
    return {"items": items}


def _items(shards: Sequence[dict[str, Any]], work: str, parameters: RepeatedUnits) -> Iterator[pa.Table]:
    divide = text_units.sentences if isinstance(parameters, SentencesParameters) else text_units.paragraphs
    columns = parameters.reads()
    for shard in shards:
        first_row = 0
        with open_output(units_uri(work, shard["ordinal"])) as file, pq.ParquetWriter(file, UNITS, **UNIT_OPTIONS) as places:
            for batch in read_shard(shard["uri"], columns):
                texts = batch.column("text")
                units = divide(texts)
                rows = units.row + first_row
                places.write_table(
                    pa.table([rows, units.start, units.content_end, units.end, units.characters], names=UNITS.names).cast(UNITS)
                )
                address = addresses(shard["ordinal"], first_row, len(batch))
                first, hashes = _spans(*unit_comparison.unit_hashes(texts, units, parameters.normalization), units.row, parameters)
                of_row = units.row[first]
                begin = np.concatenate([[0], np.cumsum(np.bincount(units.row, minlength=len(batch)))])
                place = first - begin[of_row]
                table = {"high": hashes[:, 0], "low": hashes[:, 1], "address": address[of_row], "unit": place}
                if _is_ranked(parameters):
                    key, tie = policy_keys(batch, parameters.keep, address), ties(batch.column("doc_id"))
                    table |= {"key": key[of_row], "tie": tie[of_row]}
                yield pa.table(table)
                first_row += len(batch)


def _spans(hashes: np.ndarray, characters: np.ndarray, row: np.ndarray, parameters: RepeatedUnits) -> tuple[np.ndarray, np.ndarray]:
    """The items of some units.

    Args:
        hashes: uint64, shape (units, 2).
        characters: int64, shape (units,): of each as it is compared.
        row: int64, shape (units,): the text of each, ascending.
        parameters: Of the reduction.

    Returns:
        ``(first, hashes)``: int64, shape (items,): the first unit of each; uint64, shape (items, 2). The hash of a single unit is
        its XXH3-128, that of several the XXH3-128 of theirs side by side, so that no text has to be put together.
    """
    span = parameters.units_in_span
    before = np.concatenate([[0], np.cumsum(characters)])
    first = np.arange(max(0, len(row) - span + 1))
    together = (row[first] == row[first + span - 1]) & (before[first + span] - before[first] >= parameters.min_characters)
    first = first[together]
    return first, hashes[first] if span == 1 else unit_comparison.span_hashes(hashes, first, span)


# Step 2: groups


def group_items(partition: int, work: str, mappers: int, ranked: bool, indexes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Finds the items of a partition that occur more than once, or in an earlier index, and gives a first verdict on each.

    It is the verdict as if no document were rejected.
    """
    names = _RANKED.names if ranked else _ITEMS.names
    with ExitStack() as stack:
        files = [stack.enter_context(open_partitions(items_uri(work, mapper))) for mapper in range(mappers)]
        tables = [file.read(file.groups(partition), names) for file in files]
    high, low, address, unit, *rank = (np.concatenate([t[name].to_numpy() for t in tables] or [np.zeros(0, np.uint64)]) for name in names)
    del tables
    order = np.lexsort((unit, address, rank[1], rank[0])) if ranked else None  # else they are in the order of their places
    best, members, group = grouped(high, low, order)
    owner, owners = claimed(high[best], low[best], indexes)
    sizes = np.bincount(group, minlength=len(best))
    several = (sizes > 1) | (owner >= 0)
    members = members[several[group]]
    sizes, owner = sizes[several], owner[several]
    group = np.repeat(np.arange(len(sizes)), sizes)
    of_group = owners.take(pa.array(owner, mask=owner < 0)).take(pa.array(group))
    columns = {"group": group, "address": address[members], "unit": unit[members]}
    columns |= {"earlier": of_group["doc_id"], "earlier_snapshot": of_group["snapshot"]}
    found = pa.table(columns).cast(REPEATED)
    with open_output(repeated_uri(work, partition)) as file:
        pq.write_table(found, file, compression="zstd")
    first_verdicts(partition, work, found)
    return {"repeated": len(sizes), "most_repeated": int(sizes.max(initial=0))}
