"""Starts a real S3 server: Ceph's radosgw over a monitor and one in-memory object daemon, on free loopback ports.

    python tests/services/ceph.py        # prints what to export, serves until interrupted

Everything lives below one temporary folder and is gone with it. Needs the Debian packages that ``install.sh`` installs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_STORE_BYTES = 4 * 2**30
_START_SECONDS = 90

_CONFIGURATION = """
[global]
fsid = {fsid}
keyring = {folder}/keyring
mon host = v1:127.0.0.1:{monitor_port}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 1
mon data avail crit = 1
run dir = {folder}/run
log file = {folder}/log/$name.log
pid file = {folder}/run/$name.pid
admin socket = {folder}/run/$name.asok
[mon.a]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {store_bytes}
osd class load list = *
osd class default list = *
[client]
rgw frontends = beast endpoint=127.0.0.1:{gateway_port}
rgw data = {folder}/rgw
"""


#: Key of a second user, who owns no bucket; the secret is it with ``-secret`` behind it.
READER = "curation-reader"


@dataclass(frozen=True)
class S3Server:
    """Where a server listens and who may use it."""

    endpoint: str
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """What a user would export."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}


def missing_programs() -> list[str]:
    """The programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextlib.contextmanager
def radosgw() -> Iterator[S3Server]:
    """A running server; its processes and files are gone when the block ends.

    Raises:
        RuntimeError: It does not start; the message holds the end of its logs.
    """
    # Paths of sockets may have 107 bytes: a folder below pytest's own would be too deep.
    with tempfile.TemporaryDirectory(prefix="ceph-", ignore_cleanup_errors=True) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        _configure(folder)
        _make_keys(folder)
        _start_monitor(folder, stack)
        _start_store(folder, stack)
        yield _start_gateway(folder, stack)


def _configure(folder: Path) -> None:
    for part in ("mon", "osd", "rgw", "run", "log"):
        (folder / part).mkdir()
    monitor_port, gateway_port = _free_ports(2)
    fsid = str(uuid.uuid4())
    text = _CONFIGURATION.format(
        fsid=fsid, folder=folder, monitor_port=monitor_port, gateway_port=gateway_port, store_bytes=_STORE_BYTES
    )  # fmt: skip
    (folder / "ceph.conf").write_text(text)
    (folder / "places.json").write_text(json.dumps({"fsid": fsid, "monitor": monitor_port, "gateway": gateway_port}))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _make_keys(folder: Path) -> None:
    keyring = str(folder / "keyring")
    everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
    _run(folder, "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    for name in ("client.admin", "client.rgw", "osd.0"):
        _run(folder, "ceph-authtool", keyring, "--gen-key", "-n", name, *everything)


def _start_monitor(folder: Path, stack: contextlib.ExitStack) -> None:
    places = json.loads((folder / "places.json").read_text())
    address = f"[v1:127.0.0.1:{places['monitor']}]"
    map_file = str(folder / "monmap")
    _run(folder, "monmaptool", "--create", "--clobber", "--fsid", places["fsid"], "--addv", "a", address, map_file)
    _run(folder, "ceph-mon", "--mkfs", "-i", "a", "--monmap", map_file, "--keyring", str(folder / "keyring"))
    _serve(folder, stack, "ceph-mon", "-i", "a", "-f")


def _start_store(folder: Path, stack: contextlib.ExitStack) -> None:
    identity = str(uuid.uuid4())
    _run(folder, "ceph", "--connect-timeout", "60", "osd", "new", identity, "0")
    _run(folder, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
    _run(folder, "ceph", "--connect-timeout", "60", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
    _serve(folder, stack, "ceph-osd", "-i", "0", "-f")
    _wait(folder, "the object store", lambda: "1 up" in _run(folder, "ceph", "--connect-timeout", "10", "osd", "stat"))


def _start_gateway(folder: Path, stack: contextlib.ExitStack) -> S3Server:
    gateway_port = json.loads((folder / "places.json").read_text())["gateway"]
    server = S3Server(f"http://127.0.0.1:{gateway_port}", "curation-test", "curation-test-secret")
    _serve(folder, stack, "radosgw", "-n", "client.rgw", "-f")
    _run(
        folder, "radosgw-admin", "user", "create", "--uid=test", "--display-name=test",
        f"--access-key={server.key}", f"--secret={server.secret}",
    )  # fmt: skip
    _run(
        folder, "radosgw-admin", "user", "create", "--uid=reader", "--display-name=reader",
        f"--access-key={READER}", f"--secret={READER}-secret",
    )  # fmt: skip
    _wait(folder, "the gateway", lambda: _answers(server.endpoint))
    return server


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "CEPH_CONF": str(folder / "ceph.conf")}


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=_START_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed ({done.returncode}):\n{done.stderr[-2000:]}\n{_logs(folder)}")
    return done.stdout


def _serve(folder: Path, stack: contextlib.ExitStack, *command: str) -> None:
    """Starts a daemon that ends with the stack."""
    with open(folder / "log" / f"{command[0]}.out", "wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=_environment(folder), stdout=output, stderr=output, start_new_session=True)
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen) -> None:
    # All it holds is in memory and not wanted again, so there is nothing to shut down in order.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(folder: Path, what: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not start within {_START_SECONDS} s\n{_logs(folder)}")
        time.sleep(0.2)


def _logs(folder: Path) -> str:
    return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in sorted((folder / "log").glob("*")))


if __name__ == "__main__":
    with radosgw() as running:
        print("\n".join(f"export {name}={value}" for name, value in running.environment.items()), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        sys.exit(0)
