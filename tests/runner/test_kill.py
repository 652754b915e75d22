"""`kill -9` at random moments: nothing is lost, nothing doubled, and the digests are those of a quiet run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from curation_tasks.cli.run import run_pipeline

KILLS = 20
COMMAND = [sys.executable, "-m", "curation_tasks.cli"]


def test_twenty_kills_change_nothing(pipeline, tmp_path):
    path = pipeline(**{"units: 6, documents: 40": "units: 24, documents: 40"})
    quiet = {o["stage"]: o["digest"] for o in run_pipeline(path, "all", str(tmp_path / "quiet"), workers=2)}
    root = tmp_path / "killed"
    argv = [*COMMAND, "run", str(path), "--root", str(root), "--workers", "2", "--no-report", "--json"]
    moments = random.Random(20)
    killed = 0
    environment = os.environ | {"CURATE_TEST_UNIT_DELAY": "0.25"}
    while killed < KILLS:
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
        wait_for_work(root, process)
        time.sleep(moments.uniform(0.0, 0.8))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed += 1
    assert killed == KILLS, "the run was over before it could be killed often enough"
    final = subprocess.run(argv, capture_output=True, text=True, check=True)
    outcomes = json.loads(final.stdout)["stages"]
    assert {o["stage"]: o["digest"] for o in outcomes} == quiet
    leftovers = [file for file in root.rglob(".*") if file.is_file()]
    assert all("units" in str(file) or file.name.startswith((".part", ".ledger", ".manifest", ".shards")) for file in leftovers)


def wait_for_work(root: Path, process: subprocess.Popen) -> None:
    """Waits until the process has committed something new, so that a kill falls into the work and not into the imports."""
    before = count(root)
    while process.poll() is None and count(root) == before:
        time.sleep(0.05)


def count(root: Path) -> int:
    return sum(1 for file in root.rglob("*.json")) if root.exists() else 0
