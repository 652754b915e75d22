"""Airflow with its web page on this machine: ``up`` starts it on a free port, ``down`` stops all of its processes.

    PYTHONPATH=plugins python -m curation_airflow.standalone up|down|status
    PYTHONPATH=plugins python -m curation_airflow.standalone airflow backfill create --help

For trying out and for development. It keeps its state in SQLite, which is not meant for many runs at once, or, with
``--database postgres``, in a PostgreSQL server of its own that it starts and stops.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from curation_airflow.postgres import PostgresError, PostgresServer
from curation_airflow.settings import REPOSITORY, airflow_environment

_HOME = REPOSITORY / ".curation" / "airflow-standalone"
#: Its login is for one person, so it serves this machine only.
_HOST = "127.0.0.1"
_PREFERRED_PORT = 8080
_START_SECONDS = 240.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 1.0
_COMPONENTS = ("metadatabase", "scheduler", "dag_processor")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, 1 when Airflow did not start or does not run, or that of Airflow's command."""
    options = _parser().parse_args(arguments)
    home = options.home.resolve()
    if options.action == "up":
        return up(home, options.port, options.database, dict(item.split("=", 1) for item in options.setting))
    if options.action == "down":
        return down(home)
    if options.action == "airflow":
        return airflow(home, options.command)
    return status(home)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m curation_airflow.standalone", description="Airflow with its web page on this machine.")
    actions = parser.add_subparsers(dest="action", required=True)
    home = argparse.ArgumentParser(add_help=False)
    home.add_argument("--home", type=Path, default=_HOME, help="folder of its database, logs and password")
    start = actions.add_parser("up", parents=[home], help="start it and wait until it is healthy")
    start.add_argument("--port", type=int, default=None, help="port of the web page; default: 8080, or a free one when that is taken")
    start.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite", help="where Airflow keeps its state")
    start.add_argument(
        "--setting", action="append", default=[], metavar="SECTION__OPTION=VALUE", help="a setting of Airflow, as CORE__PARALLELISM=4"
    )
    actions.add_parser("down", parents=[home], help="stop it and all processes that it started")
    actions.add_parser("status", parents=[home], help="say whether it runs, and where")
    command = actions.add_parser("airflow", parents=[home], help="a command of Airflow beside it, as `airflow dags list`")
    command.add_argument("command", nargs=argparse.REMAINDER, help="what follows `airflow`")
    return parser


def up(home: Path, port: int | None = None, database: str = "sqlite", more: Mapping[str, str] | None = None) -> int:
    """Starts Airflow, waits until it is healthy and prints its address and login.

    Args:
        home: Folder of its state.
        port: Of the web page; None: 8080, or a free one.
        database: ``sqlite`` or ``postgres``.
        more: Further settings, ``SECTION__OPTION`` → value.
    """
    if running := _running(home):
        print("Airflow runs already.")
        _say_where(home, running["port"])
        return 0
    home.mkdir(parents=True, exist_ok=True)
    settings = dict(more or {})
    if database == "postgres":
        try:
            settings["DATABASE__SQL_ALCHEMY_CONN"] = PostgresServer(home).start()
        except PostgresError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    deadline = time.monotonic() + _START_SECONDS
    process, chosen = _start(home, port, database, settings)
    _say_that_it_starts(home, chosen)
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(chosen) and not _listens(process.pid, chosen):
            # Between our look and Airflow's own start lie seconds. Its main process lives on without a page.
            print(f"Another program has taken port {chosen} meanwhile; starting again on another one.", flush=True)
            _stop(psutil.Process(process.pid))
            process, chosen = _start(home, port, database, settings)
            _say_that_it_starts(home, chosen)
        elif _healthy(chosen):
            _say_where(home, chosen)
            return 0
        time.sleep(_POLL_SECONDS)
    ended = f"ended with exit code {process.returncode}" if process.poll() is not None else f"was not healthy after {_START_SECONDS:.0f} s"
    lines = (home / "standalone.log").read_text(errors="replace").splitlines()[-25:]
    print("\n".join(lines), file=sys.stderr)
    print(f"error: Airflow {ended}; the end of its log stands above", file=sys.stderr)
    down(home)
    return 1


def down(home: Path) -> int:
    """Stops Airflow and all processes that it started, stages included."""
    found = _process(home)
    if found is None:
        print("Airflow does not run.")
    else:
        _stop(found)
        print("Airflow is stopped.")
    _pid_file(home).unlink(missing_ok=True)
    PostgresServer(home).stop()
    return 0


def status(home: Path) -> int:
    """Prints whether Airflow runs, and where. Returns 0 when it does, else 1."""
    running = _running(home)
    if running is None:
        print("Airflow does not run.")
        return 1
    _say_where(home, running["port"])
    return 0


