"""Planning: from a pipeline to stages that are known to fit together, without importing an engine.

``plan`` finds each part, fills in and checks its parameters, and follows the columns from the sources to the exports: a
column that is not there is found here and not in a pod. ``StageCall`` is the command line of a stage, the same on a
laptop and in a pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curation_tasks.catalog import Catalog, load_catalog
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.functions import check_function
from curation_tasks.parts import ExportPart, OperationPart, Parameters, Part, PartKind, ReductionPart, SourcePart, function_parameters
from curation_tasks.schema import COLUMN_TYPES, DOCUMENT_COLUMNS
from curation_tasks.spec import ALL, EARLIER, INPUTS, RESOLVE, Origin, PipelineSpec, Resources, StageKind, StageSpec, validation_error

#: Kind of stage → kind of the parts that it runs.
PART_KIND: Mapping[StageKind, PartKind] = {"source": "source", "operations": "operation", "reduction": "reduction", "export": "export"}
#: The source that reads what another pipeline has published.
PUBLISHED = "published"


@dataclass(frozen=True)
class PlannedCall:
    """A part with its checked parameters; ``use`` is how the pipeline named it."""

    use: str
    part: Part
    parameters: Parameters


@dataclass(frozen=True)
class PlannedStage:
    """A stage whose parts exist and whose columns fit.

    Attributes:
        spec: As in the file.
        needs: Ids of the stages it reads.
        calls: Its parts, in order.
        columns_in: Columns it reads from, name → type; empty for sources.
        columns_out: Columns of what it writes.
    """

    spec: StageSpec
    needs: tuple[str, ...]
    calls: tuple[PlannedCall, ...]
    columns_in: Mapping[str, str]
    columns_out: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def kind(self) -> StageKind:
        return self.spec.kind

    def signals(self) -> dict[str, str]:
        """Columns that the stage's operations add."""
        return {name: kind for name, kind in self.columns_out.items() if name not in self.columns_in} if self.kind == "operations" else {}

    def thresholds(self) -> dict[str, tuple[str, float]]:
        """Reason → (signal column, bound) of all rules of the stage."""
        return {
            reason: bound
            for call in self.calls
            if isinstance(call.part, OperationPart)
            for reason, bound in call.part.thresholds_of(call.parameters).items()
        }

    def described(self) -> dict[str, Any]:
        """The stage with all defaults filled in: what ``resolve`` freezes and the key covers."""
        options: dict[str, Any] = {"ledger_text": self.spec.ledger_text}
        if self.kind == "source":
            options["max_quarantined_ratio"] = self.spec.max_quarantined_ratio
        if self.spec.against or self.spec.index:
            options |= {"against": list(self.spec.against), "index": self.spec.leaves_index}
        if self.kind in ("blend", "compact", "publish"):
            options |= getattr(self.spec, self.kind).model_dump(mode="json")
        return {
            "id": self.id,
            "kind": self.kind,
            "needs": list(self.needs),
            "calls": [{"use": call.use, "parameters": call.parameters.model_dump(mode="json")} for call in self.calls],
            "options": options,
        }


@dataclass(frozen=True)
class Plan:
    """A pipeline that can run: its stages in the order of the file, which is an order in which they can run."""

    spec: PipelineSpec
    stages: tuple[PlannedStage, ...]

    @cached_property
    def by_id(self) -> dict[str, PlannedStage]:
        return {stage.id: stage for stage in self.stages}

    def calls(self, pipeline_file: str, snapshot: str, root: str, *, limit: int | None = None) -> list[StageCall]:
        """The commands of a run, ``resolve`` first. Inputs stand as ``{stage}``: the manifest is known once that stage has ended."""
        resolve = StageCall(self.spec.name, snapshot, RESOLVE, {}, Resources(), pipeline_file=pipeline_file, root=root, limit=limit)
        return [resolve, *(self.call(stage, snapshot) for stage in self.stages)]

    def call(self, stage: PlannedStage, snapshot: str) -> StageCall:
        inputs = {name: "{" + name + "}" for name in (RESOLVE, *stage.needs)}
        return StageCall(self.spec.name, snapshot, stage.id, inputs, stage.spec.resources)

    @cached_property
    def snapshot_source(self) -> PlannedStage | None:
        """The source stage whose snapshots the pipeline curates; None when a person names the snapshot of each run.

        Raises:
            ConfigError: The pipeline names a stage that is no source, or one that publishes no snapshots.
        """
        if self.spec.partitions.by != "snapshot":
            return None
        sources = [stage for stage in self.stages if stage.kind == "source"]
        wanted = self.spec.partitions.source
        if wanted is None:
            return next((stage for stage in sources if stage.calls[0].part.snapshots is not None), None)
        where = self.spec.origin.where(("partitions", "source"))
        named = next((stage for stage in sources if stage.id == wanted), None)
        if named is None:
            hint = did_you_mean(wanted, [stage.id for stage in sources])
            raise ConfigError(f"partitions name {wanted!r}, which is no source; {hint}", where=where)
        if named.calls[0].part.snapshots is None:
            raise ConfigError(f"the source {named.calls[0].use!r} publishes no snapshots", where=where, remedy="name another, or none")
        return named

    def published_inputs(self) -> list[tuple[str, str | None]]:
        """``(pipeline, dataset)`` of each published dataset that the pipeline reads, in the order of its sources."""
        sources = [stage.calls[0].parameters for stage in self.stages if stage.kind == "source" and stage.spec.source == PUBLISHED]
        return list(dict.fromkeys((parameters.pipeline, parameters.dataset) for parameters in sources))

    def described(self) -> dict[str, Any]:
        """The pipeline with all defaults filled in, as plain data."""
        return {"name": self.spec.name, "partitions": self.spec.partitions.by, "stages": [stage.described() for stage in self.stages]}


