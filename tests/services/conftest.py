"""A real Airflow and a real browser for the tests of this folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from curation_tasks.lineage.published import published_snapshots

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
SEASONS = ("2026-02 2026-02-01", "2026-05 2026-05-01", "2026-07 2026-07-01")


@pytest.fixture(scope="module")
def origin() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that lists seasons, and the list."""
    listed = list(SEASONS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\n".join(listed).encode())

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/seasons", listed
    server.shutdown()
    thread.join()
    server.server_close()


class Deployment:
    """An Airflow and its storage.

    Args:
        client: Of its REST API, logged in.
        login: Name and password.
        root: The storage root.
        pipelines: Folder of pipeline files.
        home: Of Airflow.
    """

    def __init__(self, client: httpx.Client, login: tuple[str, str], root: str, pipelines: Path, home: Path):
        self.client, self.login, self.root, self.pipelines, self.home = client, login, root, pipelines, home

    @property
    def address(self) -> str:
        return str(self.client.base_url).rstrip("/")

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self.client.get(f"/api/v2{path}", params=parameters).raise_for_status().json()

    def wait(self, what: str, ready: Callable[[], Any], seconds: float = 900) -> Any:
        end = time.monotonic() + seconds
        while not (found := ready()):
            if time.monotonic() > end:
                raise AssertionError("\n".join([f"{what} did not come within {seconds:.0f} s", *self.state()]))
            time.sleep(1)
        return found

    def state(self) -> list[str]:
        """A line for each run, with the states of its tasks."""
        lines = []
        for run in self.get("/dags/~/dagRuns", limit=100)["dag_runs"]:
            tasks = self.get(f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
            lines.append(f"{run['dag_id']} {run['dag_run_id']} {run['state']}: " + ", ".join(f"{t['task_id']} {t['state']}" for t in tasks))
        return lines

    def airflow(self, *command: str) -> str:
        """What a command of Airflow prints, run as ``make airflow`` runs it.

        Raises:
            AssertionError: It failed.
        """
        argv = [sys.executable, "-m", "curation_airflow.standalone", "airflow", "--home", str(self.home), *command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def unpause(self, dag: str) -> None:
        self.client.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def runs(self, dag: str) -> list[dict[str, Any]]:
        return self.get(f"/dags/{dag}/dagRuns", limit=100)["dag_runs"]

    def succeeded(self, dag: str) -> list[str]:
        """Partition keys of the runs that ended well, one a run, sorted.

        Raises:
            AssertionError: A run failed.
        """
        runs = self.runs(dag)
        failed = [run["dag_run_id"] for run in runs if run["state"] == "failed"]
        assert not failed, (dag, failed)
        return sorted(str(run["partition_key"]) for run in runs if run["state"] == "success")

    def discover(self) -> None:
        run = self.client.post("/api/v2/dags/discovery/dagRuns", json={"logical_date": None}).raise_for_status().json()["dag_run_id"]
        self.wait("discovery", lambda: self.get(f"/dags/discovery/dagRuns/{run}")["state"] in ("success", "failed"))
        assert self.get(f"/dags/discovery/dagRuns/{run}")["state"] == "success"

    def knows(self, dag: str, snapshot: str) -> None:
        self.wait(f"{snapshot} in the timetable of {dag}", lambda: snapshot in (self.get(f"/dags/{dag}")["timetable_summary"] or ""))

    def digests(self, pipeline: str) -> dict[str, str]:
        return {name: entry["digest"] for name, entry in published_snapshots(self.root, pipeline).items()}


@contextmanager
def running_airflow(
    folder: Path, root: str, pipelines: Mapping[str, str], database: str, settings: Sequence[str] = (), **environment: str
) -> Iterator[Deployment]:
    """An Airflow as ``make up`` starts it, with pipeline files of its own; it is stopped with all that it left.

    Args:
        folder: For its state.
        root: The storage root.
        pipelines: Name → text of the file.
        database: ``sqlite`` or ``postgres``.
        settings: Of Airflow, ``SECTION__OPTION=VALUE``.
        **environment: Of its processes, beside this one's.
    """
    files, home = folder / "pipelines", folder / "home"
    files.mkdir()
    for name, text in pipelines.items():
        (files / f"{name}.yaml").write_text(text, encoding="utf-8")
    environment |= {
        "CURATE_ALLOWED_PACKAGES": "fruit_parts", "CURATE_CACHE": str(folder / "cache"), "CURATE_PIPELINES": str(files),
        "CURATE_ROOT": root, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "plugins"), str(TESTS / "airflow" / "parts")]),
    }  # fmt: skip
    settings = (
        "CORE__PARALLELISM=4", "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL=5", "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL=1",
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC=1", *settings,
    )  # fmt: skip
    standalone = [sys.executable, "-m", "curation_airflow.standalone"]
    options = ["--home", str(home), "--database", database, *(item for name in settings for item in ("--setting", name))]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            subprocess.run([*standalone, "up", *options], check=True)
            port = json.loads((home / "standalone.json").read_text())["port"]
            [login] = json.loads((home / "simple_auth_manager_passwords.json.generated").read_text()).items()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=180) as client:
                token = client.post("/auth/token", json={"username": login[0], "password": login[1]}).raise_for_status().json()
                client.headers["Authorization"] = f"Bearer {token['access_token']}"
                found = Deployment(client, login, root, files, home)
                dags = {*pipelines, "discovery", "housekeeping"}
                found.wait("the DAGs", lambda: dags <= {dag["dag_id"] for dag in found.get("/dags")["dags"]})
                yield found
        finally:
            subprocess.run([*standalone, "down", "--home", str(home)], check=True)
            from curation_airflow.postgres import PostgresServer

            shutil.rmtree(PostgresServer(home).folder, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_with() -> Callable[..., Any]:
    """``running_airflow``."""
    return running_airflow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if not path]:
        pytest.skip(f"not installed: {', '.join(missing)}; run tests/services/install.sh as root")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))
    yield driver
    driver.quit()