def airflow(home: Path, command: Sequence[str]) -> int:
    """Runs a command of Airflow on the database, and with the settings, of the Airflow that runs. Returns its exit code."""
    running = _running(home)
    if running is None:
        print("error: Airflow does not run\n  what to do: `make up`", file=sys.stderr)
        return 1
    settings = dict(running["settings"])
    if running["database"] == "postgres":
        settings["DATABASE__SQL_ALCHEMY_CONN"] = PostgresServer(home).address
    environment = _environment(home, settings)
    return subprocess.run([sys.executable, "-m", "airflow", *command], env=environment, cwd=REPOSITORY, check=False).returncode


# --- start ---------------------------------------------------------------------------------------------------------------


def _start(home: Path, port: int | None, database: str, settings: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    chosen, worker_logs, trigger_logs = _free_ports(port)
    ours = {
        "API__PORT": str(chosen),
        # Tasks report to this address; without it they would look for port 8080 and fail.
        "API__BASE_URL": _address(chosen),
        "CORE__EXECUTION_API_SERVER_URL": f"{_address(chosen)}/execution/",
        "API__HOST": _HOST,
        # The default starts 32 worker processes.
        "CORE__PARALLELISM": "2",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__ASSET_MANAGER_CLASS": "curation_airflow.asset_events.PartitionAssetManager",
        # A stage takes all cores of this machine: with the default of 5 s tasks beside it fail before they begin.
        "WORKERS__EXECUTION_API_TIMEOUT": "60",
        "LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
    }
    chosen_settings = ours | dict(settings)
    with (home / "standalone.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            env=_environment(home, chosen_settings),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = psutil.Process(process.pid).create_time()
    # The address of a PostgreSQL of our own holds its password, which stands in a file of that server.
    kept = {name: value for name, value in chosen_settings.items() if database != "postgres" or name != "DATABASE__SQL_ALCHEMY_CONN"}
    note = {"pid": process.pid, "created": started, "port": chosen, "database": database, "settings": kept}
    _pid_file(home).write_text(json.dumps(note))
    return process, chosen


def _environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    environment = airflow_environment(home, **settings)
    # `airflow standalone` starts its components as `airflow …`, which is beside this Python and need not be in the path.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return environment


def _free_ports(port: int | None) -> tuple[int, int, int]:
    """Three ports nobody listens on: the wanted one, or 8080 if free, and two for logs."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for candidate in [port] if port else [_PREFERRED_PORT, 0]:
            with suppress(OSError):
                sockets[0].bind((_HOST, candidate))
                break
        else:
            raise SystemExit(f"error: port {port} is taken; leave --port out to take a free one")
        for other in sockets[1:]:
            other.bind((_HOST, 0))
        first, second, third = (item.getsockname()[1] for item in sockets)
    return first, second, third


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
        return True
    return False


def _listens(pid: int, port: int) -> bool:
    """Whether that process or one that it started has the port."""
    with suppress(psutil.NoSuchProcess):
        main = psutil.Process(pid)
        for process in [main, *main.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if any(item.status == psutil.CONN_LISTEN and item.laddr.port == port for item in process.net_connections("tcp")):
                    return True
    return False


def _healthy(port: int) -> bool:
    health = _get_json(f"{_address(port)}/api/v2/monitor/health")
    return all((health.get(name) or {}).get("status") == "healthy" for name in _COMPONENTS)


def _address(port: int) -> str:
    return f"http://{_HOST}:{port}"


def _get_json(url: str) -> Mapping[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return {}


def _say_that_it_starts(home: Path, port: int) -> None:
    print(f"Airflow is starting on port {port} (about half a minute; log: {home / 'standalone.log'}) …", flush=True)


def _say_where(home: Path, port: int) -> None:
    print(f"Airflow: {_address(port)}")
    with suppress(OSError, ValueError):
        for name, password in json.loads((home / "simple_auth_manager_passwords.json.generated").read_text()).items():
            print(f"Login:   {name} / {password}")
    print("Stop it with `make down`.")


# --- the process ---------------------------------------------------------------------------------------------------------


def _pid_file(home: Path) -> Path:
    return home / "standalone.json"


def _running(home: Path) -> dict[str, Any] | None:
    """What the pid file says, if that process lives."""
    return json.loads(_pid_file(home).read_text()) if _process(home) is not None else None


def _process(home: Path) -> psutil.Process | None:
    """The main process, unless it has ended and its number now belongs to another."""
    try:
        noted = json.loads(_pid_file(home).read_text())
        found = psutil.Process(noted["pid"])
        same = abs(found.create_time() - noted["created"]) < 1.0 and found.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
    return found if same else None


def _stop(main: psutil.Process) -> None:
    """The tree, not the process group: tasks and stages have groups of their own. All at once, because the main process passes
    no signal on.
    """
    tree = [main, *main.children(recursive=True)]
    _signal(tree, "terminate")
    _, alive = psutil.wait_procs(tree, timeout=_STOP_SECONDS)
    _signal(alive, "kill")
    psutil.wait_procs(alive, timeout=_STOP_SECONDS)


def _signal(processes: Sequence[psutil.Process], method: str) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            getattr(process, method)()


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    sys.exit(main())
