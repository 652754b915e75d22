"""Files at known addresses: listed, fetched whole into the cache, or read as a stream without keeping them.

``RemoteFile`` (``curation_tasks.storage.remote_file``) does the transfers: resumed, patient, polite. Imports no engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

import xxhash

from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.parts import SourceUnit
from curation_tasks.storage.cache import cache_folder
from curation_tasks.storage.filesystem import absolute, glob_files, scheme_of
from curation_tasks.storage.remote import open_remote
from curation_tasks.storage.remote_file import REMOTE_SCHEMES, RemoteFile
from curation_tasks.storage.transfer import Patience

_ALGORITHMS = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Download:
    """A file at a known address.

    Attributes:
        url: http, https, s3 or a local path, which is read in place.
        bytes: Expected size; None takes the one that the server states.
        digest: Expected hash, ``sha256:…`` (or md5, sha1, sha512) and hex digits. With it and a size, or a copy in the cache,
            the server is not asked before the file is fetched.
        requester_pays: For buckets of S3 whose owner lets readers pay.
    """

    url: str
    bytes: int | None = None
    digest: str | None = None
    requester_pays: bool = False


class UrlDownloader:
    """Fetches files at known addresses into the cache, whole or not at all.

    A file that is there with the right size is not fetched again; one that was begun is gone on with. Failures that may pass
    (503, a broken connection, a body shorter than announced) are tried again.

    Args:
        downloads: ``(parameters, snapshot) -> list[Download]``.
        patience: How long one goes on asking a server.
    """

    def __init__(self, downloads: Callable[[Any, str], Sequence[Download]], *, patience: Patience | None = None):
        self._downloads, self._patience = downloads, patience or Patience()

    def units(self, parameters: Any, snapshot: str) -> list[SourceUnit]:
        """Asks each server for size and version.

        Raises:
            InputError: A file does not exist, or has not the expected size.
            TransientError: A server does not answer, even after trying again.
        """
        downloads = self._downloads(parameters, snapshot)
        parts = [absolute(download.url).split("/") for download in downloads]
        depth = len(shared_beginning([part[:-1] for part in parts]))
        names = ["/".join(part[depth:]) for part in parts]
        return [unit_of(download, name, self._patience) for download, name in zip(downloads, names, strict=True)]

    def fetch(self, unit: SourceUnit, parameters: Any) -> str:
        """The path of the whole file; local files are used where they are. Errors as of ``fetch``."""
        return fetch(unit, self._patience)


def unit_of(download: Download, name: str, patience: Patience | None = None) -> SourceUnit:
    """The unit of a file, with what its server says of it, unless that is known. Errors as of ``UrlDownloader.units``."""
    uri = absolute(download.url)
    options: dict[str, Any] = {"requester_pays": True} if download.requester_pays else {}
    size = -1 if download.bytes is None else download.bytes
    if download.digest:
        _parsed_digest(download.digest, uri)
        pinned = SourceUnit(uri, name, size, download.digest, options | {"digest": download.digest})
        if scheme_of(uri) in REMOTE_SCHEMES and (size >= 0 or _is_present(_place(pinned), pinned)):
            return pinned
    listed, etag = _listed(uri, download.requester_pays, patience or Patience())
    if download.bytes is not None and listed not in (-1, download.bytes):
        raise InputError(
            f"the file has {listed:,} bytes",
            where=uri,
            expected=f"{download.bytes:,} bytes",
            remedy="it was replaced by another one; check it, then set `bytes` and the hash anew",
        )
    return pinned if download.digest else SourceUnit(uri, name, listed if size < 0 else size, etag, options)


def fetch(unit: SourceUnit, patience: Patience | None = None) -> str:
    """The path of a unit's whole file, in the cache; local files are used where they are.

    Several processes that want the same file fetch it once. What came before an error stays, and the next try goes on there.

    Raises:
        InputError: It is gone, or has not the expected hash.
        TransientError: It could not be fetched whole, even after trying again.
    """
    if scheme_of(unit.uri) not in REMOTE_SCHEMES:
        _check_digest(unit.uri, unit)
        return unit.uri
    place = _place(unit)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    with _alone(place):
        if not _is_present(place, unit):
            _fetch(unit, part, patience or Patience())
            part.replace(place)
    return str(place)


def open_unit(unit: SourceUnit, patience: Patience | None = None) -> IO[bytes]:
    """A unit's file as a seekable stream of which a few blocks are held; see ``open_remote``.

    Its hash is not checked: ``open_whole`` does that.
    """
    etag = "" if unit.options.get("digest") else unit.etag
    return open_remote(  # type: ignore[return-value]
        unit.uri, requester_pays=bool(unit.options.get("requester_pays")), patience=patience, bytes=unit.bytes, etag=etag
    )


@contextmanager
def open_whole(unit: SourceUnit, patience: Patience | None = None) -> Iterator[Any]:
    """A unit's file for one pass, which may seek; after it the hash that was listed is checked.

    What the pass left unread is read then. A pass that ends with an error, or is left early, checks nothing.

    Raises:
        InputError: The file has not the hash that its listing states.
    """
    with open_unit(unit, patience) as file:
        if not unit.options.get("digest"):
            yield file
            return
        algorithm, expected = _parsed_digest(unit.options["digest"], unit.uri)
        hashed = _Hashed(file, algorithm)
        yield hashed
        hashed.seek(hashed.reached)
        while hashed.read(2**20):
            pass
        _compare_digest(unit.uri, algorithm, hashed.digest.hexdigest(), expected)


class _Hashed(io.RawIOBase):
    """Hashes what is read of a file, each byte once; what lies behind a gap waits until it is read anew.

    Attributes:
        digest: Of the bytes up to ``reached``.
    """

    def __init__(self, file: IO[bytes], algorithm: str):
        self._file, self.reached = file, 0
        self.digest = hashlib.new(algorithm, usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        place = self._file.tell()
        data = self._file.read(size)
        if place <= self.reached < place + len(data):
            self.digest.update(memoryview(data)[self.reached - place :])
            self.reached = place + len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def shared_beginning(paths: Sequence[Sequence[str]]) -> list[str]:
    """The parts with which all paths begin."""
    return [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))]


def _place(unit: SourceUnit) -> Path:
    """Where the copy of a file lies: another version of it has another place."""
    version = xxhash.xxh3_128_hexdigest("\0".join([unit.uri, unit.etag, unit.options.get("digest", "")]).encode())
    return cache_folder() / "downloads" / version / (posixpath.basename(unit.uri.split("?")[0]) or "content")


def _is_present(place: Path, unit: SourceUnit) -> bool:
    return place.is_file() and unit.bytes in (-1, place.stat().st_size)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process at a time; the kernel frees the lock of one that dies."""
    with open(place.parent / ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _listed(uri: str, requester_pays: bool, patience: Patience) -> tuple[int, str]:
    """Size (−1 when the server does not say) and version."""
    if scheme_of(uri) in REMOTE_SCHEMES:
        found = RemoteFile(uri, requester_pays, patience).stat()
        return found.bytes, found.etag
    files = glob_files(uri) if Path(uri).is_file() or scheme_of(uri) != "file" else []
    if len(files) != 1 or files[0].uri != uri:
        raise InputError("there is no such file", where=uri, expected="the address of one file")
    return files[0].bytes, files[0].etag


def _fetch(unit: SourceUnit, part: Path, patience: Patience) -> None:
    etag = "" if unit.options.get("digest") else unit.etag
    if not unit.etag:
        part.unlink(missing_ok=True)  # the beginning of which version? Nobody knows
    RemoteFile(unit.uri, bool(unit.options.get("requester_pays")), patience, unit.bytes, etag).copy_to(part)
    try:
        _check_digest(str(part), unit)
    except InputError:
        part.unlink()
        raise


def _check_digest(path: str, unit: SourceUnit) -> None:
    if not unit.options.get("digest"):
        return
    algorithm, expected = _parsed_digest(unit.options["digest"], unit.uri)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    _compare_digest(unit.uri, algorithm, found, expected)


def _compare_digest(uri: str, algorithm: str, found: str, expected: str) -> None:
    if found != expected:
        raise InputError(
            f"the file has {algorithm} {found}",
            where=uri,
            expected=expected,
            remedy="it was replaced by another one; check it, then set the hash anew",
        )


def _parsed_digest(digest: str, where: str) -> tuple[str, str]:
    algorithm, _, value = digest.partition(":")
    if algorithm not in _ALGORITHMS or len(value) != 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise ConfigError(f"{digest!r} is no digest; {did_you_mean(algorithm, _ALGORITHMS)}", where=where, expected="sha256:… in hex")
    return algorithm, value.lower()
