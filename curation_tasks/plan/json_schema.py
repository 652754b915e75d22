"""The JSON Schema of pipeline files, by which editors complete and check them."""

from __future__ import annotations

from typing import Any

from curation_tasks.catalog import Catalog, load_catalog
from curation_tasks.parts import Part
from curation_tasks.spec import PipelineSpec


def pipeline_json_schema(catalog: Catalog | None = None) -> dict[str, Any]:
    """The JSON Schema of pipeline files, with the parameters of every part in the catalogue, for editors.

    An operation may stand as a name or as ``name: {parameters}``; names with a colon are a user's own code.
    """
    catalog = catalog or load_catalog()
    schema = PipelineSpec.model_json_schema()
    definitions = schema["$defs"]
    stage = definitions["StageSpec"]
    parts = sorted(catalog.operations.values(), key=lambda part: part.name)
    forms: list[dict[str, Any]] = [{"enum": [part.name for part in parts]}, {"type": "string", "pattern": ":"}]
    forms += [
        {
            "type": "object",
            "properties": {part.name: _parameters_schema(part, definitions)},
            "required": [part.name],
            "additionalProperties": False,
        }
        for part in parts
    ]
    forms += [{"$ref": "#/$defs/PartCall"}]
    forms += [
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "patternProperties": {":": {"type": ["object", "null"]}},
            "additionalProperties": False,
        }
    ]
    stage["properties"]["operations"] = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": forms},
        "description": "A chain of operations: one read, one write.",
    }
    stage["properties"]["against"] = {"anyOf": [{"type": "string"}, stage["properties"]["against"]]}
    stage["properties"]["resources"] = {"anyOf": [{"$ref": "#/$defs/Resources"}, {"enum": ["cpu", "cpu-large", "gpu"]}]}
    for name in ("compact", "publish"):
        stage["properties"][name] = {"anyOf": [{"$ref": f"#/$defs/{name.capitalize()}"}, {"type": "null"}]}
    top = schema["properties"]
    top["partitions"] = {"anyOf": [{"enum": definitions["Partitions"]["properties"]["by"]["enum"]}, {"$ref": "#/$defs/Partitions"}],
                         "default": "none", "description": top["partitions"]["description"]}  # fmt: skip
    for pattern, form in top["parameters"]["patternProperties"].items():
        top["parameters"]["patternProperties"][pattern] = {"anyOf": [{"type": "string"}, form]}
    top["parameters"]["additionalProperties"] = False
    rules = []
    for kind, named in (("source", catalog.sources), ("reduction", catalog.reductions), ("export", catalog.exports)):
        stage["properties"][kind] = {
            "anyOf": [{"enum": sorted(named)}, {"type": "string", "pattern": ":"}],
            "description": f"Name of the {kind}.",
        }
        rules += [
            {
                "if": {"properties": {kind: {"const": part.name}}, "required": [kind]},
                "then": {"properties": {"parameters": _parameters_schema(part, definitions)}},
            }
            for part in sorted(named.values(), key=lambda part: part.name)
        ]
    stage["allOf"] = rules
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Curation pipeline", **schema}


def _parameters_schema(part: Part, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a part's parameters; its nested models move to the common definitions under the part's name."""
    prefix = f"{part.kind}.{part.name}."
    schema = part.parameters.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    for name, nested in schema.pop("$defs", {}).items():
        definitions[prefix + name] = nested
    return {"anyOf": [schema | {"description": part.summary}, {"type": "null"}]}
