"""Local copies of files that lie in object storage, kept by content so that one copy serves all workers of a node."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import xxhash

from curation_tasks.storage.filesystem import filesystem, scheme_of, storage_errors


def cache_folder() -> Path:
    """``CURATE_CACHE``, or a folder of the user's in the system's temporary folder."""
    folder = Path(os.environ.get("CURATE_CACHE") or Path(tempfile.gettempdir()) / f"curate-{os.getuid()}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def localize(uri: str) -> str:
    """A local path with the content of a file or folder. What is local already is not copied.

    The name of the copy comes from the URI: use it only for content that never changes under its name, as the frozen
    files of ``resolve``, which are named by their hash.
    """
    if scheme_of(uri) == "file":
        return uri.removeprefix("file://")
    place = cache_folder() / "files" / xxhash.xxh3_128_hexdigest(uri.encode())
    if place.exists():
        return str(place)
    fs, path = filesystem(uri)
    place.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(uri), tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        copy = Path(temporary) / "content"
        fs.get(path.rstrip("/") + "/" if fs.isdir(path) else path, str(copy), recursive=True)
        try:
            copy.rename(place)
        except OSError:
            if not place.exists():
                raise
    return str(place)
