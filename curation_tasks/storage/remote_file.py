"""Files of other people's servers, over HTTP and S3: by ranges, resumed where a transfer broke, with bounded patience.

Unlike a store of one's own (``curation_tasks.storage.filesystem``) such a server is slow, limits its clients, breaks
connections in the middle of a body, and sends what it did not announce. Here each of these has an answer:

- a transfer that breaks goes on at the byte where it broke, after 1, 2, 4 … seconds, or when ``Retry-After`` says;
- a body is as long as was announced, or it is an error; a body that only trickles is one too;
- few transfers are open to a host at once (``curation_tasks.storage.politeness``), and only while bytes move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from curation_tasks.errors import TransientError
from curation_tasks.storage.filesystem import StoredFile, filesystem, scheme_of
from curation_tasks.storage.politeness import leave_alone, transfer_to
from curation_tasks.storage.transfer import (
    IDENTITY,
    BusyError,
    Decoded,
    NoRangesError,
    Patience,
    PatienceRule,
    announced_bytes,
    check_status,
    content_coding,
    error_chain,
    error_code,
    first_byte,
    http_errors,
    http_session,
    pour,
    range_header,
    s3_errors,
    total_bytes,
)

REMOTE_SCHEMES = ("http", "https", "s3", "s3a")


@dataclass
class RemoteFile:
    """One file of a server.

    Attributes:
        uri: http, https or s3.
        requester_pays: The bucket's owner lets the reader pay for the transfer (arXiv's buckets).
        patience: How long one goes on asking.
        bytes: Size, −1 until it is known.
        etag: The server's version, "" until it is known or where there is none.
    """

    uri: str
    requester_pays: bool = False
    patience: Patience = field(default_factory=Patience)
    bytes: int = -1
    etag: str = ""

    def stat(self) -> StoredFile:
        """Size and version, from the server.

        Raises:
            InputError: There is no such file.
            ConfigError: Access is refused.
            TransientError: The server does not answer, even after trying again.
        """
        _run(self._patiently(self._head, lambda: 0))
        return StoredFile(self.uri, self.bytes, self.etag)

    def read_range(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``, fewer at the end of the file. Errors as of ``stat``."""
        return self.fetch(start, stop).result()

    def fetch(self, start: int, stop: int) -> Future[bytes]:
        """What ``read_range`` gives, on its way."""
        return asyncio.run_coroutine_threadsafe(self._range(start, stop), _loop())

    def copy_to(self, place: Path) -> None:
        """Fetches the file to a local path; what lies there already is taken for its beginning.

        The bytes that came before an error stay, so that the next try goes on there. Errors as of ``stat``.
        """
        with open(place, "ab") as file:
            self.append_to(file)

    def append_to(self, file: IO[bytes]) -> None:
        """Fetches what an open file, at its end, lacks of this one. Errors as of ``stat``."""
        _run(self._whole(file))

    # --- on the event loop ---------------------------------------------------------------------------------------------

    async def _range(self, start: int, stop: int) -> bytes:
        received = bytearray()

        async def more() -> None:
            if self.bytes < 0 or start + len(received) < min(stop, self.bytes):
                await self._receive(start + len(received), stop, received.extend)

        await self._patiently(more, lambda: len(received))
        return bytes(received)

    async def _whole(self, file: IO[bytes]) -> None:
        async def more() -> None:
            file.flush()
            if 0 <= self.bytes <= file.tell():
                return
            try:
                await self._receive(file.tell(), None, file.write)
            except NoRangesError:
                file.truncate(0)
                await self._receive(0, None, file.write)

        await self._patiently(more, file.tell)
        self.bytes = file.tell() if self.bytes < 0 else self.bytes  # what a server does not announce is known now

    async def _patiently(self, request: Callable[[], Coroutine[Any, Any, None]], progress: Callable[[], int]) -> None:
        from tenacity import AsyncRetrying, retry_if_exception_type

        rule = PatienceRule(self.patience, progress)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TransientError), stop=rule.stop, wait=rule.wait, reraise=True, sleep=asyncio.sleep
        ):
            with attempt:
                async with transfer_to(self._host):
                    try:
                        await request()
                    except BusyError as error:
                        leave_alone(self._host, min(error.wait_seconds, self.patience.longest_wait_seconds))
                        raise

    @property
    def _host(self) -> str:
        return urlsplit(self.uri).netloc

    @property
    def _is_http(self) -> bool:
        return scheme_of(self.uri) in ("http", "https")

    async def _head(self) -> None:
        if self._is_http:
            async with http_errors(self.uri), (await http_session()).head(self.uri, headers=IDENTITY, allow_redirects=True) as answer:
                check_status(answer.status, answer.headers, self.uri)
                self._note(announced_bytes(answer.headers, self.uri), answer.headers.get("ETag"))
            return
        store, path = filesystem(self.uri, requester_pays=self.requester_pays)
        async with s3_errors(self.uri):
            bucket, key, _ = store.split_path(path)
            answer = await store._call_s3("head_object", Bucket=bucket, Key=key, **store.req_kw)
            self._note(answer["ContentLength"], answer.get("ETag"))

    async def _receive(self, start: int, stop: int | None, sink: Callable[[bytes], Any]) -> None:
        """One request for a range; what comes of it goes to ``sink``, chunk by chunk, before an error is raised."""
        await (self._receive_http if self._is_http else self._receive_s3)(start, stop, sink)

    async def _receive_http(self, start: int, stop: int | None, sink: Callable[[bytes], Any]) -> None:
        headers = dict(IDENTITY)
        if start or stop is not None:
            headers["Range"] = range_header(start, stop)
        if start and self.etag:
            headers["If-Range"] = f'"{self.etag}"'  # of another version the whole file comes, not a range that does not fit
        async with http_errors(self.uri), (await http_session()).get(self.uri, headers=headers) as answer:
            if answer.status == 416 and (total := total_bytes(answer.headers)) is not None and start >= total:
                self._note(total, answer.headers.get("ETag"))
                return
            check_status(answer.status, answer.headers, self.uri, await answer.content.read(2048) if answer.status >= 400 else b"")
            coding = content_coding(answer.headers, self.uri)
            if coding and (start or stop is not None):
                raise NoRangesError  # a part of the coded body is none of the file
            if coding:
                decoded = Decoded(sink, coding, self.uri)
                await pour(answer.content.read, decoded, self.patience.stall_seconds)
                decoded.finish()
                return
            if answer.status == 206:
                if first_byte(answer.headers) != start:
                    raise TransientError("the server sent another range than it was asked for", where=self.uri)
                total = total_bytes(answer.headers)
            else:
                total = announced_bytes(answer.headers, self.uri)
                if start or (stop is not None and not 0 <= total <= stop):
                    raise NoRangesError
            self._note(-1 if total is None else total, answer.headers.get("ETag"))
            self._check_received(start, stop, await pour(answer.content.read, sink, self.patience.stall_seconds))

    async def _receive_s3(self, start: int, stop: int | None, sink: Callable[[bytes], Any]) -> None:
        store, path = filesystem(self.uri, requester_pays=self.requester_pays)
        bucket, key, _ = store.split_path(path)
        same = {"IfMatch": self.etag} if self.etag else {}
        async with s3_errors(self.uri):
            try:
                answer = await store._call_s3("get_object", Bucket=bucket, Key=key, Range=range_header(start, stop), **same, **store.req_kw)
            except Exception as error:
                if not any(error_code(item) == "InvalidRange" for item in error_chain(error)):
                    raise
                self._note(start, None)  # an object without a byte has no range
                return
            ranged = answer.get("ContentRange")
            if ranged is None and start:
                raise TransientError("the store sent the whole object instead of a range", where=self.uri, remedy="it is tried again")
            # Some stores give no range back where it is the whole object.
            self._note(int(ranged.rpartition("/")[2]) if ranged else answer["ContentLength"], answer.get("ETag"))
            async with answer["Body"] as body:
                self._check_received(start, stop, await pour(body.read, sink, self.patience.stall_seconds))

    def _note(self, size: int, etag: str | None) -> None:
        """Keeps what the server says of the file, and notices when it becomes another one.

        Raises:
            TransientError: It is not the file of the first answer any more.
        """
        version = "" if not etag or etag.startswith("W/") else etag.strip('"')
        if (self.bytes >= 0 and 0 <= size != self.bytes) or (self.etag and version and version != self.etag):
            raise TransientError(
                f"the file has {size:,} bytes and version {version or 'unknown'}",
                where=self.uri,
                expected=f"{self.bytes:,} bytes and version {self.etag or 'unknown'}, as announced before",
                remedy="it was replaced meanwhile, or the answer was wrong; it is tried again",
            )
        self.bytes = size if size >= 0 else self.bytes
        self.etag = version or self.etag

    def _check_received(self, start: int, stop: int | None, received: int) -> None:
        end = self.bytes if stop is None else min(stop, self.bytes) if self.bytes >= 0 else -1
        if end >= 0 and start + received != end:
            raise TransientError(
                f"received {received:,} bytes", where=self.uri, expected=f"{end - start:,} bytes, as announced", remedy="it is tried again"
            )


def _loop() -> asyncio.AbstractEventLoop:
    from fsspec.asyn import get_loop

    return get_loop()


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()
