"""The features of a text, as fastText takes them, and the mean of their embeddings."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.fasttext_model import FIRST_HASH, next_hash
from curation_tasks.kernels.fasttext_tables import LABEL_PREFIX

_BEGIN_OF_WORD, _END_OF_WORD = np.uint8(ord("<")), np.uint8(ord(">"))
_LABEL_PREFIX = np.frombuffer(LABEL_PREFIX.encode(), np.uint8)
_LINE_END = np.frombuffer(b"</s>", np.uint8)
_LINE_END_HASH = np.uint32(3617362777)


@inlined
def _is_space(byte):
    """fastText's white space, the line feed included: ASCII only."""
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@inlined
def _begins_with(data, start, end, wanted):
    if end - start < wanted.shape[0]:
        return False
    for k in range(wanted.shape[0]):  # noqa: SIM110 — Numba compiles no generator expressions
        if data[start + k] != wanted[k]:
            return False
    return True


@inlined
def next_word(data, at, end):
    """The next word from ``at`` on that is not left out: ``(start, stop)``, and ``start == stop`` when there is none."""
    while True:
        while at < end and _is_space(data[at]):
            at += 1
        start = at
        while at < end and not _is_space(data[at]):
            at += 1
        left_out = _begins_with(data, start, at, _LABEL_PREFIX) or (at - start == 4 and _begins_with(data, start, at, _LINE_END))
        if not left_out:
            return start, at


@inlined
def _entry_of(data, start, stop, value, file, starts, lengths, hashes, slots):
    """The entry of the dictionary with this text and hash, −1 when there is none."""
    mask = slots.shape[0] - 1
    slot = np.int64(value) & mask
    while True:
        entry = slots[slot]
        if entry < 0:
            return np.int64(-1)
        if hashes[entry] == value and lengths[entry] == stop - start:
            place = starts[entry]
            same = True
            for k in range(stop - start):
                if file[place + k] != data[start + k]:
                    same = False
                    break
            if same:
                return np.int64(entry)
        slot = (slot + 1) & mask


@inlined
def bucket_of(value, buckets, reciprocal, shift):
    """``value`` modulo the number of buckets, for a value of 32 bits; all are uint64.

    The quotient by way of the reciprocal is right or one too small, for the reciprocal is rounded down.
    """
    rest = value - ((value * reciprocal) >> shift) * buckets
    return rest - buckets if rest >= buckets else rest


@inlined
def _gather(gathered, count, bucket, words, pruned, known):
    """Appends a bucket's feature when the model knows it; returns the new count."""
    gathered[count] = words + np.int64(bucket)
    if not pruned:
        return count + 1
    return count + np.int64((known[bucket >> np.uint64(6)] >> (bucket & np.uint64(63))) & np.uint64(1))


@inlined
def _gather_characters(word, begin, size, shortest, longest, buckets, reciprocal, shift, words, pruned, known, gathered, count):
    """Appends the n-grams of characters of ``<word>`` that begin at ``begin``; returns the new count."""
    value = FIRST_HASH
    at = begin
    n = 1
    while at < size and n <= longest:
        value = next_hash(value, word[at])
        at += 1
        while at < size and (word[at] & 0xC0) == 0x80:
            value = next_hash(value, word[at])
            at += 1
        # A mark of begin or end alone is none.
        if n >= shortest and not (n == 1 and (begin == 0 or at == size)):
            count = _gather(gathered, count, bucket_of(np.uint64(value), buckets, reciprocal, shift), words, pruned, known)
        n += 1
    return count


@inlined
def _add_rows(hidden, gathered, count, pruned, rows, matrix, coded, codes, centroids, norms, norm_codes, last_width):
    """Adds the rows of gathered features to ``hidden``."""
    if pruned:
        for k in range(count):
            gathered[k] = rows[gathered[k]]
    dimensions = hidden.shape[0]
    if coded:
        for k in range(count):
            _add_coded_row(hidden, gathered[k], codes, centroids, norms, norm_codes, last_width)
    elif dimensions == 16:  # lid.176: a length known beforehand is worth half of the time
        for k in range(count):
            row = gathered[k]
            for column in range(16):
                hidden[column] += matrix[row, column]
    else:
        for k in range(count):
            row = gathered[k]
            for column in range(dimensions):
                hidden[column] += matrix[row, column]


