"""The stage that every run begins with: what decides its output is frozen and committed."""

from __future__ import annotations

import dataclasses
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from curation_tasks.errors import ConfigError
from curation_tasks.lineage.openlineage import StageEvents
from curation_tasks.manifest import MANIFEST_NAME, Manifest, read_manifest
from curation_tasks.plan import Plan, override, plan
from curation_tasks.runner import resolve
from curation_tasks.runner.commit import commit, execution_facts
from curation_tasks.runner.earlier import frozen_indexes, write_earlier
from curation_tasks.runner.lease import Lease, wait_for_earlier
from curation_tasks.runner.stage import StageRequest
from curation_tasks.spec import EARLIER, RESOLVE, load_pipeline
from curation_tasks.storage import filesystem
from curation_tasks.storage.commit import require_commit_scheme


def run_resolve(request: StageRequest) -> dict[str, Any]:
    """Resolves a run, or finds that it was done; the stage's result."""
    if not request.pipeline_file or not request.root:
        raise ConfigError("resolve needs a pipeline file and a storage root", remedy="give --pipeline FILE and --root URI")
    require_commit_scheme(request.root)
    if request.limit is not None and request.limit < 1:
        raise ConfigError(f"a limit of {request.limit} records leaves nothing", expected="--limit of 1 or more")
    planned = plan(override(load_pipeline(request.pipeline_file), request.overrides))
    snapshot = planned.spec.check_snapshot(request.snapshot)
    started = time.perf_counter()
    root = filesystem.absolute(request.root)
    incremental = any(EARLIER in stage.against for stage in planned.spec.stages)
    if incremental:
        wait_for_earlier(root, planned.spec.name, snapshot)
    lease = Lease(root, planned.spec.name, snapshot, RESOLVE) if incremental else nullcontext()
    with lease, StageEvents(planned.spec.name, snapshot, RESOLVE) as events:
        return _resolved(request, planned, root, snapshot, started, events)


def _resolved(request: StageRequest, planned: Plan, root: str, snapshot: str, started: float, events: StageEvents) -> dict[str, Any]:
    units = resolve.list_units(planned, snapshot, root)
    base = str(Path(request.pipeline_file).parent)
    files = {name: resolve.hash_file(name, base) for name in resolve.referenced_files(planned)}
    earlier = frozen_indexes(planned, root, snapshot)
    frozen = resolve.resolved_content(planned, snapshot, request.limit, units, files, earlier)
    key = resolve.resolve_key(frozen)
    folder = filesystem.join(root, planned.spec.name, snapshot, RESOLVE, key)
    uri = f"{folder}/{MANIFEST_NAME}"
    events.key = key
    events.reads(files=[dataclasses.asdict(unit) for listed in units.values() for unit in listed] if events.enabled else ())
    if filesystem.exists(uri):
        known = read_manifest(uri)
        events.complete(known, reused=True)
        return known.result(reused=True)
    for found in files.values():
        resolve.freeze_file(found, f"{folder}/files")
    content = {
        "pipeline": planned.spec.name, "stage": RESOLVE, "kind": RESOLVE, "schema": {}, "reasons": {}, "counters": {},
        "counts": {"units": sum(len(listed) for listed in units.values())}, **frozen,
    }  # fmt: skip
    lineage = {"key": key, "fingerprint": frozen, "parents": [], **resolve.write_units(folder, units)}
    lineage |= {f"earlier-{stage}": write_earlier(folder, f"earlier-{stage}", rows) for stage, rows in earlier.items()}
    execution = execution_facts(started, None) | {"pipeline_file": str(request.pipeline_file), "description": planned.spec.description}
    manifest = Manifest(uri, content, lineage, execution)
    result = commit(manifest)
    events.complete(manifest, reused=result["reused"])
    return result
