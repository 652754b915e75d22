"""What a pipeline would recompute against what is there, and why: parameters, files, libraries, inputs."""

from __future__ import annotations

import json
from typing import Any

from curation_tasks.lineage.tree import ancestors
from curation_tasks.plan import Plan
from curation_tasks.runner import resolve
from curation_tasks.runner.earlier import frozen_indexes, indexes_digest
from curation_tasks.runner.fingerprint import differences, stage_fingerprint
from curation_tasks.runner.publish import named_manifest
from curation_tasks.spec import RESOLVE


def plan_difference(planned: Plan, published: str, base: str) -> list[dict[str, Any]]:
    """For each stage, whether its output is there already.

    Args:
        planned: The pipeline as it stands now.
        published: URI of a published entry, or of a manifest.
        base: Folder of the pipeline file.

    Returns:
        ``{"stage", "action", "reasons"}``: ``reused``, ``recomputed``, ``new`` or ``removed``, with a line for each reason.
    """
    old = {manifest.stage: manifest for manifest in ancestors(named_manifest(published))}
    snapshot = old[RESOLVE].content["snapshot"]
    limit = old[RESOLVE].content["limit"]
    units = resolve.list_units(planned, snapshot, old[RESOLVE].root)
    files = {name: resolve.hash_file(name, base) for name in resolve.referenced_files(planned)}
    earlier = frozen_indexes(planned, old[RESOLVE].root, snapshot)
    rows, changed = [], set()
    for stage in planned.stages:
        if stage.kind == "publish":
            continue
        before = old.get(stage.id)
        if before is None:
            changed.add(stage.id)
            rows.append({"stage": stage.id, "action": "new", "reasons": ["it is not among the published dataset's stages"]})
            continue
        parents = {need: old[need].digest for need in stage.needs if need in old}
        if stage.kind == "source":
            parents = {RESOLVE: resolve.units_digest(units[stage.id], limit)}
        indexes = indexes_digest(earlier[stage.id]) if stage.id in earlier else None
        fingerprint = json.loads(json.dumps(stage_fingerprint(stage.described(), snapshot, parents, files, earlier=indexes)))
        reasons = [_worded(line) for line in differences(before.lineage["fingerprint"], fingerprint)]
        reasons += [f"its input {need!r} is recomputed" for need in stage.needs if need in changed]
        if reasons:
            changed.add(stage.id)
        rows.append({"stage": stage.id, "action": "recomputed" if reasons else "reused", "reasons": reasons})
    gone = [name for name, manifest in old.items() if manifest.kind not in (RESOLVE, "publish") and name not in planned.by_id]
    return rows + [{"stage": name, "action": "removed", "reasons": ["the pipeline has no such stage any more"]} for name in gone]


def _worded(line: str) -> str:
    return line.replace(f"parents.{RESOLVE}:", "the source's files:").replace("earlier:", "the indexes of earlier snapshots:")
