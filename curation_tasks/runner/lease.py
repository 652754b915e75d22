"""Leases: how a run of a later snapshot knows that an earlier one is being curated just now.

Only pipelines whose reductions look at earlier snapshots hold them. A lease says no more than "wait a little": it is renewed
each minute while a stage runs, lives for ten minutes (so also between two stages), and is dropped by publish. A run that
was killed leaves one that expires. Nothing depends on it for correctness: a run that did not wait is seen to be stale later.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from curation_tasks.errors import CurationError, TransientError
from curation_tasks.logs import logger
from curation_tasks.runner.earlier import earlier_snapshots
from curation_tasks.storage import filesystem

RENEWED_EVERY = timedelta(minutes=1)
LIVES_FOR = timedelta(minutes=10)
LEASE_NAME = "lease.json"


class Lease:
    """Held while a stage of a snapshot runs. A context manager; a failing renewal is logged and tried again.

    Args:
        root: The storage root.
        pipeline: Name of the pipeline.
        snapshot: Being curated.
        stage: That runs.
    """

    def __init__(self, root: str, pipeline: str, snapshot: str, stage: str):
        self._uri = lease_uri(root, pipeline, snapshot)
        self._stage = stage
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._renew()
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._over.set()
        self._thread.join()

    def drop(self) -> None:
        """Ends the lease: the snapshot is published."""
        self._over.set()
        self._thread.join()
        filesystem.delete(self._uri)

    def _keep_renewing(self) -> None:
        while not self._over.wait(RENEWED_EVERY.total_seconds()):
            try:
                self._renew()
            except CurationError as error:
                logger().warning("the lease could not be renewed", where=self._uri, what=error.what)

    def _renew(self) -> None:
        until = datetime.now(UTC) + LIVES_FOR
        lease = {"stage": self._stage, "until": until.isoformat(timespec="seconds")}
        filesystem.write_bytes(self._uri, json.dumps(lease).encode())


def lease_uri(root: str, pipeline: str, snapshot: str) -> str:
    return filesystem.join(root, pipeline, snapshot, LEASE_NAME)


def live_until(root: str, pipeline: str, snapshot: str, now: datetime | None = None) -> datetime | None:
    """Until when the lease of a snapshot lives; None when there is none that lives."""
    uri = lease_uri(root, pipeline, snapshot)
    if LEASE_NAME not in filesystem.list_names(uri.rpartition("/")[0]):
        return None
    try:
        until = datetime.fromisoformat(json.loads(filesystem.read_bytes(uri))["until"])
    except (CurationError, ValueError, KeyError, TypeError):
        return None  # dropped meanwhile, or not a lease: nothing to wait for
    return until if until > (now or datetime.now(UTC)) else None


def wait_for_earlier(root: str, pipeline: str, snapshot: str) -> None:
    """Puts a run off while an earlier snapshot is being curated.

    Raises:
        TransientError: One is; the run is to be tried again (exit code 75).
    """
    for name in earlier_snapshots(root, pipeline, snapshot):
        until = live_until(root, pipeline, name)
        if until is not None:
            raise TransientError(
                f"the earlier snapshot {name!r} is being curated just now",
                where=lease_uri(root, pipeline, name),
                expected="its publication, or the end of its lease",
                remedy=f"it is tried again; if that run is dead, its lease ends at {until.isoformat(timespec='seconds')}",
            )
