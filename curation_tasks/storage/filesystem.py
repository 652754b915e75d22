"""Files on disk and in object stores, by URI, with atomic writes and errors that say what to do.

A local path and a ``file://`` URI are the same place. Credentials come from the environment, as botocore and fsspec
read them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, an instance role …): never from a pipeline file.
"""

from __future__ import annotations

import errno
import glob as globbing
import io
import os
import posixpath
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import fsspec
from fsspec.core import url_to_fs

from curation_tasks.errors import ConfigError, CurationError, InputError, TransientError

#: botocore's names of failures that another try cannot mend.
_CREDENTIAL_ERRORS = ("NoCredentialsError", "PartialCredentialsError", "InvalidAccessKeyId", "SignatureDoesNotMatch",
                      "AccessDenied", "ExpiredToken", "TokenRefreshRequired", "ProfileNotFound")  # fmt: skip
_CONNECTION_ERRORS = ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
                      "ClientConnectorError", "ClientConnectorDNSError", "ServerDisconnectedError", "ServerTimeoutError",
                      "ClientPayloadError", "IncompleteRead", "FSTimeoutError")  # fmt: skip

#: What paths are to blame for.
_PATH_ERRORS = {
    errno.EEXIST: "a file stands where a folder is needed",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EISDIR: "a folder stands where a file is needed",
    errno.ENAMETOOLONG: "the name is longer than the file system allows",
    errno.EROFS: "the file system can only be read",
}
#: An unreachable store is reported after _REPEATS (of s3fs) times _ATTEMPTS (of botocore) connections, below 20 seconds.
_ATTEMPTS, _REPEATS, _CONNECT_SECONDS = 3, 2, 3
#: Credentials by the names of their environment variables, in place of those of the environment.
_CREDENTIALS: ContextVar[Mapping[str, str] | None] = ContextVar("credentials", default=None)


@dataclass(frozen=True)
class StoredFile:
    """A file as its store lists it. ``etag`` is the store's version; for local files size and time of change."""

    uri: str
    bytes: int
    etag: str


def scheme_of(uri: str) -> str:
    """``file`` for plain paths, else the URI's scheme."""
    scheme = urlsplit(uri).scheme
    return scheme if len(scheme) > 1 else "file"


def absolute(uri: str) -> str:
    """The URI with local paths made absolute and without ``file://``, so that equal places have equal names."""
    if scheme_of(uri) != "file":
        return uri.rstrip("/")
    return str(Path(uri.removeprefix("file://")).expanduser().absolute())


def join(base: str, *parts: str) -> str:
    return posixpath.join(base.rstrip("/"), *parts) if parts else base


def relative_to(uri: str, base: str) -> str:
    """The part of ``uri`` below ``base``.

    Raises:
        ConfigError: ``uri`` is not below ``base``.
    """
    uri, base = absolute(uri), absolute(base)
    if not uri.startswith(base + "/"):
        raise ConfigError("a manifest lies outside the storage root", where=uri, expected=f"something below {base}")
    return uri[len(base) + 1 :]


