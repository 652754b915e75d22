"""`curate plan --estimate`: what the de-duplication stages of a pipeline would write, hold and cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from curation_tasks.cli.output import console, print_json, print_table, size
from curation_tasks.dedup.estimate import PROCESS_BYTES, Assumptions, Size, Step, totals, worker_bytes
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.plan import Plan

_FIGURES = ["rows", "written", "temporary", "files", "memory", "core-hours"]


def estimate(
    planned: Plan,
    documents: float,
    text_bytes: float,
    memory_bytes: int,
    threads: int,
    earlier: float,
    assumed: Sequence[str],
    *,
    json_: bool,
) -> None:
    """Prints the steps of each reduction that can be reckoned, each as if it were given all documents.

    Args:
        planned: The pipeline.
        documents: Their number.
        text_bytes: UTF-8 bytes of their texts.
        memory_bytes: Of a task.
        threads: Of a worker.
        earlier: Documents in the indexes that they are compared with.
        assumed: ``NAME=VALUE`` of ``Assumptions``.
        json_: Print JSON.
    """
    given = Size(round(documents), round(text_bytes), memory_bytes, assumptions=_assumptions(assumed), earlier_documents=round(earlier))
    stages = []
    for stage in planned.stages:
        costs = stage.calls[0].part.load_costs() if stage.kind == "reduction" else None
        if costs is not None:
            stages.append((stage.id, stage.calls[0].use, costs(stage.calls[0].parameters, given, index=stage.spec.leaves_index)))
    if not stages:
        raise ConfigError("the pipeline has no stage whose cost is known", where=planned.spec.origin.path, expected="a reduction of dedup")
    if json_:
        given_size = {name: getattr(given, name) for name in ("documents", "text_bytes", "memory_bytes", "earlier_documents")}
        given_size |= {"shards": given.shard_count, "threads": threads}
        listed = [
            {"stage": name, "reduction": use, "steps": [_described(step, threads) for step in steps], "total": _total(steps, threads)}
            for name, use, steps in stages
        ]
        print_json({"size": given_size, "assumptions": dataclasses.asdict(given.assumptions), "stages": listed})
        return
    for name, use, steps in stages:
        rows = [_line(step.name + (" (kept)" if step.kept else ""), _described(step, threads)) for step in steps]
        rows.append(_line("all", {"rows": None, **_total(steps, threads)}))
        title = f"{name}: {use} of {_count(given.documents)} documents, {size(given.text_bytes)} of text"
        print_table(title, ["step", *_FIGURES], rows, right=_FIGURES)
        console.print()
    at_once = "one task" if threads == 1 else f"{threads} tasks at once"
    told = f"Memory is that of a worker with {at_once}, {size(round(PROCESS_BYTES))} of the process included; --threads N: so many at once."
    console.print(f"{told} A worker is given twice what its tasks may hold (--task-memory).", soft_wrap=True, highlight=False)
    shares = ", ".join(f"{key} {value:g}" for key, value in dataclasses.asdict(given.assumptions).items())
    console.print(f"Assumed: {shares}. Measure a sample and give --assume NAME=VALUE for what differs.", soft_wrap=True, highlight=False)


def _total(steps: Sequence[Step], threads: int) -> dict[str, float]:
    found = totals(steps)
    return found | {"memory_bytes": worker_bytes(found["memory_bytes"], threads)}


def _described(step: Step, threads: int) -> dict[str, Any]:
    return {
        "step": step.name, "rows": round(step.rows), "written_bytes": round(step.bytes), "files": round(step.files),
        "temporary_bytes": 0 if step.kept else round(step.stored), "kept_bytes": round(step.bytes) if step.kept else 0,
        "memory_bytes": round(worker_bytes(step.memory_bytes, threads)), "task_bytes": round(step.memory_bytes),
        "core_hours": step.core_seconds / 3600,
    }  # fmt: skip


def _line(name: str, figures: dict[str, Any]) -> list[Any]:
    return [
        name, _count(figures["rows"]), size(figures["written_bytes"]), size(figures["temporary_bytes"]), _count(figures["files"]),
        size(figures["memory_bytes"]), f"{figures['core_hours']:,.1f}",
    ]  # fmt: skip


def _count(number: float | None) -> str | None:
    """Large numbers by their size: 1.0e11."""
    return None if number is None else f"{number:,.0f}" if number < 1e7 else f"{number:.1e}".replace("e+", "e")


def _assumptions(given: Sequence[str]) -> Assumptions:
    known = {field.name: field for field in dataclasses.fields(Assumptions)}
    found: dict[str, float] = {}
    for item in given:
        name, _, value = item.partition("=")
        if name not in known:
            raise ConfigError(f"--assume {name!r} is no assumption; {did_you_mean(name, known)}", expected=", ".join(known))
        try:
            found[name] = int(value) if known[name].type == "int" else float(value)
        except ValueError:
            raise ConfigError(f"--assume {item!r} gives no number", expected="--assume NAME=VALUE") from None
    return Assumptions(**found)
