"""What the Airflow page of a pipeline says: its stages, what an exit code means, where to look when something is odd."""

from __future__ import annotations

import re

from curation_airflow.exit_codes import EXIT_CODES
from curation_tasks.plan import Plan, PlannedStage
from curation_tasks.spec import RESOLVE


def pipeline_runbook(plan: Plan, pipeline_file: str, root: str) -> str:
    """Markdown for a DAG.

    Args:
        plan: The pipeline.
        pipeline_file: Where its file lies.
        root: The storage root.
    """
    name = plan.spec.name
    snapshot = "all" if plan.spec.partitions.by == "none" else "{snapshot}"
    # Lists, not tables: Airflow shows this in a dialog of a third of the window's width.
    stages = [f"- **{RESOLVE}** freezes the pipeline, its files and the listing of its sources.", *map(_stage, plan.stages)]
    codes = [
        f"- **{code}**: {entry.meaning}. The task {entry.reaction.value}. {_sentence(entry.remedy or 'see the message')}"
        for code, entry in EXIT_CODES.items()
    ]
    return f"""# {name}

{plan.spec.description.strip() or "(no description)"}

The pipeline file is

    {pipeline_file}

## Stages
Each task runs one command, *curate stage*, and hands on the manifest that it commits. What was done before with the
same inputs and parameters is not done again.

{_lines(stages)}

## When a task fails
Its log says what is wrong, where, and what to do. The exit code decides whether it is tried again:

{_lines(codes)}

Clear a failed task to go on: finished units are kept. A changed pipeline file takes effect with the next run.

## Where the data is
Shards, the ledger of rejected documents and the manifest of each stage:

    {root}/{name}/{snapshot}/STAGE/KEY/

Consumers read the highest number in

    {root}/{name}/{snapshot}/published/

To look at it, where MANIFEST is the field *manifest* of a task's XCom:

- `curate status --root {root}` – what is published, what is stale
- `curate show MANIFEST --funnel` – documents and reasons, stage by stage
- `curate explain DOC_ID --in PUBLISHED` – what happened to one document, from the ledgers
- `curate report MANIFEST --output report.html` – plots and samples
- `curate verify MANIFEST` – hashes a dataset back to its sources
"""


def stage_note(stage: PlannedStage) -> str:
    """Markdown for the task of a stage."""
    needs, rejects = ", ".join(stage.needs) or "no other stage", ", ".join(map(_plain, reasons(stage))) or "nothing"
    return f"{_sentence(_what(stage))}\n\nReads: {needs}.\n\nMay reject for: {rejects}."


def reasons(stage: PlannedStage) -> list[str]:
    """All reasons for which a stage may reject a document, sorted."""
    found: set[str] = set()
    for call in stage.calls:
        declared = getattr(call.part, "rejects", ())
        found.update(declared(call.parameters) if callable(declared) else declared)
    return sorted(found)


def _stage(stage: PlannedStage) -> str:
    after = f", after {', '.join(stage.needs)}" if stage.needs else ""
    rejects = f" May reject for: {', '.join(map(_plain, reasons(stage)))}." if reasons(stage) else ""
    return f"- **{stage.id}**{after}: {_sentence(_what(stage))}{rejects}"


def _what(stage: PlannedStage) -> str:
    if stage.kind == "blend":
        return "mixes datasets by weight"
    if stage.kind == "compact":
        return "re-cuts shards to a size"
    if stage.kind == "publish":
        return "checks the gates and makes the datasets visible to consumers"
    return "; ".join(f"{call.part.summary.rstrip('.')} ({_plain(call.use)})" for call in stage.calls)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _plain(name: str) -> str:
    """A name in running text: Airflow draws code over the lines beside it, and an underscore is mark-up."""
    return re.sub(r"([*_<>\\[\]`])", r"\\\1", name)


def _lines(rows: list[str]) -> str:
    return "\n".join(rows)
