"""What every operation promises, and how each promise is checked."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from curation_tasks.context import RunContext
from curation_tasks.parts import OperationPart, Parameters, file_parameters
from curation_tasks.schema import COLUMN_TYPES, DOCUMENT_COLUMNS, REJECTION_COLUMNS, arrow_type, column_type, with_columns
from curation_tasks.testing.made_documents import TRAPS, with_identity

#: Length of the long text, in characters.
_HUGE = 5_000_000
_BATCH_SIZES = (1, 7)


def check_operation(
    part: OperationPart,
    parameters: Parameters | Mapping[str, Any] | None = None,
    *,
    texts: Iterable[str | None] | None = None,
    columns: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    huge: bool = True,
) -> None:
    """Runs the contract of an operation on texts that are known to cause trouble.

    Rows and their order are kept, exactly the declared columns are added, only declared ones are rewritten, only declared
    reasons are given and an earlier rejection stays, the same input gives the same output in batches of any size, cut any
    way, as strings or large strings, and the parameters survive the way through a plan.

    Args:
        part: The operation.
        parameters: Default: the part's ``example``.
        texts: Further texts, tried together with ``TRAPS``.
        columns: Types of the columns that it reads besides those of every document; default: string.
        files: Where a file that the parameters name is, if not there.
        huge: Whether to try a text of 5 MB.

    Raises:
        AssertionError: A promise is broken; says which, and where.
    """
    check = _Check(part, _checked_parameters(part, parameters), columns or {}, files or {})
    batch = check.batch([*TRAPS, *(texts or ())])
    expected = check.run(batch)
    check.declarations()
    check.output(batch, expected)
    check.repeats(batch, expected)
    check.any_batch_size(batch, expected)
    check.large_strings(batch, expected)
    check.empty_batch(batch, expected)
    if part.rows == "kept":  # rows stand beside those that came
        check.slices(batch, expected)
        check.earlier_rejections(batch, expected)
    if huge:
        long = check.batch(["The quick brown fox \u2014 jumps over the lazy dog. " * (_HUGE // 50)])
        check.output(long, check.run(long))


def fingerprint(
    part: OperationPart, parameters: Parameters | Mapping[str, Any] | None = None, *, files: Mapping[str, str] | None = None
) -> str:
    """A hash of what an operation makes of ``TRAPS`` (values, types, counters).

    Compare it between processes with different ``PYTHONHASHSEED``: it differs when the result hangs on the order of a set.
    """
    check = _Check(part, _checked_parameters(part, parameters), {}, files or {})
    output = _full(check.run(check.batch(TRAPS)))
    seen = [(name, str(output.schema.field(name).type), output.column(name).to_pylist()) for name in output.schema.names]
    return hashlib.sha256(repr((seen, sorted(check.counters.items()))).encode()).hexdigest()


def context_for(parameters: Parameters, **changes: Any) -> RunContext:
    """A context as a stage has it, for calling an operation in a test; files are read from where the parameters say."""
    files = {reference: reference for reference in file_parameters(parameters)}
    values = {"pipeline": "test", "snapshot": "all", "stage": "test", "folder": "memory://test", "files": files}
    return RunContext(**{**values, **changes})


def _checked_parameters(part: OperationPart, given: Parameters | Mapping[str, Any] | None) -> Parameters:
    """The parameters as a model; checks that they survive being frozen in a plan."""
    if isinstance(given, Parameters):
        parameters = given
    else:
        try:
            parameters = part.parameters.model_validate(dict(part.example if given is None else given))
        except ValidationError as error:
            what = "`example`" if given is None else "the given parameters"
            raise AssertionError(f"{part.name}: {what} of the part is not valid for its parameters: {error}") from error
    again = part.parameters.model_validate_json(parameters.model_dump_json())
    if again != parameters:
        raise AssertionError(f"{part.name}: the parameters change on their way through JSON: {parameters!r} becomes {again!r}")
    return parameters


class _Check:
    """One operation with its parameters, and the promises one by one."""

    def __init__(self, part: OperationPart, parameters: Parameters, columns: Mapping[str, str], files: Mapping[str, str]):
        self.part, self.parameters, self.files = part, parameters, files
        self.adds, self.rewrites = part.adds_of(parameters), part.rewrites_of(parameters)
        self.rejects = part.rejects_of(parameters)
        self.extra_columns = {name: columns.get(name, "string") for name in part.reads_of(parameters) if name not in DOCUMENT_COLUMNS}
        self.counters: Counter[str] = Counter()

    def fail(self, what: str) -> None:
        raise AssertionError(f"{self.part.name}: {what}")

    def batch(self, texts: Sequence[str | None]) -> pa.RecordBatch:
        batch = with_identity(pa.array(texts, pa.string()))
        return with_columns(batch, {name: _filler(kind, len(texts)) for name, kind in self.extra_columns.items()})

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Runs the operation; ``counters`` holds what it counted."""
        context = context_for(self.parameters)
        context = dataclasses.replace(context, files={**context.files, **self.files})
        before = pa.RecordBatch.from_pylist(batch.to_pylist(), schema=batch.schema) if batch.nbytes < 2**20 else None
        output = self.part(batch, self.parameters, context)
        if before is not None and not before.equals(batch):
            self.fail("it changed its input in place")
        if not isinstance(output, pa.RecordBatch):
            self.fail(f"it returned {type(output).__name__}, not a pyarrow.RecordBatch")
        self.counters = context.counters
        return output

    def declarations(self) -> None:
        """What the part says of itself fits together."""
        for name, kind in self.adds.items():
            if kind not in COLUMN_TYPES:
                self.fail(f"column {name!r} is declared as {kind!r}, which is no column type; known: {', '.join(COLUMN_TYPES)}")
        for reason, (signal, _) in self.part.thresholds_of(self.parameters).items():
            if reason not in self.rejects:
                self.fail(f"`thresholds` names the reason {reason!r}, which `rejects` does not")
            if signal not in self.adds and signal not in self.part.reads_of(self.parameters):
                self.fail(f"`thresholds` names the column {signal!r}, which the operation neither adds nor reads")

    def output(self, batch: pa.RecordBatch, output: pa.RecordBatch) -> None:
        """Rows, columns, types and reasons are as declared."""
        if self.part.rows == "kept" and len(output) != len(batch):
            self.fail(f"{len(batch)} rows became {len(output)}; an operation rejects rows by `schema.reject`, it does not drop them")
        self._columns(batch, output)
        self._reasons(output)

    def _columns(self, batch: pa.RecordBatch, output: pa.RecordBatch) -> None:
        allowed = {**dict.fromkeys(batch.schema.names), **self.adds, **REJECTION_COLUMNS}
        missing = [name for name in (*batch.schema.names, *self.adds) if name not in output.schema.names]
        surplus = [name for name in output.schema.names if name not in allowed]
        if missing:
            self.fail(f"columns are missing from its output: {', '.join(missing)}")
        if surplus:
            self.fail(f"columns in its output are not declared in `adds`: {', '.join(surplus)}")
        for name, kind in {**REJECTION_COLUMNS, **self.adds}.items():
            if name in output.schema.names and column_type(output.schema.field(name).type) != kind:
                self.fail(f"column {name!r} is declared as {kind} and has type {output.schema.field(name).type}")
        for name in batch.schema.names:
            if name in self.adds:
                continue
            if column_type(output.schema.field(name).type) != column_type(batch.schema.field(name).type):
                self.fail(f"column {name!r} came as {batch.schema.field(name).type} and left as {output.schema.field(name).type}")
            if self.part.rows == "kept" and name not in (*self.rewrites, *REJECTION_COLUMNS):
                self._same_column(name, batch, output, "is not declared in `rewrites` (or rows changed places), but differs")

    def _reasons(self, output: pa.RecordBatch) -> None:
        if "reject_reason" not in output.schema.names:
            return
        for row, (reason, failed) in enumerate(
            zip(output.column("reject_reason").to_pylist(), output.column("failed_rules").to_pylist(), strict=True)
        ):
            for given in {reason, *(failed or ())} - {None, *self.rejects}:
                self.fail(f"row {row} has the reason {given!r}, which `rejects` does not declare ({', '.join(self.rejects) or 'none'})")
            if (reason is None) != (not failed) or (reason is not None and reason not in failed):
                self.fail(f"row {row} has reason {reason!r} and failed_rules {failed!r}; reject by `schema.reject` or `reject_by_rules`")

    def repeats(self, batch: pa.RecordBatch, expected: pa.RecordBatch) -> None:
        """Deterministic."""
        counted = self.counters
        self._same(self.run(batch), expected, "a second run")
        if self.counters != counted:
            self.fail(f"a second run counts {dict(self.counters)}, the first one {dict(counted)}")

    def any_batch_size(self, batch: pa.RecordBatch, expected: pa.RecordBatch) -> None:
        """No row depends on its neighbours; counters add up."""
        self.run(batch)
        counted = self.counters
        for size in _BATCH_SIZES:
            pieces, sums = [], Counter[str]()
            for start in range(0, len(batch), size):
                pieces.append(_full(self.run(batch.slice(start, size))))
                sums.update(self.counters)
            self._same(pa.Table.from_batches(pieces).combine_chunks().to_batches()[0], expected, f"batches of {size}")
            if sums != counted:
                self.fail(f"batches of {size} count {dict(sums)}, one batch counts {dict(counted)}")

    def slices(self, batch: pa.RecordBatch, expected: pa.RecordBatch) -> None:
        """Arrays that begin or end inside their buffers."""
        for start, stop in pairwise((0, 3, len(batch) // 2, len(batch) - 1)):
            self._same(self.run(batch.slice(start, stop - start)), _full(expected).slice(start, stop - start), f"rows {start} to {stop}")

    def large_strings(self, batch: pa.RecordBatch, expected: pa.RecordBatch) -> None:
        """64-bit offsets give the same values."""
        self._same(self.run(with_columns(batch, {"text": batch.column("text").cast(pa.large_string())})), expected, "large_string input")

    def empty_batch(self, batch: pa.RecordBatch, expected: pa.RecordBatch) -> None:
        """No rows, the same columns."""
        output = self.run(batch.slice(0, 0))
        self.output(batch.slice(0, 0), output)
        if not _full(output).schema.equals(_full(expected).schema):
            self.fail(f"an empty batch gets other columns than one with rows:\n{output.schema}\n--- not ---\n{expected.schema}")

    def earlier_rejections(self, batch: pa.RecordBatch, expected: pa.RecordBatch) -> None:
        """What an operation before it rejected keeps its reason."""
        rows = range(len(batch))
        rejected = {
            "reject_reason": ["earlier.reason" if row % 2 else None for row in rows],
            "reject_value": [0.5 if row % 2 else None for row in rows],
            "reject_threshold": [1.0 if row % 2 else None for row in rows],
            "failed_rules": [["earlier.reason"] if row % 2 else None for row in rows],
        }
        typed = {name: pa.array(rejected[name], arrow_type(kind)) for name, kind in REJECTION_COLUMNS.items()}
        found = self.run(with_columns(batch, typed))
        fresh = _full(expected).column("reject_reason").to_pylist()
        for row, reason in enumerate(found.column("reject_reason").to_pylist()):
            wanted = "earlier.reason" if row % 2 else fresh[row]
            if reason != wanted:
                self.fail(
                    f"row {row} was rejected before with 'earlier.reason'"
                    if row % 2
                    else f"row {row} has another reason beside rejected rows"
                )
            if row % 2 and "earlier.reason" not in found.column("failed_rules")[row].as_py():
                self.fail(f"row {row} lost the rule that it failed before from `failed_rules`")

    def _same(self, found: pa.RecordBatch, expected: pa.RecordBatch, what: str) -> None:
        found, expected = _full(found), _full(expected)
        if set(found.schema.names) != set(expected.schema.names):
            self.fail(f"{what} gives the columns {found.schema.names}, not {expected.schema.names}")
        for name in expected.schema.names:
            self._same_column(name, expected, found, f"differs in {what}")

    def _same_column(self, name: str, expected: pa.RecordBatch, found: pa.RecordBatch, what: str) -> None:
        left, right = expected.column(name), found.column(name)
        if left.type != right.type:
            if column_type(left.type) != column_type(right.type):
                self.fail(f"column {name!r} {what}: type {right.type}, not {left.type}")
            right = right.cast(left.type)
        if left.equals(right):
            return
        for row, (old, new) in enumerate(zip(left.to_pylist(), right.to_pylist(), strict=True)):
            if old != new and not (old != old and new != new):  # NaN is like NaN
                self.fail(f"column {name!r} {what}: row {row} is {_short(new)}, not {_short(old)}")


def _full(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With rejection columns: an operation that rejects nothing may leave them out. They stand last."""
    from curation_tasks.schema import with_rejection_columns

    full = with_rejection_columns(batch)
    return full.select([*(name for name in full.schema.names if name not in REJECTION_COLUMNS), *REJECTION_COLUMNS])


def _filler(kind: str, rows: int) -> pa.Array:
    """Values for a column that an operation reads, with a null now and then."""
    if kind.startswith("list<"):
        return pa.array([None if row % 5 == 4 else [] for row in range(rows)], arrow_type(kind))
    numbers = pa.array([None if row % 5 == 4 else row % 3 for row in range(rows)], pa.int64())
    return numbers.cast(arrow_type(kind))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)} characters)"
