"""The funnel: how many documents and bytes came into each stage, how many left it, and why the others did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curation_tasks.lineage.tree import ancestors, dataset_parents
from curation_tasks.manifest import Manifest

#: Kinds of stages that hand on documents of their own. Resolve and publish only name what others made.
DOCUMENT_KINDS = ("source", "operations", "reduction", "blend", "compact", "export")


def funnel(manifest: Manifest) -> list[dict[str, Any]]:
    """The figures of each stage that a dataset went through, sources first.

    Args:
        manifest: Of the last stage; that of a publish stage covers all datasets that it publishes.

    Returns:
        One row a stage: ``stage, kind, inputs`` (stages read), ``documents_in, documents, rejected, text_bytes_in, text_bytes,
        cut_documents, cut_characters`` (texts of which a reduction cut something, and how much), ``split`` (documents made by
        cutting others), ``joined`` (documents that became part of others), ``reasons`` (reason → documents, most frequent
        first) and ``seconds, peak_memory_bytes, megabytes_per_second`` (text read,
        of a source text yielded; 10⁶ bytes). Of a source ``documents_in`` are its records and
        ``text_bytes_in`` is None; it alone has ``units`` and ``quarantined_units``, None elsewhere.

    Raises:
        InputError: A manifest of the tree is missing or was changed.
    """
    stages = ancestors(manifest)
    tree = {item.uri: item for item in stages}
    return [_row(item, dataset_parents(item, tree)) for item in stages if item.kind in DOCUMENT_KINDS]


def _row(manifest: Manifest, parents: Sequence[Manifest]) -> dict[str, Any]:
    counts, execution = manifest.counts, manifest.execution
    is_source = manifest.kind == "source"
    text_read = counts.get("text_bytes" if is_source else "text_bytes_in", 0)
    seconds = execution.get("seconds")
    return {
        "stage": manifest.stage,
        "kind": manifest.kind,
        "inputs": [parent.stage for parent in parents],
        "documents_in": counts.get("records" if is_source else "documents_in", 0),
        "documents": counts.get("documents", 0),
        "rejected": counts.get("rejected", 0),
        "split": counts.get("split", 0),
        "joined": counts.get("joined", 0),
        "text_bytes_in": None if is_source else counts.get("text_bytes_in", 0),
        "text_bytes": counts.get("text_bytes", 0),
        "cut_documents": counts.get("cut_documents", 0),
        "cut_characters": counts.get("cut_characters", 0),
        "reasons": dict(sorted(manifest.content["reasons"].items(), key=lambda item: (-item[1], item[0]))),
        "units": counts.get("units") if is_source else None,
        "quarantined_units": counts.get("quarantined_units", 0) if is_source else None,
        "seconds": seconds,
        "peak_memory_bytes": execution.get("peak_memory_bytes"),
        "megabytes_per_second": round(text_read / seconds / 1e6, 3) if seconds else None,
    }


def imbalances(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where a funnel does not add up: every document that enters a stage leaves it or is rejected with a reason.

    Returns:
        One sentence for each broken sum; none when every document is accounted for.
    """
    documents = {row["stage"]: row["documents"] for row in rows}
    found = []
    for row in rows:
        stage, entered = row["stage"], row["documents_in"]
        made = row.get("split", 0) - row.get("joined", 0)
        if entered + made != row["documents"] + row["rejected"]:
            came = f"{entered:,} documents came in" + (f", {made:+,} by splitting and joining" if made else "")
            found.append(f"{stage}: {came}, {row['documents']:,} left and {row['rejected']:,} were rejected")
        if row["rejected"] != sum(row["reasons"].values()):
            found.append(f"{stage}: {row['rejected']:,} documents were rejected, {sum(row['reasons'].values()):,} of them with a reason")
        if row["inputs"] and entered != sum(documents[name] for name in row["inputs"]):
            given = sum(documents[name] for name in row["inputs"])
            found.append(f"{stage}: {entered:,} documents came in, {given:,} left {', '.join(row['inputs'])}")
    return found
