"""The snapshots of a pipeline as known where DAG files are parsed: from storage, or else the last good copy on this disk."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping

from curation_airflow.storage_connection import storage_credentials
from curation_tasks.parts import Snapshot
from curation_tasks.snapshots import catalogue_uri, parse_catalogue
from curation_tasks.storage import filesystem
from curation_tasks.storage.cache import cache_folder

#: Parsing a DAG file must not wait for a store that does not answer.
TIMEOUT_SECONDS = 2.0
_LOG = logging.getLogger(__name__)


def known_snapshots(root: str, pipeline: str, timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[Snapshot, ...]:
    """The catalogue of a pipeline, oldest first; empty when discovery has never run.

    A store that is slow or out of reach, or a catalogue that is damaged, is logged, and the last good copy serves.
    """
    uri = catalogue_uri(root, pipeline)
    copy = cache_folder() / "catalogues" / f"{hashlib.sha256(uri.encode()).hexdigest()[:32]}.json"
    try:
        credentials = storage_credentials() if filesystem.scheme_of(uri) in ("s3", "s3a") else {}
        data = _read(uri, timeout_seconds, credentials)
        if data is None:
            return ()
        snapshots = parse_catalogue(data, uri)
    except Exception as error:
        _LOG.warning("the catalogue of snapshots cannot be read, so the last copy serves: %s", error)
        return parse_catalogue(copy.read_bytes(), str(copy)) if copy.exists() else ()
    if not copy.exists() or copy.read_bytes() != data:
        filesystem.write_bytes(str(copy), data)
    return snapshots


def _read(uri: str, timeout_seconds: float, credentials: Mapping[str, str]) -> bytes | None:
    """The bytes at ``uri``, None when there is nothing.

    Raises:
        TimeoutError: The store has not answered. The thread that waits for it ends with the process.
    """
    # Loads the client of the store, which takes a second or, on a busy machine, several: no fault of the store.
    filesystem.filesystem(uri)
    answer: list[bytes | None] = []
    failure: list[Exception] = []

    def read() -> None:
        try:
            with filesystem.reached_with(credentials):
                answer.append(filesystem.read_bytes(uri) if filesystem.exists(uri) else None)
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if failure:
        raise failure[0]
    if not answer:
        raise TimeoutError(f"no answer within {timeout_seconds:.0f} s from {uri}")
    return answer[0]
