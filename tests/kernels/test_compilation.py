"""Machine code is kept outside the package and loaded by the next process."""

import importlib
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


def test_a_fresh_process_loads_what_is_compiled_and_counts_at_once():
    # This process has compiled the kernel, or has found it compiled.
    importlib.import_module("curation_tasks.kernels.text_counts")
    program = (
        "import pyarrow as pa, curation_tasks.kernels.text_counts as kernel\n"
        "kernel.text_counts(pa.array(['a b']), ['words'])\n"
        "print(sum(kernel._count.stats.cache_hits.values()), sum(kernel._count.stats.cache_misses.values()))"
    )
    found = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "0"]
