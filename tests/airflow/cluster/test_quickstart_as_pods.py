"""The quickstart as an Airflow DAG whose stages are pods that make Dask clusters of their own, on the double."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation_tasks.manifest import read_manifest
from curation_tasks.spec import RESOLVE, load_pipeline

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]
REPOSITORY = Path(__file__).parents[3]


def test_it_has_the_digests_of_a_run_without_cluster(double, tmp_path):
    quickstart = REPOSITORY / "dags" / "pipelines" / "quickstart.yaml"
    here, there = tmp_path / "here", tmp_path / "there"
    curate = [sys.executable, "-m", "curation_tasks.cli", "run", str(quickstart), "--root", str(here), "--no-report", "--json"]
    subprocess.run(curate, check=True, capture_output=True)
    settings = {
        "PYTHONPATH": str(REPOSITORY / "plugins"),
        "KUBECONFIG": str(double.kubeconfigs["airflow"]),
        "CURATE_STAGE_RUNNER": "pod",
        "CURATE_POD_IMAGE": "curation-worker:cpu",
        "CURATE_POD_POLL_SECONDS": "1",
    }
    double.bodies.clear()
    once = [sys.executable, "-m", "curation_airflow.run_once", "quickstart", "--root", str(there), "--home", str(tmp_path / "airflow")]
    done = subprocess.run([*once, "--verbose"], env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert digests(there) == digests(here)
    stages = [stage.id for stage in load_pipeline(quickstart).stages]
    pods = [body["metadata"]["labels"]["curation/stage"] for kind, body in double.bodies if kind == "pods"]
    assert sorted(pods) == sorted([RESOLVE, *stages])
    clusters = [body["metadata"]["annotations"]["curation/stage"] for kind, body in double.bodies if kind == "daskclusters"]
    assert sorted(clusters) == sorted(set(stages) - {"publish"})
    assert double.objects("daskclusters") == []
    for _ in range(100):
        if not double.objects("pods"):
            return
        time.sleep(0.1)
    raise AssertionError("pods are left behind")


def digests(root: Path) -> dict[str, str]:
    """Stage → digest of what it committed."""
    manifests = [read_manifest(str(path)) for path in root.glob("*/*/*/*/manifest.json")]
    return {manifest.stage: manifest.digest for manifest in manifests}
