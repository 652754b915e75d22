"""Distributions of signals: read from a bounded, always equal sample of a stage's shards and ledgers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.manifest import Manifest, read_list
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import read_shard

#: Shards of a stage that are looked at, spread evenly over all of them.
SAMPLED_SHARDS = 12
#: Documents that are looked at; the rest of the sampled shards is left unread.
SAMPLED_DOCUMENTS = 1_000_000
_NUMBERS = re.compile(r"bool|u?int\d+|float|double")


@dataclass(frozen=True)
class Signal:
    """The values of one signal.

    Attributes:
        stage: Where it is added or judged.
        name: Of the column.
        kept: float64, values of the stage's documents in the sample.
        rejected: float64, values of the documents that the stage rejected, for whatever reason.
        thresholds: Reason → bound.
    """

    stage: str
    name: str
    kept: np.ndarray
    rejected: np.ndarray
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> np.ndarray:
        return np.concatenate([self.kept, self.rejected])


@dataclass(frozen=True)
class SignalSample:
    """The signals of one stage, and how much of it was looked at."""

    stage: str
    signals: tuple[Signal, ...]
    shards: int
    of_shards: int
    documents: int


def sample_signals(manifest: Manifest, parents: Sequence[Manifest]) -> SignalSample | None:
    """The distributions of the numbers that a stage adds or judges; None if it has none.

    Memory holds the sampled values, 8 bytes each, and one row group of the signal columns.

    Args:
        manifest: Of the stage.
        parents: The stages that it read.
    """
    thresholds: Mapping[str, Sequence[Any]] = manifest.execution.get("thresholds", {})
    names = _signal_columns(manifest, parents, thresholds)
    if not names:
        return None
    shards = manifest.dataset().shards
    chosen = [shards[index] for index in spread(len(shards), SAMPLED_SHARDS)]
    units = {_unit_of(shard.path) for shard in chosen}
    kept, documents, read = {name: [] for name in names}, 0, 0
    for shard in chosen:
        if documents >= SAMPLED_DOCUMENTS:
            break
        for batch in manifest.dataset().read(shard, names):
            documents += len(batch)
            _gather(batch, kept)
        read += 1
    rejected: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for ledger in read_list(manifest, "ledger"):
        if _unit_of(ledger["path"]) in units:
            documents += _gather_rejected(f"{manifest.folder}/{ledger['path']}", rejected, thresholds)
    signals = [
        Signal(
            manifest.stage, name, _joined(kept[name]), _joined(rejected[name]),
            {reason: float(bound) for reason, (column, bound) in sorted(thresholds.items()) if column == name},
        )
        for name in names
    ]  # fmt: skip
    shown = tuple(signal for signal in sorted(signals, key=lambda item: not item.thresholds) if len(signal.values))
    return SignalSample(manifest.stage, shown, read, len(shards), documents)


def _signal_columns(manifest: Manifest, parents: Sequence[Manifest], thresholds: Mapping[str, Sequence[Any]]) -> list[str]:
    """Numbers that the stage adds, and those of earlier stages that it judges, in the order of the schema."""
    earlier = {name for parent in parents for name in parent.schema}
    judged = {column for column, _ in thresholds.values()}
    if not parents or manifest.kind == "export":
        return []
    numbers = [name for name, kind in manifest.schema.items() if _NUMBERS.fullmatch(kind)]
    return [name for name in numbers if name not in earlier or name in judged]


def spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` positions, evenly over ``count``, first and last among them."""
    return sorted({round(position) for position in np.linspace(0, count - 1, min(count, wanted))}) if count else []


def _unit_of(path: str) -> str:
    """``000012`` of ``part-000012-0.parquet`` and ``ledger-000012.parquet``."""
    return re.split(r"[-.]", path)[1]


def _gather(batch: pa.RecordBatch, into: Mapping[str, list[np.ndarray]]) -> None:
    for name, values in into.items():
        if name in batch.schema.names:
            values.append(_floats(batch.column(name)))


def _gather_rejected(uri: str, into: Mapping[str, list[np.ndarray]], thresholds: Mapping[str, Sequence[Any]]) -> int:
    """Values of rejected documents: of the signal's column, or where a ledger has none, what the rule looked at."""
    documents = 0
    for batch in _ledger_batches(uri, into):
        documents += len(batch)
        _gather(batch, into)
        for name in into:
            if name not in batch.schema.names:
                reasons = pa.array([reason for reason, (column, _) in thresholds.items() if column == name], pa.string())
                into[name].append(_floats(batch.column("value").filter(pc.is_in(batch.column("reason"), reasons))))
    return documents


def _ledger_batches(uri: str, names: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
    with filesystem.storage_errors(uri), filesystem.open_input(uri, exact_ranges=True) as file:
        present = pq.ParquetFile(file).schema_arrow.names
    return read_shard(uri, [name for name in dict.fromkeys(["reason", "value", *names]) if name in present])


def _floats(column: pa.Array) -> np.ndarray:
    """float64 without nulls, NaN and infinities."""
    values = pc.drop_null(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values[np.isfinite(values)]


def _joined(pieces: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(pieces) if pieces else np.zeros(0)
