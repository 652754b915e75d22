"""What a run with other rules would have resolved to: the same snapshot, listings and files, another specification."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

from curation_tasks.catalog import load_catalog
from curation_tasks.manifest import MANIFEST_NAME, Manifest, digest_of
from curation_tasks.parts import Parameters, file_parameters
from curation_tasks.plan import PART_KIND
from curation_tasks.runner import resolve
from curation_tasks.runner.commit import commit, execution_facts
from curation_tasks.storage import filesystem


def resolved_anew(resolved: Manifest, stage_id: str, position: int, parameters: Parameters) -> str:
    """Commits the resolve manifest of the same run with other parameters, as `curate run` would have made it, unless it is there.

    Args:
        resolved: Of the run that is judged again.
        stage_id: Of the stage whose operation is given other parameters.
        position: Of the operation in the stage.
        parameters: The others.

    Returns:
        The URI of the manifest.

    Raises:
        InputError: A file that the other parameters name cannot be read.
    """
    started = time.perf_counter()
    spec = copy.deepcopy(dict(resolved.content["pipeline_spec"]))
    stage = next(stage for stage in spec["stages"] if stage["id"] == stage_id)
    stage["calls"][position]["parameters"] = parameters.model_dump(mode="json")
    known = resolved.content["files"]
    places = {name: {"uri": f"{resolved.folder}/files/{found['sha256']}", "sha256": found["sha256"]} for name, found in known.items()}
    files = {name: places.get(name) or resolve.hash_file(name, ".") for name in _files_of(spec)}
    frozen = dict(resolved.lineage["fingerprint"]) | {
        "pipeline_spec": spec,
        "spec_digest": digest_of(spec),
        "files": {name: {"sha256": found["sha256"]} for name, found in sorted(files.items())},
    }
    key = resolve.resolve_key(frozen)
    folder = filesystem.join(resolved.folder.rsplit("/", 1)[0], key)
    uri = f"{folder}/{MANIFEST_NAME}"
    if filesystem.exists(uri):
        return uri
    for found in files.values():
        resolve.freeze_file(found, f"{folder}/files")
    # The listings of the sources do not depend on rules.
    lists = {name: value for name, value in resolved.lineage.items() if isinstance(value, Mapping) and "file" in value}
    for reference in lists.values():
        _copy(f"{resolved.folder}/{reference['file']}", f"{folder}/{reference['file']}")
    lineage = {"key": key, "fingerprint": frozen, "parents": [], **lists}
    facts = {name: resolved.execution.get(name, "") for name in ("pipeline_file", "description")}
    execution = execution_facts(started, None) | facts | {"rejudged_from": resolved.key}
    return commit(Manifest(uri, dict(resolved.content) | frozen, lineage, execution))["manifest"]


def _copy(uri: str, target: str) -> None:
    with filesystem.open_input(uri) as source, filesystem.open_output(target) as copied:
        while block := source.read(2**22):
            copied.write(block)


def _files_of(spec: Mapping[str, Any]) -> list[str]:
    """Values of the ``FilePath`` parameters of a described pipeline."""
    names = set()
    for stage in spec["stages"]:
        for call in stage["calls"]:
            part = load_catalog().find(PART_KIND[stage["kind"]], call["use"])
            names |= set(file_parameters(part.parameters.model_validate(call["parameters"])))
    return sorted(names)
