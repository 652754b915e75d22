"""What the steps of ``dedup.fuzzy`` and ``dedup.simhash`` cost: see ``estimate``, whose words this uses. Imports no engine."""

from __future__ import annotations

import math
from typing import Any

from curation_tasks.dedup.estimate import INDEXED_SECONDS, READ, TASK_BYTES, Size, Step

#: What a reducer holds for a row, with all copies: of fingerprints, and of band hashes.
_FINGERPRINT_HELD, _BAND_HELD = 290, 90
#: A document that is compared, with its sketch twice, its buckets and edges.
_COMPARED_HELD = 1600
#: CPU seconds for each document of an earlier index whose signature is gone over.
_SIGNED_SECONDS = 1e-6
#: Bytes a second and core: shingles of words and of characters, hashed, beside what a document costs whatever its length.
_WORDS, _CHARACTERS = 200e6, 145e6
_CROWDED = tuple(
    f"crowded-{step}" for step in ("ranks", "cuts", "rows", "texts", "texts-earlier", "shingles", "cross", "compare", "decide")
)


def near(parameters: Any, size: Size, *, index: bool = False) -> list[Step]:
    """The steps of ``dedup.fuzzy`` and ``dedup.simhash``: both have ``bands`` and a sketch."""
    n, assumed, memory = size.documents, size.assumptions, size.memory_bytes
    bands, sketch, by_texts = _banding(parameters)
    text, shingles = size.text_bytes / max(1, n), _shingles(parameters, size)
    slices = min(bands, max(1, math.ceil(16 * n * bands / 1e11)))
    in_slice = math.ceil(bands / slices)
    removed, identical = assumed.duplicate_ratio * n, min(assumed.identical_ratio, assumed.duplicate_ratio) * n
    row, hashed = 48 + sketch + 8 * bands, (n - identical) * bands
    grouped, edges = assumed.grouped_ratio * n, assumed.shared_ratio * n * bands * 0.6
    tasks = _tasks(parameters, grouped, memory)
    listed, told = assumed.listed * n, min(grouped, 1.5 * (removed - identical))
    grey, texts = {"all": (listed, grouped), "some": (assumed.grey_ratio * listed, assumed.text_ratio * n)}.get(by_texts, (0.0, 0.0))
    chunks = max(tasks * assumed.passes, math.ceil(4 * texts * (40 * shingles + 64) / memory)) if grey else 0
    fingerprinted, shuffled = size.partitions(n * 112), size.partitions(n * in_slice * 48) * slices
    earlier = size.earlier_documents
    labels = 1 if (n + earlier) * 40 <= memory else max(1, math.ceil((n + earlier) * 400 / memory))
    held = {
        "fingerprints": 2 * size.run(48),
        "signatures": 2 * size.run(48) + size.group(2 * row + 3 * text),
        "identical": _FINGERPRINT_HELD * n / fingerprinted,
        "bands": 4 * size.run(16 * in_slice),
        "edges": _BAND_HELD * hashed / shuffled,
        "labels": TASK_BYTES + (120 * edges / labels if labels > 1 else 40 * (n + earlier) + 50 * edges / shuffled),
        "rows": size.group(row) + 3 * size.run(row, grouped / size.mappers),
        "compared": _COMPARED_HELD * _task_rows(parameters, grouped, memory),
        "texts": size.group(3 * text) + 3 * size.run(text, texts / size.mappers),
        "exact": 2 * min(memory / 4, texts / max(1, chunks) * (40 * shingles + 64)),
        "outcomes": (60 * grouped + 40 * listed) / max(1, tasks),
        "decisions": 60 * removed / size.mappers,
    }
    held = {name: TASK_BYTES + more for name, more in held.items()}
    signing = n * (5e-6 if sketch > 8 else 1e-6) + size.text_bytes / (_WORDS if parameters.shingles == "words" else _CHARACTERS)
    going_over = earlier * _SIGNED_SECONDS
    steps = [
        Step(
            "signatures", n, n * (row - 8 + assumed.identity_bytes), size.mappers, held["signatures"], signing + size.text_bytes / READ
        ),
        Step("fingerprints", n, n * 48, size.mappers, held["fingerprints"], 0, maps=("signatures",)),
        Step(
            "identical", 2 * identical, 2 * identical * 10, 2 * fingerprinted, held["identical"],
            n * 0.7e-6 + identical * 2e-6 + earlier * INDEXED_SECONDS, folders=("twins-by-node", "twins-by-first"),
        ),
        Step(
            "bands", hashed, hashed * 16, size.mappers * slices, held["bands"], hashed * 0.11e-6, hashed / bands * in_slice * 16,
            deleted=True,
        ),
        Step(
            "edges", edges, edges * 16, 2 * shuffled + 1, held["edges"], hashed * 0.14e-6 + earlier * bands * INDEXED_SECONDS,
            folders=("edges", "hot"), maps=("edges", "hot"),
        ),
        Step(
            "labels", grouped, grouped * 8, labels, held["labels"], n * 0.25e-6 + edges * 0.05e-6,
            maps=("components", "stars"),
        ),
        Step(
            "rows", grouped, grouped * row, size.mappers, held["rows"], grouped * 2.5e-6 + going_over,
            maps=("rows", "ranks", "cuts"),
        ),
        Step(
            "compared", grouped + listed + texts, grouped * 15 + listed * 5 + texts * 5, 4 * tasks, held["compared"],
            grouped * assumed.passes * bands * 0.25e-6 + assumed.candidates * n * 50e-9,
            folders=("nodes", "compared", "requests", "spent", "cross"), maps=("compare", "cross"),
        ),
    ]  # fmt: skip
    if grey:
        reading, shingling = (size.text_bytes + earlier * text) * assumed.passes / 400e6, texts * (text / 100e6 + 1e-6)
        steps += [
            Step(
                "texts",
                texts,
                texts * (assumed.compression * text + 4),
                size.mappers * assumed.passes,
                held["texts"],
                reading,
                maps=("texts", "texts-earlier"),
            ),
            Step("exact", grey, grey * 4, chunks, held["exact"], shingling),
        ]
    steps += _crowded(size, bands, row, text, shingles, bool(by_texts))
    steps += [
        Step("outcomes", told, told * 14, tasks, held["outcomes"], told * 1.2e-6, maps=("decide",)),
        Step(
            "decisions", 3 * removed, removed * (30 + 3 * assumed.identity_bytes), 2 * size.mappers + size.shard_count, held["decisions"],
            removed * 2.5e-6 + going_over,
            folders=("followed", "named", "decisions"), maps=("follow", "name", "decisions"),
        ),
    ]  # fmt: skip
    return steps + (_index(size, n - removed, bands, row, slices) if index else [])


