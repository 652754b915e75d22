"""Words of a text: where they are, of what kind, and which of a list are among them."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    lowest,
    ones,
)
from curation_tasks.kernels.compilation import inlined, kernel
from curation_tasks.kernels.counts import column
from curation_tasks.kernels.hashing import FREE, power_of_two, word_hash

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
_UNIQUE_WORDS, _WORD_ENTROPY = column("unique_words"), column("word_entropy")


# The words of a list ---------------------------------------------------------------------------------------------------


@kernel("uint64(uint8[::1], int64)")
def _hash_of(text, size):
    return word_hash(text, 0, size)


def word_table(stop_words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """A hash table of the words that are looked for.

    Args:
        stop_words: As they are written in texts.

    Returns:
        ``(keys, numbers)``, shape (size,) each, size a power of two: the hash of a word, 0 where the place is free, and its
        number; that of a symbol word is -1.
    """
    listed = {word: -1 for word in SYMBOL_WORDS} | {word: number for number, word in enumerate(dict.fromkeys(stop_words))}
    size = 64
    while size < 8 * len(listed):
        size *= 2
    keys, numbers = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for word, number in listed.items():
        encoded = word.encode()
        key = _hash_of(np.frombuffer(encoded + bytes(PADDING), np.uint8).copy(), len(encoded))
        slot = int(key) & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], numbers[slot] = key, number
    return keys, numbers


@inlined
def count_listed(hashes, words, keys, numbers, seen, row, counts):
    """Counts the words of a list. ``seen[n]`` holds the last row in which word n occurred: it needs no clearing."""
    mask = keys.shape[0] - 1
    symbols = stop_words = distinct = 0
    for word in range(words):
        slot = np.int64(hashes[word]) & mask
        while keys[slot] != _NONE:
            if keys[slot] == hashes[word]:
                number = numbers[slot]
                if number < 0:
                    symbols += 1
                else:
                    stop_words += 1
                    if seen[number] != row:
                        seen[number] = row
                        distinct += 1
                break
            slot = (slot + 1) & mask
    counts[_SYMBOL_WORDS], counts[_STOP_WORDS], counts[_DISTINCT_STOP_WORDS] = symbols, stop_words, distinct


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
        base = block << 6
        while begins:
            starts[words] = base + lowest(begins)
            words += 1
            begins &= begins - _ONE
        others = stops & ~plain
        earlier, all_stops = finished, stops
        while stops:
            ends[finished] = base + lowest(stops)
            finished += 1
            stops &= stops - _ONE
        while others:
            bit = others & (~others + _ONE)
            word = earlier + ones(all_stops & (bit - _ONE))
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
        hashes[word] = word_hash(text, start, end)
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
