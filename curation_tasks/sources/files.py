"""Files of a source: what a list of patterns names, and their bytes without compression."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Protocol

from curation_tasks.errors import ConfigError, InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.download import shared_beginning
from curation_tasks.sources.file_parameters import FileParameters
from curation_tasks.storage.filesystem import absolute, glob_files, open_input, scheme_of, storage_errors

_COMPRESSION_OF = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
#: How much a remote store is asked for at once.
_REQUEST_BYTES = 8 * 2**20


class ByteStream(Protocol):
    """What readers of a file need: ``read(n)`` gives at most n bytes, and b"" at the end only."""

    def read(self, size: int) -> bytes: ...


def list_files(parameters: FileParameters, snapshot: str) -> list[SourceUnit]:
    """One unit a file, sorted by URI; a file that two patterns name is listed once.

    Raises:
        InputError: A pattern names no file.
    """
    base = absolute(parameters.base.replace("{snapshot}", snapshot)) if parameters.base else common_folder(parameters.files)
    found = {}
    for pattern in parameters.files:
        files = glob_files(pattern.replace("{snapshot}", snapshot))
        if not files:
            raise InputError(
                f"no file matches {pattern!r}",
                where=absolute(pattern.replace("{snapshot}", snapshot)),
                expected="at least one file for each entry of `files`",
                remedy="check the path; relative ones start at the folder where the command runs",
            )
        found |= {file.uri: file for file in files}
    return [SourceUnit(uri, path_below(uri, base), file.bytes, file.etag) for uri, file in sorted(found.items())]


def common_folder(patterns: Sequence[str]) -> str:
    """The deepest folder above everything that the patterns can name.

    It depends on the patterns alone, not on what they match: a file that comes later changes no identity. What begins with
    ``{snapshot}`` is no part of it, so that equal names in two snapshots are two identities.
    """
    return "/".join(shared_beginning([_fixed_parts(pattern) for pattern in patterns]))


def _fixed_parts(pattern: str) -> list[str]:
    parts = absolute(pattern).split("/")[:-1]
    host = 2 if scheme_of(pattern) in ("http", "https") else -1  # an IPv6 address has brackets, and is no pattern
    varying = [n for n, part in enumerate(parts) if n != host and (glob.has_magic(part) or "{snapshot}" in part)]
    return parts[: varying[0]] if varying else parts


def path_below(uri: str, base: str) -> str:
    """The URI without its base.

    Raises:
        ConfigError: It does not lie below the base.
    """
    if not uri.startswith(f"{base}/"):
        raise ConfigError(
            "a source file lies outside `base`", where=uri, expected=f"files below {base}", remedy="set `base` to a folder above"
        )
    return uri[len(base) + 1 :]


@contextmanager
def open_decompressed(uri: str, compression: str = "auto") -> Iterator[ByteStream]:
    """The bytes of a file, decompressed as they are read. Several gzip members or zstd frames are one stream.

    Args:
        uri: Of the file. One of 0 bytes is empty, whatever its compression.
        compression: ``none``, ``gzip``, ``zstd``, or ``auto``: by the file name.

    Raises:
        InputError: The compressed data is damaged or cut short (raised by ``read``).
        TransientError: The store failed (raised by ``read``).
    """
    if compression == "auto":
        compression = _COMPRESSION_OF.get(posixpath.splitext(uri)[1].lower(), "none")
    with storage_errors(uri), open_input(uri, **_request_size(uri)) as file:
        yield _Plain(file, uri) if compression == "none" else _Decompressed(_Plain(file, uri), uri, compression)


def _request_size(uri: str) -> dict[str, Any]:
    return {} if scheme_of(uri) in ("file", "memory") else {"block_size": _REQUEST_BYTES}


class _Plain:
    """Reads a file; what its store raises becomes one of our errors, which no decoder takes for damaged data."""

    closed = False

    def __init__(self, file: IO[bytes], uri: str):
        self._file, self._uri = file, uri

    def read(self, size: int = -1) -> bytes:
        with storage_errors(self._uri):
            return self._file.read(size)

    def close(self) -> None:
        """Asked for by Arrow's streams; ``open_decompressed`` closes the file."""


class _Decompressed:
    def __init__(self, file: _Plain, uri: str, compression: str):
        import pyarrow as pa

        self._uri, self._compression, self._place = uri, compression, 0
        self._stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), compression)

    def read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise InputError(
                f"damaged {self._compression} data after {self._place:,} decompressed bytes: {error}",
                where=self._uri,
                expected=f"a whole {self._compression} file",
                remedy="fetch it again; if it is not compressed, set `compression: none`",
            ) from error
        self._place += len(data)
        return data