def filesystem(uri: str, *, requester_pays: bool = False) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URI and the path in it.

    Args:
        uri: Of a file or folder.
        requester_pays: For buckets of S3 whose owner lets readers pay for the transfer.

    Raises:
        ConfigError: Unknown scheme, or its package is not installed.
    """
    scheme = scheme_of(uri)
    object_store = scheme in ("s3", "s3a")
    try:
        if scheme in ("http", "https"):
            # Behind the colons of an IPv6 address ``url_to_fs`` takes the rest for another address.
            return fsspec.filesystem(scheme), absolute(uri)
        options = _object_store_options() | ({"requester_pays": True} if requester_pays else {}) if object_store else {}
        opened, path = url_to_fs(absolute(uri), **options)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"no file system for {scheme}://", where=uri, expected="file, s3, http or https", remedy=str(error)) from error
    if object_store:
        opened.retries = _REPEATS
    return opened, path


def _object_store_options() -> dict[str, Any]:
    # Listings must show what other processes wrote. The default attempts of botocore and s3fs multiply to minutes before
    # an unreachable store is reported; the orchestrator's retries, minutes apart, are worth more. A user's setting wins.
    limits: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        limits["retries"] = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    return {"use_listings_cache": False, "config_kwargs": limits} | _given_credentials()


@contextmanager
def reached_with(credentials: Mapping[str, str]) -> Iterator[None]:
    """Within, this thread reaches object stores with these credentials; the environment of the process stays as it is.

    Args:
        credentials: By the names of environment variables (``AWS_ACCESS_KEY_ID`` …); empty: those of the environment.
    """
    token = _CREDENTIALS.set(credentials)
    try:
        yield
    finally:
        _CREDENTIALS.reset(token)


def _given_credentials() -> dict[str, Any]:
    given = _CREDENTIALS.get() or {}
    names = {
        "key": "AWS_ACCESS_KEY_ID",
        "secret": "AWS_SECRET_ACCESS_KEY",
        "token": "AWS_SESSION_TOKEN",
        "endpoint_url": "AWS_ENDPOINT_URL",
    }
    found: dict[str, Any] = {option: given[name] for option, name in names.items() if given.get(name)}
    if region := given.get("AWS_DEFAULT_REGION"):
        found["client_kwargs"] = {"region_name": region}
    return found


@contextmanager
def storage_errors(uri: str) -> Iterator[None]:
    """Turns what file systems raise into errors by reaction; others pass through unchanged."""
    try:
        yield
    except CurationError:
        raise
    except FileNotFoundError as error:
        raise InputError(
            "there is no such file, folder or bucket", where=uri, remedy="check the name; buckets are not made for you"
        ) from error
    except OSError as error:
        raise _translated(error, uri) from error
    except Exception as error:
        if _name(error) in (*_CREDENTIAL_ERRORS, *_CONNECTION_ERRORS, "ClientError", "BotoCoreError"):
            raise _translated(error, uri) from error
        raise


def _name(error: BaseException) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code or type(error).__name__


def _translated(error: Exception, uri: str) -> CurationError:
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ or chain[-1].__context__:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)  # type: ignore[arg-type]
        if len(chain) > 8:
            break
    names = {_name(item) for item in chain}
    if names & set(_CREDENTIAL_ERRORS) or isinstance(error, PermissionError):
        return ConfigError(
            f"access was refused ({_name(chain[-1])})",
            where=uri,
            expected="a user who may read and write here" if scheme_of(uri) == "file" else "credentials that may read and write here",
            remedy="change the permissions, or choose another folder"
            if scheme_of(uri) == "file"
            else "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_ENDPOINT_URL); for a bucket that is open to everybody "
            "FSSPEC_S3_ANON=true; a bucket whose readers pay wants credentials and `requester_pays: true`",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError("the disk is full", where=uri, remedy="free space or choose another --root; finished units are kept")
    if isinstance(error, OSError) and error.errno in _PATH_ERRORS:
        return ConfigError(_PATH_ERRORS[error.errno], where=uri, remedy="name another path")
    return TransientError(f"storage failed: {_name(error)}: {error}", where=uri, remedy="it is tried again; look at the store if it lasts")


def exists(uri: str) -> bool:
    fs, path = filesystem(uri)
    with storage_errors(uri):
        return fs.exists(path)


def read_bytes(uri: str) -> bytes:
    """The whole file.

    Raises:
        InputError: It does not exist.
    """
    fs, path = filesystem(uri)
    with storage_errors(uri):
        return fs.cat_file(path)


def open_input(uri: str, *, exact_ranges: bool = False, **options: Any) -> IO[bytes]:
    """A seekable binary file, for random access (Parquet) as well as for streams.

    Args:
        uri: Of the file.
        exact_ranges: Ask a remote store for the bytes that are read and no more. For a reader that takes a few ranges of a
            large file; without it, each read fetches up to 50 MB ahead.
        options: For the file system's ``open``.
    """
    fs, path = filesystem(uri)
    if exact_ranges and scheme_of(uri) not in ("file", "memory"):
        options["cache_type"] = "none"
    with storage_errors(uri):
        return fs.open(path, "rb", **options)


def list_names(folder: str) -> list[str]:
    """The names of the files directly in a folder, sorted, hidden ones left out; none when the folder does not exist."""
    return sorted(posixpath.basename(item["name"]) for item in _listed(folder) if item["type"] == "file" and not _is_hidden(item["name"]))


def list_folders(folder: str) -> list[str]:
    """The names of the folders directly in a folder, sorted; none when the folder does not exist."""
    return sorted(posixpath.basename(item["name"].rstrip("/")) for item in _listed(folder) if item["type"] == "directory")


def _listed(folder: str) -> list[dict[str, Any]]:
    fs, path = filesystem(folder)
    with storage_errors(folder):
        try:
            return fs.ls(path, detail=True)
        except FileNotFoundError:
            return []


def glob_files(pattern: str, *, requester_pays: bool = False) -> list[StoredFile]:
    """The files that a path or pattern (``*``, ``?``, ``[…]``, ``**``) names, sorted by URI. No match gives an empty list.

    As in a shell, hidden files (also those that a killed writer left) are found only by a pattern that begins with a dot.

    Args:
        pattern: A path or URI.
        requester_pays: For buckets of S3 whose owner lets readers pay for listings too.
    """
    fs, path = filesystem(pattern, requester_pays=requester_pays)
    scheme = scheme_of(pattern)
    with storage_errors(pattern):
        if scheme in ("http", "https"):
            found = {path: fs.info(path)}
        elif globbing.has_magic(path):
            found = fs.glob(path, detail=True)
        else:
            found = {path: fs.info(path)} if fs.exists(path) else {}
            if found and found[path]["type"] == "directory":
                found = fs.find(path, detail=True)
    files = []
    for name, info in sorted(found.items()):
        if info["type"] == "file" and (_is_hidden(path) or not _is_hidden(name)):
            uri = name if scheme in ("file", "http", "https") else f"{scheme}://{name.lstrip('/')}"
            size = info.get("size")
            files.append(StoredFile(uri, -1 if size is None else size, _etag(info)))
    return files


def _is_hidden(path: str) -> bool:
    return posixpath.basename(path).startswith(".")


def _etag(info: dict[str, Any]) -> str:
    if info.get("ETag"):
        return str(info["ETag"]).strip('"')
    return f"{info['size']}-{int(info['mtime'] * 1e6)}" if info.get("mtime") else ""


def last_change(folder: str) -> datetime:
    """The time of the newest file below a folder, in UTC; the epoch when it has none."""
    fs, path = filesystem(folder)
    with storage_errors(folder):
        found = [info.get("mtime") or info.get("LastModified") or 0 for info in fs.find(path, detail=True).values()]
    times = [item.timestamp() if isinstance(item, datetime) else float(item) for item in found]
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def size_of(folder: str) -> tuple[int, int]:
    """Bytes and number of the files below a folder."""
    fs, path = filesystem(folder)
    with storage_errors(folder):
        sizes = [int(info.get("size") or 0) for info in fs.find(path, detail=True).values()]
    return sum(sizes), len(sizes)


@contextmanager
def open_output(uri: str) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name only when the block ends without an exception.

    Local files are written beside their place, synced and renamed; objects are completed or discarded. Two writers of
    one name: the last one wins, whole. A writer that is killed leaves at worst a hidden temporary file, or an upload that
    is in no listing: let a lifecycle rule of the bucket abort those.
    """
    output = {"file": _local_output, "memory": _memory_output}.get(scheme_of(uri), _object_output)
    with storage_errors(uri), output(uri) as file:
        yield file


