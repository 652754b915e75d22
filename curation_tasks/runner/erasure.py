"""Erasure from indexes: a document that is to be forgotten must at once stop removing others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.dedup.compaction import compact
from curation_tasks.errors import ConfigError, InputError
from curation_tasks.index import erase
from curation_tasks.lineage.published import published_entries, published_folder
from curation_tasks.runner.freshness import freshness, indexed_documents, states
from curation_tasks.storage import filesystem


def erase_from_indexes(root: str, pipeline: str, doc_ids: Sequence[str], *, rewrite: bool = False) -> list[dict[str, Any]]:
    """Takes identities out of all published indexes of a pipeline that list them.

    Later snapshots become stale only where a document was removed in favour of one of these; who had nothing to do with them
    stays fresh. The datasets are not touched.

    Args:
        root: The storage root.
        pipeline: Its name.
        doc_ids: Identities, of whatever snapshot.
        rewrite: Also write the files of the indexes again without the rows of all that was erased so far; else the next
            housekeeping does it. Until then readers leave them out.

    Returns:
        One row for each snapshot with an index: ``snapshot, stage, documents`` (how many of the identities it listed), ``state``
        (as ``curate status`` says now).

    Raises:
        ConfigError: The pipeline has no published index.
        InputError: No index lists any of the identities.
    """
    root = filesystem.absolute(root)
    wanted = pa.array(sorted(set(doc_ids)), pa.string())
    rows, examples = [], []
    for snapshot in filesystem.list_folders(filesystem.join(root, pipeline)):
        entries = published_entries(published_folder(root, pipeline, snapshot)) if snapshot != "index" else []
        for stage, item in sorted((entries[-1].get("indexes", {}) if entries else {}).items()):
            uri = f"{root}/{item['path']}"
            listed = []
            for names in indexed_documents(uri):
                listed += names.filter(pc.is_in(names, value_set=wanted)).to_pylist()
                examples = examples or names.slice(0, 1).to_pylist()
            if listed:
                erase(uri, listed)
            if rewrite:
                compact(uri)
            rows.append({"snapshot": snapshot, "stage": stage, "documents": len(set(listed))})
    if not rows:
        raise ConfigError(
            f"pipeline {pipeline!r} has no published index", where=filesystem.join(root, pipeline), remedy="`curate status` lists pipelines"
        )
    if not any(row["documents"] for row in rows):
        raise InputError(
            "no index lists such a document", where=filesystem.join(root, pipeline, "index"), expected="a doc_id of a kept document",
            remedy=f"identities look like {examples[0]!r}; `curate explain` says what became of a document" if examples else "",
        )  # fmt: skip
    return [row | {"state": states([s for s in freshness(root, pipeline, row["snapshot"]) if s["stage"] == row["stage"]])} for row in rows]
