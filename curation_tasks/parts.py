"""Parts: what an operation, a reduction, a source or an export says about itself.

A part names its parameters, the columns it reads and adds, and the reasons for which it rejects, but holds its
implementation only as a dotted path. So a whole pipeline can be planned and checked without importing an engine.
Each room lists its parts in ``catalog.py``; a user's package does the same through the entry point
``curation_tasks.catalog``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from curation_tasks.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from curation_tasks.context import RunContext


class Parameters(BaseModel):
    """Base of all parameter models: unknown names are refused, values are frozen, defaults are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class _FileMarker:
    """Marks a parameter whose value names a file."""


class _FunctionMarker:
    """Marks a parameter whose value names a function of the user's own."""


#: A parameter that names a file or a folder (a model, a block list). Its content enters the stage's key, ``resolve``
#: freezes a copy of it, and the implementation reads it through ``context.local_path(value)``.
FilePath = Annotated[str, _FileMarker()]


#: A parameter that names a function of the user's own (``curation_tasks.functions``). Its code enters the stage's key.
FunctionPath = Annotated[str, _FunctionMarker()]


def file_parameters(parameters: Parameters) -> Iterator[str]:
    """The values of all ``FilePath`` parameters, nested models and lists included, in the order of their fields."""
    return _marked_parameters(parameters, _FileMarker)


def function_parameters(parameters: Parameters) -> Iterator[str]:
    """The values of all ``FunctionPath`` parameters, nested models and lists included, in the order of their fields."""
    return _marked_parameters(parameters, _FunctionMarker)


def _marked_parameters(parameters: Parameters, marker: type) -> Iterator[str]:
    for name, info in type(parameters).model_fields.items():
        value = getattr(parameters, name)
        yield from _marked_values(value, marker, _is_marked(info.metadata, info.annotation, marker))


def _is_marked(metadata: Sequence[Any], annotation: Any, marker: type) -> bool:
    if any(isinstance(item, marker) for item in metadata):
        return True
    return any(_is_marked(getattr(inner, "__metadata__", ()), inner, marker) for inner in getattr(annotation, "__args__", ()))


def _marked_values(value: Any, marker: type, is_marked: bool) -> Iterator[str]:
    if isinstance(value, Parameters):
        yield from _marked_parameters(value, marker)
    elif isinstance(value, str):
        if is_marked:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _marked_values(item, marker, is_marked)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _marked_values(item, marker, is_marked)


Columns = Mapping[str, str] | Callable[[Any], Mapping[str, str]]
Names = Sequence[str] | Callable[[Any], Sequence[str]]


def _given(declared: Any, parameters: Parameters) -> Any:
    return declared(parameters) if callable(declared) else declared


@dataclass(frozen=True, kw_only=True)
class Part:
    """What all parts declare.

    Attributes:
        name: The name used in pipeline files, ``room.part``.
        summary: One line for ``curate operations``.
        parameters: The model of its parameters; defaults live there and nowhere else.
        implementation: ``module:function``, imported where a stage runs; or the function itself (a user's part).
        data_version: Raised whenever the output changes for the same input; enters the key.
        libraries: Distributions whose version decides the output; their versions enter the key. May depend on the parameters.
        releases_gil: True when the work is done in compiled code, so that threads serve as well as processes.
        example: Parameters for documentation and for the contract tests.
        notes: Lines that `curate plan` prints below the stages: what the parameters amount to. May depend on the parameters.
    """

    kind: ClassVar[str] = "part"

    name: str
    summary: str
    parameters: type[Parameters] = Parameters
    implementation: str | Callable
    data_version: int = 1
    libraries: Names = ()
    releases_gil: bool = True
    example: Mapping[str, Any] = field(default_factory=dict)
    notes: Names = ()

    def load(self) -> Callable:
        """The implementation. Imports the engine it needs.

        Raises:
            ConfigError: It cannot be imported, usually because an extra is not installed.
        """
        if callable(self.implementation):
            return self.implementation
        return _import(self.implementation, self.name)

    def library_names(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(sorted(_given(self.libraries, parameters)))

    def notes_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.notes, parameters))


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
        return self.function if callable(self.function) else _import(self.function, "the judge of an operation")

    def load_rows(self) -> Callable | None:
        return _import(self.rows, "the judge of an operation") if isinstance(self.rows, str) else self.rows


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
        return tuple(_given(self.reads, parameters))

    def adds_of(self, parameters: Parameters) -> dict[str, str]:
        return dict(_given(self.adds, parameters))

    def rewrites_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.rewrites, parameters))

    def rejects_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.rejects, parameters))

    def thresholds_of(self, parameters: Parameters) -> dict[str, tuple[str, float]]:
        return dict(_given(self.thresholds, parameters))

    def __call__(self, batch: pa.RecordBatch, parameters: Parameters, context: RunContext) -> pa.RecordBatch:
        return self.load()(batch, parameters, context)


