"""`kill -9` at random moments of sentence and paragraph de-duplication, as `curate run` does it with one worker and with eight."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

KILLS = 3
COMMAND = [sys.executable, "-m", "curation_tasks.cli"]
PIPELINE = """
name: repeated
stages:
  - id: read
    source: jsonl
    parameters: {files: ["FOLDER/*.jsonl"], columns: {id: id}}
  - id: dedup
    reduction: dedup.KIND
    parameters: {min_document_characters: 60}
  - id: text
    export: jsonl
"""


@pytest.mark.service
@pytest.mark.parametrize("kind", ["sentences", "paragraphs"])
def test_kills_leave_every_digest_the_same(kind, tmp_path):
    moments = random.Random(kind)
    lines = [f"This is the repeated sentence number {n} of the whole set." for n in range(300)]
    for shard in range(8):
        rows = [{"id": f"{shard}-{n}", "text": "\n".join(moments.sample(lines, 9))} for n in range(60)]
        (tmp_path / f"{shard}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path = tmp_path / "repeated.yaml"
    path.write_text(PIPELINE.replace("FOLDER", str(tmp_path)).replace("KIND", kind), encoding="utf-8")

    def argv(root, workers):
        return [*COMMAND, "run", str(path), "--root", str(tmp_path / root), "--workers", str(workers), "--no-report", "--json"]

    def digests(root, workers):
        done = subprocess.run(argv(root, workers), capture_output=True, text=True, check=True)
        return {stage["stage"]: stage["digest"] for stage in json.loads(done.stdout)["stages"]}

    quiet = digests("quiet", 1)
    assert len(quiet) == 4
    for workers in (1, 8):
        root = f"killed-{workers}"
        steps = tmp_path / root / "repeated" / "all" / "dedup"
        for _ in range(KILLS):
            before = committed(steps)
            process = subprocess.Popen(
                argv(root, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                env=os.environ | {"CURATE_TEST_UNIT_DELAY": "0.1"},
            )  # fmt: skip
            while process.poll() is None and committed(steps) == before:
                time.sleep(0.02)
            time.sleep(moments.uniform(0.0, 0.3))
            assert process.poll() is None, "the run was over before it could be killed"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert not [*steps.glob("*/manifest.json")]
        assert digests(root, workers) == quiet
        assert not [*steps.glob("*/work")]


def committed(folder):
    return sum(1 for _ in folder.rglob("*.json"))
