"""Hashes of words and lines within one text: 8 bytes a step, 64 bits, never stored.

They only have to be equal for equal bytes and different for different ones; the hashes that identify a text are in
``identity``. Two different words of 100,000 share a hash with a probability of 3·10⁻¹⁰.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation_tasks.kernels.compilation import inlined

#: Odd numbers without pattern: multiplying by one moves every bit of a number into the bits above it.
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
#: ``_KEEP[n]`` keeps the first n bytes of eight.
_KEEP = np.array([(1 << 8 * kept) - 1 for kept in range(9)], np.uint64)
#: In a hash table of 32-bit numbers: the place is free. (Numbers without a sign, because Numba lets a negative index count from
#: the end and would test each for it.)
FREE = np.uint32(0xFFFFFFFF)


@intrinsic
def load_8_bytes(typing, text, at):
    """``text[at : at + 8]`` as one little-endian number, wherever ``at`` is. The text must be padded by 8 bytes."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        number = builder.load(place)
        number.align = 1
        return number

    return types.uint64(text, types.int64), generate


@inlined
def power_of_two(least):
    """The smallest power of two that is at least ``least``, and at least 8: the size of a hash table."""
    size = 8
    while size < least:
        size *= 2
    return size


@inlined
def mixed(value):
    """Every bit of the input moves every bit of the output (the finalizer of SplitMix64)."""
    value = (value ^ (value >> np.uint64(30))) * _SECOND
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@inlined
def bytes_hash(text, start, end):
    """Hash of ``text[start:end]``: without a loop for up to 16 bytes, which nearly all words have, else 16 bytes a step."""
    size = end - start
    if size <= 16:
        low = load_8_bytes(text, start) & _KEEP[min(size, 8)]
        high = load_8_bytes(text, start + 8) & _KEEP[max(size - 8, 0)]
        value = (low ^ (np.uint64(size) * _SECOND)) * _FIRST
        value ^= value >> np.uint64(32)
        value = (value + high) * _SECOND
        return value ^ (value >> np.uint64(29))
    # Two halves, because the processor multiplies for one while it waits for the other. The last step overlaps the one before.
    low, high, last = np.uint64(size) * _FIRST, _FIRST, end - 16
    while start < last:
        low = (low ^ load_8_bytes(text, start)) * _SECOND
        high = (high ^ load_8_bytes(text, start + 8)) * _FIRST
        low ^= low >> np.uint64(29)
        high ^= high >> np.uint64(32)
        start += 16
    low = (low ^ load_8_bytes(text, last)) * _SECOND
    high = (high ^ load_8_bytes(text, last + 8)) * _FIRST
    return mixed(low ^ (high >> np.uint64(32)) ^ (high << np.uint64(32)))


@inlined
def chained(value, following):
    """Hash of a sequence: that of what came before, and of what follows."""
    value = (value ^ (value >> np.uint64(32))) * _FIRST + following
    return value ^ (value >> np.uint64(29))
