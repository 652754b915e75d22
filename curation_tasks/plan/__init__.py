"""Planning: from a pipeline to stages that are known to fit together, without importing an engine.

``plan`` finds each part, fills in and checks its parameters, and follows the columns from the sources to the exports: a
column that is not there is found here and not in a pod. ``StageCall`` is the command line of a stage, the same on a
laptop and in a pod.
"""

from curation_tasks.plan.checks import plan
from curation_tasks.plan.commands import CommandCall, StageCall
from curation_tasks.plan.json_schema import pipeline_json_schema
from curation_tasks.plan.planned import PART_KIND, PUBLISHED, Plan, PlannedCall, PlannedStage
from curation_tasks.plan.run_parameters import PlannedParameter, override, run_parameters

__all__ = [
    "PART_KIND",
    "PUBLISHED",
    "CommandCall",
    "Plan",
    "PlannedCall",
    "PlannedParameter",
    "PlannedStage",
    "StageCall",
    "override",
    "pipeline_json_schema",
    "plan",
    "run_parameters",
]
