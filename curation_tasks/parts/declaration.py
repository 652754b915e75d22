"""What all parts declare, and how a declaration is read: a name becomes code where a stage runs, and only there."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from curation_tasks.errors import ConfigError
from curation_tasks.parts.parameters import Parameters

Columns = Mapping[str, str] | Callable[[Any], Mapping[str, str]]
Names = Sequence[str] | Callable[[Any], Sequence[str]]
PartKind = Literal["operation", "reduction", "source", "export"]


def given(declared: Any, parameters: Parameters) -> Any:
    """What a part declares, answered from the parameters where it depends on them."""
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
        return load_attribute(self.implementation, self.name)

    @property
    def module(self) -> str:
        """Name of the module in which it is implemented."""
        return self.implementation.__module__ if callable(self.implementation) else self.implementation.partition(":")[0]

    def library_names(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(sorted(given(self.libraries, parameters)))

    def notes_of(self, parameters: Parameters) -> tuple[str, ...]:
        return tuple(given(self.notes, parameters))


def load_attribute(path: str, owner: str) -> Any:
    """What ``module:attribute`` names.

    Args:
        path: The dotted path.
        owner: Who needs it, for the message.

    Raises:
        ConfigError: A package that the module imports is not installed.
    """
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{owner} needs the Python package {error.name!r}, which is not installed",
            where=path,
            remedy="install the engines with `pip install 'curation-tasks[tasks]'`, or run in the worker image",
        ) from error
