"""The report: one HTML file that shows a run and needs nothing but a browser.

Everything in it comes from manifests and the files that they list, so the same dataset gives the same bytes. Texts of
documents are hostile: the template escapes all that it prints, the page runs no script, and its policy forbids fetching.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from curation_tasks.lineage import plots
from curation_tasks.lineage.funnel import funnel, imbalances
from curation_tasks.lineage.signals import Signal, SignalSample, sample_signals
from curation_tasks.lineage.tree import ancestors, dataset_parents
from curation_tasks.manifest import Manifest, read_list
from curation_tasks.storage import filesystem

SIGNAL_PLOTS_PER_STAGE = 36
SAMPLES_PER_STAGE = 60
SAMPLE_CHARACTERS = 1200
LISTED_FILES = 25
#: Counters that a reader must not overlook; those whose name begins with ``warning`` are told by their name.
LOUD_COUNTERS: Mapping[str, str] = {
    "pii.person_without_model": "names of persons in {amount:,} documents were looked for without a language model. "
    "A list of given names misses rare names, surnames alone and other scripts: do not count on the text holding no names.",
}
#: Characters that no page should pass on: controls are shown as their pictures, invisible direction marks by their names.
_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {0x7F: "␡"}
_VISIBLE |= {code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}


def write_report(manifest: Manifest, output_uri: str) -> None:
    """Writes the report of the run that made a dataset.

    Args:
        manifest: Of the last stage; that of a publish stage shows all datasets that it publishes.
        output_uri: The HTML file; replaced if it exists.

    Raises:
        InputError: A manifest or a list of the tree is missing or was changed.
    """
    filesystem.write_bytes(output_uri, render_report(manifest).encode())


def render_report(manifest: Manifest) -> str:
    """The report as text of an HTML page."""
    stages = ancestors(manifest)
    tree = {item.uri: item for item in stages}
    rows = funnel(manifest)
    parents = {item.uri: dataset_parents(item, tree) for item in stages}
    samples = [sample for item in stages if (sample := sample_signals(item, parents[item.uri]))]
    by_stage = {row["stage"]: row for row in rows}
    page = page_environment().get_template("report.html.j2")
    return page.render(
        manifest=manifest,
        summary=_summary(manifest, stages, rows),
        warnings=_warnings(stages, rows),
        rows=rows,
        funnel_plot=Markup(plots.funnel_plot(rows)) if rows else "",
        reasons=[_reasons(row) for row in rows if row["reasons"]],
        signals=[_signals(sample, by_stage[sample.stage]) for sample in samples if sample.signals],
        rejected=[found for item in stages if (found := _rejected_samples(item))],
        counters=[(item.stage, dict(item.content["counters"])) for item in stages if item.content["counters"]],
        cost=_cost(rows),
        lineage=[_lineage(item) for item in stages],
        sources=[_source_files(item) for item in stages if item.kind == "source"],
        quarantine=[(item.stage, read_list(item, "quarantine")) for item in stages if "quarantine" in item.content],
        versions=_versions(stages),
    )


def page_environment() -> jinja2.Environment:
    """Templates and formats of pages: all that is printed is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "size": _size,
        "duration": _duration,
        "number": _number,
        "percent": _percent,
        "visible": _visible,
        "name": _name,
    }
    return environment


# --- sections --------------------------------------------------------------------------------------------------------


