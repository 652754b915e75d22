"""Three runs of the same work at once: all end well, with the same digests, and one publication."""

import json
import os
import subprocess
import sys


def test_runs_at_the_same_time_agree(pipeline, tmp_path):
    path, root = pipeline(), tmp_path / "data"
    argv = [sys.executable, "-m", "curation_tasks.cli", "run", str(path), "--root", str(root), "--json", "--no-report"]
    environment = os.environ | {"CURATE_TEST_UNIT_DELAY": "0.05"}
    runs = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    ended = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], [error[-2000:] for _, error in ended]
    digests = [{stage["stage"]: stage["digest"] for stage in json.loads(output)["stages"]} for output, _ in ended]
    assert digests[0] == digests[1] == digests[2]
    assert [entry.name for entry in (root / "demo" / "all" / "published").iterdir()] == ["000001.json"]
