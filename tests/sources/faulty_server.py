"""A web server of the tests' own that fails as it is told (``from faulty_server import …``)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FaultyServer:
    """Serves ``files``; ``faults`` decide what happens to a request instead.

    Attributes:
        base: Address without a slash at its end.
        files: Path → content.
        faults: Called with the handler and the number of the request (from 1, counted by method and path); true when they
            answered.
        requests: ``"GET /path"`` → count.
        ranges: Whether parts of a file can be had.
        served: ``(path, first byte, bytes)`` of each body.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: Callable[[BaseHTTPRequestHandler, int], bool] = lambda handler, number: False
    requests: Counter = field(default_factory=Counter)
    ranges: bool = True
    served: list[tuple[str, int, int]] = field(default_factory=list)


def answer_busy(handler: BaseHTTPRequestHandler, status: int = 503, retry_after: str | None = "0") -> bool:
    """Asks who asks to come again; for ``faults``."""
    handler.send_response(status)
    if retry_after is not None:
        handler.send_header("Retry-After", retry_after)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return True


@contextmanager
def serving(files: Mapping[str, bytes] | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[FaultyServer]:
    """A server that runs as long as the context; with ``tls`` over HTTPS."""
    state = FaultyServer(files=dict(files or {}))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            name = f"{self.command} {self.path}"
            state.requests[name] += 1
            if state.faults(self, state.requests[name]):
                return
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start, stop = self.asked_for(content)
            partial = (start, stop) != (0, len(content))
            if start >= len(content) and partial:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if partial else 200)
            if partial:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            self.send_header("Content-Length", str(stop - start))
            self.send_header("ETag", self.etag(content))
            self.end_headers()
            if body:
                state.served.append((self.path, start, stop - start))
                self.wfile.write(content[start:stop])

        def etag(self, content: bytes) -> str:
            return f'"{hash(content)}"'

        def asked_for(self, content: bytes) -> tuple[int, int]:
            asked = self.headers.get("Range")
            same = self.headers.get("If-Range") in (None, self.etag(content))
            if not asked or not state.ranges or not same:
                return 0, len(content)
            first, _, last = asked.removeprefix("bytes=").partition("-")
            return int(first), min(int(last) + 1, len(content)) if last else len(content)

    class Listener(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    listener = Listener((host, 0), Handler)
    if tls:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.base = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{listener.server_port}"
    yield state
    listener.shutdown()
    listener.server_close()
    thread.join()
