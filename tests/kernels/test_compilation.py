"""Machine code is kept outside the package and loaded by the next process."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from curation_tasks.kernels.replacement import _replace
print(sum(_replace.stats.cache_hits.values()), sum(_replace.stats.cache_misses.values()))
"""


def test_the_second_process_loads_what_the_first_compiled(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | {"CURATE_CACHE": str(tmp_path)}
    seen = [
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert seen == [["0", "1"], ["1", "0"]]
    assert list(Path(tmp_path, "numba").rglob("*.nbc"))
