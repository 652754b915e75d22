"""What record sources share: from columns that were read to a batch of documents and rejected records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.kernels.identity import text_hashes
from curation_tasks.schema import REJECTION_COLUMNS, arrow_type
from curation_tasks.storage.shard import ROW_GROUP_TEXT_BYTES, text_bytes_of

#: Of a record whose text cannot be had, the raw record is kept up to here.
RAW_BYTES = 64 * 2**10


class SeenIds:
    """The identities that a unit has had. 16 bytes an identity: sorted runs of hashes, merged as they grow."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def repeated(self, ids: pa.Array, eligible: np.ndarray) -> np.ndarray:
        """Which rows have the identity of an earlier one; the others are remembered.

        Args:
            ids: string, shape (rows,); a null is never repeated.
            eligible: bool, shape (rows,): false where the row is rejected already and its identity stays free.

        Returns:
            bool, shape (rows,).
        """
        repeated = np.zeros(len(ids), bool)
        rows = np.flatnonzero(eligible & ids.is_valid().to_numpy(zero_copy_only=False))
        if len(rows) == 0:
            return repeated
        # Fixed-width byte strings sort and compare as a whole; numpy has no 128-bit integers.
        hashes = np.ascontiguousarray(text_hashes(ids.take(pa.array(rows)))).view("S16").ravel()
        fresh, first = np.unique(hashes, return_index=True)
        repeated[rows] = True
        known = np.zeros(len(fresh), bool)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, fresh), len(run) - 1)
            known |= run[place] == fresh
        repeated[rows[first[~known]]] = False
        self._remember(fresh[~known])
        return repeated

    def _remember(self, hashes: np.ndarray) -> None:
        if len(hashes) == 0:
            return
        self._runs.append(hashes)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            merged = np.concatenate(self._runs[-2:])
            merged.sort(kind="stable")
            self._runs[-2:] = [merged]


def records_batch(
    columns: Mapping[str, pa.Array],
    reasons: np.ndarray,
    numbers: np.ndarray,
    seen: SeenIds,
    raw: Callable[[int], str | None],
) -> pa.RecordBatch:
    """A batch of a source: documents, and rejected records with their reason.

    Args:
        columns: ``text``, ``native_id`` and the mapped columns, shape (rows,) each.
        reasons: object, shape (rows,): why the record cannot be a document, None where it can. A null text without a
            reason is ``missing_text``.
        numbers: int64, shape (rows,): the record's line (or row) in the file, from 1; ``reject_value`` of rejected records.
        seen: Identities of the unit; a repeated one is rejected as ``repeated_id`` and keeps its text.
        raw: Row → what to keep as the text of a rejected record.
    """
    text = columns["text"]
    reasons = reasons.copy()
    reasons[text.is_null().to_numpy(zero_copy_only=False) & (reasons == None)] = "missing_text"  # noqa: E711  (elementwise)
    unreadable = reasons != None  # noqa: E711
    reasons[seen.repeated(columns["native_id"], ~unreadable)] = "repeated_id"
    if unreadable.any():
        kept = pa.array([raw(row) for row in np.flatnonzero(unreadable).tolist()], text.type)
        text = pc.replace_with_mask(text, pa.array(unreadable), kept)
    rejected = reasons != None  # noqa: E711
    arrays = dict(columns) | {"text": text}
    if rejected.any():
        arrays |= _rejections(reasons, rejected, numbers)
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _rejections(reasons: np.ndarray, rejected: np.ndarray, numbers: np.ndarray) -> dict[str, pa.Array]:
    reason = pa.array(reasons, pa.string())
    counts = np.concatenate([[0], np.cumsum(rejected)]).astype(np.int32)
    rows = {
        "reject_reason": reason,
        "reject_value": pa.array(numbers.astype(np.float64), mask=~rejected),
        "reject_threshold": pa.nulls(len(reasons), pa.float64()),
        "failed_rules": pa.ListArray.from_arrays(pa.array(counts), reason.drop_null(), mask=pa.array(~rejected)),
    }
    return {name: array.cast(arrow_type(REJECTION_COLUMNS[name])) for name, array in rows.items()}


def bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most a row group's text; a longer document is a piece of its own."""
    if len(batch) <= 1 or text_bytes_of(batch.column("text")) <= ROW_GROUP_TEXT_BYTES:
        yield batch
        return
    half = len(batch) // 2
    yield from bounded(batch.slice(0, half))
    yield from bounded(batch.slice(half))


@dataclass
class UnitAccount:
    """What became of a unit's records, also where a run's limit leaves it in the middle. ``records`` is their name, as ``pages``::

        counters[records] = documents + rejected records, without damages, + counters["beyond_limit"]
        counters[records + "_expected"] = counters[records] + counters[records + "_lost"] + counters[records + "_unread"]

    Attributes:
        records: Name of its records in counters.
        unit: Name of such units in counters; ``<unit>.unfinished`` counts one that was left in the middle.
        damages: Reasons of rejected rows that are no record.
        expected: Records that its listing promises; None where there is none.
        given: Records in the batches that were given on.
        has_ended: Whether the last record was read.
    """

    records: str
    unit: str
    damages: tuple[str, ...]
    expected: int | None
    given: int = 0
    has_ended: bool = False
    _waiting: int = 0

    def batches(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The batch in bounded pieces; each counts when it is given."""
        pieces = list(bounded(batch))
        self._waiting = len(pieces)
        for piece in pieces:
            self._waiting -= 1
            self.given += len(piece) - self._damages_in(piece)
            yield piece

    def count(self, context: RunContext) -> None:
        """Counts what there is to say, at the end or where the unit is left."""
        context.count(self.records, self.given)
        is_unfinished = not self.has_ended or self._waiting > 0
        if is_unfinished:
            context.count(f"{self.unit}.unfinished", 1)
        if self.expected is not None:
            context.count(f"{self.records}_expected", self.expected)
            if self.expected > self.given:
                context.count(f"{self.records}_{'unread' if is_unfinished else 'lost'}", self.expected - self.given)

    def _damages_in(self, batch: pa.RecordBatch) -> int:
        if "reject_reason" not in batch.schema.names:
            return 0
        found = pc.is_in(batch.column("reject_reason"), pa.array(self.damages, batch.schema.field("reject_reason").type))
        return pc.sum(found).as_py() or 0
