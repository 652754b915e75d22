"""What the steps of de-duplication cost, as arithmetic: `curate plan --estimate` prints it. Imports no engine.

The figures follow from the columns of the files that each step writes, and from a few shares that depend on the texts
(``Assumptions``). ``tests/dedup/test_estimate.py`` compares them with runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from curation_tasks.dedup.catalog import ExactParameters, RepeatedUnits
from curation_tasks.dedup.keep import Keep

#: Text in a shard.
SHARD_TEXT_BYTES = 192 * 2**20
#: Files that a shuffle is written to, at most.
MOST_MAPPERS = 512
#: Bytes a second and core: hashing texts, splitting and comparing units, reading Parquet.
_HASHED, _UNITS, _READ = 1.5e9, 20e6, 280e6


@dataclass(frozen=True)
class Assumptions:
    """What depends on the texts. The defaults are those of mixed web text; measure a sample and set what differs.

    Attributes:
        identity_bytes: A ``doc_id`` in a compressed file.
        duplicate_ratio: Documents that are removed.
        grouped_ratio: Documents that share a bucket with another one.
        shared_ratio: Band hashes that another document has too.
        candidates: Pairs compared for each document.
        grey_ratio: Of these, pairs that sketches cannot decide.
        compression: Bytes of compressed text for each byte of text.
        unit_bytes: Bytes of text for each sentence or paragraph.
        repeated_ratio: Items that occur more than once.
        rounds: Rounds of verdicts.
    """

    identity_bytes: float = 20
    duplicate_ratio: float = 0.3
    grouped_ratio: float = 0.35
    shared_ratio: float = 0.23
    candidates: float = 2.0
    grey_ratio: float = 0.15
    compression: float = 0.35
    unit_bytes: float = 100
    repeated_ratio: float = 0.15
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
    """

    documents: int
    text_bytes: int
    memory_bytes: int = 4 * 2**30
    shards: int | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)

    @property
    def shard_count(self) -> int:
        return self.shards or max(1, math.ceil(self.text_bytes / SHARD_TEXT_BYTES))

    @property
    def mappers(self) -> int:
        """As ``partitions.mapper_items`` cuts the shards."""
        group = max(1, math.ceil(self.shard_count / MOST_MAPPERS))
        return math.ceil(self.shard_count / group)

    def partitions(self, total_bytes: float) -> int:
        """As ``ReductionContext.partitions_for``."""
        return max(1, math.ceil(total_bytes / max(1, self.memory_bytes // 4)))


@dataclass(frozen=True)
class Step:
    """What one step writes and costs.

    Attributes:
        name: As in the stage's folder of intermediate files.
        rows: Written.
        bytes: Written, over all slices and rounds.
        stored_bytes: Of these, what lies there at the same time; temporary unless ``kept``.
        files: Written.
        memory_bytes: Of a task.
        core_seconds: Of all tasks.
        kept: Whether it outlives the stage.
    """

    name: str
    rows: float
    bytes: float
    files: float
    memory_bytes: float
    core_seconds: float
    stored_bytes: float | None = None
    kept: bool = False

    @property
    def stored(self) -> float:
        return self.bytes if self.stored_bytes is None else self.stored_bytes


def exact(parameters: ExactParameters, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.exact``."""
    n, assumed, ranked = size.documents, size.assumptions, _ranked(parameters.keep)
    partitions = size.partitions(n * (100 + 40 * ranked + 100 * index))
    quarter = size.memory_bytes / 4
    row = 24 + 16 * ranked + assumed.identity_bytes
    removed = assumed.duplicate_ratio * n
    steps = [
        Step("hashes", n, n * row, size.mappers, size.memory_bytes / 8 * 2, size.text_bytes / _HASHED + size.text_bytes / _READ + n * 1e-6),
        Step("removed", removed, removed * (30 + assumed.identity_bytes), partitions, quarter, n * 0.6e-6),
        Step("decisions", removed, removed * (30 + assumed.identity_bytes), size.shard_count, 64e6, removed * 0.5e-6),
    ]
    if index:
        kept = n - removed
        files = max(1, math.ceil(n / 4_000_000))
        steps.insert(2, Step("kept", kept, kept * (16 + 2 * assumed.identity_bytes), partitions, quarter, kept * 0.3e-6))
        steps.append(Step("index", kept, kept * (16 + assumed.identity_bytes), files, 64e6, kept * 0.3e-6, kept=True))
    return steps


def repeated(parameters: RepeatedUnits, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.sentences`` and ``dedup.paragraphs``."""
    assumed, ranked = size.assumptions, _ranked(parameters.keep)
    units = size.text_bytes / assumed.unit_bytes
    items = max(0.0, units - (parameters.units_in_span - 1) * size.documents)
    # Counted before any text is read, from the least that a unit can be expected to have.
    partitions = size.partitions(size.text_bytes / 40 * 120)
    repeated_items, quarter = assumed.repeated_ratio * items, size.memory_bytes / 4
    places = units / size.shard_count * 60
    cut = repeated_items / 2
    kept = items - cut
    steps = [
        Step(
            "items",
            items,
            items * (20 + 8 * ranked),
            size.mappers,
            size.memory_bytes / 8 * 2,
            size.text_bytes / _UNITS + size.text_bytes / _READ,
        ),
        Step("units", units, units * 7, size.shard_count, 16e6 * 20, 0),
        Step("repeated", repeated_items, repeated_items * 10, partitions, quarter, items * 0.5e-6),
        Step(
            "verdicts", repeated_items, repeated_items * 9, partitions * assumed.rounds, quarter, repeated_items * 0.3e-6 * assumed.rounds
        ),
        Step(
            "rejections",
            0.01 * repeated_items,
            0.06 * repeated_items,
            size.mappers * assumed.rounds,
            places,
            units * 0.2e-6 * assumed.rounds,
        ),
        Step("survivors", cut, cut * (8 + assumed.identity_bytes / 4), 2 * partitions + size.mappers, quarter, cut * 1e-6),
        Step("decisions", cut, cut * (12 + assumed.identity_bytes / 4), 2 * size.shard_count, places, cut * 1e-6),
    ]
    if index:
        row = 16 + assumed.identity_bytes
        steps.append(Step("indexed", kept, kept * row, size.mappers, size.memory_bytes / 8, kept * 0.5e-6))
        steps.append(Step("kept", kept, kept * (row + 4), partitions, quarter, kept * 0.5e-6))
        steps.append(Step("index", kept, kept * row, max(1, math.ceil(items / 4_000_000)), 64e6, kept * 0.3e-6, kept=True))
    return steps


def near(parameters: Any, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.fuzzy`` and ``dedup.simhash``: both have ``bands`` and a sketch."""
    n, assumed = size.documents, size.assumptions
    bands, sketch, by_texts = _banding(parameters)
    slices = min(bands, max(1, math.ceil(16 * n * bands / 1e11)))
    in_slice = math.ceil(bands / slices)
    quarter, eighth = size.memory_bytes / 4, size.memory_bytes / 8 * 2
    grouped, edges = assumed.grouped_ratio * n, assumed.shared_ratio * n * bands * 0.6
    pairs, grey = assumed.candidates * n, assumed.candidates * n * (1.0 if by_texts == "all" else assumed.grey_ratio if by_texts else 0.0)
    grey_text = assumed.compression * size.text_bytes / max(1, n) * min(2 * grey, 0.4 * grouped) if grey else 0.0
    removed, row_bytes = assumed.duplicate_ratio * n, 48 + sketch + 8 * bands
    outcome_files = 2 * size.mappers + size.shard_count
    labels = 1 if n * 40 <= size.memory_bytes else size.partitions(n * 40)
    tasks = max(1, math.ceil(grouped / max(2, size.memory_bytes // 3 // 380)))
    text_seconds = size.text_bytes / 100e6 + size.text_bytes / _READ
    steps = [
        Step("signatures", n, n * (row_bytes - 8 + assumed.identity_bytes), size.mappers, eighth, text_seconds),
        Step("fingerprints", n, n * 48, size.mappers, eighth, n * 0.3e-6),
        Step("bands", n * bands, n * bands * 16, size.mappers * slices, eighth, n * bands * 0.1e-6, n * in_slice * 16),
        Step("edges", edges, edges * 16, 2 * size.partitions(n * in_slice * 48) * slices, quarter, n * bands * 0.2e-6),
        Step("labels", grouped, grouped * 10, labels, max(quarter, min(size.memory_bytes, n * 40)), edges * 0.2e-6),
        Step("rows", grouped, grouped * row_bytes, size.mappers, eighth, grouped * 1e-6),
        Step("compared", pairs, pairs * 12, tasks, size.memory_bytes / 3, pairs * 200e-9 + grouped * bands * 50e-9),
        Step("texts", grey, grey_text, size.mappers, quarter, 2 * grey_text / assumed.compression / 50e6),
        Step("decisions", 3 * removed, removed * (30 + 3 * assumed.identity_bytes), outcome_files, 64e6, removed * 2e-6),
    ]
    if index:
        kept = n - removed
        files = size.mappers + math.ceil(n * bands / 2**23) + math.ceil(n / 2**23)
        index_bytes = kept * (row_bytes - 8 + assumed.identity_bytes + 12 * bands + 40)
        steps.append(Step("index", kept * (2 + bands), index_bytes, files, 400e6, kept * bands * 0.4e-6, kept=True))
    return steps


def _banding(parameters: Any) -> tuple[int, int, str]:
    """Bands, bytes of the verification sketch, and what is decided by the texts: ``all``, ``some`` or nothing."""
    banding = getattr(parameters, "banding", None)
    if banding is None:
        return parameters.bands, 8, ""
    return banding.bands, banding.sketch, {"exact": "all", "two_stage": "some"}.get(parameters.verify, "")


def _ranked(keep: Keep) -> bool:
    return keep.policy != "first"


def totals(steps: Sequence[Step]) -> dict[str, float]:
    """What all steps together need: temporary storage, files, memory of the largest task, core-hours, and what is kept."""
    return {
        "temporary_bytes": sum(step.stored for step in steps if not step.kept),
        "kept_bytes": sum(step.bytes for step in steps if step.kept),
        "written_bytes": sum(step.bytes for step in steps),
        "files": sum(step.files for step in steps),
        "memory_bytes": max((step.memory_bytes for step in steps), default=0.0),
        "core_hours": sum(step.core_seconds for step in steps) / 3600,
    }
