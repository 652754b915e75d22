"""XXH3-128 (seed 0) inside compiled loops: for hashes of very many short byte runs, where a call for each would cost more.

Bit for bit the published function, which ``identity.text_hashes`` calls for whole texts.

Source:
    https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, section XXH3.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.hashing import load_8_bytes

#: The default secret of the specification.
SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
        "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
    ),
    np.uint8,
)
_P32_1, _P32_2, _P32_3 = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
_P64_1, _P64_2, _P64_3 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_P64_4, _P64_5 = np.uint64(0x85EBCA77C2B2AE63), np.uint64(0x27D4EB2F165667C5)
_MX1, _MX2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LOW = np.uint64(0xFFFFFFFF)
#: The secret's bytes as numbers from every place: ``_AT[place]`` is what ``load_8_bytes`` would find there.
_AT = np.array([int.from_bytes(SECRET[place : place + 8].tobytes(), "little") for place in range(len(SECRET) - 7)], np.uint64)


@intrinsic
def _product(typing, left, right):
    """``(low, high)`` halves of the 128-bit product of two uint64."""

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        low = builder.trunc(product, ir.IntType(64))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))
        return context.make_tuple(builder, signature.return_type, (low, high))

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


@inlined
def _folded(left, right):
    low, high = _product(left, right)
    return low ^ high


@inlined
def _avalanche(value):
    value ^= value >> np.uint64(37)
    value *= _MX1
    return value ^ (value >> np.uint64(32))


@inlined
def _avalanche_64(value):
    """The finalizer of XXH64."""
    value = (value ^ (value >> np.uint64(33))) * _P64_2
    value = (value ^ (value >> np.uint64(29))) * _P64_3
    return value ^ (value >> np.uint64(32))


@inlined
def _swapped_32(value):
    return (
        (value >> np.uint64(24)) | ((value >> np.uint64(8)) & np.uint64(0xFF00)) | ((value << np.uint64(8)) & np.uint64(0xFF0000))
        | ((value << np.uint64(24)) & np.uint64(0xFF000000))
    )  # fmt: skip


@inlined
def _swapped_64(value):
    return (_swapped_32(value & _LOW) << np.uint64(32)) | _swapped_32(value >> np.uint64(32))


@inlined
def _up_to_3(data, start, size):
    first, middle, last = np.uint64(data[start]), np.uint64(data[start + (size >> 1)]), np.uint64(data[start + size - 1])
    low = (first << np.uint64(16)) | (middle << np.uint64(24)) | last | (np.uint64(size) << np.uint64(8))
    swapped = _swapped_32(low)
    high = ((swapped << np.uint64(13)) | (swapped >> np.uint64(19))) & _LOW
    flip_low = (_AT[0] & _LOW) ^ (_AT[4] & _LOW)
    flip_high = (_AT[8] & _LOW) ^ (_AT[12] & _LOW)
    return _avalanche_64(high ^ flip_high), _avalanche_64(low ^ flip_low)


@inlined
def _up_to_8(data, start, size):
    low = load_8_bytes(data, start) & _LOW
    high = load_8_bytes(data, start + size - 4) & _LOW
    keyed = (low | (high << np.uint64(32))) ^ (_AT[16] ^ _AT[24])
    low, high = _product(keyed, _P64_1 + (np.uint64(size) << np.uint64(2)))
    high += low << np.uint64(1)
    low ^= high >> np.uint64(3)
    low ^= low >> np.uint64(35)
    low *= _MX2
    low ^= low >> np.uint64(28)
    return _avalanche(high), low


@inlined
def _up_to_16(data, start, size):
    flip_low, flip_high = _AT[32] ^ _AT[40], _AT[48] ^ _AT[56]
    first, last = load_8_bytes(data, start), load_8_bytes(data, start + size - 8)
    low, high = _product(first ^ last ^ flip_low, _P64_1)
    low += np.uint64(size - 1) << np.uint64(54)
    last ^= flip_high
    high += last + (last & _LOW) * (_P32_2 - np.uint64(1))
    low ^= _swapped_64(high)
    mixed_low, mixed_high = _product(low, _P64_2)
    mixed_high += high * _P64_2
    return _avalanche(mixed_high), _avalanche(mixed_low)


@inlined
def _mixed_16(data, at, secret):
    return _folded(load_8_bytes(data, at) ^ _AT[secret], load_8_bytes(data, at + 8) ^ _AT[secret + 8])


@inlined
def _mixed_32(low, high, data, at, other, secret):
    low += _mixed_16(data, at, secret)
    low ^= load_8_bytes(data, other) + load_8_bytes(data, other + 8)
    high += _mixed_16(data, other, secret + 16)
    high ^= load_8_bytes(data, at) + load_8_bytes(data, at + 8)
    return low, high


@inlined
def _joined(low, high, size):
    joined_low = low + high
    joined_high = low * _P64_1 + high * _P64_4 + np.uint64(size) * _P64_2
    return np.uint64(0) - _avalanche(joined_high), _avalanche(joined_low)


@inlined
def _up_to_128(data, start, size):
    low, high, end = np.uint64(size) * _P64_1, np.uint64(0), start + size
    if size > 32:
        if size > 64:
            if size > 96:
                low, high = _mixed_32(low, high, data, start + 48, end - 64, 96)
            low, high = _mixed_32(low, high, data, start + 32, end - 48, 64)
        low, high = _mixed_32(low, high, data, start + 16, end - 32, 32)
    low, high = _mixed_32(low, high, data, start, end - 16, 0)
    return _joined(low, high, size)


@inlined
def _up_to_240(data, start, size):
    low, high = np.uint64(size) * _P64_1, np.uint64(0)
    for at in range(0, 128, 32):
        low, high = _mixed_32(low, high, data, start + at, start + at + 16, at)
    low, high = _avalanche(low), _avalanche(high)
    for at in range(128, size - 31, 32):
        low, high = _mixed_32(low, high, data, start + at, start + at + 16, at - 128 + 3)
    end = start + size
    low, high = _mixed_32(low, high, data, end - 16, end - 32, 136 - 17 - 16)
    return _joined(low, high, size)


@inlined
def _accumulate(lanes, data, at, secret):
    for lane in range(8):
        value = load_8_bytes(data, at + 8 * lane)
        keyed = value ^ _AT[secret + 8 * lane]
        lanes[lane ^ 1] += value
        lanes[lane] += (keyed & _LOW) * (keyed >> np.uint64(32))


@inlined
def _merged(lanes, secret, value):
    for pair in range(4):
        value += _folded(lanes[2 * pair] ^ _AT[secret + 16 * pair], lanes[2 * pair + 1] ^ _AT[secret + 16 * pair + 8])
    return _avalanche(value)


@inlined
def _long(data, start, size, lanes):
    lanes[0], lanes[1], lanes[2], lanes[3] = _P32_3, _P64_1, _P64_2, _P64_3
    lanes[4], lanes[5], lanes[6], lanes[7] = _P64_4, _P32_2, _P64_5, _P32_1
    blocks = (size - 1) // 1024
    for block in range(blocks):
        for stripe in range(16):
            _accumulate(lanes, data, start + 1024 * block + 64 * stripe, 8 * stripe)
        for lane in range(8):
            value = lanes[lane]
            value ^= value >> np.uint64(47)
            lanes[lane] = (value ^ _AT[128 + 8 * lane]) * _P32_1
    begin = start + 1024 * blocks
    for stripe in range((size - 1 - 1024 * blocks) // 64):
        _accumulate(lanes, data, begin + 64 * stripe, 8 * stripe)
    _accumulate(lanes, data, start + size - 64, 192 - 64 - 7)
    low = _merged(lanes, 11, np.uint64(size) * _P64_1)
    high = _merged(lanes, 192 - 64 - 11, ~(np.uint64(size) * _P64_2))
    return high, low


@inlined
def xxh3_128(data, start, size, lanes):
    """``(high, low)`` of the XXH3-128 (seed 0) of ``data[start : start + size]``.

    Args:
        data: uint8; eight bytes behind the end may be read.
        start: int64.
        size: int64.
        lanes: uint64, shape (8,): room for the state of a long run.
    """
    if size > 240:
        return _long(data, start, size, lanes)
    if size > 128:
        return _up_to_240(data, start, size)
    if size > 16:
        return _up_to_128(data, start, size)
    if size > 8:
        return _up_to_16(data, start, size)
    if size > 3:
        return _up_to_8(data, start, size)
    if size > 0:
        return _up_to_3(data, start, size)
    return _avalanche_64(_AT[80] ^ _AT[88]), _avalanche_64(_AT[64] ^ _AT[72])
