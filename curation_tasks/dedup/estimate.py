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
#: The same: shingles of words and of characters, hashed, beside what a document costs whatever its length.
_WORDS, _CHARACTERS = 200e6, 145e6
_CROWDED = tuple(
    f"crowded-{step}" for step in ("ranks", "cuts", "rows", "texts", "texts-earlier", "shingles", "cross", "compare", "decide")
)


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
        name: Of the step, or of what it writes.
        rows: Written.
        bytes: Written, over all slices and rounds.
        stored_bytes: Of these, what lies there at the same time; temporary unless ``kept``.
        files: Written.
        memory_bytes: Of a task.
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
        Step(
            "survivors",
            cut,
            cut * (8 + assumed.identity_bytes / 4),
            2 * partitions + size.mappers,
            quarter,
            cut * 1e-6,
            folders=("survivors", "wanted", "names"),
        ),
        Step(
            "decisions",
            cut,
            cut * (12 + assumed.identity_bytes / 4),
            2 * size.shard_count,
            places,
            cut * 1e-6,
            folders=("decisions", "cuts"),
        ),
    ]
    if index:
        row = 16 + assumed.identity_bytes
        steps.append(Step("indexed", kept, kept * row, size.mappers, size.memory_bytes / 8, kept * 0.5e-6))
        steps.append(Step("kept", kept, kept * (row + 4), partitions, quarter, kept * 0.5e-6))
        steps.append(Step("index", kept, kept * row, max(1, math.ceil(items / 4_000_000)), 64e6, kept * 0.3e-6, kept=True))
    return steps


