"""Operations: row-wise work on a batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from curation_tasks.parts.declaration import Columns, Names, Part, given, load_attribute
from curation_tasks.parts.parameters import Parameters

if TYPE_CHECKING:
    import pyarrow as pa

    from curation_tasks.context import RunContext


@dataclass(frozen=True)
class Judge:
    """How an operation's rejections follow from the columns that it adds, so that other thresholds need no new reading of texts.

    Attributes:
        function: ``module:function`` or the function: ``function(batch, parameters, context) -> batch`` gives the rejections that the
            operation gives, from the columns that it adds and those that it reads, ``text`` aside.
        measured_by: ``parameters → {column: what it depends on besides the document}``: columns with equal descriptions hold the
            same values.
        with_rules: ``(parameters, rules) -> parameters``: the parameters with other rules, by name or as a file; None: there are no
            rules, only parameters.
        derived: Parameters that planning fills in from others, and that are to be left out when those change.
        rows: ``module:function`` or the function: ``function(batch, parameters) -> {reason: mask}``: which documents a rule is for;
            None: all of them.
    """

    function: str | Callable
    measured_by: Callable[[Any], Mapping[str, Any]]
    with_rules: Callable[[Any, str], Parameters] | None = None
    derived: tuple[str, ...] = ()
    rows: str | Callable | None = None

    def load(self) -> Callable:
        return self.function if callable(self.function) else load_attribute(self.function, "the judge of an operation")

    def load_rows(self) -> Callable | None:
        return load_attribute(self.rows, "the judge of an operation") if isinstance(self.rows, str) else self.rows


@dataclass(frozen=True, kw_only=True)
class OperationPart(Part):
    """Row-wise work on a batch: clean, annotate, or reject.

    The implementation is ``function(batch, parameters, context) -> batch``: a pure function of its arguments that
    keeps the number and order of rows, adds exactly the declared columns, rewrites no other than the declared ones,
    and rejects through ``curation_tasks.schema.reject`` with the declared reasons.

    An operation that splits or joins documents says so by ``rows``: it repeats or drops whole rows, gives the new ones identities of
    their own, and the runner counts the difference.

    Attributes:
        reads: Columns that must be there.
        adds: Columns that it adds, with their types.
        rewrites: Columns whose values it may change.
        rejects: Reasons that it may give.
        thresholds: Reason → (signal column, bound), for plots of a signal with its threshold. May depend on the parameters.
        rows: ``kept``; ``split``: a row may become several; ``joined``: neighbours with the same value of ``group_by`` may become one.
        group_by: For ``joined``: the column. All neighbours come in one batch, however the shard was written.
        judge: How its rejections follow from the columns that it adds; None when they do not.
        engine_exact: True when every engine gives the same bits, so that the engine does not enter the key.
    """

    kind: ClassVar[str] = "operation"

    reads: Names = ("text",)
    adds: Columns = field(default_factory=dict)
    rewrites: Names = ()
    rejects: Names = ()
    thresholds: Mapping[str, tuple[str, float]] | Callable[[Any], Mapping[str, tuple[str, float]]] = field(default_factory=dict)
    rows: Literal["kept", "split", "joined"] = "kept"
    group_by: str = ""
    judge: Judge | None = None
    engine_exact: bool = True

    def reads_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.reads, parameters))

    def adds_of(self, parameters: Parameters) -> dict[str, str]:
        return dict(given(self.adds, parameters))

    def rewrites_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.rewrites, parameters))

    def rejects_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.rejects, parameters))

    def thresholds_of(self, parameters: Parameters) -> dict[str, tuple[str, float]]:
        return dict(given(self.thresholds, parameters))

    def __call__(self, batch: pa.RecordBatch, parameters: Parameters, context: RunContext) -> pa.RecordBatch:
        return self.load()(batch, parameters, context)


def operation(
    name: str,
    *,
    parameters: type[Parameters] = Parameters,
    reads: Names = ("text",),
    adds: Columns | None = None,
    rewrites: Names = (),
    rejects: Names = (),
    data_version: int = 1,
    **more: Any,
) -> Callable[[Callable], OperationPart]:
    """Makes an ``OperationPart`` of a function: the way for a user's own operation.

    Example:
        >>> @operation("my.shouting", rejects=["shouting"])
        ... def shouting(batch, parameters, context):
        ...     '''Rejects text in capitals.'''
        ...     return batch
        >>> shouting.name, shouting.summary
        ('my.shouting', 'Rejects text in capitals.')
    """

    def declare(function: Callable) -> OperationPart:
        return OperationPart(
            name=name,
            summary=(inspect.getdoc(function) or name).splitlines()[0],
            parameters=parameters,
            implementation=function,
            reads=reads,
            adds=adds or {},
            rewrites=rewrites,
            rejects=rejects,
            data_version=data_version,
            **more,
        )

    return declare
