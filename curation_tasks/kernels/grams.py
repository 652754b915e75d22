"""Repetition of n-grams, n = 2 … 10: exact, in few passes.

An n-gram can repeat only where the (n-1)-gram that it begins with repeats. So all pairs are looked at, of the triples only
those that begin with a repeated pair, and so on: behind the pairs, few positions are left.

Most pairs occur once. They are sorted out before the hash table by two rows of bits: a pair sets its bit in the first row,
and in the second when it was set already. Where the second bit is clear the pair is alone; no branch is taken, so the
processor guesses nothing wrong. So for triples and quadruples.

The hash table holds numbers of candidates and not hashes: 4 bytes a place, so that the table of an ordinary text stays in
the first-level cache. ``first[k]`` is the candidate at which the n-gram of candidate k occurs first, so "the first in the
text" decides between equally frequent ones without further work.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.bitmaps import character_at
from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.counts import REPEATED_GRAMS, TOP_GRAMS, column
from curation_tasks.kernels.hashing import chained

_LONGEST_TOP, _LONGEST = TOP_GRAMS[-1], REPEATED_GRAMS[-1]
# For an n-gram: column _TOP + 2 * n, and the one behind it.
_TOP = column(f"top_{TOP_GRAMS[0]}_gram_characters") - 2 * TOP_GRAMS[0]
_REPEATED = column(f"duplicate_{REPEATED_GRAMS[0]}_gram_characters") - 2 * REPEATED_GRAMS[0]

#: Bits of ``seen``.
_PASSED, _MET = 1, 2


@inlined
def _covered(chosen, first, positions, candidates, n, bitmaps, starts, ends):
    """Characters in the occurrences of the n-gram that occurs first at candidate ``chosen``, overlaps counted once."""
    covered = until = 0
    for k in range(chosen, candidates):
        if first[k] == chosen:
            begin = character_at(bitmaps, np.int64(starts[positions[k]]))
            finish = character_at(bitmaps, np.int64(ends[positions[k] + n - 1]))
            covered += finish - max(begin, until)
            until = finish
    return covered


@inlined
def _repeated(first, positions, candidates, n, letters_before, seen):
    """Characters in n-grams that occurred before: ``(those taken one behind the other, those of all)``."""
    passed_over = covered = next_free = covered_until = 0
    for k in range(candidates):
        seen[k] = 0
    for k in range(candidates):
        begin, end = np.int64(positions[k]), np.int64(positions[k] + n)
        if begin >= next_free:
            if seen[first[k]] & _PASSED:
                passed_over += letters_before[end] - letters_before[begin]
                next_free = end
            else:
                seen[first[k]] |= _PASSED
        if seen[first[k]] & _MET:
            fresh = max(begin, covered_until)
            covered += letters_before[end] - letters_before[fresh] + end - fresh - (begin >= covered_until)
            covered_until = end
        else:
            seen[first[k]] |= _MET
    return passed_over, covered


@inlined
def _that_may_repeat(candidates, positions, gram_hashes, bits):
    """Keeps the candidates that may occur twice, in order; returns how many."""
    size = 8
    while size < candidates // 4:  # numbers of 64 bits: 16 bits a candidate
        size *= 2
    once, again = bits[:size], bits[size : 2 * size]
    bits[: 2 * size] = 0
    mask = np.uint64(size - 1)
    for k in range(candidates):
        key = gram_hashes[k]
        place, bit = np.int64((key >> np.uint64(26)) & mask), np.uint64(1) << ((key >> np.uint64(20)) & np.uint64(63))
        again[place] |= once[place] & bit
        once[place] |= bit
    left = 0
    for k in range(candidates):
        key = gram_hashes[k]
        place = np.int64((key >> np.uint64(26)) & mask)
        positions[left], gram_hashes[left] = positions[k], key
        left += np.int64((again[place] >> ((key >> np.uint64(20)) & np.uint64(63))) & np.uint64(1))
    return left


@inlined
def count_grams(
    words, longest, bitmaps, starts, ends, letters_before, hashes, positions, gram_hashes, first, frequencies, table, bits, counts
):
    """Counts repetition for n-grams of 2 to ``longest`` words.

    Args:
        words: Number of words.
        longest: At most 10.
        bitmaps: Of the text.
        starts: Byte at which each word begins.
        ends: Byte behind each word.
        letters_before: Characters of the words before each word, and of all.
        hashes: Hash of each word.
        positions: Scratch, one place a word: the words at which the candidates begin.
        gram_hashes: Scratch: the hash of each candidate's n-gram.
        first: Scratch: the candidate at which the same n-gram occurs first.
        frequencies: Scratch: at such a candidate, how often it occurs.
        table: Scratch, at least six places a word.
        bits: Scratch, at least one number for a word, and 16.
        counts: The row of the matrix.
    """
    candidates = max(words - 1, 0)
    for word in range(candidates):
        positions[word], gram_hashes[word] = word, chained(hashes[word], hashes[word + 1])
    for n in range(2, min(longest, words) + 1):
        while candidates > 0 and positions[candidates - 1] + n > words:
            candidates -= 1
        if n > 2:
            for k in range(candidates):
                gram_hashes[k] = chained(gram_hashes[k], hashes[positions[k] + n - 1])
        if n <= _LONGEST_TOP:
            candidates = _that_may_repeat(candidates, positions, gram_hashes, bits)
        size = 8
        while size < 3 * candidates:
            size *= 2
        table[:size] = -1
        most = 0
        for k in range(candidates):
            key = gram_hashes[k]
            slot = np.int64((key >> np.uint64(20)) & np.uint64(size - 1))
            while table[slot] >= 0 and gram_hashes[table[slot]] != key:
                slot = (slot + 1) & (size - 1)
            if table[slot] < 0:
                table[slot], frequencies[k] = k, 0
            first[k] = table[slot]
            frequencies[first[k]] += 1
            most = max(most, frequencies[first[k]])
        if n <= _LONGEST_TOP:
            begin = np.int64(0)
            if most > 1:
                chosen = np.int64(0)
                while frequencies[first[chosen]] != most:
                    chosen += 1
                begin = np.int64(positions[chosen])
                counts[_TOP + 2 * n] = _covered(chosen, first, positions, candidates, n, bitmaps, starts, ends)
            counts[_TOP + 2 * n + 1] = (letters_before[begin + n] - letters_before[begin] + n - 1) * max(most, 1)
        elif most < 2:
            break
        else:
            # The table has been read and is free: one place of it for each candidate.
            passed_over, covered = _repeated(first, positions, candidates, n, letters_before, table)
            counts[_REPEATED + 2 * n], counts[_REPEATED + 2 * n + 1] = passed_over, covered
        left = 0
        for k in range(candidates):
            if frequencies[first[k]] > 1:
                positions[left], gram_hashes[left] = positions[k], gram_hashes[k]
                left += 1
        candidates = left
