"""Stands in for ``curate`` where a test needs a stage to end in a certain way. Uses the standard library only.

``FAKE_CURATE`` is a JSON object: stage → {"exit": code, "signal": number, "say": [lines], "sleep": seconds,
"grandchild": file}. Other stages succeed. All argument lists are appended to the file ``FAKE_CURATE_CALLS``.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    if calls := os.environ.get("FAKE_CURATE_CALLS"):
        with Path(calls).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"argv": arguments, "environment": sorted(os.environ)}) + "\n")
    stage = arguments[1]
    behaviour = json.loads(os.environ.get("FAKE_CURATE", "{}")).get(stage, {})
    for line in behaviour.get("say", []):
        print(line, file=sys.stderr, flush=True)
    if place := behaviour.get("grandchild"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(place).write_text(str(child.pid))
    time.sleep(behaviour.get("sleep", 0))
    if "signal" in behaviour:
        os.kill(os.getpid(), behaviour["signal"])
    if behaviour.get("exit", 0) == 0 and not behaviour.get("forgets_result"):
        result = {
            "v": 1,
            "manifest": f"/data/{stage}/manifest.json",
            "key": "k" * 32,
            "digest": "d" * 64,
            "stage": stage,
            "counts": {"documents": 7, "text_bytes": 70},
            "reused": False,
            "padding": "x" * behaviour.get("padding", 0),
        }
        if stage == "published":
            result["published"] = "/data/published/000001.json"
        # A process is told by an option where to leave its result, a pod by its environment.
        place = os.environ.get("CURATE_RESULT") or arguments[arguments.index("--result") + 1]
        Path(place).write_text(json.dumps(result))
    return behaviour.get("exit", 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