def _summary(manifest: Manifest, stages: Sequence[Manifest], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    resolved = next((item for item in stages if item.kind == "resolve"), None)
    sources = [row for row in rows if row["kind"] == "source"]
    records = sum(row["documents_in"] for row in sources)
    last = _last_document_stage(manifest, stages)
    documents = last.counts.get("documents", 0) if last else 0
    return {
        "description": resolved.execution.get("description", "") if resolved else "",
        "limit": resolved.content.get("limit") if resolved else None,
        "records": records,
        "documents": documents,
        "kept_ratio": documents / records if records else None,
        "text_bytes_in": sum(row["text_bytes"] for row in sources),
        "text_bytes": last.counts.get("text_bytes", 0) if last else 0,
        "seconds": sum(item.execution.get("seconds") or 0 for item in stages),
        "peak_memory_bytes": max((item.execution.get("peak_memory_bytes") or 0 for item in stages), default=0) or None,
        "finished": manifest.execution.get("finished"),
        "published": manifest.execution.get("published"),
    }


def _last_document_stage(manifest: Manifest, stages: Sequence[Manifest]) -> Manifest | None:
    """The dataset whose documents the run is about: of a published one the first input, since exports repeat each other."""
    if manifest.kind != "publish":
        return manifest if manifest.kind != "resolve" else None
    return next(item for item in stages if item.stage == next(iter(manifest.content["datasets"])))


def _warnings(stages: Sequence[Manifest], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must not overlook, in plain sentences."""
    found = []
    for item in stages:
        for name, amount in item.content["counters"].items():
            if name in LOUD_COUNTERS:
                found.append(f"Stage {item.stage}: {LOUD_COUNTERS[name].format(amount=amount)}")
            elif name.startswith("warning"):
                meaning = name.removeprefix("warning").strip("_.:- ").replace("_", " ") or name
                found.append(f"Stage {item.stage}: {meaning} ({amount:,}).")
        if item.counts.get("quarantined_units"):
            bad, units = item.counts["quarantined_units"], item.counts["units"]
            found.append(f"Stage {item.stage}: {bad:,} of {units:,} units could not be read and are missing from the dataset.")
        if item.kind == "resolve" and item.content.get("limit") is not None:
            found.append(
                f"The run was limited to {item.content['limit']:,} records a source: its figures are not those of the whole input."
            )
    return found + [f"The figures do not add up: {sentence}." for sentence in imbalances(rows)]


def _reasons(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stage": row["stage"],
        "rejected": row["rejected"],
        "reasons": row["reasons"],
        "plot": Markup(plots.reasons_plot(row["stage"], row["reasons"])),
    }


def _signals(sample: SignalSample, row: Mapping[str, Any]) -> dict[str, Any]:
    shown = [
        {"signal": signal, "plot": Markup(plots.signal_plot(signal)) if index < SIGNAL_PLOTS_PER_STAGE else "", **_quantiles(signal)}
        for index, signal in enumerate(sample.signals)
    ]
    return {"sample": sample, "signals": shown, "reasons": row["reasons"]}


def _quantiles(signal: Signal) -> dict[str, Any]:
    low, first, median, last, high = np.quantile(signal.values, [0, 0.05, 0.5, 0.95, 1])
    return {"minimum": low, "first": first, "median": median, "last": last, "maximum": high}


def _rejected_samples(manifest: Manifest) -> dict[str, Any] | None:
    """The redacted samples that the stage stored when it committed; ledgers, which hold the plain text, are not read."""
    samples = read_list(manifest, "samples")
    if not samples:
        return None
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for sample in samples[:SAMPLES_PER_STAGE]:
        text = sample["text"] or ""
        cut = text[:SAMPLE_CHARACTERS] + ("…" if len(text) > SAMPLE_CHARACTERS else "")
        by_reason.setdefault(sample["reason"], []).append(sample | {"text": cut})
    return {"stage": manifest.stage, "reasons": by_reason, "left_out": len(samples) - min(len(samples), SAMPLES_PER_STAGE)}


def _cost(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Time and memory of each stage, with its share of the largest for a bar."""
    longest = max((row["seconds"] or 0 for row in rows), default=0)
    most = max((row["peak_memory_bytes"] or 0 for row in rows), default=0)
    return [
        dict(row)
        | {
            "seconds_share": (row["seconds"] or 0) / longest if longest else 0.0,
            "memory_share": (row["peak_memory_bytes"] or 0) / most if most else 0.0,
        }
        for row in rows
    ]


def _lineage(manifest: Manifest) -> dict[str, Any]:
    return {
        "stage": manifest.stage,
        "kind": manifest.kind,
        "key": manifest.key,
        "digest": manifest.digest,
        "path": filesystem.relative_to(manifest.uri, manifest.root),
        "parents": manifest.parents,
        "finished": manifest.execution.get("finished"),
    }


def _source_files(manifest: Manifest) -> dict[str, Any]:
    files = read_list(manifest, "source_files")
    return {"stage": manifest.stage, "files": files[:LISTED_FILES], "count": len(files)}


def _versions(stages: Sequence[Manifest]) -> list[tuple[str, str]]:
    """Library → versions, more than one where stages were computed by different installations."""
    found: dict[str, set[str]] = {}
    for item in stages:
        for name, number in item.execution.get("versions", {}).items():
            found.setdefault(name, set()).add(number)
        for call in item.lineage["fingerprint"].get("calls", []):
            for name, number in call["libraries"].items():
                found.setdefault(name, set()).add(number)
    return [(name, ", ".join(sorted(numbers))) for name, numbers in sorted(found.items())]


# --- how values are shown --------------------------------------------------------------------------------------------


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _size(value: int | None) -> str:
    """Bytes for people: ``1.4 GB``."""
    if value is None:
        return "–"
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1%}"


def _name(text: str) -> Markup:
    """A long name, which a narrow table folds behind its dots and underscores and not inside its words."""
    return Markup(re.sub(r"([._])", r"\1<wbr>", str(escape(_visible(text)))))


def _visible(text: str | None) -> str:
    """Text with control characters and direction overrides made visible, so that none can disguise what is read."""
    return (text or "").translate(_VISIBLE)
