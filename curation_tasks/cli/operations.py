"""`curate operations`: what a pipeline file may name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table

_TYPES = {str: "text", int: "integer", float: "number", bool: "true | false"}


class Kind(StrEnum):
    """Kinds of parts."""

    source = "source"
    operation = "operation"
    reduction = "reduction"
    export = "export"


def operations(
    name: Annotated[str | None, typer.Argument(help="Show one part with its parameters.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only parts of this kind.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of pipeline files, for editors.")] = False,
    json_: options.Json = False,
) -> None:
    """List sources, operations, reductions and exports with their parameters.

    [bold]Examples[/]:

      curate operations --kind operation
      curate operations filters.quality
      curate operations --schema > pipeline.schema.json
    """
    from curation_tasks.catalog import load_catalog
    from curation_tasks.errors import ConfigError, did_you_mean
    from curation_tasks.plan import pipeline_json_schema

    catalog = load_catalog()
    if schema:
        print_json(pipeline_json_schema(catalog))
        return
    parts = [part for part in catalog if (kind is None or part.kind == kind) and (name is None or part.name == name)]
    if name and not parts:
        raise ConfigError(f"no part is called {name!r}; {did_you_mean(name, [part.name for part in catalog])}")
    if json_:
        print_json(
            [
                {"kind": part.kind, "name": part.name, "summary": part.summary, "parameters": part.parameters.model_json_schema()}
                for part in parts
            ]
        )
        return
    print_table("", ["kind", "name", "what it does"], [[part.kind, part.name, part.summary] for part in parts])
    for part in parts if name else []:
        console.print()
        if part.parameters.model_fields:
            print_table("", ["parameter", "meaning"], [_parameter(*item) for item in part.parameters.model_fields.items()])
        if part.example:
            console.print(f"\nexample: {_value(dict(part.example))}", highlight=False, markup=False)


def _parameter(name: str, info: FieldInfo) -> list[str]:
    default = "required" if info.is_required() else f"default {_value(info.get_default(call_default_factory=True))}"
    return [name, f"{info.description or ''}\n{_type(info.annotation)}; {default}".lstrip()]


def _type(annotation: Any) -> str:
    """A Python type as someone who writes YAML thinks of it."""
    if annotation in _TYPES:
        return _TYPES[annotation]
    origin, inner = get_origin(annotation), [item for item in get_args(annotation) if item is not ...]
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " | ".join(map(_value, inner))
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(_type(item) for item in inner if item is not type(None)))
    if origin in (tuple, list, Sequence):
        return f"list of {_type(inner[0])}"
    return "mapping" if origin is not None or (isinstance(annotation, type) and issubclass(annotation, BaseModel)) else "value"


def _value(value: Any) -> str:
    """A value as a pipeline file has it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) and value else json.dumps(to_jsonable_python(value), ensure_ascii=False)


def register(application: typer.Typer) -> None:
    application.command("operations")(operations)
