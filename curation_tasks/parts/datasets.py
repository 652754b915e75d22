"""Reductions and exports: work on a whole dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.parts.declaration import Names, Part, given, load_attribute
from curation_tasks.parts.parameters import Parameters


@dataclass(frozen=True)
class ColumnUse:
    """A column that a parameter names, and what it must hold.

    Attributes:
        parameter: Its name.
        column: The column.
        types: Of which it must be one.
        remedy: What to do where it is of another.
    """

    parameter: str
    column: str
    types: tuple[str, ...]
    remedy: str


def check_uses(uses: Sequence[ColumnUse], columns: Mapping[str, str], where: Callable[[str], str]) -> None:
    """Checks that columns are there and of the right types.

    Args:
        uses: What is wanted.
        columns: Column → type.
        where: Parameter → its place, for the error.

    Raises:
        ConfigError: One is not.
    """
    for use in uses:
        found = columns.get(use.column)
        if found in use.types:
            continue
        fitting = [name for name, kind in columns.items() if kind in use.types]
        what = f"holds {found}" if found else "does not exist"
        raise ConfigError(
            f"`{use.parameter}` names column {use.column!r}, which {what}; {did_you_mean(use.column, fitting)}",
            where=where(use.parameter), expected=f"a column of type {' or '.join(use.types)}", remedy=use.remedy,
        )  # fmt: skip


def place_of(stage: str) -> Callable[[str], str]:
    """Where a parameter of a stage stands, for errors of a run: the pipeline file is not at hand there."""
    return lambda parameter: f"stage {stage!r}, parameters.{parameter}"


@dataclass(frozen=True, kw_only=True)
class ReductionPart(Part):
    """Work over a whole dataset that yields decisions, never text.

    The implementation is ``function(dataset, parameters, context) -> Decisions``, where ``dataset`` is a
    ``curation_tasks.manifest.Dataset`` and ``context`` a ``curation_tasks.context.ReductionContext``.

    Attributes:
        reads: Columns that must be there.
        uses: Parameters → what the columns that they name must hold.
        rejects: Reasons that its decisions may give.
        rewrites: ``("text",)`` when it cuts spans out of texts.
        costs: ``module:function`` or the function itself, ``(parameters, size, *, index) -> [Step]`` of ``curation_tasks.dedup.estimate``:
            what its steps write and cost; None when nobody has reckoned it.
        indexes: True when it compares with ``context.earlier`` and writes ``context.index``.
    """

    kind: ClassVar[str] = "reduction"

    reads: Names = ("text",)
    uses: Callable[[Any], Sequence[ColumnUse]] = lambda parameters: ()
    rejects: Names = ()
    rewrites: Names = ()
    costs: str | Callable | None = None
    indexes: bool = False

    def load_costs(self) -> Callable | None:
        return load_attribute(self.costs, self.name) if isinstance(self.costs, str) else self.costs

    def reads_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.reads, parameters))

    def rejects_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.rejects, parameters))


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
        return given(self.suffix, parameters)

    def reads_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.reads, parameters))
