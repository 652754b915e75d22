"""Parts of a small pipeline of the tests' own: a source, an operation and an export, named by dotted paths.

Nothing here imports an engine before a stage runs, as for any part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.request import urlopen

from curation_tasks.parts import ExportPart, Parameters, Snapshot, SourcePart, SourceUnit, operation
from curation_tasks.schema import reject

if TYPE_CHECKING:
    import pyarrow as pa

UNITS = 3
ROWS = 100


class BasketParameters(Parameters):
    """What grows."""

    fruit: str = "apple"


def units(parameters: BasketParameters, snapshot: str) -> list[SourceUnit]:
    return [SourceUnit(f"basket://{snapshot}/{number}", f"basket-{number}", options={"number": number}) for number in range(UNITS)]


def read(unit: SourceUnit, parameters: BasketParameters, context: object) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    first = unit.options["number"] * ROWS
    yield pa.RecordBatch.from_pydict({"text": [f"{parameters.fruit} number {first + row}" for row in range(ROWS)]})


class SeasonsParameters(BasketParameters):
    """Fruit of a season."""

    origin: str = ""


def seasons(parameters: SeasonsParameters) -> list[Snapshot]:
    """The seasons that an address of ``id date`` lines lists."""
    if not parameters.origin:
        return [Snapshot("2026-08", "2026-08-01")]
    with urlopen(parameters.origin, timeout=10) as answer:
        return [Snapshot(*line.split()) for line in answer.read().decode().splitlines()]


season = SourcePart(
    name="season", summary="Fruit of a season", parameters=SeasonsParameters, implementation=read, units=units, snapshots=seasons
)
basket = SourcePart(name="basket", summary="Numbered fruit", parameters=BasketParameters, implementation=read, units=units)


class RipeParameters(Parameters):
    """Every how manieth fruit is rotten."""

    rotten_every: int = 10


@operation("ripe", parameters=RipeParameters, rejects=["rotten"])
def ripe(batch: pa.RecordBatch, parameters: RipeParameters, context: object) -> pa.RecordBatch:
    """Rejects rotten fruit."""
    import numpy as np

    numbers = np.array([int(text.rsplit(" ", 1)[1]) for text in batch.column("text").to_pylist()])
    return reject(batch, numbers % parameters.rotten_every == 0, "rotten")


class SlowParameters(Parameters):
    """How long a batch takes."""

    seconds: float = 1.0


@operation("slow", parameters=SlowParameters)
def slow(batch: pa.RecordBatch, parameters: SlowParameters, context: object) -> pa.RecordBatch:
    """Takes its time and changes nothing."""
    time.sleep(parameters.seconds)
    return batch


def write(batches: Iterator[pa.RecordBatch], destination: object, parameters: Parameters) -> None:
    for batch in batches:
        for text in batch.column("text").to_pylist():
            destination.write(json.dumps({"text": text}).encode() + b"\n")


lines = ExportPart(name="lines", summary="One fruit a line", implementation=write, suffix=".jsonl")
