"""One transfer from a server: its errors by reaction, its patience, and the answers of HTTP and S3 read alike."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
import zlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from curation_tasks.errors import ConfigError, CurationError, InputError, TransientError
from curation_tasks.storage.filesystem import storage_errors

#: A try that brought less than this has brought nothing; bounds the tries of a server that sends a few bytes each time.
_PROGRESS_BYTES = 64 * 2**10
_BUSY = (408, 425, 429)
#: Whom servers may write to: an address or a page. Wikimedia's policy asks for it.
CONTACT_VARIABLE = "CURATE_CONTACT"
#: What stores behind a content network answer, with status 403, to who asks too often.
_TOO_OFTEN = re.compile(rb"SlowDown|RequestLimitExceeded|TooManyRequests|reduce your request rate", re.IGNORECASE)


@dataclass(frozen=True)
class Patience:
    """How long one goes on asking.

    Attributes:
        attempts: Tries in a row that bring nothing.
        first_wait_seconds: Wait before the second; it doubles each time.
        longest_wait_seconds: Longest wait, also where ``Retry-After`` asks for a longer one: then it is given up, since the
            orchestrator's own retries are further apart.
        stall_seconds: Time in which at least 64 KiB must come.
    """

    attempts: int = 6
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 120.0
    stall_seconds: float = 60.0


class BusyError(TransientError):
    """The server asked to be left alone for a while."""

    wait_seconds = 0.0


class NoRangesError(Exception):
    """The server sends whole files only."""


class PatienceRule:
    """When to stop and how long to wait: tries that bring nothing are counted, not tries."""

    def __init__(self, patience: Patience, progress: Callable[[], int]):
        self._patience, self._progress = patience, progress
        self._seen = self._in_vain = 0

    def stop(self, state: Any) -> bool:
        reached = self._progress()
        self._in_vain = 0 if reached - self._seen >= _PROGRESS_BYTES else self._in_vain + 1
        self._seen = max(reached, self._seen) if self._in_vain == 0 else self._seen
        asked = getattr(state.outcome.exception(), "wait_seconds", 0.0)
        return self._in_vain >= self._patience.attempts or asked > self._patience.longest_wait_seconds

    def wait(self, state: Any) -> float:
        asked = getattr(state.outcome.exception(), "wait_seconds", 0.0)
        doubled = self._patience.first_wait_seconds * 2.0 ** max(0, self._in_vain - 1)
        # Spread, so that the workers of a cluster do not all come back at once. No datum depends on it.
        return max(asked, min(doubled, self._patience.longest_wait_seconds)) * random.uniform(1.0, 1.25)


async def pour(read: Callable[[int], Coroutine[Any, Any, bytes]], sink: Callable[[bytes], Any], stall_seconds: float) -> int:
    """Copies a body to its sink; a body that brings less than 64 KiB in the given time has stalled."""
    loop = asyncio.get_running_loop()
    received = in_time = 0
    end = loop.time() + stall_seconds
    while True:
        async with asyncio.timeout_at(end):
            chunk = await read(2**18)
        if not chunk:
            return received
        sink(chunk)
        received += len(chunk)
        in_time += len(chunk)
        if in_time >= _PROGRESS_BYTES:
            in_time, end = 0, loop.time() + stall_seconds


# --- HTTP ------------------------------------------------------------------------------------------------------------------

#: A file that is compressed is wanted as it is, not unpacked on the way.
IDENTITY = {"Accept-Encoding": "identity"}


def user_agent() -> str:
    """How this program names itself, and whom it belongs to."""
    contact = "".join(character for character in os.environ.get(CONTACT_VARIABLE, "") if character.isprintable())
    return f"curation-tasks/0.1 ({contact or 'text curation'}; honours Retry-After)"


async def http_session() -> Any:
    import aiohttp
    import fsspec

    options = {
        "auto_decompress": False,
        "trust_env": True,
        "headers": {"User-Agent": user_agent()},
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=120),
    }
    return await fsspec.filesystem("http", client_kwargs=options).set_session()


def range_header(start: int, stop: int | None) -> str:
    return f"bytes={start}-{'' if stop is None else stop - 1}"


def announced_bytes(headers: Mapping[str, str], uri: str) -> int:
    length = headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and not content_coding(headers, uri) else -1


def content_coding(headers: Mapping[str, str], uri: str) -> str:
    """How a server coded a body although it was asked not to; "" for a body that is the file.

    Many servers say ``gzip`` of files that are compressed themselves: a ``.gz`` that is said to be coded so is the file.
    """
    coding = headers.get("Content-Encoding", "").strip().lower().removeprefix("x-")
    is_the_file = coding == "gzip" and urlsplit(uri).path.lower().endswith((".gz", ".tgz"))
    return "" if is_the_file or coding in ("", "identity") else coding


class Decoded:
    """Takes a gzip body apart before it reaches its sink, in pieces of at most 1 MiB.

    Raises:
        InputError: It is coded in another way.
        TransientError: It is damaged, or (``finish``) ends too soon.
    """

    def __init__(self, sink: Callable[[bytes], Any], coding: str, uri: str):
        if coding != "gzip":
            raise InputError(
                f"the server sent a body coded as {coding!r}, unasked", where=uri, expected="the file as it is, or gzip",
                remedy="fetch it by other means and give its path",
            )  # fmt: skip
        self._sink, self._uri = sink, uri
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def __call__(self, data: bytes) -> None:
        while data and not self._stream.eof:
            try:
                piece = self._stream.decompress(data, 2**20)
            except zlib.error as error:
                raise TransientError(f"the body is no gzip: {error}", where=self._uri, remedy="it is tried again") from error
            data = self._stream.unconsumed_tail
            self._sink(piece)

    def finish(self) -> None:
        if not self._stream.eof:
            raise TransientError("the coded body ends too soon", where=self._uri, remedy="it is tried again")


_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


def total_bytes(headers: Mapping[str, str]) -> int | None:
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return int(match[2]) if match and match[2] != "*" else None


def first_byte(headers: Mapping[str, str]) -> int | None:
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return int(match[1]) if match and match[1] else None


def check_status(status: int, headers: Mapping[str, str], uri: str, body: bytes = b"") -> None:
    """Raises the error that a status asks for; ``body`` is the beginning of what the server says about it."""
    if status < 400:
        return
    if status == 403 and (_TOO_OFTEN.search(body) or headers.get("Retry-After")):
        raise _busy("the server asked to slow down (HTTP 403)", uri, headers.get("Retry-After"))
    if status in (401, 403):
        raise ConfigError(f"access was refused (HTTP {status})", where=uri, remedy="check the address, or whether it asks for a login")
    if status in _BUSY or status >= 500:
        raise _busy(f"the server answered HTTP {status}", uri, headers.get("Retry-After"))
    raise InputError(f"the server answered HTTP {status}", where=uri, remedy="check the address")


def _busy(what: str, uri: str, retry_after: str | None) -> BusyError:
    error = BusyError(what, where=uri, remedy="it is tried again")
    error.wait_seconds = _seconds_until(retry_after)
    if error.wait_seconds:
        error.remedy = f"it asks for {error.wait_seconds:,.0f} seconds of patience; try again later"
    return error


def _seconds_until(retry_after: str | None) -> float:
    """``Retry-After`` (RFC 9110, 10.2.3): seconds, or a date."""
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


class http_errors:  # noqa: N801  (reads as a statement)
    """Failures of a transfer as errors by reaction."""

    def __init__(self, uri: str):
        self._uri = uri

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        import aiohttp

        if isinstance(error, aiohttp.TooManyRedirects):
            raise InputError("the server redirects again and again", where=self._uri, remedy="check the address") from error
        if isinstance(error, aiohttp.InvalidURL):
            raise ConfigError(
                "this is no address", where=self._uri, expected="https://host/path", remedy="check how it is written"
            ) from error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise ConfigError(
                f"the server's certificate is not trusted: {getattr(error.certificate_error, 'verify_message', 'unknown')}",
                where=self._uri,
                expected="one of an authority that this machine knows",
                remedy="set SSL_CERT_FILE to a file with the authority's certificate; a proxy may have put one of its own in between",
            ) from error
        if isinstance(error, aiohttp.ClientHttpProxyError) and error.status in (403, 407):
            raise ConfigError(
                f"the proxy refused the connection with status {error.status}",
                where=self._uri,
                expected="a proxy that tunnels to this host and port",
                remedy="look at HTTPS_PROXY (http://user:password@host:port) and at NO_PROXY, and at what the proxy allows",
            ) from error
        if isinstance(error, (aiohttp.ClientError, TimeoutError, ConnectionError)):
            raise TransientError(
                f"the transfer failed: {type(error).__name__} {error}", where=self._uri, remedy="it is tried again"
            ) from error


class s3_errors:  # noqa: N801  (reads as a statement)
    """What an S3 store raises as errors by reaction, with the patience that it asks for."""

    def __init__(self, uri: str):
        self._uri = uri

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, (CurationError, NoRangesError, asyncio.CancelledError)):
            return
        codes = {error_code(item): item for item in error_chain(error)}
        busy = codes.get("SlowDown") or codes.get("ServiceUnavailable") or codes.get("503")
        if busy is not None:
            headers = busy.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})  # type: ignore[attr-defined]
            raise _busy("the store asked to slow down", self._uri, headers.get("retry-after")) from error
        if "PreconditionFailed" in codes:
            raise TransientError("the object was replaced while it was read", where=self._uri, remedy="it is tried again") from error
        if isinstance(error, TimeoutError) or type(error).__module__.startswith(("aiohttp", "aiobotocore")):
            raise TransientError(f"the transfer failed: {type(error).__name__}", where=self._uri, remedy="it is tried again") from error
        with storage_errors(self._uri):
            raise error


def error_code(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def error_chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while len(chain) < 10 and (following := chain[-1].__cause__ or chain[-1].__context__):
        chain.append(following)
    return chain
