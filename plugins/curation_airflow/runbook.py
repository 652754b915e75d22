"""What the Airflow page of a pipeline says: its stages, what an exit code means, where to look when something is odd."""

from __future__ import annotations

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
    rows = [f"| `{RESOLVE}` | freezes the pipeline, its files and the listing of its sources | | |"]
    rows += [_row(stage) for stage in plan.stages]
    codes = [
        f"| {code} | {entry.meaning} | {entry.reaction.value} | {entry.remedy or 'see the message'} |" for code, entry in EXIT_CODES.items()
    ]
    return f"""# {name}

{plan.spec.description.strip() or "(no description)"}

Pipeline file: `{pipeline_file}`

## Stages
Each task runs one command, `curate stage …`, and hands on the manifest that it commits. What was done before with the
same inputs and parameters is not done again.

| stage | what it does | reads | may reject for |
|---|---|---|---|
{_lines(rows)}

## When a task fails
Its log ends with what is wrong, where, and what to do. The exit code decides whether it is tried again:

| exit code | means | the task | what to do |
|---|---|---|---|
{_lines(codes)}

Clear a failed task to go on: finished units are kept. A changed pipeline file takes effect with the next run.

## Where the data is
`{root}/{name}/{snapshot}/STAGE/KEY/`: shards, ledger of rejected documents and `manifest.json`.
Consumers read the highest number in `{root}/{name}/{snapshot}/published/`.

    curate status --root {root}                                     # what is published, what is stale
    curate show MANIFEST --funnel                                   # documents and reasons, stage by stage
    curate explain DOC_ID --in PUBLISHED                            # what happened to one document, from the ledgers
    curate report MANIFEST --output report.html                     # plots and samples
    curate verify MANIFEST                                          # hashes a dataset back to its sources

`MANIFEST` is the field `manifest` of a task's XCom.
"""


def stage_note(stage: PlannedStage) -> str:
    """Markdown for the task of a stage."""
    return f"{_what(stage)}\n\nReads: {_code(stage.needs) or 'no other stage'}.\n\nMay reject for: {_code(reasons(stage)) or 'nothing'}."


def reasons(stage: PlannedStage) -> list[str]:
    """All reasons for which a stage may reject a document, sorted."""
    found: set[str] = set()
    for call in stage.calls:
        declared = getattr(call.part, "rejects", ())
        found.update(declared(call.parameters) if callable(declared) else declared)
    return sorted(found)


def _row(stage: PlannedStage) -> str:
    return f"| `{stage.id}` | {_cell(_what(stage))} | {_code(stage.needs)} | {_code(reasons(stage))} |"


def _what(stage: PlannedStage) -> str:
    if stage.kind == "blend":
        return "mixes datasets by weight"
    if stage.kind == "compact":
        return "re-cuts shards to a size"
    if stage.kind == "publish":
        return "checks the gates and makes the datasets visible to consumers"
    return "; ".join(f"`{call.use}`: {call.part.summary.rstrip('.')}" for call in stage.calls)


def _code(names: object) -> str:
    return ", ".join(f"`{_cell(str(name))}`" for name in names)  # type: ignore[attr-defined]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _lines(rows: list[str]) -> str:
    return "\n".join(rows)
