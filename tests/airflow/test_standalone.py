"""`make up` on a port that another program takes while Airflow starts."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import psutil
import pytest

from curation_airflow import standalone

HEALTHY = json.dumps({name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor")})
SERVER = f"""
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write({HEALTHY.encode()!r})
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(HEALTHY.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other_airflow() -> Iterator[int]:
    """The port of an Airflow that is healthy and is not ours."""
    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_the_page_of_another_airflow_is_not_taken_for_ours(tmp_path, monkeypatch, capsys, other_airflow):
    ours, begun = free_port(), []

    def start(home, port, database, settings):
        # The first tries the port that is taken by then, and lives on without a page, as `airflow standalone` does.
        chosen, code = (ours, SERVER) if begun else (other_airflow, "import time; time.sleep(600)")
        begun.append(subprocess.Popen([sys.executable, "-c", code, str(chosen)], stderr=subprocess.DEVNULL))
        return begun[-1], chosen

    monkeypatch.setattr(standalone, "_start", start)
    monkeypatch.setattr(standalone, "_POLL_SECONDS", 0.1)
    try:
        assert standalone.up(tmp_path) == 0
        told = capsys.readouterr().out
        assert f"taken port {other_airflow}" in told
        assert f"Airflow: http://127.0.0.1:{ours}" in told
        assert f"Airflow: http://127.0.0.1:{other_airflow}" not in told
        assert not psutil.pid_exists(begun[0].pid) or psutil.Process(begun[0].pid).status() == psutil.STATUS_ZOMBIE
    finally:
        for process in begun:
            process.kill()
            process.wait()
