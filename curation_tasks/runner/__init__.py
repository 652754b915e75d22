"""Running stages: resolve, units with resume, commit, publish."""

from curation_tasks.runner.stage import StageRequest, Surroundings
from curation_tasks.runner.stages import run_stage, shared_clusters

__all__ = ["StageRequest", "Surroundings", "run_stage", "shared_clusters"]
