"""One stage from its inputs to its commit. ``run_stage`` is what `curate stage` runs, here as in a pod."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from curation_tasks.clusters import ClusterSettings, open_cluster
from curation_tasks.errors import ConfigError
from curation_tasks.manifest import Dataset, read_manifest
from curation_tasks.runner.blend_stage import BlendStage
from curation_tasks.runner.compact_stage import CompactStage
from curation_tasks.runner.export_stage import ExportStage
from curation_tasks.runner.operations_stage import OperationsStage
from curation_tasks.runner.publish_stage import PublishStage
from curation_tasks.runner.reduction_stage import ReductionStage
from curation_tasks.runner.resolve_stage import run_resolve
from curation_tasks.runner.source_stage import SourceStage
from curation_tasks.runner.stage import Stage, StageRequest, Surroundings, described_stage
from curation_tasks.runner.work import Work
from curation_tasks.spec import RESOLVE, StageKind

#: Kind of stage → what runs it.
STAGES: Mapping[StageKind, type[Stage]] = {
    "source": SourceStage,
    "operations": OperationsStage,
    "reduction": ReductionStage,
    "blend": BlendStage,
    "compact": CompactStage,
    "export": ExportStage,
    "publish": PublishStage,
}


def run_stage(request: StageRequest, surroundings: Surroundings | None = None) -> dict[str, Any]:
    """Runs one stage, or finds that it was done.

    Returns:
        ``{"manifest", "key", "digest", "stage", "counts", "reused"}``, and ``published`` for a publish stage.

    Raises:
        CurationError: By reaction; finished units are kept for the next try.
    """
    surroundings = surroundings or Surroundings()
    if request.stage == RESOLVE:
        return run_resolve(request)
    if not request.resolved:
        raise ConfigError(f"stage {request.stage!r} needs the manifest of resolve", remedy="give --resolved URI, or use `curate run`")
    return _stage(request, surroundings).run()


def stage_uri(request: StageRequest) -> str:
    """Where the manifest of a stage lies, or will lie once it has run."""
    return _stage(request, Surroundings()).uri


def operations_work(request: StageRequest) -> tuple[Work, list[Dataset]]:
    """What a stage of operations would do, and the datasets that it would read; nothing is run.

    Raises:
        ConfigError: It is a stage of another kind.
    """
    stage = _stage(request, Surroundings())
    if not isinstance(stage, OperationsStage):
        raise ConfigError(f"{request.stage!r} is a stage of kind {stage.kind}", expected="a stage of operations")
    return stage.operations_work(), stage.datasets()


def _stage(request: StageRequest, surroundings: Surroundings) -> Stage:
    resolved = read_manifest(request.resolved)
    return STAGES[described_stage(resolved, request.stage)["kind"]](request, surroundings, resolved)


@contextmanager
def shared_clusters():
    """A ``Surroundings.client`` that opens one cluster of each shape and keeps it for all stages of a run."""
    with ExitStack() as stack:
        clients: dict[ClusterSettings, Any] = {}

        @contextmanager
        def client(settings: ClusterSettings):
            if settings not in clients:
                clients[settings] = stack.enter_context(open_cluster(settings))
            yield clients[settings]

        yield client