@contextmanager
def _object_output(uri: str) -> Iterator[IO[bytes]]:
    fs, path = filesystem(uri)
    file = fs.open(path, "wb", autocommit=False)
    try:
        yield file
        file.close()
        file.commit()
    except BaseException:
        with suppress(Exception):  # the store that failed may fail again: the first error is the one to tell
            file.discard()
        file.closed = True  # keeps a later close(), the garbage collector's too, from uploading the rest
        raise


@contextmanager
def _memory_output(uri: str) -> Iterator[IO[bytes]]:
    fs, path = filesystem(uri)
    file = io.BytesIO()  # files of fsspec's own are visible while they are written
    yield file
    fs.pipe_file(path, file.getvalue())


@contextmanager
def _local_output(uri: str) -> Iterator[IO[bytes]]:
    _, path = filesystem(uri)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = _temporary_name(path)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(uri: str, data: bytes) -> None:
    """Writes a whole file atomically, replacing one that exists."""
    if scheme_of(uri) == "file":
        with open_output(uri) as file:
            file.write(data)
        return
    fs, path = filesystem(uri)
    with storage_errors(uri):
        fs.pipe_file(path, data)  # one request; an upload of one part would take three


def delete(uri: str, *, recursive: bool = False) -> None:
    """Deletes a file or, if ``recursive``, a folder. What is not there is not an error."""
    fs, path = filesystem(uri)
    with storage_errors(uri):
        try:
            fs.rm(path, recursive=recursive)
        except FileNotFoundError:
            return


def _temporary_name(path: str) -> str:
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}.{os.getpid()}.{secrets.token_hex(4)}"