@inlined
def _add_coded_row(hidden, row, codes, centroids, norms, norm_codes, last_width):
    norm = norms[norm_codes[row]]
    parts, width = codes.shape[1], centroids.shape[2]
    for part in range(parts):
        centroid = codes[row, part]
        for k in range(last_width if part == parts - 1 else width):
            hidden[part * width + k] += norm * centroids[part, centroid, k]


@inlined
def hidden_vector(data, start, end, file, vocabulary, grams, codes, matrix, gathered, word, word_hashes, hidden):
    """Fills ``hidden`` with the mean of the text's features; returns their number, the end of the line not counted."""
    # Fields of the tables by themselves: a tuple of arrays handed on costs atomic reference counts at every call.
    starts, lengths, hashes, slots, words, end_of_line = vocabulary
    shortest, longest, word_grams, pruned, known, rows = (
        grams.shortest, grams.longest, grams.word_grams, grams.pruned == 1, grams.known, grams.rows,
    )  # fmt: skip
    buckets, reciprocal, shift = np.uint64(grams.buckets), np.uint64(grams.reciprocal), np.uint64(grams.shift)
    coded = codes.codes.shape[0] > 0
    part_codes, centroids, norms, norm_codes, last_width = codes.codes, codes.centroids, codes.norms, codes.norm_codes, codes.last_width

    hidden[:] = np.float32(0)
    total = count = hashed = 0
    room = gathered.shape[0] - longest - 1
    while True:
        start, stop = next_word(data, start, end)
        if start == stop:
            break
        value = FIRST_HASH
        word[0] = _BEGIN_OF_WORD
        for k in range(stop - start):
            byte = data[start + k]
            word[k + 1] = byte
            value = next_hash(value, byte)
        size = stop - start + 2
        word[size - 1] = _END_OF_WORD
        entry = _entry_of(data, start, stop, value, file, starts, lengths, hashes, slots)
        start = stop
        if entry >= words:  # a label
            continue
        if entry >= 0:
            gathered[count] = entry
            count += 1
        if word_grams > 1:
            word_hashes[hashed] = np.int32(value)
            hashed += 1
        for begin in range(size if longest > 0 else 1):
            if longest > 0 and (word[begin] & 0xC0) != 0x80:
                count = _gather_characters(
                    word, begin, size, shortest, longest, buckets, reciprocal, shift, words, pruned, known, gathered, count
                )
            if count >= room:
                _add_rows(hidden, gathered, count, pruned, rows, matrix, coded, part_codes, centroids, norms, norm_codes, last_width)
                total, count = total + count, 0

    ends = 0
    if end_of_line >= 0:
        gathered[count] = end_of_line
        count, ends = count + 1, 1
    if word_grams > 1:
        word_hashes[hashed] = np.int32(_LINE_END_HASH)
        hashed += 1
        for first in range(hashed):
            chain = np.uint64(np.int64(word_hashes[first]))
            for second in range(first + 1, min(hashed, first + word_grams)):
                chain = chain * np.uint64(116049371) + np.uint64(np.int64(word_hashes[second]))
                count = _gather(gathered, count, chain % buckets, words, pruned, known)
                if count >= room:
                    _add_rows(hidden, gathered, count, pruned, rows, matrix, coded, part_codes, centroids, norms, norm_codes, last_width)
                    total, count = total + count, 0
    _add_rows(hidden, gathered, count, pruned, rows, matrix, coded, part_codes, centroids, norms, norm_codes, last_width)
    total += count
    if total > 0:
        scale = np.float32(1.0 / total)
        for column in range(hidden.shape[0]):
            hidden[column] *= scale
    return total - ends
