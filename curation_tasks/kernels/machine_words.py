"""Machine instructions that Numba does not offer by name: unaligned 64-bit loads, population count, trailing zeros, equal bytes."""

from __future__ import annotations

import sys

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

if sys.byteorder != "little":
    raise ImportError("the kernels read eight bytes as one little-endian number; this machine is big-endian")


@intrinsic
def load64(typing_context, data, at):
    """The eight bytes from ``data[at]`` on as one uint64. The caller makes sure that they are there."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def population_count(typing_context, value):
    """Number of bits of a uint64 that are set."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context, value):
    """Number of zero bits below the lowest set bit of a uint64; 64 for zero."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def equal_bytes(typing_context, array, left, right):
    """Of the 64 bytes from the ``left``-th uint64 of a contiguous array on, how many are those from the ``right``-th on."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        block = ir.VectorType(ir.IntType(8), 64)
        first, second = (builder.load(builder.bitcast(builder.gep(data, [at]), block.as_pointer()), align=8) for at in arguments[1:])
        return builder.ctpop(builder.bitcast(builder.icmp_unsigned("==", first, second), ir.IntType(64)))

    return types.int64(array, types.int64, types.int64), generate
