"""Fingerprints: everything that decides a stage's output, as plain data. Its hash is the key.

The fingerprint is kept in the manifest, so that a later plan can say not only that a stage would be computed again but
which parameter, file, library or input is the reason.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from curation_tasks.catalog import code_hash, load_catalog
from curation_tasks.errors import ConfigError
from curation_tasks.functions import function_hash
from curation_tasks.parts import OperationPart, file_parameters, function_parameters
from curation_tasks.plan import PART_KIND

#: Raised when the frame itself writes other data for the same fingerprint.
FRAME_VERSION = 1
#: The same for stages that are compared with earlier snapshots. 2: ledgers and lists of cuts tell the survivor's snapshot.
EARLIER_VERSION = 2


def stage_fingerprint(
    stage: Mapping[str, Any],
    snapshot: str,
    parents: Mapping[str, str],
    files: Mapping[str, Mapping[str, str]],
    engine: str = "cpu",
    earlier: str | None = None,
) -> dict[str, Any]:
    """The fingerprint of a stage.

    Args:
        stage: As described by the plan, defaults filled in.
        snapshot: The partition.
        parents: Input → digest.
        files: Value of a ``FilePath`` parameter → ``{"sha256", …}``.
        engine: Enters only if an operation's engines may differ in bits.
        earlier: Digest of the earlier indexes that it is compared with; None for a stage without ``against``.

    Raises:
        ConfigError: A library that a part declares is not installed.
    """
    calls, exact = [], True
    for call in stage["calls"]:
        part = load_catalog().find(PART_KIND[stage["kind"]], call["use"])
        parameters = part.parameters.model_validate(call["parameters"])
        exact &= not isinstance(part, OperationPart) or part.engine_exact
        calls.append(
            {
                "use": call["use"],
                "parameters": call["parameters"],
                "data_version": part.data_version,
                "libraries": {name: _version(name, call["use"]) for name in part.library_names(parameters)},
                "files": {name: files[name]["sha256"] for name in file_parameters(parameters)},
                "code": code_hash(call["use"]),
            }
        )
        functions = {name: function_hash(name, stage["id"]) for name in function_parameters(parameters)}
        if functions:
            calls[-1]["functions"] = functions
    return {
        "frame": FRAME_VERSION,
        "stage": stage["id"],
        "snapshot": snapshot,
        "kind": stage["kind"],
        "options": stage["options"],
        "calls": calls,
        "parents": dict(parents),
        "engine": None if exact else engine,
        "unicode": unicodedata.unidata_version,
        **({} if earlier is None else {"earlier": earlier, "earlier_version": EARLIER_VERSION}),
    }


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What differs between two fingerprints, one line a value: ``calls[0].parameters.min: 50 → 80``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            line for key in sorted({*old, *new}) for line in differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for index, pair in enumerate(zip(old, new, strict=True)) for line in differences(*pair, f"{name}[{index}]")]
    return [] if old == new else [f"{name}: {_shown(old)} → {_shown(new)}"]


def _shown(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


#: Libraries that are not of the extra `tasks`, which has the engines.
_EXTRA = {"kenlm": "perplexity"}


def _version(library: str, owner: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        raise ConfigError(
            f"{owner} needs the Python package {library!r}, which is not installed",
            remedy=f"install it with `pip install 'curation-tasks[{_EXTRA.get(library, 'tasks')}]'`, or run in a worker image that has it",
        ) from None
