"""``plan`` finds each part, fills in and checks its parameters, and follows the columns from the sources to the exports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from curation_tasks.catalog import Catalog, load_catalog
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.functions import check_function
from curation_tasks.parts import ExportPart, OperationPart, Part, ReductionPart, SourcePart, check_uses, function_parameters
from curation_tasks.plan.planned import PART_KIND, Plan, PlannedCall, PlannedStage
from curation_tasks.plan.run_parameters import run_parameters
from curation_tasks.schema import COLUMN_TYPES, DOCUMENT_COLUMNS
from curation_tasks.spec import EARLIER, INPUTS, PipelineSpec, StageSpec
from curation_tasks.yaml_files import Origin, validation_error


def plan(spec: PipelineSpec) -> Plan:
    """Checks that a pipeline can run.

    Raises:
        ConfigError: A part is unknown, a parameter is wrong, a column is missing, or a stage reads what is no dataset;
            names file and line.
    """
    catalog = load_catalog()
    planned: dict[str, PlannedStage] = {}
    for position, stage in enumerate(spec.stages):
        location = ("stages", position)
        calls = tuple(_planned_call(stage, index, catalog, spec.origin, location) for index in range(len(stage.calls)))
        if stage.against or stage.index:
            _check_against(spec, stage, calls[0].part, location)
        needs = spec.needs(stage)
        columns_in = _columns_in(stage, [planned[name] for name in needs], spec.origin, location)
        columns_out = _columns_out(stage, calls, columns_in, spec.origin, location)
        planned[stage.id] = PlannedStage(stage, needs, calls, columns_in, columns_out)
    whole = Plan(spec, tuple(planned.values()))
    _ = whole.snapshot_source
    run_parameters(whole)
    _check_inputs(whole)
    return whole


def _check_inputs(planned: Plan) -> None:
    if planned.spec.schedule != INPUTS:
        return
    where = planned.spec.origin.where(("schedule",))
    inputs = planned.published_inputs()
    if not inputs:
        raise ConfigError(
            "`schedule: inputs` follows published datasets, and no source reads any", where=where, expected="`source: published`"
        )
    for pipeline, dataset in inputs:
        if dataset is None:
            raise ConfigError(
                f"`schedule: inputs` must know which dataset of {pipeline!r} it follows", where=where, remedy="set `dataset` in the source"
            )


def _planned_call(stage: StageSpec, index: int, catalog: Catalog, origin: Origin, location: tuple[str | int, ...]) -> PlannedCall:
    call = stage.calls[index]
    kind = PART_KIND[stage.kind]
    place = ("operations", index) if stage.kind == "operations" else (stage.kind,)
    part = catalog.find(kind, call.use, origin.where((*location, *place)))
    try:
        # Parameters that name a file may be read here (a file of rules): they are looked for beside the pipeline file.
        parameters = part.parameters.model_validate(dict(call.parameters), context={"folder": str(Path(origin.path).parent)})
    except ValidationError as error:
        prefix = (*location, "operations", index, call.use) if stage.kind == "operations" else (*location, "parameters")
        raise validation_error(error, origin, part.parameters, prefix) from None
    for name in function_parameters(parameters):
        check_function(name, origin.where((*location, *place)))
    return PlannedCall(call.use, part, parameters)


def _check_against(spec: PipelineSpec, stage: StageSpec, part: Part, location: tuple[str | int, ...]) -> None:
    """A reduction is compared with other datasets only where it can be, and with earlier snapshots only where there are any."""
    where = spec.origin.where((*location, "against" if stage.against else "index"))
    if not part.indexes:
        raise ConfigError(
            f"{part.name} knows no index, so it cannot be compared with other datasets",
            where=where,
            remedy="take `against` and `index` away, or a reduction that leaves an index",
        )
    if EARLIER in stage.against and spec.partitions.by == "none":
        raise ConfigError(
            f"pipeline {spec.name!r} has no partitions, so no snapshot is earlier than another", where=where,
            remedy="set `partitions` in the pipeline file, or name other datasets",
        )  # fmt: skip
    for name in stage.against:
        if name.split("/")[0] == spec.name:
            raise ConfigError(f"against: {name!r} is this pipeline itself", where=where, remedy=f"say `{EARLIER}`")


def _columns_in(stage: StageSpec, parents: list[PlannedStage], origin: Origin, location: tuple[str | int, ...]) -> dict[str, str]:
    where = origin.where((*location, "needs")) if stage.needs else origin.where(location)
    for parent in parents:
        if parent.kind == "publish" or (parent.kind == "export" and stage.kind != "publish"):
            raise ConfigError(
                f"stage {stage.id!r} cannot read {parent.id!r}, which is a stage of kind {parent.kind}",
                where=where,
                remedy="name in `needs` the stage whose documents are meant",
            )
    if len(parents) > 1 and stage.kind != "publish":
        return _common_columns(stage, parents, where)
    return dict(parents[0].columns_out) if parents else {}


def _common_columns(stage: StageSpec, parents: list[PlannedStage], where: str) -> dict[str, str]:
    """Columns of several inputs read as one dataset: those that all have, which must agree in type."""
    columns = dict(parents[0].columns_out)
    for parent in parents[1:]:
        for name in list(columns):
            if name not in parent.columns_out:
                del columns[name]
            elif parent.columns_out[name] != columns[name]:
                raise ConfigError(
                    f"stage {stage.id!r} reads column {name!r} as {columns[name]} from {parents[0].id!r}"
                    f" and as {parent.columns_out[name]} from {parent.id!r}",
                    where=where,
                )
    return columns


def _columns_out(
    stage: StageSpec, calls: tuple[PlannedCall, ...], columns_in: Mapping[str, str], origin: Origin, location: tuple[str | int, ...]
) -> dict[str, str]:
    columns = dict(columns_in)
    for index, call in enumerate(calls):
        part, where = call.part, origin.where((*location, "operations", index) if stage.kind == "operations" else (*location, stage.kind))
        if isinstance(part, SourcePart):
            provided = part.provides_of(call.parameters)
            columns = dict(DOCUMENT_COLUMNS) | {name: kind for name, kind in provided.items() if name not in DOCUMENT_COLUMNS}
            _check_types(columns, part, where)
        elif isinstance(part, (OperationPart, ReductionPart, ExportPart)):
            if isinstance(part, ReductionPart):
                parameters = (*location, "parameters")
                check_uses(part.uses(call.parameters), columns, lambda name, at=parameters: origin.where((*at, name)))
            _check_reads(part.reads_of(call.parameters), columns, stage, call, where)
            if isinstance(part, OperationPart):
                added = part.adds_of(call.parameters)
                _check_types(added, part, where)
                for name, kind in added.items():
                    if columns.get(name, kind) != kind:
                        raise ConfigError(
                            f"{call.use} adds column {name!r} as {kind}, which exists as {columns[name]}",
                            where=where,
                            remedy="rename the column that is there, where it is read or added",
                        )
                columns |= added
    return columns


def _check_reads(reads: tuple[str, ...], columns: Mapping[str, str], stage: StageSpec, call: PlannedCall, where: str) -> None:
    for name in reads:
        if name not in columns:
            raise ConfigError(
                f"{call.use} in stage {stage.id!r} reads column {name!r}, which no stage before it makes; {did_you_mean(name, columns)}",
                where=where,
                expected=f"one of: {', '.join(columns)}",
            )


def _check_types(columns: Mapping[str, str], part: Part, where: str) -> None:
    for name, kind in columns.items():
        if kind not in COLUMN_TYPES:
            raise ConfigError(
                f"{part.name} declares column {name!r} with unknown type {kind!r}; {did_you_mean(kind, COLUMN_TYPES)}", where=where
            )
