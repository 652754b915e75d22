"""De-duplication as `curate run` does it with one, two and eight worker processes, and with `kill -9` in each of its steps."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

WORKERS = 8
COMMAND = [sys.executable, "-m", "curation_tasks.cli"]
PIPELINE = """
name: repeated
stages:
  - id: read
    source: jsonl
    parameters: {files: ["FOLDER/*.jsonl"], columns: {id: id}}
  - id: dedup
    reduction: dedup.KIND
    parameters: PARAMETERS
  - id: text
    export: jsonl
"""
KINDS = {
    "exact": "{keep: longest}",
    "fuzzy": "{width: 1, threshold: 0.6}",
    "sentences": "{min_document_characters: 60}",
    "paragraphs": "{min_document_characters: 60}",
}


@pytest.fixture(params=KINDS)
def command(request, tmp_path):
    """``command(root, workers)``: a run of eight files with copies, near copies and common lines, each worker a process."""
    kind, moments = request.param, random.Random(request.param)
    lines = [f"This is the repeated sentence number {n} of the whole set." for n in range(300)]
    for shard in range(8):
        texts = ["\n".join(moments.sample(lines, 9)) for _ in range(60)]
        texts += [moments.choice(texts) + moments.choice(["", " And one more.", " "]) for _ in range(40)]
        rows = [{"id": f"{shard}-{n}", "text": text} for n, text in enumerate(texts)]
        (tmp_path / f"{shard}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path = tmp_path / "repeated.yaml"
    text = PIPELINE.replace("FOLDER", str(tmp_path)).replace("KIND", kind).replace("PARAMETERS", KINDS[kind])
    path.write_text(text, encoding="utf-8")

    def make(root, workers):
        options = ["--root", str(tmp_path / root), "--workers", str(workers), "--processes", "--no-report", "--json"]
        return [*COMMAND, "run", str(path), *options]

    return make


def digests(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {stage["stage"]: (stage["digest"], stage["counts"].get("rejected")) for stage in json.loads(done.stdout)["stages"]}


class Run:
    """A run whose units each wait a moment before they begin."""

    def __init__(self, argv, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            env=os.environ | {"CURATE_TEST_UNIT_DELAY": "0.15"},
        )  # fmt: skip

    def steps(self):
        """Steps of the reduction of which a unit was ever committed."""
        return {file.name.rpartition("-")[0] for file in self.folder.glob("repeated/all/dedup/*/**/units/*.json")}

    def workers(self):
        """Process ids of those that run units."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return sorted(child.pid for child in children if child.name().startswith("dask worker"))

    def wait_for_another_step(self, seen):
        """False when the run ended before."""
        while self.process.poll() is None:
            if self.steps() - seen:
                return True
            time.sleep(0.02)
        return False


@pytest.mark.service
@pytest.mark.slow
def test_one_two_and_eight_processes_and_a_worker_killed_in_each_step_give_the_same_digests(command, tmp_path):
    quiet = digests(command("one", 1))
    assert quiet["dedup"][1] > 0
    assert digests(command("two", 2)) == quiet
    assert digests(command("eight", WORKERS)) == quiet
    moments, run, seen, killed = random.Random(8), Run(command("killed", WORKERS), tmp_path / "killed"), set(), 0
    while run.wait_for_another_step(seen):
        seen |= run.steps()
        if workers := run.workers():
            os.kill(moments.choice(workers), signal.SIGKILL)
            killed += 1
    out, _ = run.process.communicate()
    assert run.process.returncode == 0
    assert {stage["stage"]: (stage["digest"], stage["counts"].get("rejected")) for stage in json.loads(out)["stages"]} == quiet
    assert killed >= len(seen) - 2 > 0


@pytest.mark.service
@pytest.mark.slow
def test_runs_killed_in_each_step_and_resumed_give_the_same_digests(command, tmp_path):
    quiet = digests(command("one", 1))
    moments, seen, killed = random.Random(9), set(), 0
    while True:
        run = Run(command("killed", WORKERS), tmp_path / "killed")
        if not run.wait_for_another_step(seen):
            break
        time.sleep(moments.uniform(0.0, 0.3))
        seen |= run.steps()
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.communicate()
        killed += 1
    run.process.communicate()
    assert run.process.returncode == 0
    assert killed > 2
    assert digests(command("killed", WORKERS)) == quiet
    assert not [*(tmp_path / "killed" / "repeated" / "all" / "dedup").glob("*/work")]
