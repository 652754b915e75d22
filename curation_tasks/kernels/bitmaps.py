"""One bit a byte: where in a text white space, letters, line ends … stand, 64 bytes to a number of a bitmap.

This is what makes the signals fast. A loop over bytes decides something for every byte; here the processor compares 64
bytes at once and gives the answers as the bits of one number, and everything behind that works on such numbers::

    text         T h e   d o g .           bit 0 is the first byte (it is written on the left here)
    SPACE        0 0 0 1 0 0 0 0
    LETTER       1 1 1 0 1 1 1 0
    starts of words:   ~SPACE & ~(~SPACE << 1 | carry)     1 0 0 0 1 0 0 0

- *How many* letters: the number of set bits, one instruction (``ones``).
- *Where* the next one is: the number of zeros below the lowest set bit, one instruction (``lowest``); ``bits & bits - 1``
  takes that bit away. So a loop runs once for each word and not once for each byte.
- *Neighbours*: ``bits << 1`` moves every answer to the following byte; the bit that falls out at the top is carried into
  the next number.

NumPy has no such comparison, so ``_comparison`` writes it in LLVM's terms: load a vector of 64 bytes, compare it, read the
64 results as an integer. LLVM makes one or two instructions of each where the processor has AVX-512 and more where it has
AVX2 or NEON.

A character that is not ASCII has its class at its first byte; white space has it at all bytes, so that a word is a run of
bytes that are not white space; the end of a line has it at its last byte, so that the next byte begins a line.
Texts are copied into a buffer with ``PADDING`` zero bytes behind them: no load needs to look for the end.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from curation_tasks.kernels import characters
from curation_tasks.kernels.compilation import inlined

#: Zero bytes that must follow a text.
PADDING = 128

#: Rows of the bitmaps of a text.
SPACE, LETTER, ALPHANUMERIC, UPPER, LOWER, CONTINUATION, NEWLINE, BREAK, DOT, HIGH, PLAIN = range(11)
#: Where a phrase begins that is looked for; filled by ``known_phrases``.
HIT = 11
#: Not a bitmap: for each 64 bytes, how many bytes before them are continuation bytes.
CONTINUATIONS_BEFORE = 12
ROWS = 13

_ALL, _NONE, _ONE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), np.uint64(1)
_VECTOR = ir.VectorType(ir.IntType(8), 64)


@intrinsic
def copy_bytes(typing, source, begin, target, size):
    """Copies ``source[begin : begin + size]`` to the beginning of ``target``. (A slice assignment goes byte by byte.)"""

    def generate(context, builder, signature, arguments):
        source_array, target_array = (context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 2))
        cgutils.raw_memcpy(builder, target_array.data, builder.gep(source_array.data, [arguments[1]]), arguments[3], 1)
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64), generate


@inlined
def bitmaps_for(longest):
    """Room for the bitmaps of texts of up to ``longest`` bytes: uint64, shape (ROWS, numbers)."""
    return np.zeros((ROWS, longest // 64 + 4), np.uint64)


def _comparison(compare):
    """An intrinsic ``(text, at, low, high) -> uint64``: bit k tells how ``text[at + k]`` compares."""

    @intrinsic
    def compared(typing, text, at, low, high):
        def generate(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            place = builder.bitcast(builder.gep(array.data, [arguments[1]]), _VECTOR.as_pointer())
            bytes_ = builder.load(place)
            bytes_.align = 1
            return builder.bitcast(compare(builder, bytes_, *(_repeated(builder, bound) for bound in arguments[2:])), ir.IntType(64))

        return types.uint64(text, types.int64, types.int64, types.int64), generate

    return compared


def _repeated(builder, number):
    """A vector of 64 equal bytes."""
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), builder.trunc(number, ir.IntType(8)), ir.IntType(32)(0))
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), 64), None))


def _between(builder, bytes_, low, high):
    # As unsigned numbers: what is below `low` wraps around and is large.
    return builder.icmp_unsigned("<=", builder.sub(bytes_, low), builder.sub(high, low))


def _folded_equal(builder, bytes_, low, high):
    return builder.icmp_unsigned("==", builder.or_(bytes_, high), low)


#: Bit k is set when ``low <= text[at + k] <= high``.
between = _comparison(_between)
#: Bit k is set when ``text[at + k] | high == low``. With 32 for ``high``: when it is the letter ``low``, capital or not.
equal_with_bits = _comparison(_folded_equal)


@intrinsic
def ones(typing, bits):
    """How many bits are set."""
    return types.int64(types.uint64), lambda context, builder, signature, arguments: builder.ctpop(arguments[0])


@intrinsic
def lowest(typing, bits):
    """The position of the lowest set bit; there must be one."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


