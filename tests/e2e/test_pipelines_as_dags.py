"""The shipped pipelines of the large sources as Airflow DAGs, from a server laid out like the origin, beside `curate run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from curation_tasks.spec import RESOLVE, load_pipeline

# Minutes: each stage is a process of its own.
pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).parents[2]
PIPELINES = REPOSITORY / "dags" / "pipelines"


@pytest.fixture
def server() -> Iterator[Any]:
    from faulty_server import serving

    with serving() as state:
        yield state


@pytest.fixture(scope="module")
def run_once(tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a shipped pipeline as a DAG, with one Airflow home for all tests of this file."""
    folder = tmp_path_factory.mktemp("airflow")

    def run(pipeline: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "curation_airflow.run_once", pipeline, "--root", str(root), "--home", str(folder / "airflow")]
        more = {"PYTHONPATH": str(REPOSITORY / "plugins"), "COLUMNS": "200"}
        return subprocess.run([*command, *arguments], env=os.environ | more, cwd=folder, capture_output=True, text=True, check=False)

    return run


def digests(root: Path) -> Mapping[str, str]:
    """Stage → digest of its manifest."""
    manifests = [json.loads(path.read_text()) for path in root.rglob("manifest.json")]
    return {manifest["content"]["stage"]: manifest["digest"] for manifest in manifests}


@pytest.mark.parametrize(
    ("pipeline", "snapshot", "more", "expected"),
    [
        # A crawl's files carry no limit here: more records than there are, under the name of a trial.
        ("common_crawl_en", "CC-MAIN-2025-33+trial", ["--limit", "1000", "--set", "files=2", "--set", "sample=7"], "43 out"),
        pytest.param("wikipedia", "20250801", ["--set", "languages=[en]"], "7 out", marks=pytest.mark.slow),
        pytest.param("arxiv", "2025-03+trial", ["--limit", "100"], "3 out", marks=pytest.mark.slow),
    ],
)
def test_a_dag_gives_the_digests_of_curate_run(run_once, server, tmp_path, pipeline, snapshot, more, expected):
    import made_origins

    origin = {"common_crawl_en": made_origins.common_crawl}.get(pipeline) or getattr(made_origins, pipeline)
    server.files |= {f"/{path}": content for path, content in origin().items()}
    arguments = ["--snapshot", snapshot, "--set", f"base_url={server.base}", *more]
    done = run_once(pipeline, tmp_path / "dag", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout
    [report] = [line.removeprefix("Report: ") for line in done.stdout.splitlines() if line.startswith("Report: ")]
    assert "<svg" in Path(report).read_text()

    command = [str(Path(sys.executable).with_name("curate")), "run", str(PIPELINES / f"{pipeline}.yaml")]
    command += ["--root", str(tmp_path / "plain"), "--no-report", *arguments]
    direct = subprocess.run(command, capture_output=True, text=True, check=False)
    assert direct.returncode == 0, direct.stderr
    found = digests(tmp_path / "dag")
    assert set(found) == {RESOLVE, *(stage.id for stage in load_pipeline(PIPELINES / f"{pipeline}.yaml").stages)}
    assert found == digests(tmp_path / "plain")
