"""Resolve: freezes everything that decides the output of a run into one manifest, before anything is computed.

Later stages read the frozen pipeline and never the file, so that an edit in the middle of a run changes nothing. The
frozen files (models, block lists) are kept by content; the listings of the sources are the units of their stages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation_tasks.errors import ConfigError, InputError
from curation_tasks.manifest import canonical_json, digest_of, key_of, write_list
from curation_tasks.parts import SourceUnit, file_parameters
from curation_tasks.plan import Plan
from curation_tasks.runner.earlier import indexes_digest
from curation_tasks.sources.download import Download, fetch, unit_of
from curation_tasks.storage import filesystem

UNIT_COLUMNS = {"uri": "string", "path": "string", "bytes": "int64", "etag": "string", "options": "string"}
_BLOCK = 2**22
#: Stands between a file's place and the hash that it must have.
_PIN = "#sha256="


def list_units(plan: Plan, snapshot: str, root: str) -> dict[str, list[SourceUnit]]:
    """The units of each source stage.

    Raises:
        InputError: A source finds nothing to read.
    """
    units = {}
    for stage in plan.stages:
        if stage.kind == "source":
            call = stage.calls[0]
            units[stage.id] = call.part.list_units(call.parameters, snapshot, root)
            if not units[stage.id]:
                raise InputError(
                    f"the source {stage.id!r} has nothing to read", where=plan.spec.origin.path, remedy="look at its `parameters`"
                )
    return units


def units_digest(units: list[SourceUnit], limit: int | None) -> str:
    """What a source's key depends on: the names, sizes and versions of what it reads, and the limit."""
    return digest_of({"units": [[u.uri, u.path, u.bytes, u.etag, dict(u.options)] for u in units], "limit": limit})


def referenced_files(plan: Plan) -> list[str]:
    """Values of all ``FilePath`` parameters of the pipeline, sorted."""
    return sorted({name for stage in plan.stages for call in stage.calls for name in file_parameters(call.parameters)})


def hash_file(reference: str, base: str) -> dict[str, str]:
    """Finds a referenced file or folder and hashes its content.

    A file at an http address is fetched into the node's cache first, resumed where it breaks. Behind ``#sha256=`` stands the hash
    that a file must have.

    Args:
        reference: As the pipeline names it: a URI, or a path relative to the pipeline file.
        base: Folder of the pipeline file.

    Returns:
        ``{"uri", "sha256"}``.

    Raises:
        ConfigError: It does not exist, or has another hash than the pipeline says.
        TransientError: Its server does not answer.
    """
    place, pin, pinned = reference.partition(_PIN)
    if pin and not re.fullmatch("[0-9a-f]{64}", pinned):
        raise ConfigError("the hash of a file is not one of SHA-256", where=reference, expected="64 hex digits in small letters")
    uri = place
    if filesystem.scheme_of(place) in ("http", "https"):
        uri = _fetched(place, pinned)
    elif filesystem.scheme_of(place) == "file" and not Path(place).expanduser().is_absolute():
        near = Path(base) / place
        uri = str(near if near.exists() else Path(place))
    uri = filesystem.absolute(uri)
    members = filesystem.glob_files(uri)
    if not members:
        raise ConfigError(
            f"the pipeline names {reference!r}, which does not exist", where=uri, remedy="paths are relative to the pipeline file"
        )
    # With names, as of a folder, and without, as everybody hashes a file.
    total, content = hashlib.sha256(), hashlib.sha256()
    for member in members:
        total.update(f"{member.uri.removeprefix(uri)}\0".encode())
        with filesystem.open_input(member.uri) as file:
            while block := file.read(_BLOCK):
                total.update(block)
                if pinned:
                    content.update(block)
    if pinned and content.hexdigest() != pinned:
        raise ConfigError(
            "a file is not the one that the pipeline names", where=uri, expected=f"sha256 {pinned}, found {content.hexdigest()}",
            remedy="look at where it comes from; when the new one is wanted, write its hash into the pipeline",
        )  # fmt: skip
    return {"uri": uri, "sha256": total.hexdigest()}


def _fetched(address: str, pinned: str) -> str:
    """The path of a file of a server, in the cache; one whose hash is known is not asked for again."""
    return fetch(unit_of(Download(address, digest=f"sha256:{pinned}" if pinned else None), address))


def freeze_file(found: Mapping[str, str], folder: str) -> str:
    """Copies a referenced file or folder to ``{folder}/{sha256}`` and returns that place."""
    place = f"{folder}/{found['sha256']}"
    uri = found["uri"]
    members = filesystem.glob_files(uri)
    for member in members:
        name = member.uri.removeprefix(uri).lstrip("/")
        target = f"{place}/{name}" if name else place
        if filesystem.exists(target):
            continue
        with filesystem.open_input(member.uri) as source, filesystem.open_output(target) as copy:
            while block := source.read(_BLOCK):
                copy.write(block)
    return place


def resolved_content(
    plan: Plan,
    snapshot: str,
    limit: int | None,
    units: dict[str, list[SourceUnit]],
    files: dict[str, dict[str, str]],
    earlier: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """What the resolve manifest freezes; its hash is the key."""
    frozen = {stage: {"count": len(rows), "digest": indexes_digest(rows)} for stage, rows in earlier.items()}
    return {
        "pipeline_spec": plan.described(),
        "spec_digest": digest_of(plan.described()),
        "limit": limit,
        "files": {name: {"sha256": found["sha256"]} for name, found in sorted(files.items())},
        "sources": {stage: {"count": len(listed), "digest": units_digest(listed, limit)} for stage, listed in units.items()},
        "snapshot": snapshot,
        **({"earlier": frozen} if frozen else {}),
    }


def resolve_key(content: Mapping[str, Any]) -> str:
    return key_of(content)


def write_units(folder: str, units: dict[str, list[SourceUnit]]) -> dict[str, Any]:
    """Writes the listing of each source beside the manifest."""
    return {
        f"units-{stage}": write_list(
            folder,
            f"units-{stage}",
            [
                {"uri": u.uri, "path": u.path, "bytes": u.bytes, "etag": u.etag, "options": canonical_json(dict(u.options)).decode()}
                for u in listed
            ],
            UNIT_COLUMNS,
        )
        for stage, listed in units.items()
    }
