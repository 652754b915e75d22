"""A PostgreSQL server of our own on this machine, for an Airflow that runs several things at once.

SQLite locks its whole file: backfills beside running tasks fail on it. A deployment names its own server instead.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_HOST = "127.0.0.1"
_DEBIAN_BINARIES = Path("/usr/lib/postgresql")
#: PostgreSQL refuses to run as root; Debian's package brings this user.
_SERVER_USER = "postgres"
_START_SECONDS = 60


class PostgresError(RuntimeError):
    """The server cannot be installed, started or stopped. The message says what to do."""


class PostgresServer:
    """One server with one database for Airflow.

    Args:
        home: Folder that the server belongs to. Its data lies there, or, as root cannot run it and another user may not be
            able to enter ``home``, in a folder of ``/var/tmp`` named by it.
    """

    def __init__(self, home: Path):
        name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
        self.folder = Path("/var/tmp") / f"curate-postgres-{name}" if os.geteuid() == 0 else home / "postgres"
        self.data = self.folder / "data"

    def start(self) -> str:
        """Starts the server unless it runs, creating its database at first.

        Returns:
            The SQLAlchemy address of the database.

        Raises:
            PostgresError: PostgreSQL is not installed, or does not start; with the end of its log.
        """
        if not (self.data / "PG_VERSION").exists():
            self._create()
        if not self.running():
            port = _free_port()
            (self.folder / "port").write_text(str(port))
            # fsync stays on: what Airflow has promised to run is to survive a crash here as well.
            options = f"-c listen_addresses={_HOST} -c port={port} -c unix_socket_directories={self.folder}"
            arguments = ["-D", str(self.data), "-o", options, "-l", str(self.folder / "log"), "-w", "-t", str(_START_SECONDS), "start"]
            self._run("pg_ctl", arguments)
        self._create_database()
        return self.address

    @property
    def address(self) -> str:
        port, password = (self.folder / "port").read_text(), (self.folder / "password").read_text()
        return f"postgresql+psycopg2://airflow:{password}@{_HOST}:{port}/airflow"

    def running(self) -> bool:
        """Whether the server runs."""
        if not self.data.exists():
            return False
        return self._command("pg_ctl", ["-D", str(self.data), "status"]).returncode == 0

    def stop(self) -> None:
        """Stops the server, if it runs; its data stays."""
        if self.running():
            self._run("pg_ctl", ["-D", str(self.data), "-m", "fast", "-w", "stop"])

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, _server_user(), _server_user())
        options = ["--username=airflow", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run("initdb", ["-D", str(self.data), *options])

    def _create_database(self) -> None:
        port, password = (self.folder / "port").read_text(), (self.folder / "password").read_text()
        connection = ["-h", _HOST, "-p", port, "-U", "airflow"]
        done = self._command("createdb", [*connection, "airflow"], {"PGPASSWORD": password})
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise PostgresError(f"the database cannot be created: {done.stderr.strip()}")

    def _run(self, program: str, arguments: Sequence[str]) -> None:
        done = self._command(program, arguments)
        if done.returncode != 0:
            log = self.folder / "log"
            lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
            raise PostgresError("\n".join([f"{program} failed: {done.stdout.strip()} {done.stderr.strip()}", *lines]))

    def _command(
        self, program: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        identity = {"user": _server_user(), "group": _server_user(), "extra_groups": []} if os.geteuid() == 0 else {}
        # pg_ctl leaves the server behind, which must not hold this process's pipes: output goes to files of its own.
        with (self.folder / f"{program}.out").open("w+") as out:
            done = subprocess.run(
                [str(_binary(program)), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"} | dict(environment or {}),
                check=False, start_new_session=True, **identity,
            )  # fmt: skip
            out.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, "", out.read())


def _binary(program: str) -> Path:
    """A program of PostgreSQL: Debian keeps the server's out of the path."""
    versions = sorted(_DEBIAN_BINARIES.glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1]
    found = shutil.which(program)
    if found is None:
        raise PostgresError(f"{program} is not installed\n  what to do: apt-get install postgresql, or use DATABASE=sqlite")
    return Path(found)


def _server_user() -> str:
    try:
        return pwd.getpwnam(_SERVER_USER).pw_name
    except KeyError:
        raise PostgresError(
            f"PostgreSQL does not run as root, and there is no user {_SERVER_USER!r}\n  what to do: apt-get install postgresql"
        ) from None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((_HOST, 0))
        return free.getsockname()[1]
