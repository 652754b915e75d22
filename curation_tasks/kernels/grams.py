"""Repetition of n-grams, n = 2 … 10: exact, in few passes.

An n-gram can repeat only where the (n-1)-gram that it begins with repeats, and the (n-1)-gram that it ends with, too. So all
pairs are looked at, of the triples only those between two repeated pairs, and so on: behind the pairs, few places are left.

*Pairs* are found by a hash table. Most occur once and are sorted out before, by a row of bytes: a pair moves a one into its
byte, and where there is no second one the pair is alone. No branch is taken, so the processor guesses nothing wrong.

*Groups*: ``groups[word]`` says for the n-gram that begins at a word at which word the same n-gram begins first, ``_ALONE``
where it occurs once. So "the first in the text" decides between equally frequent ones without further work; and two n-grams
of one word more are equal when ``(groups[word], groups[word + 1])`` are. Most n-grams go on as the first of their group does,
and stay with it: two numbers are compared, nothing is hashed. Those that go on otherwise meet in the hash table.

Words and places are 32-bit numbers without a sign: half the memory of 64 bits, and Numba, which lets a negative index count from
the end, has nothing to test.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.bitmaps import character_at
from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.counts import REPEATED_GRAMS, TOP_GRAMS, column
from curation_tasks.kernels.hashing import FREE, chained, power_of_two

_LONGEST_TOP = TOP_GRAMS[-1]
# For an n-gram: column _TOP + 3 * n and the two behind it; column _REPEATED + 4 * n and the three behind it.
_TOP = column(f"top_{TOP_GRAMS[0]}_gram_characters") - 3 * TOP_GRAMS[0]
_REPEATED = column(f"duplicate_{REPEATED_GRAMS[0]}_gram_characters") - 4 * REPEATED_GRAMS[0]
_LONGEST = REPEATED_GRAMS[-1]
_REPEATED_LONGEST, _ALL_LONGEST = column(f"repeated_{_LONGEST}_grams"), column(f"all_{_LONGEST}_grams")

#: In ``groups``: the n-gram occurs once.
_ALONE = np.uint32(0xFFFFFFFF)
_HALF = np.uint64(32)
#: 2⁶⁴ divided by the golden ratio: multiplied by it, neighbouring numbers lie far apart.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


# Passes over candidates ------------------------------------------------------------------------------------------------


@inlined
def _pairs_that_may_repeat(pairs, keys, met, positions):
    """Puts the words at which a pair begins that may occur twice into ``positions``, in order; returns how many."""
    size = power_of_two(16 * pairs)
    mask = np.uint64(size - 1)
    met[:size] = 0
    for word in range(pairs):
        place = (keys[word] >> np.uint64(20)) & mask
        # 0, 1, 3, 7 … 255: with the second time above 1, and however often, never back.
        met[place] = (met[place] << 1) | 1
    left = 0
    for word in range(pairs):
        positions[left] = word
        left += met[(keys[word] >> np.uint64(20)) & mask] > 1
    return left


@inlined
def _group_by_key(candidates, positions, keys, table, groups, frequencies):
    """Puts the candidates with the same key into one group, and counts them at its first."""
    size = power_of_two(3 * candidates)
    mask = np.uint64(size - 1)
    table[:size] = FREE
    for k in range(candidates):
        word = positions[k]
        key = keys[word]
        slot = (key * _GOLDEN) >> _HALF & mask
        first = table[slot]
        # `&` and not `and`: one thing to guess for the processor, whether the place is taken by another key, and it seldom is.
        while (first != FREE) & (keys[first if first != FREE else word] != key):
            slot = (slot + np.uint64(1)) & mask
            first = table[slot]
        first = word if first == FREE else first
        table[slot] = groups[word] = first
        frequencies[first] += 1


@inlined
def _between_repeated(candidates, positions, groups, following, frequencies):
    """Keeps the candidates behind which, one word further, another one stands, and notes the group of that; returns how many."""
    left = 0
    for k in range(candidates):
        word = positions[k]
        behind = groups[word + 1]
        following[word] = behind
        frequencies[word] = 0
        if behind == _ALONE:
            groups[word] = _ALONE
        positions[left] = word
        left += behind != _ALONE
    return left


@inlined
def _lengthen(candidates, positions, keys, table, groups, following, frequencies, others):
    """From groups of n-grams to groups of those of one word more."""
    branched = 0
    for k in range(candidates):
        word = positions[k]
        first = groups[word]
        same = following[word] == following[first]
        frequencies[first] += same
        others[branched] = word
        branched += not same
    for k in range(branched):
        word = others[k]
        keys[word] = (np.uint64(groups[word]) << _HALF) | np.uint64(following[word])
    if branched:
        _group_by_key(branched, others, keys, table, groups, frequencies)


@inlined
def _repeated_only(candidates, positions, groups, frequencies):
    """Keeps the candidates of groups of two and more.

    Returns:
        ``(candidates, size of the largest group, its first word)``; of equally large ones the first in the text.
    """
    left = most = chosen = 0
    for k in range(candidates):
        word = positions[k]
        frequency = frequencies[groups[word]]
        if frequency > most:
            most, chosen = np.int64(frequency), np.int64(word)
        if frequency < 2:
            groups[word] = _ALONE
        positions[left] = word
        left += frequency > 1
    return left, most, chosen


# What is counted of them -----------------------------------------------------------------------------------------------


@inlined
def _covered(chosen, candidates, positions, groups, n, bitmaps, starts, ends):
    """Characters in the occurrences of the n-gram that occurs first at the word ``chosen``, overlaps counted once."""
    covered = until = 0
    for k in range(candidates):
        word = np.int64(positions[k])
        if groups[word] == chosen:
            begin, finish = character_at(bitmaps, np.int64(starts[word])), character_at(bitmaps, np.int64(ends[word + n - 1]))
            covered += finish - max(begin, until)
            until = finish
    return covered


@inlined
def _repeated(candidates, positions, groups, n, letters_before, passed):
    """Characters in n-grams that occur more than once.

    Returns:
        ``(in those that occurred before, taken one behind the other; in all of these; in the words of every occurrence, the first too)``.
    """
    passed_over = covered = letters = next_free = covered_until = 0
    for k in range(candidates):
        passed[groups[positions[k]]] = 0
    for k in range(candidates):
        begin = np.int64(positions[k])
        first, end = np.int64(groups[begin]), begin + n
        letters += letters_before[end] - letters_before[begin]
        if begin >= next_free:
            if passed[first]:
                passed_over += letters_before[end] - letters_before[begin]
                next_free = end
            passed[first] = 1
        if first != begin:
            fresh = max(begin, covered_until)
            covered += letters_before[end] - letters_before[fresh] + end - fresh - (begin >= covered_until)
            covered_until = end
    return passed_over, covered, letters


@inlined
def _letters_of_all(words, n, letters_before):
    """Characters of the words of all n-grams together: of the sum over ``letters_before[word + n] - letters_before[word]`` only the last
    and the first n terms are left."""
    letters = np.int64(0)
    for k in range(n):
        letters += letters_before[words - k] - letters_before[k]
    return letters


@inlined
def count_grams(
    words, longest, bitmaps, starts, ends, letters_before, keys, positions, groups, following, frequencies, others, table, counts
):
    """Counts repetition for n-grams of 2 to ``longest`` words.

    Args:
        words: Number of words.
        longest: At most 10.
        bitmaps: Of the text.
        starts: Byte at which each word begins.
        ends: Byte behind each word.
        letters_before: Characters of the words before each word, and of all.
        keys: Hash of each word. Is overwritten with what has to be equal for n-grams to be.
        positions: Scratch, as all that follow, one place a word; uint32: the words at which the candidates begin.
        groups: uint32.
        following: uint32: for a candidate of n - 1 words, the group of the one that begins a word further.
        frequencies: int32: at the first word of each group, how many it has.
        others: uint32: candidates that do not go on as the first of their group does.
        table: uint32, at least a power of two of four places a word.
        counts: The row of the matrix.
    """
    pairs = max(words - 1, 0)
    for word in range(pairs):
        keys[word] = chained(keys[word], keys[word + 1])
    groups[:words] = _ALONE
    frequencies[:words] = 0
    for n in range(REPEATED_GRAMS[0], min(longest, words) + 1):
        counts[_REPEATED + 4 * n + 3] = _letters_of_all(words, n, letters_before)
    counts[_ALL_LONGEST] = max(words - _LONGEST + 1, 0)
    candidates = _pairs_that_may_repeat(pairs, keys, table.view(np.uint8), positions)
    for n in range(2, min(longest, words) + 1):
        if n == 2:
            _group_by_key(candidates, positions, keys, table, groups, frequencies)
        else:
            candidates = _between_repeated(candidates, positions, groups, following, frequencies)
            _lengthen(candidates, positions, keys, table, groups, following, frequencies, others)
        candidates, most, chosen = _repeated_only(candidates, positions, groups, frequencies)
        if n <= _LONGEST_TOP:
            if most > 1:
                counts[_TOP + 3 * n] = _covered(chosen, candidates, positions, groups, n, bitmaps, starts, ends)
            else:
                most, chosen = 1, 0
            letters = np.int64(letters_before[chosen + n] - letters_before[chosen])
            counts[_TOP + 3 * n + 1], counts[_TOP + 3 * n + 2] = (letters + n - 1) * most, letters * most
        elif candidates == 0:
            break
        else:
            passed_over, covered, letters = _repeated(candidates, positions, groups, n, letters_before, frequencies)
            counts[_REPEATED + 4 * n], counts[_REPEATED + 4 * n + 1], counts[_REPEATED + 4 * n + 2] = passed_over, covered, letters
            if n == _LONGEST:
                counts[_REPEATED_LONGEST] = candidates
