"""Remote files as files: read by blocks, from the beginning on or here and there; no more is held than two, whatever the file's size.

The transfers, and what they do about servers that are slow or break off, are in ``remote_file``.
"""

from __future__ import annotations

import io
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any

from curation_tasks.errors import InputError
from curation_tasks.storage.cache import cache_folder
from curation_tasks.storage.filesystem import open_input, scheme_of, storage_errors
from curation_tasks.storage.remote_file import REMOTE_SCHEMES, RemoteFile
from curation_tasks.storage.transfer import NoRangesError, Patience

#: A file that is read from its beginning is fetched in blocks that grow: a reader that stops soon has fetched little.
FIRST_BLOCK_BYTES, LARGEST_BLOCK_BYTES = 2**20, 16 * 2**20


def open_remote(
    uri: str, *, requester_pays: bool = False, patience: Patience | None = None, bytes: int = -1, etag: str = ""
) -> io.BufferedIOBase | IO[bytes]:
    """A seekable binary file that holds no more than a few blocks. Files that are not remote are opened where they are.

    Reading from the beginning on, the next block is fetched while one is worked on. A server that sends no ranges is asked
    for the whole file, which is kept in the cache folder until it is closed.

    Args:
        uri: http, https, s3, or what ``open_input`` opens.
        requester_pays: Of the bucket.
        patience: How long one goes on asking.
        bytes: Size as listed; another one is an error.
        etag: Version as listed; another one is an error.

    Raises:
        InputError, ConfigError, TransientError: As of ``RemoteFile.stat``; by reading, not by opening.
    """
    if scheme_of(uri) not in REMOTE_SCHEMES:
        return open_input(uri)
    return io.BufferedReader(_Blocks(RemoteFile(uri, requester_pays, patience or Patience(), bytes, etag)), 2**16)


def read_remote(uri: str, *, limit_bytes: int = 256 * 2**20, requester_pays: bool = False, patience: Patience | None = None) -> bytes:
    """The whole of a small file, a listing for example. Errors as of ``RemoteFile.stat``.

    Raises:
        InputError: It is larger than the limit.
    """
    with open_remote(uri, requester_pays=requester_pays, patience=patience) as file, storage_errors(uri):
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise InputError("the file is larger than a listing can be", where=uri, expected=f"at most {limit_bytes:,} bytes")
    return data


class _Blocks(io.RawIOBase):
    """A remote file, one block in memory and one on its way."""

    def __init__(self, remote: RemoteFile):
        self._remote, self._position = remote, 0
        self._block, self._start = b"", 0
        self._size = FIRST_BLOCK_BYTES
        self._ahead: tuple[int, Future[bytes]] | None = None
        self._whole: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            if self._remote.bytes < 0:
                self._load()
            offset += self._remote.bytes
        elif whence == io.SEEK_CUR:
            offset += self._position
        if offset < 0:
            raise ValueError(f"negative position {offset}")
        self._position = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        if 0 <= self._remote.bytes <= self._position:
            return 0
        if self._whole is None and not self._start <= self._position < self._start + len(self._block):
            self._load()
        if self._whole is not None:
            self._whole.seek(self._position)
            count = self._whole.readinto(buffer)  # type: ignore[attr-defined]
        else:
            begin = self._position - self._start
            piece = self._block[begin : begin + len(buffer)]
            count = len(piece)
            buffer[:count] = piece
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._drop_ahead()
            if self._whole is not None:
                self._whole.close()
            self._block = b""
        super().close()

    def _load(self) -> None:
        """Makes the block at the position the one that is held."""
        remote, position = self._remote, self._position
        goes_on = position == self._start + len(self._block)
        try:
            if self._ahead and self._ahead[0] == position:
                block = self._ahead[1].result()
            else:
                self._drop_ahead()
                block = remote.read_range(position, position + self._size)
        except NoRangesError:
            self._fetch_whole()
            return
        finally:
            self._ahead = None
        self._block, self._start = block, position
        end = position + len(block)
        if goes_on and end < remote.bytes:
            self._size = min(self._size * 4, LARGEST_BLOCK_BYTES) if position else self._size
            self._ahead = (end, remote.fetch(end, end + self._size))

    def _drop_ahead(self) -> None:
        if self._ahead:
            self._ahead[1].cancel()
            with suppress(CancelledError, Exception):
                self._ahead[1].result()
            self._ahead = None

    def _fetch_whole(self) -> None:
        folder = cache_folder() / "downloads"
        folder.mkdir(parents=True, exist_ok=True)
        self._whole = TemporaryFile(dir=folder)  # noqa: SIM115  (closed with this file)
        self._remote.append_to(self._whole)
