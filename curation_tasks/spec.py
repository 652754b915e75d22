"""Pipeline files: YAML to a checked ``PipelineSpec``, with errors that name file, line and the nearest valid name.

What the parts make of their parameters is checked by ``curation_tasks.plan``, which knows the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.yaml_files import MisplacedError, Origin, plain, read_text, read_yaml, validation_error

#: The id of the stage that every run begins with; no stage of a file may take it.
RESOLVE = "resolve"
#: In ``against``: the snapshots of the same pipeline before the one that is curated.
EARLIER = "earlier"
#: The snapshot of pipelines without partitions.
ALL = "all"
#: The schedule of a pipeline that follows the pipelines whose datasets it reads.
INPUTS = "inputs"
#: Parameters of every run; a pipeline declares none of these names.
RUN_PARAMETERS = ("snapshot", "limit", "last_stage")
#: How the snapshots of date partitions are written.
DATE_FORMATS = {"day": "%Y-%m-%d", "month": "%Y-%m"}

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
#: A name, and behind a plus sign what sets a trial run apart from the real one.
_SNAPSHOT = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99})(\+[A-Za-z0-9._-]{1,40})?$")

#: An amount of memory, as ``8GiB``.
_MEMORY = re.compile(r"^(\d+(?:\.\d+)?)\s*([kMGT]i?)B?$")
#: A dataset of another pipeline below the same storage root: its name, and one snapshot of it.
_DATASET = re.compile(r"^[a-z][a-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9._-]*(\+[A-Za-z0-9._-]+)?)?$")

StageKind = Literal["source", "operations", "reduction", "blend", "compact", "export", "publish"]
_KINDS: tuple[StageKind, ...] = ("source", "operations", "reduction", "blend", "compact", "export", "publish")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_memory(text: str) -> int:
    """Bytes that ``8GiB`` (1024s) or ``8GB`` (1000s) says.

    Raises:
        ConfigError: It is no amount of memory.
    """
    match = _MEMORY.match(text)
    if match is None:
        raise ConfigError(f"{text!r} is no amount of memory", expected="a number and a unit, as 8GiB")
    number, unit = match.groups()
    return int(float(number) * (1024 if unit.endswith("i") else 1000) ** ("kMGT".index(unit[0]) + 1))


class Resources(_Model):
    """What a stage asks for. On one machine ``workers`` and ``memory`` are capped by what it has."""

    pool: Literal["cpu", "cpu-large", "gpu"] = Field("cpu", description="Pod template on Kubernetes (k8s/pods/*.yaml).")
    workers: int | None = Field(None, ge=1, description="Dask workers; default: one for each core that fits the memory.")
    memory: str | None = Field(None, pattern=_MEMORY.pattern, description="Memory per worker, as `8GiB`.")
    gpus: int = Field(0, ge=0, description="GPUs per worker.")

    @property
    def memory_bytes(self) -> int | None:
        """Memory per worker in bytes; None when the pipeline leaves it to the deployment."""
        return None if self.memory is None else parse_memory(self.memory)


class PartCall(_Model):
    """A part by name, with parameters. In a file: ``name`` or ``name: {parameter: value}``."""

    use: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)


class Compact(_Model):
    """Re-cuts shards to a size, so that filters that keep little do not leave many small files."""

    shard_text_bytes: int = Field(192 * 2**20, ge=2**10, description="Text per shard, in bytes.")


class Blend(_Model):
    """Mixes datasets by weight. Which documents are taken depends on their identity and the seed alone."""

    weights: Mapping[Name, Annotated[float, Field(gt=0)]] = Field(
        min_length=1, description="Stage that is read → its share of the blend, relative to the others."
    )
    unit: Literal["text_bytes", "documents"] = Field("text_bytes", description="What the weights are shares of.")
    size: int | None = Field(
        None, ge=1, description="Size of the blend, in `unit`; default: the largest in which no document is taken twice."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Other seed, other documents.")


class Gates(_Model):
    """Conditions under which a dataset may be published. ``None`` means no condition."""

    min_documents: int = Field(1, ge=0, description="Fewest documents that each dataset must have.")
    min_kept_ratio: float | None = Field(None, ge=0, le=1, description="Kept documents over records read.")
    max_kept_ratio: float | None = Field(None, ge=0, le=1, description="Guards against filters that did nothing.")


class Publish(_Model):
    """Makes datasets visible to consumers once the gates are passed."""

    gates: Gates = Gates()


class StageSpec(_Model):
    """One stage. Exactly one of source, operations, reduction, blend, compact, export and publish says what it does."""

    id: Name
    source: str | None = Field(None, description="Name of a source (`curate operations --kind source`).")
    operations: tuple[PartCall, ...] | None = Field(None, description="A chain of operations: one read, one write.", min_length=1)
    reduction: str | None = Field(None, description="Name of a reduction (`curate operations --kind reduction`).")
    blend: Blend | None = None
    compact: Compact | None = None
    export: str | None = Field(None, description="Name of an export format (`curate operations --kind export`).")
    publish: Publish | None = None
    needs: tuple[Name, ...] | None = Field(None, description="Stages whose output is read; default: the stage before.")
    parameters: Mapping[str, Any] = Field(default_factory=dict, description="Parameters of the source, reduction or export.")
    against: tuple[str, ...] = Field(
        (),
        description="For a reduction: what else its documents are compared with, of which nothing is removed. `earlier` stands for the "
        "published snapshots before this one; other datasets are named PIPELINE or PIPELINE/SNAPSHOT.",
    )
    index: bool = Field(
        False, description="For a reduction: leave an index, so that others can be compared with this dataset; `against: earlier` does."
    )
    resources: Resources = Resources()
    ledger_text: bool = Field(True, description="Keep the text of rejected documents in the ledger.")
    max_quarantined_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of a source's units that may be unreadable before the stage fails."
    )

    @field_validator("operations", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return value
        return tuple(_part_call(item) for item in value)

    @field_validator("against", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("resources", mode="before")
    @classmethod
    def _pool_only(cls, value: Any) -> Any:
        return {"pool": value} if isinstance(value, str) else value

    @field_validator("compact", "publish", mode="before")
    @classmethod
    def _empty_mapping(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none of them"
            raise ValueError(f"a stage has exactly one of {', '.join(_KINDS)}; {found}")
        if self.parameters and self.kind not in ("source", "reduction", "export"):
            raise ValueError(f"`parameters` belongs to a source, a reduction or an export; here it stands beside `{self.kind}`")
        if (self.against or self.index) and self.kind != "reduction":
            raise ValueError(f"`{'against' if self.against else 'index'}` belongs to a reduction; here it stands beside `{self.kind}`")
        for name in self.against:
            if name != EARLIER and not _DATASET.match(name):
                raise ValueError(f"against: {name!r} is neither `{EARLIER}` nor PIPELINE nor PIPELINE/SNAPSHOT")
        if self.blend is not None and set(self.needs or ()) != set(self.blend.weights):
            raise ValueError(
                f"a blend reads the datasets that it weighs: `needs` names {', '.join(self.needs or ()) or 'none'},"
                f" `weights` {', '.join(self.blend.weights)}"
            )
        if self.kind == "source" and self.needs:
            raise ValueError("a source needs no other stage")
        if self.id == RESOLVE:
            raise ValueError(f"{RESOLVE!r} is the name of the stage that every run begins with")
        return self

    @property
    def kind(self) -> StageKind:
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def calls(self) -> tuple[PartCall, ...]:
        """The parts that the stage runs, in order; none for compact and publish."""
        if self.operations is not None:
            return self.operations
        name = self.source or self.reduction or self.export
        return (PartCall(use=name, parameters=self.parameters),) if name else ()

    @property
    def leaves_index(self) -> bool:
        """Whether the reduction writes an index of what it keeps."""
        return self.index or EARLIER in self.against

    def location(self, call: int) -> tuple[str | int, ...]:
        """Where the parameters of a call stand, relative to the stage."""
        return ("operations", call) if self.operations is not None else ("parameters",)


class Partitions(_Model):
    """What each run of the pipeline curates: everything at once, or one snapshot."""

    by: Literal["none", "snapshot", "day", "month"] = Field(
        "none",
        description="`snapshot`: the ids that a source publishes (crawls, dump dates), found by discovery; `day`, `month`: plain dates.",
    )
    source: Name | None = Field(None, description="The source stage whose snapshots they are; default: the first that lists any.")
    since: date | None = Field(None, description="Runs are scheduled for snapshots of this date and later; backfills go further back.")

    @model_validator(mode="after")
    def _source_has_snapshots(self) -> Self:
        if self.source is not None and self.by != "snapshot":
            raise ValueError("`source` belongs to partitions `by: snapshot`")
        return self


class RunParameter(_Model):
    """A parameter that whoever starts a run may set, in Airflow's form or by ``--set NAME=VALUE``. Type and default are the part's."""

    sets: str = Field(description="STAGE.PARAMETER of a source, reduction or export, or STAGE.OPERATION.PARAMETER.")
    description: str = Field("", description="Shown in the form; default: what the part says.")


class PipelineSpec(_Model):
    """A pipeline file."""

    name: Name
    description: str = Field("", description="Shown in the Airflow UI; Markdown.")
    owner: str = "curation"
    tags: tuple[str, ...] = ()
    partitions: Partitions = Field(Partitions(), description="In short: `none`, `snapshot`, `day` or `month`.")
    schedule: str | None = Field(
        None,
        description="When runs start besides those of `partitions`: `inputs`, when the published datasets that it reads are new; or cron.",
    )
    parameters: Mapping[ParameterName, RunParameter] = Field(
        default_factory=dict, description="Parameters that a run may override: name → `STAGE.OPERATION.PARAMETER`."
    )
    stages: tuple[StageSpec, ...] = Field(min_length=1)

    _origin: Origin = PrivateAttr(default_factory=lambda: Origin("pipeline", None))

    @field_validator("partitions", mode="before")
    @classmethod
    def _kind_only(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @field_validator("parameters", mode="before")
    @classmethod
    def _target_only(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: {"sets": item} if isinstance(item, str) else item for name, item in value.items()}

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.schedule in (None, INPUTS):
            return self
        if self.partitions.by != "none":
            raise ValueError("a cron `schedule` belongs to a pipeline without partitions; `partitions` have a schedule of their own")
        if len(self.schedule.split()) != 5 and not self.schedule.startswith("@"):
            raise ValueError(f"`schedule` is `{INPUTS}` or five cron fields as `0 6 * * 1`, got {self.schedule!r}")
        return self

    @model_validator(mode="after")
    def _parameters_are_free(self) -> Self:
        for name in self.parameters:
            if name in RUN_PARAMETERS:
                raise MisplacedError(f"{name!r} is a parameter that every run has; give yours another name", ("parameters", name))
        return self

    @model_validator(mode="after")
    def _connected(self) -> Self:
        seen: list[str] = []
        for position, stage in enumerate(self.stages):
            if stage.id in seen:
                raise MisplacedError(f"two stages are called {stage.id!r}", ("stages", position, "id"))
            for need in stage.needs or ():
                if need not in seen:
                    later = any(other.id == need for other in self.stages[position:])
                    hint = "stages are listed in the order of the data: move it up" if later else did_you_mean(need, seen)
                    where = ("stages", position, "needs")
                    raise MisplacedError(f"stage {stage.id!r} needs {need!r}, which is no stage above it; {hint}", where)
            if stage.kind != "source" and stage.needs is None and position == 0:
                raise MisplacedError(f"the first stage, {stage.id!r}, must be a source", ("stages", position))
            seen.append(stage.id)
        return self

    def needs(self, stage: StageSpec) -> tuple[str, ...]:
        """The stages that a stage reads: those it names, else the one above it (sources read none)."""
        if stage.kind == "source":
            return ()
        if stage.needs is not None:
            return stage.needs
        return (self.stages[self.stages.index(stage) - 1].id,)

    def stage(self, name: str) -> StageSpec:
        """A stage by id.

        Raises:
            ConfigError: There is none of that name.
        """
        for stage in self.stages:
            if stage.id == name:
                return stage
        raise ConfigError(
            f"pipeline {self.name!r} has no stage {name!r}",
            where=self.origin.path,
            remedy=did_you_mean(name, [RESOLVE, *(s.id for s in self.stages)]),
        )

    @property
    def origin(self) -> Origin:
        return self._origin

    def check_snapshot(self, snapshot: str) -> str:
        """The snapshot, if it is one that this pipeline can curate.

        Raises:
            ConfigError: It is none, or not a name that can stand in a path.
        """
        match = _SNAPSHOT.match(snapshot)
        if not match:
            raise ConfigError(
                f"{snapshot!r} is no snapshot", expected="letters, digits, `.`, `_`, `-`, as CC-MAIN-2025-33; for a trial, all+trial"
            )
        if self.partitions.by == "none" and match["name"] != ALL:
            raise ConfigError(
                f"pipeline {self.name!r} has no partitions, so its only snapshot is {ALL!r}; got {snapshot!r}",
                where=self.origin.path,
                remedy="leave --snapshot out, or set `partitions: snapshot` in the pipeline file",
            )
        pattern = DATE_FORMATS.get(self.partitions.by)
        if pattern and not _is_date(match["name"], pattern):
            raise ConfigError(
                f"{snapshot!r} is no {self.partitions.by}",
                where=self.origin.path,
                expected=f"a date as {date(2026, 1, 31).strftime(pattern)}",
                remedy="give --snapshot" if snapshot == ALL else None,
            )
        return snapshot


def _is_date(text: str, pattern: str) -> bool:
    try:
        return datetime.strptime(text, pattern).strftime(pattern) == text
    except ValueError:
        return False


def load_pipeline(path: str | Path) -> PipelineSpec:
    """Reads and checks a pipeline file.

    Raises:
        ConfigError: It is missing, not YAML, or not a pipeline; names file and line.
    """
    return parse_pipeline(read_text(Path(path), "pipeline file"), str(path))


def parse_pipeline(text: str, path: str = "pipeline") -> PipelineSpec:
    """``load_pipeline`` for text already read; ``path`` stands in error messages."""
    tree = read_yaml(text, path)
    if not isinstance(tree, Mapping):
        raise ConfigError("a pipeline is a mapping", where=path, expected="name, description, stages")
    origin = Origin(path, tree)
    try:
        spec = PipelineSpec.model_validate(plain(tree))
    except ValidationError as error:
        raise validation_error(error, origin, PipelineSpec) from None
    spec._origin = origin
    return spec


def _part_call(item: Any) -> Any:
    if isinstance(item, str):
        return {"use": item}
    if isinstance(item, Mapping) and len(item) == 1 and "use" not in item:
        name, parameters = next(iter(item.items()))
        return {"use": name, "parameters": {} if parameters is None else parameters}
    return item
