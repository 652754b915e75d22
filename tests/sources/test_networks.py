"""Origins that are reached in other ways than a plain one: by an IPv6 address, and over HTTPS through a proxy."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from faulty_server import serving
from made_archives import crawl_file, page, snapshot_files

from curation_tasks.context import RunContext
from curation_tasks.sources.archive_documents import read_archive
from curation_tasks.sources.files import list_files
from curation_tasks.sources.web import WarcParameters
from curation_tasks.storage.remote import read_remote
from curation_tasks.storage.remote_file import RemoteFile

CRAWL = "CC-MAIN-2025-33"
PIPELINE = """name: crawl
partitions: {{by: snapshot}}
stages:
  - id: pages
    source: common_crawl
    parameters: {{base_url: "{base}"}}
"""


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 address of its own")
def test_an_origin_by_its_ipv6_address(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    archive = crawl_file({f"http://a.example/{number}": page(number) for number in range(3)})
    with serving({"/crawl/a.warc.gz": archive}, host="::1") as server:
        uri = f"{server.base}/crawl/a.warc.gz"
        assert uri.startswith("http://[::1]:")
        assert read_remote(uri) == archive
        assert RemoteFile(uri).stat().bytes == len(archive)
        parameters = WarcParameters(files=(uri,))
        [unit] = list_files(parameters, "all")
        assert (unit.uri, unit.path, unit.bytes) == (uri, "a.warc.gz", len(archive))
        context = RunContext("pipeline", "all", "stage", "/nowhere")
        assert sum(len(batch) for batch in read_archive(unit, parameters, context)) == 3


@dataclass
class Proxy:
    """A proxy, and what it wrote down."""

    address: str
    log: Path


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A key and a certificate of ``localhost`` in one file."""
    place = tmp_path / "localhost.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), "-keyout", place, "-out", tmp_path / "public.pem"], check=True, capture_output=True)
    place.write_bytes(place.read_bytes() + (tmp_path / "public.pem").read_bytes())
    return place


@pytest.fixture
def proxy(tmp_path, request) -> Iterator[Proxy]:
    """A tinyproxy of Debian's that tunnels to any port, or only to those of ``request.param``."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Proxy(f"http://127.0.0.1:{port}", tmp_path / "proxy.log")
    settings = tmp_path / "proxy.conf"
    settings.write_text(
        f'Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nLogLevel Connect\nLogFile "{found.log}"\n{getattr(request, "param", "")}'
    )
    process = subprocess.Popen([shutil.which("tinyproxy") or "/usr/bin/tinyproxy", "-d", "-c", settings])
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield found
    finally:
        process.terminate()
        process.wait()


def run(folder: Path, base: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``curate run`` of a crawl at an address, with no other word about proxies than what is given."""
    (folder / "crawl.yaml").write_text(PIPELINE.format(base=base))
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [str(Path(sys.executable).with_name("curate")), "run", "crawl.yaml", "--snapshot", CRAWL, "--root", "data", "--no-report"]
    return subprocess.run(command, cwd=folder, env=inherited | environment, capture_output=True, text=True, check=False)


@pytest.mark.service
def test_an_origin_over_https_behind_a_proxy(tmp_path, certificate, proxy):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    archive = crawl_file({f"http://a.example/{number}": page(number) for number in range(3)})
    files = {f"/{path}": content for path, content in snapshot_files(CRAWL, {"warc": [archive]}).items()}
    with serving(files, host="localhost", tls=context) as server:
        done = run(tmp_path, server.base, HTTPS_PROXY=proxy.address, SSL_CERT_FILE=str(certificate))
        assert done.returncode == 0, done.stderr
        assert "pages" in done.stdout
        assert proxy.log.read_text().count(f"CONNECT {server.base.removeprefix('https://')}") >= 1
        untrusted = run(tmp_path, server.base, HTTPS_PROXY=proxy.address, SSL_CERT_FILE="/dev/null")
        assert untrusted.returncode == 78
        assert "certificate is not trusted: self-signed certificate" in untrusted.stderr
        assert "SSL_CERT_FILE" in untrusted.stderr


@pytest.mark.service
@pytest.mark.parametrize("proxy", ["ConnectPort 443\n"], indirect=True)
def test_a_proxy_that_refuses(tmp_path, proxy):
    done = run(tmp_path, "https://localhost:444", HTTPS_PROXY=proxy.address)
    assert done.returncode == 78
    assert "the proxy refused the connection with status 403" in done.stderr
    assert "HTTPS_PROXY" in done.stderr
