"""A web server that fails as it is told."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class FaultyServer:
    """Serves ``files``; ``faults`` decide what happens to a request instead.

    Attributes:
        base: Address without a slash at its end.
        files: Path → content.
        faults: Called with the handler and the number of the request (from 1, counted by method and path); true when they
            answered.
        requests: ``"GET /path"`` → count.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: Callable[[BaseHTTPRequestHandler, int], bool] = lambda handler, number: False
    requests: Counter = field(default_factory=Counter)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    state = FaultyServer()

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
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("ETag", f'"{hash(content)}"')
            self.end_headers()
            if body:
                self.wfile.write(content or b"")

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.base = f"http://127.0.0.1:{listener.server_port}"
    yield state
    listener.shutdown()
    listener.server_close()
    thread.join()
