"""A pipeline run as an Airflow DAG without a server, compared with `curate run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from curation_airflow.run_once import find_pipeline, run_overrides
from curation_airflow.settings import airflow_environment
from curation_tasks.errors import ConfigError

HERE = Path(__file__).parent
CURATE = Path(sys.executable).with_name("curate")


@pytest.fixture(scope="module")
def run_once(subprocess_environment, pipelines, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command as a user would, with one Airflow home for all tests of this file."""
    folder = tmp_path_factory.mktemp("run_once")

    def run(pipeline: str, *arguments: str, root: Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "curation_airflow.run_once", pipeline, "--pipelines", str(pipelines)]
        command += ["--root", str(root), "--home", str(folder / "airflow"), *arguments]
        more = {"COLUMNS": "200", **(environment or {})}
        return subprocess.run(command, env={**subprocess_environment, **more}, capture_output=True, text=True, check=False, cwd=folder)

    return run


@pytest.fixture(scope="module")
def first(run_once, tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A first run with the real commands, and its storage root."""
    root = tmp_path_factory.mktemp("data")
    return run_once("fruit", root=root), root


def test_the_dag_gives_the_digests_of_curate_run(first, subprocess_environment, pipelines, tmp_path):
    done, root = first
    assert done.returncode == 0, done.stdout + done.stderr
    command = [str(CURATE), "run", str(pipelines / "fruit.yaml"), "--root", str(tmp_path), "--no-report"]
    direct = subprocess.run(command, env=dict(subprocess_environment), capture_output=True, text=True, check=False)
    assert direct.returncode == 0, direct.stderr
    digests = _digests(root)
    assert sorted(stage for stage, _ in digests) == ["basket", "crate", "published", "resolve", "sorted"]
    assert digests == _digests(tmp_path)


def test_the_run_shows_stages_funnel_and_report(first):
    done, _ = first
    for text in ("300 in        240 out", "1 dataset published", "Reasons of rejection", "rotten", "What to try next"):
        assert text in done.stdout
    assert "Nothing had to be done" not in done.stdout
    [report] = [line.removeprefix("Report: ") for line in done.stdout.splitlines() if line.startswith("Report: ")]
    assert "<html" in Path(report).read_text()[:500].lower()


def test_airflow_itself_keeps_quiet(first):
    done, _ = first
    assert done.stderr == ""
    assert "DAG TEST" not in done.stdout


def test_a_second_run_has_nothing_to_do(first, run_once):
    _, root = first
    before = _digests(root)
    done = run_once("fruit", root=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  reused ") == 5
    assert "Nothing had to be done" in done.stdout
    assert _digests(root) == before


def test_a_failed_stage_is_shown_and_the_next_ones_do_not_run(run_once, fake_curate, tmp_path):
    environment = {
        "CURATE_COMMAND": f"{sys.executable} {fake_curate}",
        "FAKE_CURATE_CALLS": str(tmp_path / "calls"),
        "FAKE_CURATE": json.dumps({"sorted": {"exit": 75, "say": ["error: the store does not answer"]}}),
    }
    done = run_once("fruit", root=tmp_path / "data", environment=environment)
    assert done.returncode == 1
    assert "stage sorted failed" in done.stdout
    assert "exit code 75" in done.stdout
    assert "the store does not answer" in done.stdout
    called = [json.loads(line)["argv"] for line in (tmp_path / "calls").read_text().splitlines()]
    assert [argv[1] for argv in called if argv[0] == "stage"] == ["resolve", "basket", "sorted"]


def test_a_wrong_pipeline_is_refused_before_airflow_starts(run_once, tmp_path):
    done = run_once("unripe", root=tmp_path)
    assert done.returncode == 78
    assert "unripe.yaml:5: unknown key 'parametres'" in done.stdout


def test_a_run_sets_what_its_pipeline_declares_and_nothing_else(pipelines, monkeypatch):
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "fruit_parts")
    monkeypatch.syspath_prepend(str(HERE / "parts"))
    spec = find_pipeline(pipelines, "seasons")
    assert run_overrides(spec, ["fruit=pear", "rotten=3"]) == {"fruit": "pear", "rotten": 3}
    with pytest.raises(ConfigError, match=r"declares no parameter 'roten'; did you mean 'rotten'\?"):
        run_overrides(spec, ["roten=3"])
    with pytest.raises(ConfigError, match=r"declares no parameter 'basket\.fruit'"):
        run_overrides(spec, ["basket.fruit=pear"])
    with pytest.raises(ConfigError, match=r"rotten_every.*valid integer"):
        run_overrides(spec, ["rotten=often"])
    with pytest.raises(ConfigError, match="sets nothing"):
        run_overrides(spec, ["rotten"])


def test_a_wrong_parameter_is_refused_before_airflow_starts(run_once, tmp_path):
    done = run_once("seasons", "--snapshot", "2026-08", "--set", "roten=3", root=tmp_path)
    assert done.returncode == 78
    assert "did you mean 'rotten'?" in done.stdout


def test_an_unknown_pipeline_names_those_that_there_are(pipelines):
    with pytest.raises(ConfigError, match=r"unripe\.yaml:5"):
        find_pipeline(pipelines, "frut")


def test_our_airflow_never_uses_a_database_that_the_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production/airflow")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "echo postgresql://production/airflow")
    monkeypatch.setenv("AIRFLOW_CONFIG", "/etc/airflow.cfg")
    environment = airflow_environment(tmp_path)
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/airflow.db"
    assert "production" not in " ".join(environment.values())
    assert "AIRFLOW_CONFIG" not in environment
    assert environment["PATH"] == os.environ["PATH"]


def _digests(root: Path) -> set[tuple[str, str]]:
    """(stage, digest) of all manifests below a storage root."""
    manifests = [json.loads(path.read_text()) for path in root.rglob("manifest.json")]
    return {(manifest["content"]["stage"], manifest["digest"]) for manifest in manifests}