@dataclass(frozen=True)
class StageCall:
    """One stage as a command.

    Attributes:
        pipeline: Name of the pipeline.
        snapshot: The partition.
        stage: Id of the stage, or ``resolve``.
        inputs: Stage → URI of its manifest (or a template that an orchestrator fills in); ``resolve`` is among them,
            except for resolve itself.
        resources: What the stage asks for.
        pipeline_file: For resolve: the pipeline file; None where the pipeline is handed over as text.
        root: For resolve: the storage root.
        limit: For resolve: at most so many records of each source.
        overrides: For resolve: parameters set for this run, ``stage.parameter`` → YAML value.
    """

    pipeline: str
    snapshot: str
    stage: str
    inputs: Mapping[str, str]
    resources: Resources
    pipeline_file: str | None = None
    root: str | None = None
    limit: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        """``curate stage …``: what a laptop, an Airflow task and a pod run."""
        argv = ["curate", "stage", self.stage]
        if self.stage == RESOLVE:
            argv += ["--pipeline", self.pipeline_file] if self.pipeline_file else []
            argv += ["--snapshot", self.snapshot, "--root", str(self.root)]
            argv += ["--limit", str(self.limit)] if self.limit is not None else []
            argv += [item for name, value in sorted(self.overrides.items()) for item in ("--set", f"{name}={value}")]
            return argv
        argv += ["--resolved", self.inputs[RESOLVE]]
        for name, uri in self.inputs.items():
            if name != RESOLVE:
                argv += ["--input", f"{name}={uri}"]
        if self.resources.workers is not None:
            argv += ["--workers", str(self.resources.workers)]
        if self.resources.memory is not None:
            argv += ["--memory", self.resources.memory]
        return argv


@dataclass(frozen=True)
class CommandCall:
    """A command beside the stages, for what keeps a deployment going: discovery, housekeeping.

    Attributes:
        pipeline: Whose, or what it is for; part of names and labels.
        stage: What it does, in a word.
        arguments: Behind ``curate``.
        pipeline_file: A pipeline that the command reads; comes behind the arguments.
        resources: What it asks for.
        snapshot: As for a stage; a command concerns all.
        inputs: None: it reads no stage.
    """

    pipeline: str
    stage: str
    arguments: tuple[str, ...]
    pipeline_file: str | None = None
    resources: Resources = field(default_factory=Resources)
    snapshot: str = ALL
    inputs: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        return ["curate", *self.arguments, *(["--pipeline", self.pipeline_file] if self.pipeline_file else [])]


def plan(spec: PipelineSpec, catalog: Catalog | None = None) -> Plan:
    """Checks that a pipeline can run.

    Raises:
        ConfigError: A part is unknown, a parameter is wrong, a column is missing, or a stage reads what is no dataset;
            names file and line.
    """
    catalog = catalog or load_catalog()
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
            raise ConfigError(f"stage {stage_id!r} has the operation {use!r} twice, so it cannot be told which is meant", where=name)
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
        raise validation_error(error, origin, prefix, part.parameters) from None
    for name in function_parameters(parameters):
        check_function(name, origin.where((*location, *place)))
    return PlannedCall(call.use, part, parameters)


def _check_against(spec: PipelineSpec, stage: StageSpec, part: Part, location: tuple[str | int, ...]) -> None:
    """A reduction is compared with other datasets only where it can be, and with earlier snapshots only where there are any."""
    where = spec.origin.where((*location, "against" if stage.against else "index"))
    if not part.indexes:
        raise ConfigError(f"{part.name} knows no index, so it cannot be compared with other datasets", where=where)
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
            raise ConfigError(f"stage {stage.id!r} cannot read {parent.id!r}, which is a stage of kind {parent.kind}", where=where)
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
            _check_reads(part.reads_of(call.parameters), columns, stage, call, where)
            if isinstance(part, OperationPart):
                added = part.adds_of(call.parameters)
                _check_types(added, part, where)
                for name, kind in added.items():
                    if columns.get(name, kind) != kind:
                        raise ConfigError(f"{call.use} adds column {name!r} as {kind}, which exists as {columns[name]}", where=where)
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
