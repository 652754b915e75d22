"""Parameters that a run sets: those that the pipeline declares for its form, and ``override`` for all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.plan.planned import Plan
from curation_tasks.spec import PipelineSpec


@dataclass(frozen=True)
class PlannedParameter:
    """A parameter that a run may set.

    Attributes:
        name: As the pipeline declares it.
        target: What it sets, as ``--set`` names it.
        schema: JSON Schema of its values, with title and description.
        default: Its value when the run does not set it.
    """

    name: str
    target: str
    schema: Mapping[str, Any]
    default: Any


def run_parameters(planned: Plan) -> dict[str, PlannedParameter]:
    """The parameters that a pipeline declares for its runs.

    Raises:
        ConfigError: One sets what does not exist; names file, line and the nearest.
    """
    found = {}
    for name, declared in planned.spec.parameters.items():
        where = planned.spec.origin.where(("parameters", name))
        try:
            stage_id, use, field_name = _target(planned.spec, declared.sets)
        except ConfigError as error:
            raise ConfigError(error.what, where=where, expected=error.expected, remedy=error.remedy) from None
        call = next(call for call in planned.by_id[stage_id].calls if use in (None, call.use))
        model = type(call.parameters)
        if field_name not in model.model_fields:
            raise ConfigError(f"{call.use} has no parameter {field_name!r}; {did_you_mean(field_name, model.model_fields)}", where=where)
        schema = model.model_json_schema()
        value = {key: item for key, item in schema["properties"][field_name].items() if key != "default"}
        if "$defs" in schema:
            value["$defs"] = schema["$defs"]
        value |= {"description": declared.description or value.get("description", ""), "title": name}
        found[name] = PlannedParameter(name, declared.sets, value, call.parameters.model_dump(mode="json")[field_name])
    return found


def _target(spec: PipelineSpec, name: str) -> tuple[str, str | None, str]:
    """Stage, operation (None for other kinds of stages) and parameter that ``name`` sets.

    Raises:
        ConfigError: There is no such stage or operation, or no parameter is named.
    """
    stage_id, _, parameter = name.partition(".")
    stage = spec.stage(stage_id)
    use = None
    if stage.operations is not None:
        use, _, parameter = parameter.rpartition(".")
        uses = [call.use for call in stage.operations]
        if use not in uses:
            raise ConfigError(f"stage {stage_id!r} has no operation {use!r}; {did_you_mean(use, uses)}", where=name)
        if uses.count(use) > 1:
            raise ConfigError(
                f"stage {stage_id!r} has the operation {use!r} twice, so it cannot be told which is meant",
                where=name,
                remedy="give one of them a stage of its own",
            )
    if not parameter or not stage.calls:
        raise ConfigError(f"{name!r} names no parameter", expected="STAGE.PARAMETER or STAGE.OPERATION.PARAMETER")
    return stage_id, use, parameter


def override(spec: PipelineSpec, overrides: Mapping[str, Any]) -> PipelineSpec:
    """The pipeline with parameters of this run set.

    Args:
        spec: The pipeline as in its file.
        overrides: ``stage.parameter`` (for a source, reduction or export), ``stage.operation.parameter``, or the name of a
            parameter that the pipeline declares → value.

    Raises:
        ConfigError: There is no such stage, operation or name. (Unknown parameters of a part are found by ``plan``.)
    """
    if not overrides:
        return spec
    document = spec.model_dump(mode="json", exclude_none=True)
    for name, value in overrides.items():
        target = name
        if "." not in name:
            if name not in spec.parameters:
                raise ConfigError(
                    f"pipeline {spec.name!r} declares no parameter {name!r}; {did_you_mean(name, spec.parameters)}",
                    where=spec.origin.path,
                    expected="a declared parameter, STAGE.PARAMETER or STAGE.OPERATION.PARAMETER",
                )
            target = spec.parameters[name].sets
        stage_id, use, parameter = _target(spec, target)
        stage = document["stages"][spec.stages.index(spec.stage(stage_id))]
        holder = stage if use is None else next(call for call in stage["operations"] if call["use"] == use)
        holder.setdefault("parameters", {})[parameter] = value
    changed = PipelineSpec.model_validate(document)
    changed._origin = spec.origin
    return changed