@dataclass(frozen=True)
class SourceUnit:
    """One input file, or a part of one: the unit of work and of resume of a source.

    Attributes:
        uri: Where it is read from; for generated data a name.
        path: The name relative to the source's own base: what identities are made of, so it must not depend on where
            the data happens to be stored.
        bytes: Size as listed, −1 when unknown.
        etag: The store's version of the file (for local files, size and time of change); "" when it has none.
        options: What else the source needs to read it (a byte range, a seed).
    """

    uri: str
    path: str
    bytes: int = -1
    etag: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """What a source publishes at once: a crawl, a dump, a month.

    Attributes:
        id: Its name, which stands in paths.
        date: The day (UTC) that it stands for, YYYY-MM-DD: the order of snapshots, and what backfills select by.
        available: Since when it is complete, an ISO time with its zone; "" for as long as it has been listed.
    """

    id: str
    date: str
    available: str = ""


@dataclass(frozen=True, kw_only=True)
class SourcePart(Part):
    """Where documents come from.

    ``units(parameters, snapshot) -> list[SourceUnit]`` lists the work and is called once, by ``resolve``.
    The implementation is ``function(unit, parameters, context) -> Iterator[RecordBatch]``. Each batch has ``text`` and
    the declared columns, optionally ``native_id`` (an identity of the source's own) and the rejection columns; one row
    for every record, documents and rejected records alike. The runner adds ``doc_id``, ``source`` and ``snapshot``.

    Raise ``InputError`` for a unit that is proven bad by its content: it is quarantined.

    Attributes:
        units: ``module:function`` or the function itself.
        snapshots: ``module:function`` or the function itself, ``function(parameters) -> list[Snapshot]``: asks the origin what it
            publishes. Called by discovery; None for sources without snapshots of their own.
        reads_root: True when both need the storage root, given as a last argument ``root``: for what other pipelines made.
        provides: Columns besides those that every document has.
        rejects: Reasons that it may give.
    """

    kind: ClassVar[str] = "source"

    units: str | Callable
    snapshots: str | Callable | None = None
    reads_root: bool = False
    provides: Columns = field(default_factory=dict)
    rejects: Names = ()

    def load_units(self) -> Callable[..., list[SourceUnit]]:
        return self.units if callable(self.units) else _import(self.units, self.name)

    def list_units(self, parameters: Parameters, snapshot: str, root: str) -> list[SourceUnit]:
        """The work of a snapshot. A trial, ``{snapshot}+{suffix}``, reads what the snapshot itself does."""
        return self.load_units()(parameters, snapshot.partition("+")[0], *([root] if self.reads_root else []))

    def list_snapshots(self, parameters: Parameters, root: str) -> list[Snapshot]:
        """What the origin publishes."""
        assert self.snapshots is not None, f"the source {self.name!r} publishes no snapshots"
        function = self.snapshots if callable(self.snapshots) else _import(self.snapshots, self.name)
        return function(parameters, *([root] if self.reads_root else []))

    def provides_of(self, parameters: Parameters) -> dict[str, str]:
        return dict(_given(self.provides, parameters))

    def rejects_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.rejects, parameters))


@dataclass(frozen=True, kw_only=True)
class ReductionPart(Part):
    """Work over a whole dataset that yields decisions, never text.

    The implementation is ``function(dataset, parameters, context) -> Decisions``, where ``dataset`` is a
    ``curation_tasks.manifest.Dataset`` and ``context`` a ``curation_tasks.context.ReductionContext``.

    Attributes:
        reads: Columns that must be there.
        rejects: Reasons that its decisions may give.
        rewrites: ``("text",)`` when it cuts spans out of texts.
        costs: ``module:function`` or the function itself, ``(parameters, size, *, index) -> [Step]`` of ``curation_tasks.dedup.estimate``:
            what its steps write and cost; None when nobody has reckoned it.
        indexes: True when it compares with ``context.earlier`` and writes ``context.index``.
    """

    kind: ClassVar[str] = "reduction"

    reads: Names = ("text",)
    rejects: Names = ()
    rewrites: Names = ()
    costs: str | Callable | None = None
    indexes: bool = False

    def load_costs(self) -> Callable | None:
        return _import(self.costs, self.name) if isinstance(self.costs, str) else self.costs

    def reads_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.reads, parameters))

    def rejects_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.rejects, parameters))


@dataclass(frozen=True, kw_only=True)
class ExportPart(Part):
    """A format for consumers.

    The implementation is ``function(batches, destination, parameters) -> None``: it writes an iterator of record
    batches to ``destination``, a binary file object, as one file.

    Attributes:
        suffix: The file name's ending; may depend on the parameters.
        reads: Columns that must be there.
    """

    kind: ClassVar[str] = "export"

    suffix: str | Callable[[Any], str]
    reads: Names = ("text",)

    def suffix_of(self, parameters: Parameters) -> str:
        return _given(self.suffix, parameters)

    def reads_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(_given(self.reads, parameters))


PartKind = Literal["operation", "reduction", "source", "export"]


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


def _import(path: str, owner: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{owner} needs the Python package {error.name!r}, which is not installed",
            where=path,
            remedy="install the engines with `pip install 'curation-tasks[tasks]'`, or run in the worker image",
        ) from error
