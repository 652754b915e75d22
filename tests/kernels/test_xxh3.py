"""XXH3-128 in compiled loops is the published function, at each of its lengths."""

import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.compilation import kernel
from curation_tasks.kernels.xxh3 import xxh3_128


@kernel("void(uint8[::1], int64[::1], int64[::1], uint64[:, ::1])")
def _hash_all(data, starts, sizes, found):
    lanes = np.empty(8, np.uint64)
    for run in range(len(starts)):
        found[run, 0], found[run, 1] = xxh3_128(data, starts[run], sizes[run], lanes)


def hashes(data, starts, sizes):
    found = np.empty((len(starts), 2), np.uint64)
    _hash_all(np.concatenate([data, np.zeros(8, np.uint8)]), np.asarray(starts, np.int64), np.asarray(sizes, np.int64), found)
    return [high << 64 | low for high, low in found.tolist()]


def test_every_length_up_to_two_blocks():
    generator = np.random.default_rng(1)
    data = generator.integers(0, 256, 20_000, np.uint8)
    sizes = [*range(1200), 2047, 2048, 2049, 2112, 10_000]
    starts = generator.integers(0, 10_000, len(sizes)).tolist()
    expected = [xxhash.xxh3_128_intdigest(data[start : start + size].tobytes()) for start, size in zip(starts, sizes, strict=True)]
    assert hashes(data, starts, sizes) == expected


@given(st.binary(max_size=3000))
def test_any_bytes(content):
    assert hashes(np.frombuffer(content, np.uint8), [0], [len(content)]) == [xxhash.xxh3_128_intdigest(content)]
