"""Near-duplicates: the steps that ``dedup.fuzzy`` and ``dedup.simhash`` share, each a map over the cluster joined by files.

| step | makes | module | bytes of a task |
|---|---|---|---|
| signatures | sketch, band hashes, fingerprint and rank of each document | signatures | 30 × longest row group of text, run |
| identical | documents of equal shingles become one node | buckets | 290 × rows of a partition |
| bands, edges | buckets of equal band hashes as stars, a slice of the bands at a time | buckets | 4 × run; 90 × rows of a partition |
| components | which documents may meet, packed into tasks | components | 40 × documents, or 400 × those of a partition |
| rows, compare | what is compared, and its edges: kept, removed and open documents | rows, comparison | 3 × run; 1,600 × component_rows |
| texts, exact | pairs that sketches cannot decide | verification | run; 40 × shingles of a chunk |
| crowded | tasks in which there are too many such pairs | crowded | M ÷ 3 for each of two windows |
| decide | which documents stay | verification | 60 × documents of the component, 40 × edges |
| follow, name, decisions | decisions by shard | outcomes | 40 × removed documents of a mapper |
| index | what a later snapshot needs | index_files | 90 × 8 million |

Giant components are not gone through in rounds of all their documents, as one might, but in windows of ranks, each decided
before the next: a window has all that decides it before it, and no document is looked at twice.

What a task holds was measured, all copies included, and is no more than twice its memory M, which is what its share of a worker
is (``estimate``). Of M a partition gets M ÷ 4 by the size of its rows, a run that is gathered before it is written M ÷ 8, component_rows
M ÷ 3 ÷ 380, a chunk M ÷ 4. All files are Parquet. A slice of s bands of n documents takes 16·n·s bytes until its stars are
written; what stays until the stage commits is about 510 bytes a document, and 490 for each that shares a bucket.

The result is a function of the documents, their ranks and the parameters: not of partitions, tasks, windows, workers, or
what was killed and run again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from curation_tasks.context import ReductionContext
from curation_tasks.dedup import buckets, comparison, components, index_files, outcomes, rows, signatures, verification
from curation_tasks.dedup.crowded import Crowd
from curation_tasks.dedup.partitions import settled
from curation_tasks.dedup.placement import Placement, own_mappers
from curation_tasks.dedup.signatures import Scheme
from curation_tasks.index import Index, read_index, write_index
from curation_tasks.manifest import Dataset, Decisions
from curation_tasks.storage import filesystem

#: Temporary storage of a slice of the bands: beyond, the bands are shuffled in several slices, one after the other.
SLICE_BYTES = 100_000_000_000
#: A bucket of more members is hot: documents that stay are not compared with removed ones in it, only to link clusters.
HOT_BUCKET = 256
#: For evaluation: pairs of larger buckets are not listed.
LISTED_BUCKET = 1000
#: A document that is similar beyond doubt to so many open ones is taken to be removed; eight times as many at each new attempt.
FOLLOWS = 4
#: Comparisons of sketches in one task, beyond which it is cut into smaller windows: five to ten minutes.
TASK_COMPARISONS = 10**10
#: Hashes in a file of an index, about: sorting them takes 700 MB.
INDEX_PARTITION_ROWS = 2**23
#: A fingerprint takes as much memory as so many band hashes.
_FINGERPRINT_BANDS = 3
#: A mapper writes what it has gathered when it holds this share of a task's memory.
_RUN_SHARE = 8


def near_duplicates(
    dataset: Dataset, scheme: Scheme, context: ReductionContext, *, component_rows: int | None, bucket_limit: int
) -> Decisions:
    """Decides which near-duplicates stay.

    Args:
        dataset: With the columns ``doc_id``, ``scheme.column`` and those that ``scheme.keep`` reads.
        scheme: What is compared, and how.
        context: Of the stage.
        component_rows: Documents of a task; None: a third of its memory.
        bucket_limit: Comparisons of a bucket's documents with those of better rank that stay, in the whole dataset, beyond which
            to give up.
    """
    return _Run(dataset, scheme, context, component_rows, bucket_limit).decisions()


class _Run:
    """The steps in their order. What a step leaves is in files; here is only what the next one must be told."""

    def __init__(self, dataset: Dataset, scheme: Scheme, context: ReductionContext, component_rows: int | None, bucket_limit: int):
        self.scheme, self.context, self.work, self.map = scheme, context, context.work, context.map
        shards = [{"ordinal": ordinal, "uri": dataset.uri(shard), "rows": shard.rows} for ordinal, shard in enumerate(dataset.shards)]
        own = own_mappers(shards, len(context.earlier))
        self.indexed, more = index_files.open_indexes(context.earlier, scheme, len(shards), len(own))
        self.placement = Placement([*own, *more], len(own), self._erased(more))
        self.mappers, self.own = list(self.placement.mappers), own
        self.documents = dataset.rows
        [self.layout] = self.map("layout", settled, [self._layout(component_rows)])
        self.limits = comparison.Limits(
            bucket_limit, self.layout["edge_limit"], self.layout["task_comparisons"], FOLLOWS, self.layout["chunk_bytes"]
        )

    def _layout(self, component_rows: int | None) -> dict[str, Any]:
        """What follows from the memory of a task: settled once, for a retry may have other memory."""
        memory, bands = self.context.memory_per_task, self.scheme.bands
        slices = min(bands, max(1, -(-16 * self.documents * bands // SLICE_BYTES)))
        per_slice = -(-bands // slices)
        foreign = [shard["rows"] for mapper in self.mappers[len(self.own) :] for shard in mapper["shards"]]
        nodes = self.documents + sum(foreign)
        return {
            "fingerprint_partitions": self.context.partitions_for(self.documents * buckets.FINGERPRINT_BYTES),
            "slices": [list(range(first, min(bands, first + per_slice))) for first in range(0, bands, per_slice)],
            "band_partitions": self.context.partitions_for(self.documents * per_slice * buckets.BAND_BYTES),
            "label_partitions": 1 if nodes * components.UNION_BYTES <= memory else -(-nodes * components.STAR_BYTES // memory),
            "component_rows": component_rows or max(2, memory // 3 // comparison.ROW_BYTES),
            "run_bytes": memory // _RUN_SHARE,
            "edge_limit": max(1_000, memory // 128),
            "task_comparisons": TASK_COMPARISONS,
            "chunk_bytes": memory // 4,
            "memory": memory,
        }  # fmt: skip

    def _erased(self, foreign: Sequence[Mapping[str, Any]]) -> np.ndarray:
        found: list[int] = []
        for order, given in enumerate(self.context.earlier):
            if gone := list(read_index(given.uri).tombstones):
                items = [mapper for mapper in foreign if mapper["order"] == order]
                found += [
                    node
                    for result in self.map(f"erased-{order}", index_files.find_erased, items, self.work, gone)
                    for node in result["nodes"]
                ]
        return np.sort(np.array(found, np.uint64))

    def decisions(self) -> Decisions:
        layout, context = self.layout, self.context
        run, work, scheme, placement = self.map, self.work, self.scheme, self.placement
        run_bytes, groups = layout["run_bytes"], layout["fingerprint_partitions"]
        signed = run("signatures", signatures.write_signatures, self.own, work, scheme, groups, run_bytes, context.engine)
        twins = run("identical", buckets.group_identical, list(range(groups)), work, placement, groups, self.indexed)
        edges = self._edges()
        labelled = components.find_components(run, work, edges, placement, layout["component_rows"], layout["label_partitions"])
        tasks = self._rows(labelled)
        compared, checked = self._decide(tasks)
        followed = run("follow", outcomes.follow, self.mappers, work, placement, len(tasks), groups)
        run("name", outcomes.name_survivors, self.mappers, work, placement)
        decided = run("decisions", outcomes.write_decisions, self.own, work, len(self.mappers), scheme.reason)
        if scheme.list_pairs:
            run("pairs", outcomes.list_pairs, [0], work, scheme, placement, tasks, groups, context.folder)
        counters = {
            "removed": sum(result["removed"] for result in followed),
            "identical": sum(result["twins"] for result in twins),
            "without_shingles": sum(result["empty"] for result in signed),
            "largest_component": max((result["largest"] for result in labelled), default=0),
            "removed_without_text": sum(result["without_text"] for result in followed),
        }
        effort = {
            "comparisons": sum(result["comparisons"] for result in compared),
            "grey_pairs": sum(result.get("grey", 0) for result in compared),
            "grey_pairs_without_text": sum(result["without_text"] for result in checked),
            "largest_windows": max((len(task["slots"]) for task in tasks), default=0),
            "crowded_tasks": self.crowded,
        }
        context.logger.info("near-duplicates decided", **counters, **effort)
        index = self._index() if context.index else None
        return Decisions([uri for mapper in decided for uri in mapper["uris"]], counters, index, effort=effort)

    def _edges(self) -> list[tuple[int, int]]:
        layout, partitions = self.layout, self.layout["band_partitions"]
        for part, chosen in enumerate(layout["slices"]):
            self.map(
                f"bands-{part}", buckets.write_bands, self.own, self.work, self.scheme, part, chosen, partitions,
                layout["fingerprint_partitions"], layout["run_bytes"],
            )  # fmt: skip
            self.map(
                f"edges-{part}", buckets.write_edges, list(range(partitions)), self.work, part, self.placement, partitions, self.indexed,
                LISTED_BUCKET if self.scheme.list_pairs else HOT_BUCKET,
            )  # fmt: skip
            filesystem.delete(buckets.bands_folder(self.work, part), recursive=True)
        files = [(part, partition) for part in range(len(layout["slices"])) for partition in range(partitions)]
        self.map("hot", buckets.gather_hot, [0], self.work, files)
        return files

    def _rows(self, labelled: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Brings what is compared to its slots.

        Returns:
            ``{"task", "slots", "bounds"}`` of each task: its windows, and the number of documents before each.
        """
        sizes = [task for result in labelled for task in result["tasks"]]
        self.bases = np.cumsum([0, *(len(result["tasks"]) for result in labelled)])[:-1].tolist()
        found = self._cuts(sizes)
        windows = [size["windows"] for size in sizes]
        slots = rows.Slots(self.bases, windows, {task: cut["cuts"] for task, cut in found.items()})
        self.map("rows", rows.write_rows, self.mappers, f"{self.work}/rows", self.work, self.scheme, slots, self.layout["run_bytes"])
        first = slots.first_slots().tolist()
        return [
            {
                "task": task, "slots": list(range(first[task], first[task + 1])),
                "bounds": found[task]["bounds"] if task in found else [0, size["rows"]],
            }
            for task, size in enumerate(sizes)
        ]  # fmt: skip

    def _cuts(self, sizes: Sequence[Mapping[str, int]]) -> dict[int, dict[str, Any]]:
        """Cuts of the tasks of several windows."""
        wanted = [size["windows"] > 1 for size in sizes]
        if not any(wanted):
            return {}
        self.map("ranks", rows.write_ranks, self.mappers, self.work, self.work, self.bases, wanted)
        items = [{"task": task, "windows": size["windows"]} for task, size in enumerate(sizes) if size["windows"] > 1]
        found = self.map("cuts", rows.cut_ranks, items, self.work, len(self.mappers))
        return {item["task"]: cut for item, cut in zip(items, found, strict=True)}

    def _decide(self, tasks: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Compares and decides all tasks: those with orphans again, crowded ones with their texts at hand.

        Each task is told the numbers of its chunks, and a crowded one its new slots.

        Returns:
            The results of all comparisons of sketches, and of texts.
        """
        compared: list[dict[str, Any]] = []
        checked: list[dict[str, Any]] = []
        crowded: list[dict[str, Any]] = []
        left, attempt, chunk = list(tasks), 0, 0
        while left:
            limits = dataclasses.replace(self.limits, follows=FOLLOWS * 8**attempt)
            results, found, effort = self._compare(left, attempt, limits)
            compared, crowded = [*compared, *effort], [*crowded, *found]
            left = [task for task in left if task not in found]
            chunk, exact = self._verify(left, attempt, results, chunk)
            checked += exact
            decided = self.map(f"decide-{attempt}", verification.decide_task, left, self.work, self.scheme, self.placement)
            left = [task for task, result in zip(left, decided, strict=True) if result["orphans"]]
            attempt += 1
        self.crowded = len(crowded)
        if crowded:
            slots = 1 + max(slot for task in tasks for slot in task["slots"])
            crowd = Crowd(self.map, self.work, self.scheme, self.placement, self.limits, self.layout["memory"])
            effort = crowd.settle(crowded, self.bases, len(tasks), slots, chunk)
            self.map("crowded-decide", verification.decide_task, crowded, self.work, self.scheme, self.placement)
            compared, checked = [*compared, *effort], [*checked, *(result for result in effort if "without_text" in result)]
        return compared, checked

    def _compare(
        self, tasks: Sequence[dict[str, Any]], attempt: int, limits: comparison.Limits
    ) -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Compares tasks, window after window.

        Returns:
            Slot → its result; the tasks that are crowded; and the results of all comparisons.
        """
        results: dict[int, dict[str, Any]] = {}
        effort: list[dict[str, Any]] = []
        crowded: set[int] = set()
        arguments = (self.work, self.scheme, self.placement, limits)
        for window in range(max(len(task["slots"]) for task in tasks)):
            items = self._windows(tasks, window, crowded)
            pairs = [
                item | {"other": slot, "other_first": first}
                for item in items
                for slot, first in zip(item["earlier"], item["firsts"], strict=True)
            ]
            if pairs:
                found = self.map(f"cross-{attempt}-{window}", comparison.compare_cross, pairs, *arguments)
                crowded |= {item["task"] for item, result in zip(pairs, found, strict=True) if result["crowded"]}
                items, effort = self._windows(tasks, window, crowded), [*effort, *found]
            found = self.map(f"compare-{attempt}-{window}", comparison.compare_slot, items, *arguments)
            crowded |= {item["task"] for item, result in zip(items, found, strict=True) if result["crowded"]}
            results |= {item["slot"]: result for item, result in zip(items, found, strict=True)}
        return results, [task for task in tasks if task["task"] in crowded], [*effort, *results.values()]

    def _windows(self, tasks: Sequence[Mapping[str, Any]], window: int, left_out: Collection[int]) -> list[dict[str, Any]]:
        return [
            {
                "task": task["task"], "slot": task["slots"][window], "first": task["bounds"][window],
                "earlier": task["slots"][:window], "firsts": task["bounds"][:window],
            }
            for task in tasks
            if window < len(task["slots"]) and task["task"] not in left_out
        ]  # fmt: skip

    def _verify(
        self, tasks: Sequence[dict[str, Any]], attempt: int, compared: Mapping[int, Mapping[str, Any]], first: int
    ) -> tuple[int, list[dict[str, Any]]]:
        """Compares the texts of all grey pairs.

        Args:
            tasks: They are told the numbers of their chunks.
            attempt: Number of comparisons before.
            compared: Slot → result.
            first: Number of the first chunk.

        Returns:
            The number behind the last chunk, and the results.
        """
        items, bases = [], {}
        for task in tasks:
            task["chunks"] = []
            for position, slot in enumerate(task["slots"]):
                bases[slot], count = first, compared[slot]["chunks"]
                task["chunks"].append(list(range(first, first + count)))
                upto = task["slots"][: position + 1]
                items += [{"chunk": first + local, "local": local, "slot": slot, "slots": upto} for local in range(count)]
                first += count
        if not items:
            return first, []
        run_bytes = self.layout["run_bytes"]
        for step, mappers, own in (("texts", self.own, True), ("texts-earlier", self.mappers[len(self.own) :], False)):
            if mappers:
                column = self.scheme.column
                self.map(f"{step}-{attempt}", verification.write_texts, mappers, self.work, attempt, column, bases, own, run_bytes)
        return first, self.map(f"exact-{attempt}", verification.compare_texts, items, self.work, attempt, self.scheme, len(self.mappers))

    def _index(self) -> dict[str, Any]:
        """Writes the index of the documents that stay."""
        uri = self.context.index
        # The files of an index enter its digest, so their number must not hang on the memory of a task.
        counts = {
            "bands": max(1, -(-self.documents * self.scheme.bands // INDEX_PARTITION_ROWS)),
            "fingerprints": max(1, -(-_FINGERPRINT_BANDS * self.documents // INDEX_PARTITION_ROWS)),
        }
        removed = [outcomes.named_uri(self.work, mapper["mapper"]) for mapper in self.mappers]
        files = self.map("index-documents", index_files.write_documents, self.own, self.work, self.scheme, uri, removed)
        for kind, count in counts.items():
            rounds = min(count, len(self.layout["slices"])) if kind == "bands" else 1
            bounds = [count * number // rounds for number in range(rounds + 1)]
            for number, (first, last) in enumerate(pairwise(bounds)):
                self.map(
                    f"index-{kind}-{number}", index_files.shuffle_hashes, self.own, self.work, self.scheme, uri, kind, first, last, count
                )
                chosen = list(range(first, last))
                files = files + self.map(
                    f"index-{kind}-{number}-sorted", index_files.sort_hashes, chosen, self.work, uri, kind, len(self.own)
                )
                filesystem.delete(index_files.shuffled_folder(self.work, kind), recursive=True)
        described = [{name: value for name, value in file.items() if name != "execution"} for file in files]
        places = [
            {"path": file["path"], "shards": [shard["uri"] for shard in mapper["shards"]]}
            for file, mapper in zip(described, self.own, strict=False)
        ]
        index = Index(
            uri, self.scheme.identity(), sum(file["rows"] for file in described if file["kind"] == "documents"), described, places
        )
        write_index(index)
        return index.described()
