"""The twin of ``sketch`` for GPUs: the same numbers, bit for bit, a block of threads to a text.

Texts come in their normal form, made on the CPU at more than a gigabyte a second. Each thread takes start positions: it
hashes the shingle that begins there, without a word to its neighbours. A round of the sketch then costs one 32-bit shared
minimum a shingle, for a bin that was set keeps its key. Imported only where the engine is ``gpu``; tested in Numba's
simulator (``NUMBA_ENABLE_CUDASIM=1``) and, where there is one, on a GPU.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numba import cuda

from curation_tasks.kernels.shingles import K1, K2, K3, WORDS, Shingling, normal_texts
from curation_tasks.kernels.sketch import Sketches

#: Threads of a block, for which texts of a few hundred words are enough work.
THREADS = 128
_S8, _S29, _S32 = (np.uint64(bits) for bits in (8, 29, 32))
_LOW = np.uint64(2**32 - 1)
_SPACE = np.uint8(32)


def sketches_on_gpu(texts: pa.Array, shingling: Shingling, size: int, bands: int, rows: int, *, threads: int = THREADS) -> Sketches:
    """As ``curation_tasks.kernels.sketch.sketches``; ``threads`` of a block."""
    offsets, data = normal_texts(texts, shingling)
    count = len(texts)
    found = Sketches(
        np.zeros(count, np.int64), np.zeros((2, count), np.uint64), np.zeros((count, size), np.uint8), np.zeros((bands, count), np.uint64)
    )
    if not count:
        return found
    arrays = [cuda.to_device(array) for array in (data, offsets)]
    results = [cuda.to_device(array) for array in (found.shingles, found.fingerprints, found.bytes, found.bands)]
    shingles, starts = cuda.device_array(len(data), np.uint64), cuda.device_array(len(data), np.uint8)
    words = shingling.form == WORDS
    shift = np.uint64(64 - (size.bit_length() - 1))
    _kernel(size)[count, threads](*arrays, words, shingling.width, shingling.mixed_seed, shift, rows, shingles, starts, *results)
    for result, target in zip(results, (found.shingles, found.fingerprints, found.bytes, found.bands), strict=True):
        result.copy_to_host(target)
    return found


@cuda.jit(device=True)
def _mix(value):
    value ^= value >> _S32
    value *= K2
    value ^= value >> _S29
    value *= K3
    return value ^ (value >> _S32)


@cuda.jit(device=True)
def _word_end(data, at, end):
    while at < end and data[at] != _SPACE:
        at += 1
    return at


@cuda.jit(device=True)
def _word_hash(data, at, end):
    value = np.uint64(end - at) * K1
    while at < end:
        block = np.uint64(0)
        taken = min(8, end - at)
        for k in range(taken):
            block |= np.uint64(data[at + k]) << np.uint64(8 * k)
        value = (value ^ block) * K2
        if taken == 8:
            value ^= value >> _S29
        at += taken
    return _mix(value)


@cuda.jit(device=True)
def _shingle_at(data, start, end, at, words, width, seed):
    """The shingle that begins at ``at``, and whether there is one: it is whole, or begins with the text's first unit."""
    value = np.uint64(0)
    units = 0
    first = True
    if words:
        if data[at] == _SPACE or (at > start and data[at - 1] != _SPACE):
            return value, False
        for k in range(start, at):
            first = first and data[k] == _SPACE
            if not first:
                break
    else:
        if data[at] & 0xC0 == 0x80:
            return value, False
        first = at == start
    while at < end and units < width:
        if words:
            stop = _word_end(data, at, end)
            unit = _word_hash(data, at, stop)
            at = stop
            while at < end and data[at] == _SPACE:
                at += 1
        else:
            unit = np.uint64(data[at])
            at += 1
            while at < end and data[at] & 0xC0 == 0x80:
                unit = (unit << _S8) | np.uint64(data[at])
                at += 1
        value = value * K1 + unit
        units += 1
    return _mix(value ^ seed), units == width or first


@cache
def _kernel(size: int) -> Any:
    """The kernel for sketches of ``size`` numbers: shared arrays have a size known when it is compiled."""

    @cuda.jit
    def sketch(data, offsets, words, width, seed, shift, rows, shingles, starts, counts, fingerprints, sketch_bytes, bands):
        # The simulator tells shared arrays apart by their line.
        values = cuda.shared.array(size, np.uint32)
        turns = cuda.shared.array(size, np.int32)
        touched = cuda.shared.array(size, np.int32)
        sums = cuda.shared.array(2, np.uint64)
        left = cuda.shared.array(2, np.int32)
        row, thread, step = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
        start, end = offsets[row], offsets[row + 1]
        for k in range(thread, size, step):
            values[k], turns[k], touched[k] = np.uint32(0xFFFFFFFF), -1, 0
        if thread == 0:
            sums[0] = sums[1] = np.uint64(0)
            left[0] = left[1] = 0
        cuda.syncthreads()
        for at in range(start + thread, end, step):
            value, found = _shingle_at(data, start, end, at, words, width, seed)
            shingles[at], starts[at] = value, found
            if found:
                cuda.atomic.add(sums, 0, _mix(value))
                cuda.atomic.add(sums, 1, _mix(value ^ K1))
                cuda.atomic.add(left, 1, 1)
        cuda.syncthreads()
        if left[1] == 0:
            return
        if thread == 0:
            counts[row], fingerprints[0, row], fingerprints[1, row], left[0] = left[1], sums[0], sums[1], size
        cuda.syncthreads()
        turn = 0
        while left[0] > 0:
            offset = np.uint64(turn) * K1
            for at in range(start + thread, end, step):
                if starts[at]:
                    value = shingles[at] if turn == 0 else _mix(shingles[at] + offset)
                    place = np.int64(value >> shift) if turn < size else np.int64(turn - size)
                    if turns[place] < 0:
                        touched[place] = 1
                        cuda.atomic.min(values, place, np.uint32(value & _LOW))
            cuda.syncthreads()
            for k in range(thread, size, step):
                if touched[k] == 1 and turns[k] < 0:
                    turns[k] = turn
                    cuda.atomic.sub(left, 0, 1)
            cuda.syncthreads()
            turn += 1
        for k in range(thread, size, step):
            values[k] = np.uint32(_mix((np.uint64(turns[k]) << _S32) | np.uint64(values[k])) >> _S32)
            sketch_bytes[row, k] = np.uint8(values[k] & 0xFF)
        cuda.syncthreads()
        for band in range(thread, bands.shape[0], step):
            folded = np.uint64(band + 1)
            for k in range(band * rows, (band + 1) * rows):
                folded = _mix(folded * K1 + np.uint64(values[k]))
            bands[band, row] = folded

    return sketch
