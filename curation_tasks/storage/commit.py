"""``create_if_absent``: the one primitive on which every commit rests.

fsspec has no such operation that holds on all stores: its default ``mode="create"`` looks first and writes then, so that
two writers can both win. A scheme is accepted here only after it has passed the race test in
``tests/storage/test_commit.py`` (8 writers, 200 names, exactly one winner each).
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from curation_tasks.errors import ConfigError, TransientError
from curation_tasks.storage.filesystem import _temporary_name, filesystem, scheme_of, storage_errors

COMMIT_SCHEMES = ("file", "s3", "memory")
_MEMORY_LOCK = threading.Lock()
_ATTEMPTS = 5
_COMMIT_BYTES = 16 * 2**20


def require_commit_scheme(uri: str) -> None:
    """Refuses a storage root on which commits would not be safe.

    Raises:
        ConfigError: The scheme has not passed the race test.
    """
    if scheme_of(uri) not in COMMIT_SCHEMES:
        raise ConfigError(
            f"{scheme_of(uri)}:// cannot hold datasets: nothing proves that two writers cannot both commit there",
            where=uri,
            expected=" or ".join(f"{scheme}://" for scheme in COMMIT_SCHEMES[:2]) + " as storage root",
            remedy="read sources from there, but set --root (CURATE_ROOT) to a supported store",
        )


def create_if_absent(uri: str, data: bytes) -> bool:
    """Writes a small file unless one of that name exists, atomically against all other writers.

    Args:
        uri: ``file``, ``s3`` or ``memory``.
        data: The whole content, at most 16 MiB: objects are created by a single conditional PUT, since stores do not
            check the condition of an upload in parts.

    Returns:
        True when this call created the file; False when it was there. After a lost answer the client asks again, and what
        it finds there may be its own: who must know compares the content.

    Raises:
        ConfigError: The scheme is not one on which this is safe.
        TransientError: The store could not say who won, even after asking again.
    """
    require_commit_scheme(uri)
    create = {"file": _create_local, "s3": _create_object, "memory": _create_in_memory}[scheme_of(uri)]
    with storage_errors(uri):
        return create(uri, data)


def _create_local(uri: str, data: bytes) -> bool:
    _, path = filesystem(uri)
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    temporary = _temporary_name(path)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails when the name exists, also on NFS: the only such operation that is atomic with content.
            os.link(temporary, path)
        except FileExistsError:
            return False
        _sync_folder(folder)
        return True
    finally:
        Path(temporary).unlink(missing_ok=True)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create_object(uri: str, data: bytes) -> bool:
    if len(data) > _COMMIT_BYTES:
        raise ValueError(f"{uri}: {len(data):,} bytes do not fit one conditional PUT of at most {_COMMIT_BYTES:,}")
    fs, path = filesystem(uri)
    for attempt in range(_ATTEMPTS):
        try:
            fs.pipe_file(path, data, mode="create")
            return True
        except FileExistsError:
            return False
        except OSError as error:
            code = _error_code(error)
            # radosgw does not name the condition that failed, so s3fs raises EINVAL where AWS and moto give FileExistsError.
            if code in ("PreconditionFailed", "412"):
                return False
            # Two conditional writes met in the store, which undid this one and asks for another try.
            if code not in ("ConditionalRequestConflict", "OperationAborted", "409"):
                raise
            last = error
            time.sleep(0.1 * 2**attempt)
    raise TransientError("the store refused to say whether the file was created", where=uri, remedy="it is tried again") from last


def _error_code(error: OSError) -> str:
    """The store's own name of an error that s3fs translated."""
    response = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code", "")


def _create_in_memory(uri: str, data: bytes) -> bool:
    fs, path = filesystem(uri)
    with _MEMORY_LOCK:
        if fs.exists(path):
            return False
        fs.pipe_file(path, data)
        return True
