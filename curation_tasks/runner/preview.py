"""Preview: a stage of operations run over a sample of documents, in this process, so that thresholds can be chosen by looking.

The sample is the same whenever the same documents are there: of evenly spread shards the documents whose identity, hashed with
a seed, comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.errors import InputError
from curation_tasks.kernels.identity import hashed_uniform
from curation_tasks.lineage.preview import Example, OperationSample, Preview, RuleSample
from curation_tasks.lineage.signals import spread
from curation_tasks.manifest import Dataset
from curation_tasks.parts import OperationPart, Parameters
from curation_tasks.runner.ledger import SAMPLE_CHARACTERS, split_rejected
from curation_tasks.runner.operations_stage import applied
from curation_tasks.runner.work import Work
from curation_tasks.storage.shard import Shard

#: Shards that a sample is taken from.
SAMPLED_SHARDS = 12
#: Documents shown of each rule, on each side of its bound.
EXAMPLES = 4
#: What an example is cut to before it is redacted, so that a cut address is still known for one.
_RAW_CHARACTERS = 4 * SAMPLE_CHARACTERS


def preview(work: Work, datasets: Sequence[Dataset], count: int, seed: int = 0, origin: str = "") -> Preview:
    """Runs a chain of operations over a sample.

    Args:
        work: Of the stage.
        datasets: What the stage reads.
        count: Documents in the sample, at most.
        seed: Another seed gives another sample.
        origin: A sentence on where the documents come from, for the page.

    Raises:
        InputError: There are no documents.
    """
    pairs = [(dataset, shard) for dataset in datasets for shard in dataset.shards if shard.rows]
    if not pairs:
        raise InputError("there are no documents to preview", where=work.context.stage, remedy="look at what the stages before it keep")
    chosen = [pairs[index] for index in spread(len(pairs), SAMPLED_SHARDS)]
    operations = [_Operation(*call) for call in work.parts("operation")]
    context, reasons, documents, kept = work.unit_context(), Counter[str](), 0, 0
    for batch in _sampled(chosen, count, seed):
        documents += len(batch)
        for operation in operations:
            batch = applied(operation.name, operation.part, operation.parameters, batch, context, work.context.stage)
            operation.note(batch)
            batch, rejected = split_rejected(batch)
            if rejected is not None:
                reasons.update(rejected.column("reject_reason").to_pylist())
        kept += len(batch)
    found = tuple(operation.sample() for operation in operations)
    return Preview(
        pipeline=work.context.pipeline, snapshot=work.context.snapshot, stage=work.context.stage, origin=origin, seed=seed,
        available=sum(shard.rows for _, shard in pairs), documents=documents, kept=kept,
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))), operations=found,
    )  # fmt: skip


def _sampled(pairs: Sequence[tuple[Dataset, Shard]], count: int, seed: int) -> Iterator[pa.RecordBatch]:
    """The documents of the sample, in the order of the dataset, in batches of at most a row group."""
    numbers = [
        np.concatenate([hashed_uniform(batch.column("doc_id"), seed) for batch in dataset.read(shard, ["doc_id"])])
        for dataset, shard in pairs
    ]
    everything = np.concatenate(numbers)
    taken = np.zeros(len(everything), bool)
    # Equal numbers (equal identities) are told apart by their place.
    taken[np.argsort(everything, kind="stable")[:count]] = True
    first = 0
    for dataset, shard in pairs:
        for batch in dataset.read(shard):
            mask = taken[first : first + len(batch)]
            first += len(batch)
            if mask.any():
                yield batch.filter(pa.array(mask))


class _Operation:
    """One operation of the chain, and what is noted of the documents that reach it."""

    def __init__(self, name: str, part: OperationPart, parameters: Parameters):
        self.name, self.part, self.parameters = name, part, parameters
        self.thresholds = part.thresholds_of(parameters)
        judged = [signal for signal, _ in self.thresholds.values()]
        numbers = [column for column, kind in part.adds_of(parameters).items() if kind not in ("string", "binary") and "<" not in kind]
        self.signals = list(dict.fromkeys([*judged, *numbers]))
        self._values: dict[str, list[np.ndarray]] = {name: [] for name in self.signals}
        self._missed: dict[str, list[np.ndarray]] = {reason: [] for reason in self.thresholds}
        self._concerned: dict[str, list[np.ndarray]] = {reason: [] for reason in self.thresholds}
        self._failed: list[np.ndarray] = []
        self._identities: list[str] = []
        self._texts: list[str] = []

    def note(self, batch: pa.RecordBatch) -> None:
        if not self.signals:
            return
        for name in self.signals:
            self._values[name].append(_numbers(batch.column(name)))
        failed = batch.column("failed_rules") if "failed_rules" in batch.schema.names else pa.nulls(len(batch), pa.list_(pa.string()))
        rows, rules = pc.list_parent_indices(failed), failed.flatten()
        rows_of = self.part.judge.load_rows() if self.part.judge else None
        concerned = rows_of(batch, self.parameters) if rows_of else {}
        for reason in self.thresholds:
            self._concerned[reason].append(concerned.get(reason, np.ones(len(batch), bool)))
            missed = np.zeros(len(batch), bool)
            missed[rows.filter(pc.equal(rules, reason)).to_numpy()] = True
            self._missed[reason].append(missed)
        self._failed.append(pc.fill_null(pc.list_value_length(failed), 0).to_numpy())
        if self.thresholds:
            self._identities += batch.column("doc_id").to_pylist()
            self._texts += pc.fill_null(pc.utf8_slice_codeunits(batch.column("text"), 0, _RAW_CHARACTERS), "").to_pylist()

    def sample(self) -> OperationSample:
        failed = _joined(self._failed, np.int64)
        values = {name: _joined(pieces, np.float64) for name, pieces in self._values.items()}
        rules = tuple(self._rule(reason, signal, bound, values[signal], failed) for reason, (signal, bound) in self.thresholds.items())
        return OperationSample(self.name, len(failed), rules, {name: values[name] for name in self.signals}, failed == 0)

    def _rule(self, reason: str, signal: str, bound: float, values: np.ndarray, failed: np.ndarray) -> RuleSample:
        missed = _joined(self._missed[reason], bool)
        values = np.where(_joined(self._concerned[reason], bool), values, np.nan)
        side = _side(reason, bound, values, missed)
        return RuleSample(
            reason, signal, bound, side, values, missed, failed - missed == 0,
            kept=self._examples(values, ~missed, bound), rejected=self._examples(values, missed, bound),
        )  # fmt: skip

    def _examples(self, values: np.ndarray, side: np.ndarray, bound: float) -> tuple[Example, ...]:
        """The documents nearest to the bound on one side of it, redacted as the samples of a ledger are."""
        rows = np.flatnonzero(side & np.isfinite(values))
        rows = rows[np.argsort(np.abs(values[rows] - bound), kind="stable")][:EXAMPLES].tolist()
        if not rows:
            return ()
        from curation_tasks.pii.samples import redact_samples  # compiled kernels, not needed without rules

        texts = redact_samples([self._texts[row] for row in rows])
        return tuple(
            Example(self._identities[row], float(values[row]), text[:SAMPLE_CHARACTERS] + ("…" if len(text) > SAMPLE_CHARACTERS else ""))
            for row, text in zip(rows, texts, strict=True)
        )


def _side(reason: str, bound: float, values: np.ndarray, missed: np.ndarray) -> str:
    """Whether a bound is a ``min`` or a ``max``: as its reason says, else as those show that miss it."""
    last = reason.rsplit(".", 1)[-1]
    if last in ("min", "max"):
        return last
    return "max" if (values[missed] > bound).any() else "min"


def _numbers(column: pa.Array) -> np.ndarray:
    """float64, NaN where null."""
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _joined(pieces: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(pieces).astype(kind) if pieces else np.zeros(0, kind)
