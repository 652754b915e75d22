"""What the steps of de-duplication cost, as arithmetic: `curate plan --estimate` prints it. Imports no engine.

The figures follow from the columns of the files that each step writes, and from a few shares that depend on the texts
(``Assumptions``). ``tests/dedup/test_estimate.py`` compares them with runs.

Memory is that of a task beyond its process. What a task holds for a row was measured, each step alone in a fresh process
(``tests/benchmarks/bench_step_memory.py``); the process itself, with all that is imported and compiled, takes
``PROCESS_BYTES``, and a worker of several threads has as many tasks at once: ``worker_bytes``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from curation_tasks.dedup.catalog import ExactParameters, RepeatedUnits
from curation_tasks.dedup.keep import Keep

#: Text in a shard.
SHARD_TEXT_BYTES = 192 * 2**20
#: Files that a shuffle is written to, at most.
MOST_MAPPERS = 512
#: Resident size of a worker that has run a task of every kind and holds none: 250 MB imported, the rest kernels and buffers.
PROCESS_BYTES = 300e6
#: The least that a task holds: buffers of Parquet, and what the allocator keeps.
TASK_BYTES = 60e6
#: A row group has no more text, nor more rows.
_GROUP_TEXT_BYTES, _GROUP_ROWS = 16 * 2**20, 65_536
#: What a reducer holds for a key, with all copies.
_KEY_HELD = 200
#: CPU seconds for each hash of an index that is read and looked up.
INDEXED_SECONDS = 0.15e-6
#: Bytes a second and core: hashing texts, splitting and comparing units, reading Parquet.
_HASHED, _UNITS, READ = 1.5e9, 20e6, 280e6


@dataclass(frozen=True)
class Assumptions:
    """What depends on the texts. The defaults are those of mixed web text; measure a sample and set what differs.

    Attributes:
        identity_bytes: A ``doc_id`` in a compressed file.
        duplicate_ratio: Documents that are removed.
        identical_ratio: Documents that are removed by `dedup.fuzzy` and `dedup.simhash` for their shingles are those of another.
        grouped_ratio: Documents that share a bucket with another one.
        shared_ratio: Band hashes that another document has too.
        candidates: Pairs compared for each document; families of documents that are alike, but not enough, raise it to hundreds.
        listed: Pairs put down for each document, because they are similar or may be.
        grey_ratio: Of these, pairs that sketches cannot decide.
        text_ratio: Documents in such pairs, for each document.
        passes: Times that tasks are compared, until no document is left without a survivor.
        crowded_ratio: Documents of crowded tasks.
        compression: Bytes of compressed text for each byte of text.
        unit_bytes: Bytes of text for each sentence or paragraph.
        repeated_ratio: Items that occur more than once.
        revised_ratio: Of these, those whose document is rejected because too much of it is cut.
        rounds: Rounds of verdicts.
    """

    identity_bytes: float = 20
    duplicate_ratio: float = 0.3
    identical_ratio: float = 0.05
    grouped_ratio: float = 0.35
    shared_ratio: float = 0.23
    candidates: float = 2.0
    listed: float = 1.0
    grey_ratio: float = 0.3
    text_ratio: float = 0.14
    passes: int = 2
    crowded_ratio: float = 0.0
    compression: float = 0.35
    unit_bytes: float = 100
    repeated_ratio: float = 0.15
    revised_ratio: float = 0.01
    rounds: int = 3


@dataclass(frozen=True)
class Size:
    """What is to be worked on.

    Attributes:
        documents: Number of documents.
        text_bytes: UTF-8 bytes of their texts.
        memory_bytes: That one task may hold.
        shards: Files; None: as many as shards of 192 MiB of text.
        assumptions: About the texts.
        earlier_documents: Documents in the indexes that they are compared with.
    """

    documents: int
    text_bytes: int
    memory_bytes: int = 4 * 2**30
    shards: int | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)
    earlier_documents: int = 0

    @property
    def shard_count(self) -> int:
        return self.shards or max(1, math.ceil(self.text_bytes / SHARD_TEXT_BYTES))

    @property
    def mappers(self) -> int:
        """As ``partitions.mapper_items`` cuts the shards."""
        group = max(1, math.ceil(self.shard_count / MOST_MAPPERS))
        return math.ceil(self.shard_count / group)

    @property
    def rows_of_mapper(self) -> float:
        return self.documents / max(1, self.mappers)

    def group(self, row_bytes: float) -> float:
        """Bytes of a row group's rows."""
        return row_bytes * min(_GROUP_ROWS, self.documents, _GROUP_TEXT_BYTES / max(1.0, self.text_bytes / max(1, self.documents)))

    def run(self, row_bytes: float, rows: float | None = None) -> float:
        """Bytes that a mapper gathers before it writes them: a run of an eighth of the memory, or all of its rows.

        Args:
            row_bytes: Of what is gathered.
            rows: Of a mapper; None: all documents of its shards.
        """
        return min(self.memory_bytes / 8 + self.group(row_bytes), row_bytes * (self.rows_of_mapper if rows is None else rows))

    def partitions(self, total_bytes: float) -> int:
        """As ``ReductionContext.partitions_for``."""
        return max(1, math.ceil(total_bytes / max(1, self.memory_bytes // 4)))


@dataclass(frozen=True)
class Step:
    """What one step writes and costs.

    Attributes:
        name: Of the step, or of what it writes.
        rows: Written.
        bytes: Written, over all slices and rounds.
        stored_bytes: Of these, what lies there at the same time; temporary unless ``kept``.
        files: Written.
        memory_bytes: Of a task, beyond its process; see ``worker_bytes``.
        core_seconds: Of all tasks.
        kept: Whether it outlives the stage.
        deleted: Whether it is deleted when the next step is done.
        folders: Of intermediate files in which it writes; without any, that of its name.
        maps: Its maps over the cluster, by the beginning of their names; without any, that of its name.
    """

    name: str
    rows: float
    bytes: float
    files: float
    memory_bytes: float
    core_seconds: float
    stored_bytes: float | None = None
    kept: bool = False
    deleted: bool = False
    folders: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()

    @property
    def stored(self) -> float:
        return self.bytes if self.stored_bytes is None else self.stored_bytes


def worker_bytes(task_bytes: float, threads: int = 1) -> float:
    """Resident size of a worker in which so many tasks run at once: what its pod must be given, at least."""
    return PROCESS_BYTES + threads * task_bytes


def exact(parameters: ExactParameters, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.exact``."""
    n, assumed, ranked = size.documents, size.assumptions, _ranked(parameters.keep)
    partitions = size.partitions(n * (100 + 40 * ranked + 100 * index))
    row = 24 + 16 * ranked + assumed.identity_bytes
    held = TASK_BYTES + n / partitions * (_KEY_HELD + 40 * ranked)
    hashing = TASK_BYTES + size.group(3 * size.text_bytes / max(1, n)) + 3 * size.run(row)
    removed = assumed.duplicate_ratio * n
    steps = [
        Step("hashes", n, n * row, size.mappers, hashing, size.text_bytes / _HASHED + size.text_bytes / READ + n * 1e-6),
        Step(
            "removed",
            removed,
            removed * (30 + assumed.identity_bytes),
            partitions,
            held,
            n * 0.6e-6 + size.earlier_documents * INDEXED_SECONDS,
            maps=("groups",),
        ),
        Step(
            "decisions",
            removed,
            removed * (30 + assumed.identity_bytes),
            size.shard_count,
            TASK_BYTES + 150 * assumed.duplicate_ratio * n / size.shard_count,
            removed * 0.5e-6,
        ),
    ]
    if index:
        kept = n - removed
        files = max(1, math.ceil(n / 4_000_000))
        steps.insert(2, Step("kept", kept, kept * (16 + 2 * assumed.identity_bytes), partitions, held, kept * 0.3e-6, maps=("groups",)))
        writing = TASK_BYTES + 3 * kept / files * (16 + assumed.identity_bytes)
        steps.append(Step("index", kept, kept * (16 + assumed.identity_bytes), files, writing, kept * 0.3e-6, kept=True))
    return steps


def repeated(parameters: RepeatedUnits, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.sentences`` and ``dedup.paragraphs``."""
    assumed, ranked = size.assumptions, _ranked(parameters.keep)
    units = size.text_bytes / assumed.unit_bytes
    items = max(0.0, units - (parameters.units_in_span - 1) * size.documents)
    # Counted before any text is read, from the least that a unit can be expected to have.
    partitions = size.partitions(size.text_bytes / 40 * 120)
    repeated_items = assumed.repeated_ratio * items
    held = TASK_BYTES + 150 * items / partitions
    places = TASK_BYTES + units / size.shard_count * 60
    dividing = (
        2 * TASK_BYTES + size.group(5 * size.text_bytes / max(1, size.documents)) + 3 * size.run(28 + 16 * ranked, units / size.mappers)
    )
    cut = repeated_items / 2
    kept = items - cut
    steps = [
        Step(
            "items",
            items,
            items * (20 + 8 * ranked),
            size.mappers,
            dividing,
            size.text_bytes / _UNITS + size.text_bytes / READ,
        ),
        Step("units", units, units * 7, size.shard_count, dividing, 0, maps=("items",)),
        Step("repeated", repeated_items, repeated_items * 10, partitions, held, items * 0.5e-6, maps=("groups",)),
        Step("verdicts", repeated_items, repeated_items * 9, partitions * assumed.rounds, held, repeated_items * 0.3e-6 * assumed.rounds),
        Step(
            "rejections",
            assumed.revised_ratio * repeated_items,
            6 * assumed.revised_ratio * repeated_items,
            size.mappers * assumed.rounds,
            places,
            units * 0.2e-6 * assumed.rounds,
        ),
        Step(
            "survivors",
            2 * cut,
            cut * (8 + assumed.identity_bytes / 4),
            2 * partitions + size.mappers,
            held,
            cut * 1e-6,
            folders=("survivors", "wanted", "names"),
            maps=("survivors", "wanted", "names"),
        ),
        Step(
            "decisions",
            cut,
            cut * (12 + assumed.identity_bytes / 4),
            2 * size.shard_count,
            2 * places,
            cut * 1e-6,
            folders=("decisions", "cuts"),
        ),
    ]
    if index:
        row = 16 + assumed.identity_bytes
        files = max(1, math.ceil(items / 4_000_000))
        indexing = 2 * TASK_BYTES + 60 * items / size.mappers / partitions + size.run(assumed.identity_bytes + 8)
        steps.append(Step("indexed", kept, kept * row, size.mappers, indexing, kept * 0.5e-6))
        steps.append(Step("kept", kept, kept * (row + 4), partitions, held, kept * 0.5e-6))
        steps.append(Step("index", kept, kept * row, files, TASK_BYTES + 3 * kept / files * row, kept * 0.3e-6, kept=True))
    return steps


def _ranked(keep: Keep) -> bool:
    return keep.policy != "first"


def totals(steps: Sequence[Step]) -> dict[str, float]:
    """What all steps together need: temporary storage, files, memory of the largest task (beyond its process), core-hours, and what
    is kept.

    Temporary storage is the most that lies there at one time: what a step leaves stays until the stage is done, or until the
    next step is, where it is ``deleted``.
    """
    lying, passing, most = 0.0, 0.0, 0.0
    for step in steps:
        lying += 0.0 if step.kept or step.deleted else step.stored
        most = max(most, lying + passing + (step.stored if step.deleted else 0.0))
        passing = step.stored if step.deleted else 0.0
    return {
        "temporary_bytes": most,
        "kept_bytes": sum(step.bytes for step in steps if step.kept),
        "written_bytes": sum(step.bytes for step in steps),
        "files": sum(step.files for step in steps),
        "memory_bytes": max((step.memory_bytes for step in steps), default=0.0),
        "core_hours": sum(step.core_seconds for step in steps) / 3600,
    }
