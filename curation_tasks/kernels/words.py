"""Words of a text: where they are, of what kind, and which of a list are among them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from curation_tasks.kernels import characters
from curation_tasks.kernels.bitmaps import (
    LETTER,
    LOWER,
    PADDING,
    PLAIN,
    SPACE,
    UPPER,
    any_set,
    character_at,
    decoded,
    is_set,
    ones,
    put_positions,
)
from curation_tasks.kernels.compilation import inlined, kernel
from curation_tasks.kernels.counts import column
from curation_tasks.kernels.hashing import FREE, bytes_hash, power_of_two

#: How a text is cut into words.
WHITESPACE, WORDPUNCT, UNICODE = 0, 1, 2
WORD_MODES = {"whitespace": WHITESPACE, "wordpunct": WORDPUNCT, "unicode": UNICODE}

#: Words that are a symbol for NeMo Curator's SymbolsToWordsFilter: `#` and its ellipsis marks.
SYMBOL_WORDS = ("#", "...", "[...]", "\u2026", "(...)", "[\u2026]", "-\u00bb")
#: Inside a word for ``wordpunct``, between two of its letters.
_JOINERS = tuple(ord(mark) for mark in "-'\u2019.")

_NONE, _ONE = np.uint64(0), np.uint64(1)
_WORDS, _WORD_CHARACTERS, _LONGEST_WORD = column("words"), column("word_characters"), column("longest_word")
_PLAIN_WORDS, _PLAIN_WORD_CHARACTERS = column("plain_words"), column("plain_word_characters")
_LETTER_WORDS, _CAPITAL_WORDS, _SYMBOL_WORDS = column("letter_words"), column("capital_words"), column("symbol_words")
_STOP_WORDS, _DISTINCT_STOP_WORDS = column("stop_words"), column("distinct_stop_words")
_TWICE_MEDIAN, _SCORES = column("twice_median_word_length"), column("word_scores")
_UNIQUE_WORDS, _WORD_ENTROPY = column("unique_words"), column("word_entropy")


# The words of a list ---------------------------------------------------------------------------------------------------


@kernel("uint64(uint8[::1], int64)")
def _hash_of(text, size):
    return bytes_hash(text, 0, size)


def word_table(stop_words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """A hash table of the words that are looked for.

    Args:
        stop_words: As they are written in texts.

    Returns:
        ``(keys, numbers)``, uint64, shape (size,) each, size a power of two: the hash of a word, 0 where the place is free, and its
        number in the list; symbol words have the number behind the last, free places the one behind that.
    """
    listed = dict.fromkeys(word for word in stop_words if word)
    numbers_of = {word: len(listed) for word in SYMBOL_WORDS} | {word: number for number, word in enumerate(listed)}
    hashes = {}
    for word, number in numbers_of.items():
        encoded = word.encode()
        hashes[_hash_of(np.frombuffer(encoded + bytes(PADDING), np.uint8).copy(), len(encoded))] = number
    size = 64
    while size < 4 * len(hashes):
        size *= 2
    while (keys := _cuckoo_table(hashes, size)) is None:
        size *= 2
    return keys, np.array([hashes.get(key, len(listed) + 1) for key in keys.tolist()], np.uint64)


def _cuckoo_table(hashes: Iterable[int], size: int) -> np.ndarray | None:
    """A table in which each hash has one of two places, so that a look-up is two comparisons and no loop; None when it is too small.

    A hash that comes to a taken place takes it, and the one that was there goes to its other place (R. Pagh, F. F. Rodler,
    "Cuckoo hashing", 2004).
    """
    keys = np.zeros(size, np.uint64)
    for key in hashes:
        place = key & (size - 1)
        for _ in range(100):
            keys[place], key = key, int(keys[place])
            if key == 0:
                break
            first, second = key & (size - 1), key >> 32 & (size - 1)
            place = second if place == first else first
        else:
            return None
    return keys


@inlined
def count_listed(hashes, words, keys, numbers, seen, row, counts):
    """Counts the words of a list, without a branch.

    Args:
        hashes: Of the words.
        words: How many.
        keys: Of ``word_table``.
        numbers: Of ``word_table``.
        seen: The last row in which the word of each number occurred, so that nothing needs clearing.
        row: The number of the row.
        counts: The row of the matrix.
    """
    mask = np.uint64(keys.shape[0] - 1)
    symbol, nothing = np.uint64(seen.shape[0] - 2), np.uint64(seen.shape[0] - 1)
    symbols = stop_words = distinct = 0
    for word in range(words):
        key = hashes[word]
        first, second = key & mask, (key >> np.uint64(32)) & mask
        place = first if keys[first] == key else second
        number = numbers[place] if keys[place] == key else nothing
        stop_words += number < symbol
        symbols += number == symbol
        distinct += (number < symbol) & (seen[number] != row)
        seen[number] = row
    counts[_SYMBOL_WORDS], counts[_STOP_WORDS], counts[_DISTINCT_STOP_WORDS] = symbols, stop_words, distinct


@inlined
def count_scores(hashes, words, keys, numbers, scores, counts):
    """Adds up what a table says of each word.

    Args:
        hashes: Of the words.
        words: How many.
        keys: Of ``word_table``.
        numbers: Of ``word_table``.
        scores: int64: of the word of each number, then twice that of a word that is not listed.
        counts: The row of the matrix.
    """
    mask = np.uint64(keys.shape[0] - 1)
    nothing = np.uint64(scores.shape[0] - 1)
    total = np.int64(0)
    for word in range(words):
        key = hashes[word]
        first, second = key & mask, (key >> np.uint64(32)) & mask
        place = first if keys[first] == key else second
        total += scores[numbers[place] if keys[place] == key else nothing]
    counts[_SCORES] = total


@inlined
def count_word_lengths(letters_before, words, lengths, counts):
    """Finds the word, or the two words, in the middle when they are sorted by length.

    Args:
        letters_before: Characters of the words before each word, and of all.
        words: How many.
        lengths: Scratch, one place a word; int32.
        counts: The row of the matrix.
    """
    if words > 0:
        for word in range(words):
            lengths[word] = letters_before[word + 1] - letters_before[word]
        lengths[:words].sort()
        counts[_TWICE_MEDIAN] = lengths[(words - 1) // 2] + lengths[words // 2]


# Words between white space ---------------------------------------------------------------------------------------------


@inlined
def _spread(marks, inside, carry):
    """Which words have a mark, at the position behind each word.

    Adding a mark to a run of ones turns the ones from the mark on into zeros and carries a one to the position behind the
    run. So one addition answers for all words of 64 bytes (MatchStar; Cameron et al., "Bitwise data parallelism in regular
    expression matching", 2014).

    Args:
        marks: One bit for each character of the wanted kind.
        inside: One bit for each byte of a word.
        carry: 1 when the word that goes on from the 64 bytes before had a mark.

    Returns:
        ``(bits, carry)``.
    """
    marked = marks & inside
    total = marked + inside
    overflow = np.uint64(total < inside)
    total_with_carry = total + carry
    overflow |= np.uint64(total_with_carry < total)
    return (total_with_carry ^ inside) | marked, overflow


@inlined
def _words_between_spaces(size, bitmaps, starts, ends, counts):
    """Finds the words and counts those of each kind."""
    words = finished = 0
    letter_words = plain_words = capital_words = other_characters = 0
    before = letter_carry = plain_carry = upper_carry = lower_carry = _NONE
    for block in range(((size + 63) >> 6) + 1):
        inside = ~bitmaps[SPACE, block]
        preceding = (inside << _ONE) | before
        before = inside >> np.uint64(63)
        begins, stops = inside & ~preceding, preceding & ~inside
        with_letter, letter_carry = _spread(bitmaps[LETTER, block], inside, letter_carry)
        plain, plain_carry = _spread(bitmaps[PLAIN, block], inside, plain_carry)
        with_upper, upper_carry = _spread(bitmaps[UPPER, block], inside, upper_carry)
        with_lower, lower_carry = _spread(bitmaps[LOWER, block], inside, lower_carry)
        letter_words += ones(with_letter & stops)
        plain_words += ones(plain & stops)
        capital_words += ones(with_upper & ~with_lower & stops)
        others = stops & ~plain
        words = put_positions(begins, block << 6, starts, words)
        earlier, finished = finished, put_positions(stops, block << 6, ends, finished)
        while others:
            bit = others & (~others + _ONE)
            word = earlier + ones(stops & (bit - _ONE))
            other_characters += character_at(bitmaps, np.int64(ends[word])) - character_at(bitmaps, np.int64(starts[word]))
            others ^= bit
    counts[_LETTER_WORDS], counts[_PLAIN_WORDS], counts[_CAPITAL_WORDS] = letter_words, plain_words, capital_words
    return words, other_characters


# Words by other rules --------------------------------------------------------------------------------------------------


@inlined
def _is_word_character(text, at, classes):
    if text[at] < 128:
        return classes[text[at]] & characters.ALPHANUMERIC != 0 or text[at] == 95
    return classes[decoded(text, at)[0]] & (characters.ALPHANUMERIC | characters.MARK) != 0


@inlined
def _width(text, at):
    return 1 if text[at] < 0xC0 else decoded(text, at)[1]


@inlined
def _is_joiner(text, at):
    code = np.int64(text[at]) if text[at] < 0xC0 else decoded(text, at)[0]
    return code == _JOINERS[0] or code == _JOINERS[1] or code == _JOINERS[2] or code == _JOINERS[3]


@inlined
def _words_and_marks(text, size, classes, bitmaps, starts, ends):
    """Runs of letters, digits, marks and ``_``, joined by one of - ' ’ . between them; every other character is a word."""
    words = at = 0
    while at < size:
        if is_set(bitmaps[SPACE], at):
            at += 1
            continue
        starts[words] = at
        inside = _is_word_character(text, at, classes)
        at += _width(text, at)
        while inside and at < size:
            if _is_word_character(text, at, classes):
                at += _width(text, at)
                continue
            behind = at + _width(text, at)
            inside = behind < size and _is_joiner(text, at) and _is_word_character(text, behind, classes)
            if inside:
                at = behind
        at = min(at, size)
        ends[words] = at
        words += 1
    return words


@inlined
def _kinds_of_words(bitmaps, starts, ends, words, counts):
    """What ``_words_between_spaces`` counts on its way, for words that were found otherwise."""
    letter_words = plain_words = capital_words = other_characters = 0
    for word in range(words):
        start, end = np.int64(starts[word]), np.int64(ends[word])
        letter_words += any_set(bitmaps[LETTER], start, end)
        capital_words += any_set(bitmaps[UPPER], start, end) and not any_set(bitmaps[LOWER], start, end)
        if any_set(bitmaps[PLAIN], start, end):
            plain_words += 1
        else:
            other_characters += character_at(bitmaps, end) - character_at(bitmaps, start)
    counts[_LETTER_WORDS], counts[_PLAIN_WORDS], counts[_CAPITAL_WORDS] = letter_words, plain_words, capital_words
    return other_characters


# All of them -----------------------------------------------------------------------------------------------------------


@inlined
def count_words(text, size, mode, unicode_words, classes, bitmaps, starts, ends, letters_before, hashes, counts):
    """Finds the words of a text, hashes them and counts those of each kind.

    Args:
        text: Padded bytes.
        size: Bytes of the text.
        mode: ``WHITESPACE``, ``WORDPUNCT`` or ``UNICODE``.
        unicode_words: For ``UNICODE``: how many words were found already, in ``starts`` and ``ends``.
        classes: Of ``characters.character_classes``.
        bitmaps: Of the text.
        starts: Is filled with the byte at which each word begins.
        ends: Is filled with the byte behind each word.
        letters_before: Is filled with the characters of the words before each word, and of all.
        hashes: Is filled with the hash of each word.
        counts: The row of the matrix.

    Returns:
        The number of words.
    """
    if mode == WHITESPACE:
        words, other_characters = _words_between_spaces(size, bitmaps, starts, ends, counts)
    else:
        words = unicode_words if mode == UNICODE else _words_and_marks(text, size, classes, bitmaps, starts, ends)
        other_characters = _kinds_of_words(bitmaps, starts, ends, words, counts)
    ascii_only = character_at(bitmaps, size) == size
    total = longest = 0
    for word in range(words):
        start, end = np.int64(starts[word]), np.int64(ends[word])
        hashes[word] = bytes_hash(text, start, end)
        length = end - start if ascii_only else character_at(bitmaps, end) - character_at(bitmaps, start)
        letters_before[word] = total
        total += length
        longest = max(longest, length)
    letters_before[words] = total
    counts[_WORDS], counts[_WORD_CHARACTERS], counts[_LONGEST_WORD] = words, total, longest
    counts[_PLAIN_WORD_CHARACTERS] = total - other_characters
    return words


@inlined
def count_vocabulary(hashes, words, first, frequencies, table, counts):
    """Counts the different words and the entropy of their frequencies, from their hashes."""
    if words == 0:
        return
    size = power_of_two(2 * words)
    mask = np.uint64(size - 1)
    table[:size] = FREE
    unique = 0
    for word in range(words):
        slot = (hashes[word] >> np.uint64(20)) & mask
        while table[slot] != FREE and hashes[first[table[slot]]] != hashes[word]:
            slot = (slot + _ONE) & mask
        if table[slot] == FREE:
            table[slot], first[unique], frequencies[unique] = unique, word, 0
            unique += 1
        frequencies[table[slot]] += 1
    # H = log N - (1/N) Σ f log f. Rounded, so that the last bits of a logarithm do not enter a digest.
    weighted = 0.0
    for k in range(unique):
        weighted += frequencies[k] * math.log(float(frequencies[k]))
    counts[_UNIQUE_WORDS] = unique
    counts[_WORD_ENTROPY] = np.int64(round(1e6 * (math.log(float(words)) - weighted / words)))
