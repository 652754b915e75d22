"""Parameters of parts, and which of them name a file or a function of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict


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