@intrinsic
def _lowest_or_64(typing, bits):
    """The position of the lowest set bit; 64 when there is none."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(0))

    return types.int64(types.uint64), generate


@intrinsic
def _zeros_above(typing, bits):
    """How many zeros are above the highest set bit; there must be one."""

    def generate(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


#: So many places behind the last position may be written to by ``put_positions``.
AT_ONCE = 12


def _writer_of_positions(at_once):
    """A function that writes the first ``at_once`` positions, whether there are so many or not, and seldom has to loop for more.

    A loop that ends when no bit is left ends somewhere else each time, which the processor guesses wrong once in 64 bytes
    of text; what is written in vain costs less than that and is overwritten by what comes next.
    """

    @inlined
    def put(bits, base, places, count):
        """Writes ``base`` plus the position of each set bit to ``places[count:]``; returns the new count."""
        total = ones(bits)
        for k in range(at_once):
            places[count + k] = base + _lowest_or_64(bits)
            bits &= bits - _ONE
        for k in range(at_once, total):
            places[count + k] = base + lowest(bits)
            bits &= bits - _ONE
        return count + total

    return put


#: For what stands in most blocks of 64 bytes a dozen times at most (words), and four times at most (ends of lines).
put_positions, put_few_positions = _writer_of_positions(AT_ONCE), _writer_of_positions(4)


@inlined
def is_set(bitmap, at):
    return (bitmap[at >> 6] >> np.uint64(at & 63)) & _ONE != _NONE


@inlined
def set_bit(bitmap, at):
    bitmap[at >> 6] |= _ONE << np.uint64(at & 63)


@inlined
def first_clear(bitmap, at, end):
    """The first position from ``at`` whose bit is clear, at most ``end``."""
    while at < end:
        rest = ~bitmap[at >> 6] >> np.uint64(at & 63)
        if rest != _NONE:
            return min(at + lowest(rest), end)
        at = ((at >> 6) + 1) << 6
    return end


@inlined
def behind_last_clear(bitmap, start, end):
    """The position behind the last one in ``[start, end)`` whose bit is clear; ``start`` when there is none."""
    while end > start:
        rest = ~bitmap[(end - 1) >> 6] << np.uint64(63 - ((end - 1) & 63))
        if rest != _NONE:
            return max(end - _zeros_above(rest), start)
        end = ((end - 1) >> 6) << 6
    return start


@inlined
def any_set(bitmap, start, end):
    """Whether a bit of ``[start, end)`` is set."""
    while start < end:
        rest = bitmap[start >> 6] >> np.uint64(start & 63)
        if rest != _NONE:
            return start + lowest(rest) < end
        start = ((start >> 6) + 1) << 6
    return False


@inlined
def character_at(bitmaps, at):
    """How many characters begin before byte ``at``: its position in code points."""
    block = at >> 6
    below = bitmaps[CONTINUATION, block] & ((_ONE << np.uint64(at & 63)) - _ONE)
    return at - np.int64(bitmaps[CONTINUATIONS_BEFORE, block]) - ones(below)


@inlined
def decoded(text, at):
    """``(code point, bytes)`` of the character that begins at ``at``; nonsense for what is not UTF-8, but never beyond the table."""
    first = np.int64(text[at])
    if first < 0xE0:
        return ((first & 31) << 6) | (np.int64(text[at + 1]) & 63), 2
    if first < 0xF0:
        return ((first & 15) << 12) | ((np.int64(text[at + 1]) & 63) << 6) | (np.int64(text[at + 2]) & 63), 3
    code = ((first & 7) << 18) | ((np.int64(text[at + 1]) & 63) << 12) | ((np.int64(text[at + 2]) & 63) << 6)
    return min(code | (np.int64(text[at + 3]) & 63), np.int64(characters.CODE_POINTS - 1)), 4


@inlined
def code_at(text, at):
    """The code point of the character that begins at ``at``."""
    return np.int64(text[at]) if text[at] < 0xC0 else decoded(text, at)[0]


@inlined
def map_ascii(text, size, bitmaps):
    """Fills the bitmaps of a text with what its ASCII bytes are. Behind its end all is white space.

    Returns:
        ``(has other bytes than ASCII, has ends of lines that are no newlines)``.
    """
    other = other_breaks = _NONE
    after_return = _NONE
    blocks = (size + 63) >> 6
    for block in range(blocks):
        at = block << 6
        inside = _ALL if size - at >= 64 else (_ONE << np.uint64(size - at)) - _ONE
        upper, lower = between(text, at, 65, 90), between(text, at, 97, 122)
        newline, carriage = between(text, at, 10, 10), between(text, at, 13, 13)
        high = between(text, at, 128, 255) & inside
        continuation = between(text, at, 128, 191) & inside
        bitmaps[SPACE, block] = between(text, at, 32, 32) | between(text, at, 9, 13) | between(text, at, 28, 31) | ~inside
        bitmaps[UPPER, block], bitmaps[LOWER, block], bitmaps[LETTER, block] = upper, lower, upper | lower
        alphanumeric = upper | lower | between(text, at, 48, 57)
        # Of the ASCII characters only letters and digits are no marks.
        bitmaps[ALPHANUMERIC, block] = bitmaps[PLAIN, block] = alphanumeric
        bitmaps[NEWLINE, block] = newline
        # A carriage return ends a line, but for one before a newline: there the newline does.
        if after_return and newline & _ONE:
            bitmaps[BREAK, block - 1] &= _ALL >> _ONE
        breaks = between(text, at, 11, 12) | between(text, at, 28, 30) | (carriage & ~(newline >> _ONE))
        bitmaps[BREAK, block] = newline | breaks
        other_breaks |= breaks
        after_return = carriage >> np.uint64(63)
        bitmaps[DOT, block] = between(text, at, 46, 46)
        bitmaps[CONTINUATION, block], bitmaps[HIGH, block] = continuation, high & ~continuation
        bitmaps[CONTINUATIONS_BEFORE, block] = bitmaps[HIT, block] = _NONE
        other |= high
    for row in range(ROWS):
        bitmaps[row, blocks] = _ALL if row == SPACE else _NONE
        bitmaps[row, blocks + 1] = bitmaps[row, blocks]
    return other != _NONE, other_breaks != _NONE


@inlined
def map_others(text, size, classes, bitmaps):
    """Adds what the characters are that are not ASCII; counts continuation bytes.

    Returns:
        Whether one of them ends a line.
    """
    breaks = False
    before = 0
    for block in range((size + 63) >> 6):
        bitmaps[CONTINUATIONS_BEFORE, block] = np.uint64(before)
        before += ones(bitmaps[CONTINUATION, block])
        leads = bitmaps[HIGH, block]
        letters = alphanumerics = uppers = lowers = plains = _NONE
        while leads:
            bit = leads & (~leads + _ONE)
            at = (block << 6) + lowest(leads)
            leads ^= bit
            code, width = decoded(text, at)
            found = classes[code]
            if found & characters.ALPHANUMERIC:
                alphanumerics |= bit
                if found & characters.LETTER:
                    letters |= bit
                    if found & characters.UPPER:
                        uppers |= bit
                    elif found & characters.LOWER:
                        lowers |= bit
            if not found & (characters.SPACE | characters.PUNCTUATION):
                plains |= bit
            if found & characters.SPACE:
                for byte in range(at, at + width):
                    set_bit(bitmaps[SPACE], byte)
                if code in (0x85, 0x2028, 0x2029):
                    set_bit(bitmaps[BREAK], at + width - 1)
                    breaks = True
        bitmaps[LETTER, block] |= letters
        bitmaps[ALPHANUMERIC, block] |= alphanumerics
        bitmaps[PLAIN, block] |= plains
        bitmaps[UPPER, block] |= uppers
        bitmaps[LOWER, block] |= lowers
    last = (size + 63) >> 6
    bitmaps[CONTINUATIONS_BEFORE, last] = bitmaps[CONTINUATIONS_BEFORE, last + 1] = np.uint64(before)
    return breaks
