"""Single machine instructions that Numba does not offer by name: unaligned 64-bit loads, population count, trailing zeros."""

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
