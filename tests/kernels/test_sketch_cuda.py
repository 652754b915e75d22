"""The twin for GPUs gives the bits of the CPU: in Numba's simulator, in a process of its own, and on a GPU where there is one."""

import os
import subprocess
import sys

import pytest

COMPARED = """
import numpy as np
import pyarrow as pa

np.seterr(over="ignore")  # the simulator's numbers are NumPy's, which warn of what is meant
from curation_tasks.kernels.shingles import Shingling
from curation_tasks.kernels.sketch import sketches
from curation_tasks.kernels.sketch_cuda import sketches_on_gpu

words = [" ".join(f"w{number}" for number in range(count)) for count in COUNTS]
texts = pa.array(["", None, " ?! ", *words, "Grüße aus MÜNCHEN, 東京 都 😀 exactly16letters eight888", "  y z  "])
kinds = (("words", 5), ("characters", 24, True, False), ("words", 2, False, True, "whitespace", 7))
for shingling in (Shingling(*kind) for kind in kinds):
    for size, bands, rows in SIZES:
        here, there = sketches(texts, shingling, size, bands, rows), sketches_on_gpu(texts, shingling, size, bands, rows, threads=THREADS)
        for name in ("shingles", "fingerprints", "bytes", "bands"):
            assert (getattr(here, name) == getattr(there, name)).all(), (shingling, size, name)
        assert sketches_on_gpu(texts.slice(0, 0), shingling, size, bands, rows).bytes.shape == (0, size)
print("equal")
"""


def run(sizes, counts, threads, **environment):
    code = f"SIZES, COUNTS, THREADS = {sizes}, {counts}, {threads}\n{COMPARED}"
    return subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True)


def test_equal_in_the_simulator():
    # The simulator's threads are Python's: few of them, and small sketches, for a text of one word takes 2K rounds.
    done = run([(16, 2, 8)], [1, 5, 6, 24], 2, NUMBA_ENABLE_CUDASIM="1")
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.gpu
def test_equal_on_a_gpu():
    done = run([(256, 25, 9), (512, 40, 11)], [1, 2, 4, 5, 6, 23, 24, 25, 256, 100_000], 128)
    assert done.stdout == "equal\n", done.stderr