def near(parameters: Any, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.fuzzy`` and ``dedup.simhash``: both have ``bands`` and a sketch."""
    n, assumed, memory = size.documents, size.assumptions, size.memory_bytes
    bands, sketch, by_texts = _banding(parameters)
    quarter, run = memory / 4, memory / 8
    text, shingles = size.text_bytes / max(1, n), _shingles(parameters, size)
    slices = min(bands, max(1, math.ceil(16 * n * bands / 1e11)))
    in_slice = math.ceil(bands / slices)
    removed, identical = assumed.duplicate_ratio * n, min(assumed.identical_ratio, assumed.duplicate_ratio) * n
    row, hashed = 48 + sketch + 8 * bands, (n - identical) * bands
    grouped, edges = assumed.grouped_ratio * n, assumed.shared_ratio * n * bands * 0.6
    tasks = _tasks(parameters, grouped, memory)
    listed, told = assumed.listed * n, min(grouped, 1.5 * (removed - identical))
    grey, texts = {"all": (listed, grouped), "some": (assumed.grey_ratio * listed, assumed.text_ratio * n)}.get(by_texts, (0.0, 0.0))
    chunks = max(tasks * assumed.passes, math.ceil(texts * (40 * shingles + 64) / quarter)) if grey else 0
    fingerprinted, shuffled = size.partitions(n * 112), size.partitions(n * in_slice * 48) * slices
    labels = 1 if n * 40 <= memory else size.partitions(n * 40)
    signing = n * (5e-6 if sketch > 8 else 1e-6) + size.text_bytes / (_WORDS if parameters.shingles == "words" else _CHARACTERS)
    steps = [
        Step("signatures", n, n * (row - 8 + assumed.identity_bytes), size.mappers, 2 * run, signing + size.text_bytes / _READ),
        Step("fingerprints", n, n * 48, size.mappers, 2 * run, 0),
        Step(
            "identical", 2 * identical, 2 * identical * 10, 2 * fingerprinted, quarter, n * 0.7e-6,
            folders=("twins-by-node", "twins-by-first"),
        ),
        Step("bands", hashed, hashed * 16, size.mappers * slices, 3 * run, hashed * 0.11e-6, hashed / bands * in_slice * 16, deleted=True),
        Step("edges", edges, edges * 16, 2 * shuffled + 1, quarter, hashed * 0.14e-6, folders=("edges", "hot"), maps=("edges", "hot")),
        Step(
            "labels", grouped, grouped * 8, labels, max(quarter, min(memory, n * 40)), n * 0.25e-6 + edges * 0.05e-6,
            maps=("components", "stars"),
        ),
        Step("rows", grouped, grouped * row, size.mappers, 2 * run, grouped * 2.5e-6, maps=("rows", "ranks", "cuts")),
        Step(
            "compared", grouped + listed + texts, grouped * 15 + listed * 5 + texts * 5, 4 * tasks, memory / 3,
            grouped * assumed.passes * bands * 0.25e-6 + assumed.candidates * n * 50e-9,
            folders=("nodes", "compared", "requests", "spent", "cross"), maps=("compare", "cross"),
        ),
    ]  # fmt: skip
    if grey:
        reading, shingling = size.text_bytes * assumed.passes / 400e6, texts * (text / 100e6 + 1e-6)
        steps += [
            Step(
                "texts",
                texts,
                texts * (assumed.compression * text + 4),
                size.mappers * assumed.passes,
                quarter,
                reading,
                maps=("texts", "texts-earlier"),
            ),
            Step("exact", grey, grey * 4, chunks, quarter, shingling),
        ]
    steps += _crowded(size, row, text, shingles, bool(by_texts))
    files = 2 * size.mappers + size.shard_count
    steps += [
        Step("outcomes", told, told * 14, tasks, (60 * grouped + 40 * listed) / max(1, tasks), told * 1.2e-6, maps=("decide",)),
        Step(
            "decisions", 3 * removed, removed * (30 + 3 * assumed.identity_bytes), files, 64e6, removed * 2.5e-6,
            folders=("followed", "named", "decisions"), maps=("follow", "name", "decisions"),
        ),
    ]  # fmt: skip
    if index:
        kept = n - removed
        parts = math.ceil(n * bands / 2**23)
        files, rounds = size.mappers + parts + math.ceil(n / 2**23), max(1, min(parts, slices))
        index_bytes = kept * (row - 8 + assumed.identity_bytes + 12 * bands + 40)
        steps += [
            Step(
                "shuffled", kept * (bands + 1), kept * (16 * bands + 48), size.mappers * (rounds + 1), 2 * run, kept * bands * 0.1e-6,
                max(kept * 16 * bands / rounds, kept * 48), deleted=True, folders=("index-bands", "index-fingerprints"),
            ),
            Step("index", kept * (2 + bands), index_bytes, files, 400e6, kept * bands * 0.3e-6, kept=True),
        ]  # fmt: skip
    return steps


def _crowded(size: Size, row: float, text: float, shingles: float, by_texts: bool) -> list[Step]:
    """What crowded tasks take beyond the comparisons, which are among the candidates: their rows again, and all their texts."""
    documents = size.assumptions.crowded_ratio * size.documents
    if not documents:
        return []
    if not by_texts:
        return [Step("crowded", documents, documents * row, size.mappers, size.memory_bytes / 8, documents * 2.5e-6, maps=_CROWDED)]
    windows = max(1, math.ceil(2 * documents * (380 + 8 * shingles) / (size.memory_bytes / 3)))
    written = documents * (row + 40 + size.assumptions.compression * text + 4 + 8 * shingles)
    seconds = documents * (2.5e-6 + text / 100e6 + 1e-6) + size.text_bytes / 400e6
    return [Step("crowded", 4 * documents, written, 3 * size.mappers + windows, size.memory_bytes / 3, seconds, maps=_CROWDED)]


def _shingles(parameters: Any, size: Size) -> float:
    """Shingles of a document, about."""
    return size.text_bytes / max(1, size.documents) / (6 if parameters.shingles == "words" else 1)


def _tasks(parameters: Any, grouped: float, memory: int) -> int:
    """As ``components.pack`` fills them."""
    most = parameters.component_rows or max(2, memory // 3 // 380)
    return math.ceil(grouped / min(most, max(65_536, grouped // 16)))


def _banding(parameters: Any) -> tuple[int, int, str]:
    """Bands, bytes of the verification sketch, and what is decided by the texts: ``all``, ``some`` or nothing."""
    banding = getattr(parameters, "banding", None)
    if banding is None:
        return parameters.bands, 8, ""
    return banding.bands, banding.sketch, {"exact": "all", "two_stage": "some"}.get(parameters.verify, "")


def _ranked(keep: Keep) -> bool:
    return keep.policy != "first"


def totals(steps: Sequence[Step]) -> dict[str, float]:
    """What all steps together need: temporary storage, files, memory of the largest task, core-hours, and what is kept.

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
