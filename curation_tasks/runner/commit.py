"""The commit of a manifest, which is what makes a dataset exist."""

from __future__ import annotations

import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from curation_tasks import __version__
from curation_tasks.errors import InputError
from curation_tasks.manifest import Manifest, read_manifest
from curation_tasks.runner.memory import PeakMemory
from curation_tasks.storage.commit import create_if_absent


def execution_facts(started: float, memory: PeakMemory | None) -> dict[str, Any]:
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started, 3),
        "peak_memory_bytes": memory.peak if memory else None,
        "host": platform.node(),
        "versions": {"curation-tasks": __version__, "python": platform.python_version(), "pyarrow": version("pyarrow")},
    }


def commit(manifest: Manifest) -> dict[str, Any]:
    """Creates the manifest; the loser of a race takes the winner's, which must be equal."""
    if create_if_absent(manifest.uri, manifest.to_bytes()):
        return manifest.result()
    winner = read_manifest(manifest.uri)
    if winner.digest != manifest.digest:
        raise InputError(
            "another run committed other data under the same key",
            where=manifest.uri,
            expected=f"digest {manifest.digest}",
            remedy="an operation is not deterministic, or its data_version was not raised: `curate verify` names the shards",
        )
    return winner.result(reused=True)
