"""What planning gives: a pipeline whose parts exist, whose parameters are checked and whose columns fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.parts import OperationPart, Parameters, Part, PartKind
from curation_tasks.plan.commands import StageCall
from curation_tasks.spec import RESOLVE, PipelineSpec, Resources, StageKind, StageSpec

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
