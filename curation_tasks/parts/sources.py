"""Sources: where documents come from, in units, and by snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from curation_tasks.parts.declaration import Columns, Names, Part, given, load_attribute
from curation_tasks.parts.parameters import Parameters


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
        return self.units if callable(self.units) else load_attribute(self.units, self.name)

    def list_units(self, parameters: Parameters, snapshot: str, root: str) -> list[SourceUnit]:
        """The work of a snapshot. A trial, ``{snapshot}+{suffix}``, reads what the snapshot itself does."""
        return self.load_units()(parameters, snapshot.partition("+")[0], *([root] if self.reads_root else []))

    def list_snapshots(self, parameters: Parameters, root: str) -> list[Snapshot]:
        """What the origin publishes."""
        assert self.snapshots is not None, f"the source {self.name!r} publishes no snapshots"
        function = self.snapshots if callable(self.snapshots) else load_attribute(self.snapshots, self.name)
        return function(parameters, *([root] if self.reads_root else []))

    def provides_of(self, parameters: Parameters) -> dict[str, str]:
        return dict(given(self.provides, parameters))

    def rejects_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.rejects, parameters))
