"""`curate operations`: what a pipeline file may name."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table


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
        print_table(
            "parameters",
            ["name", "type", "default", "meaning"],
            [_parameter(field, info) for field, info in part.parameters.model_fields.items()],
        )
        console.print(f"\nexample: {dict(part.example)}", highlight=False, markup=False)


def _parameter(name: str, info: Any) -> list[str]:
    annotation = info.annotation
    kind = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    return [name, kind, "(required)" if info.is_required() else str(info.get_default(call_default_factory=True)), info.description or ""]


def register(application: typer.Typer) -> None:
    application.command("operations")(operations)
