"""The catalogue: all parts that a pipeline file may name.

Parts come from entry points of the group ``curation_tasks.catalog`` (our rooms use the same door as a user's package) or,
for code that is not packaged, from a dotted path ``package.module:name`` below a package that the deployment allows.
Nothing here imports an engine.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.functions import require_allowed
from curation_tasks.parts import ExportPart, OperationPart, Part, PartKind, ReductionPart, SourcePart

ENTRY_POINT_GROUP = "curation_tasks.catalog"


@dataclass(frozen=True)
class Catalog:
    """Parts by kind and name."""

    operations: dict[str, OperationPart] = field(default_factory=dict)
    reductions: dict[str, ReductionPart] = field(default_factory=dict)
    sources: dict[str, SourcePart] = field(default_factory=dict)
    exports: dict[str, ExportPart] = field(default_factory=dict)

    def of_kind(self, kind: PartKind) -> dict[str, Any]:
        return {"operation": self.operations, "reduction": self.reductions, "source": self.sources, "export": self.exports}[kind]

    def __iter__(self) -> Iterator[Part]:
        for parts in (self.sources, self.operations, self.reductions, self.exports):
            yield from parts.values()

    def add(self, part: Part, origin: str) -> None:
        """Registers a part.

        Raises:
            ConfigError: Another part of the kind has the name.
        """
        parts = self.of_kind(part.kind)  # type: ignore[arg-type]
        if part.name in parts and parts[part.name] is not part:
            raise ConfigError(f"two {part.kind}s are called {part.name!r}", where=origin, remedy="rename one of them")
        parts[part.name] = part

    def find(self, kind: PartKind, use: str, where: str | None = None) -> Part:
        """A part by name, or by dotted path when ``use`` has a colon.

        Raises:
            ConfigError: There is none; names the nearest. Or its package is not allowed.
        """
        if ":" in use:
            return _by_path(kind, use, where)
        parts = self.of_kind(kind)
        if use not in parts:
            elsewhere = [other for other in ("source", "operation", "reduction", "export") if other != kind and use in self.of_kind(other)]
            hint = f"it is {_with_article(elsewhere[0])}" if elsewhere else did_you_mean(use, parts)
            raise ConfigError(f"no {kind} is called {use!r}; {hint}", where=where, remedy=f"`curate operations --kind {kind}` lists them")
        return parts[use]


@cache
def load_catalog() -> Catalog:
    """The catalogue of everything installed.

    Raises:
        ConfigError: An entry point is broken, or two parts have one name.
    """
    catalog = Catalog()
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        try:
            parts = entry.load()
        except Exception as error:
            raise ConfigError(
                f"the catalogue {entry.name!r} cannot be loaded: {error}", where=entry.value, remedy="mend or uninstall that package"
            ) from error
        for part in parts:
            catalog.add(part, entry.value)
    return catalog


def _by_path(kind: PartKind, use: str, where: str | None) -> Part:
    module_name, _, attribute = use.partition(":")
    require_allowed(module_name, where, "part")
    try:
        part = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"there is no module {error.name!r}", where=where, remedy="install the package, or add its folder to PYTHONPATH"
        ) from error
    except AttributeError:
        names = [name for name, value in vars(sys.modules[module_name]).items() if isinstance(value, Part)]
        raise ConfigError(f"{module_name} has no {attribute!r}; {did_you_mean(attribute, names)}", where=where) from None
    if not isinstance(part, Part) or part.kind != kind:
        is_part = isinstance(part, Part)
        found = part.kind if is_part else type(part).__name__
        raise ConfigError(
            f"{use} is {_with_article(found)}, not {_with_article(kind)}",
            where=where,
            remedy=f"name it in a stage for {_with_article(found)}" if is_part else "declare it with what curation_tasks.parts has",
        )
    return part


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def code_hash(use: str) -> str | None:
    """sha256 of the module of a part named by a dotted path, so that an edit makes a new key; None for packaged parts."""
    if ":" not in use:
        return None
    module = sys.modules[use.partition(":")[0]]
    return hashlib.sha256(Path(module.__file__ or "").read_bytes()).hexdigest()
