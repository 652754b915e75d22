"""What an implementation is told about the run it is part of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from curation_tasks.errors import ConfigError
from curation_tasks.logs import logger


@dataclass(frozen=True)
class RunContext:
    """Given to every operation, source and export. Small, picklable, the same on a laptop and in a pod.

    Attributes:
        pipeline: Its name.
        snapshot: The partition that the run curates.
        stage: The stage's id.
        folder: URI of the stage's folder ``{root}/{pipeline}/{snapshot}/{stage}/{key}``.
        engine: ``cpu`` or ``gpu``.
        files: Value of a ``FilePath`` parameter → place of its frozen copy.
        counters: Counts of this unit that are worth a line in the manifest; summed over units.
    """

    pipeline: str
    snapshot: str
    stage: str
    folder: str
    engine: str = "cpu"
    files: Mapping[str, str] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)

    @property
    def logger(self) -> Any:
        """A structured logger bound to the stage. Never give it text of a document."""
        return logger().bind(stage=self.stage)

    def count(self, name: str, amount: int = 1) -> None:
        """Adds to a counter of the unit. Counters enter the digest, so count only what the data decides."""
        self.counters[name] += int(amount)

    def local_path(self, reference: str) -> str:
        """The local path of the frozen copy of a ``FilePath`` parameter's value; a folder stays a folder.

        Raises:
            ConfigError: ``resolve`` did not freeze it, so it is not a ``FilePath`` parameter.
        """
        from curation_tasks.storage.cache import localize

        if reference not in self.files:
            raise ConfigError(f"{reference!r} was not frozen by resolve", where=self.stage, remedy="declare the parameter as FilePath")
        return localize(self.files[reference])


class TaskMap(Protocol):
    """Runs a function over items on the stage's cluster; each finished item is kept, so that a retry goes on there."""

    def __call__(
        self, step: str, function: Callable[..., dict[str, Any]], items: Sequence[Any], *arguments: Any
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class EarlierIndex:
    """The kept documents of an earlier snapshot, or of a named other dataset, as a reduction wrote them down.

    Attributes:
        snapshot: The name that errors and reports give it.
        uri: Folder of the index.
        digest: Of its content, erasures included, as ``resolve`` saw it: it enters the stage's key.
    """

    snapshot: str
    uri: str
    digest: str


@dataclass(frozen=True)
class ReductionContext(RunContext):
    """A ``RunContext`` with a cluster behind it.

    Attributes:
        map: ``map(step, function, items, *arguments)`` calls ``function(item, *arguments)`` for each item on the
            cluster and returns the results in the order of the items. Functions live at module level; items, arguments
            and results are plain data (results: JSON). The result of an item is committed under ``work/{step}``; after a
            crash it is not computed again.
        work: URI of a folder for intermediate files, deleted when the stage has committed.
        memory_per_task: Bytes that one task may hold. A retry may be given another number: what is derived from it and
            decides the names or the layout of intermediate files must be settled as an item of a step of its own.
        earlier: Indexes to compare with, the one whose documents rank first at the front: named other datasets, then earlier
            snapshots in ascending order. Their documents are kept, always.
        index: URI of the folder for the index of the documents kept here; "" when none is wanted.
    """

    map: TaskMap = None  # type: ignore[assignment]
    work: str = ""
    memory_per_task: int = 2**30
    earlier: tuple[EarlierIndex, ...] = ()
    index: str = ""

    def partitions_for(self, total_bytes: int) -> int:
        """Number of hash partitions of which one fits a quarter of ``memory_per_task``, at least 1."""
        return max(1, -(-total_bytes // max(1, self.memory_per_task // 4)))