def _index(size: Size, kept: float, bands: int, row: float, slices: int) -> list[Step]:
    """The index of what is kept."""
    n = size.documents
    parts = math.ceil(n * bands / 2**23)
    files, rounds = size.mappers + parts + math.ceil(3 * n / 2**23), max(1, min(parts, slices))
    index_bytes = kept * (row - 8 + size.assumptions.identity_bytes + 12 * bands + 40)
    return [
        Step(
            "shuffled", kept * (bands + 1), kept * (16 * bands + 48), size.mappers * (rounds + 1), 2 * TASK_BYTES, kept * bands * 0.07e-6,
            max(kept * 16 * bands / rounds, kept * 48), deleted=True, folders=("index-bands", "index-fingerprints"),
            maps=("index-bands", "index-fingerprints"),
        ),
        Step(
            "index", kept * (2 + bands), index_bytes, files, TASK_BYTES + max(6 * size.group(row), _BAND_HELD * kept * bands / parts),
            kept * bands * 0.4e-6, kept=True, maps=("index-documents", "index-bands-sorted", "index-fingerprints-sorted"),
        ),
    ]  # fmt: skip


def _crowded(size: Size, bands: int, row: float, text: float, shingles: float, by_texts: bool) -> list[Step]:
    """What crowded tasks take beyond the comparisons, which are among the candidates: their rows again, and all their texts."""
    documents = size.assumptions.crowded_ratio * size.documents
    if not documents:
        return []
    if not by_texts:
        held = TASK_BYTES + 2 * _COMPARED_HELD * min(documents, size.memory_bytes / 3 / 380)
        return [Step("crowded", documents, documents * row, size.mappers, held, documents * (3.3e-6 + 0.25e-6 * bands), maps=_CROWDED)]
    # Two windows at once, each with its texts as sets: what is reckoned for a window is what it takes but for copies.
    windows = max(1, math.ceil(2 * documents * (380 + 8 * shingles) / (size.memory_bytes / 3)))
    held = TASK_BYTES + 2 * min(2 * size.memory_bytes / 3, documents * (_COMPARED_HELD + 8 * shingles))
    written = documents * (row + 40 + size.assumptions.compression * text + 4 + 8 * shingles)
    seconds = documents * (4.3e-6 + 0.25e-6 * bands + text / 100e6) + size.text_bytes / 400e6
    return [Step("crowded", 4 * documents, written, 3 * size.mappers + windows, held, seconds, maps=_CROWDED)]


def _shingles(parameters: Any, size: Size) -> float:
    """Shingles of a document, about."""
    return size.text_bytes / max(1, size.documents) / (6 if parameters.shingles == "words" else 1)


def _task_rows(parameters: Any, grouped: float, memory: int) -> float:
    """As ``components.pack`` fills tasks."""
    return min(parameters.component_rows or max(2, memory // 3 // 380), max(65_536, grouped // 16), max(1.0, grouped))


def _tasks(parameters: Any, grouped: float, memory: int) -> int:
    return math.ceil(grouped / _task_rows(parameters, grouped, memory))


def _banding(parameters: Any) -> tuple[int, int, str]:
    """Bands, bytes of the verification sketch, and what is decided by the texts: ``all``, ``some`` or nothing."""
    banding = getattr(parameters, "banding", None)
    if banding is None:
        return parameters.bands, 8, ""
    return banding.bands, banding.sketch, {"exact": "all", "two_stage": "some"}.get(parameters.verify, "")
