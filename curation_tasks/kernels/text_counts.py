"""Counts of a text, taken together over its bytes: what the signals of ``filters.signals`` are formulas of.

Each text is copied into a padded buffer, so that nothing below needs to look for the end of the Arrow buffer, and mapped
to bitmaps (``bitmaps``). The groups of counts are taken from those, one after the other, while the text is in the cache.
Memory: eleven times the longest text where words are of ordinary length; 45 times at most, when every word is a line of one letter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.bitmaps import (
    AT_ONCE,
    CONTINUATIONS_BEFORE,
    DOT,
    LETTER,
    NEWLINE,
    PADDING,
    UPPER,
    between,
    bitmaps_for,
    code_at,
    copy_bytes,
    equal_with_bits,
    lowest,
    map_ascii,
    map_others,
    ones,
)
from curation_tasks.kernels.characters import character_classes
from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.counts import COUNTS, GROUP_OF, GROUPS, column
from curation_tasks.kernels.dictionary_words import dictionary_ends
from curation_tasks.kernels.ending import ends_complete
from curation_tasks.kernels.grams import count_grams
from curation_tasks.kernels.known_phrases import count_phrases, count_urls
from curation_tasks.kernels.lines import count_lines, count_paragraphs, find_pieces
from curation_tasks.kernels.sentence_breaks import count_sentences, sentence_break_table
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.kernels.word_breaks import (
    find_unicode_words,
    find_words_by_dictionary,
    no_unicode_tables,
    unicode_tables,
    word_break_table,
)
from curation_tasks.kernels.words import (
    UNICODE,
    WORD_MODES,
    count_listed,
    count_scores,
    count_vocabulary,
    count_word_lengths,
    count_words,
    word_table,
)

#: The stop words of Gopher (arXiv:2112.11446, section A1.1).
GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
#: Bytes of the longest text that positions of 32 bits reach.
LONGEST_TEXT = 2**31 - 1 - PADDING

_ONE = np.uint64(1)
(
    _WORDS_GROUP,
    _LENGTHS_GROUP,
    _SCORES_GROUP,
    _VOCABULARY_GROUP,
    _LINES_GROUP,
    _PARAGRAPHS_GROUP,
    _GRAMS_GROUP,
    _PHRASES_GROUP,
    _URLS_GROUP,
    _ENDING_GROUP,
    _SENTENCES_GROUP,
) = (
    1 << GROUPS.index(group)
    for group in (
        *("words", "word_lengths", "word_scores", "vocabulary", "lines", "paragraphs", "grams", "phrases", "urls", "ending", "sentences"),
    )
)
_OF_WORDS = _WORDS_GROUP | _LENGTHS_GROUP | _SCORES_GROUP | _VOCABULARY_GROUP | _GRAMS_GROUP
_CHARACTERS, _LETTERS, _UPPER_LETTERS, _DIGITS = column("characters"), column("letters"), column("upper_letters"), column("digits")
_BASIC_CHARACTERS, _BLANKS, _BRACKETS = column("basic_characters"), column("blanks"), column("brackets")
_CURLY_BRACKETS, _HASHES, _ELLIPSES, _NEWLINES = column("curly_brackets"), column("hashes"), column("ellipses"), column("newlines")
_COMPLETE_ENDING, _SENTENCES = column("complete_ending"), column("sentences")


class WordScores(NamedTuple):
    """A number for each word of a list, ready to be looked up.

    Attributes:
        keys: Of ``words.word_table``.
        numbers: Of ``words.word_table``.
        scores: int64, shape (words + 2,): of the word of each number, then twice that of a word that is not listed.
    """

    keys: np.ndarray
    numbers: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, words: Sequence[str], scores: np.ndarray, unlisted: int) -> WordScores:
        """From different words, none of them empty, and int64, shape (words,)."""
        return cls(*word_table(words), np.concatenate([scores, [unlisted, unlisted]]).astype(np.int64))

    @classmethod
    def none(cls, stop_words: Sequence[str]) -> WordScores:
        """The stop words, each of which counts nothing."""
        keys, numbers = word_table(stop_words)
        return cls(keys, numbers, np.zeros(int(numbers.max()) + 1, np.int64))


def text_counts(
    texts: pa.Array | pa.ChunkedArray,
    names: Collection[str] = tuple(COUNTS),
    *,
    words: str = "whitespace",
    stop_words: Sequence[str] = GOPHER_STOP_WORDS,
    word_scores: WordScores | None = None,
) -> dict[str, np.ndarray]:
    """Counts of each text.

    Args:
        texts: string or large_string, shape (rows,), sliced or not, in chunks or not; a null counts as the empty text.
        names: The counts that are wanted, of ``curation_tasks.kernels.counts.COUNTS``. Groups of which none is wanted cost nothing.
        words: How a text is cut into words: ``whitespace`` (``str.split``), ``wordpunct`` (runs of letters, digits and marks,
            joined by - ' ’ . within; every other character is a word) or ``unicode`` (UAX #29).
        stop_words: Words that are counted, as they are written in texts.
        word_scores: What ``word_scores`` adds up. Takes the place of the stop words, which are not counted then.

    Returns:
        The wanted names → int64, shape (rows,).

    Raises:
        KeyError: A count has no such name.
        ValueError: A text is longer than ``LONGEST_TEXT``.
    """
    if isinstance(texts, pa.ChunkedArray):
        parts = [
            text_counts(chunk, names, words=words, stop_words=stop_words, word_scores=word_scores)
            for chunk in texts.chunks or [pa.array([], texts.type)]
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}
    offsets, data = text_buffers(texts)
    longest = int(np.diff(offsets).max(initial=0))
    if longest > LONGEST_TEXT:
        raise ValueError(f"a text of {longest:,} bytes is longer than {LONGEST_TEXT:,}; split it first")
    groups = sum(1 << GROUPS.index(group) for group in {GROUP_OF[name] for name in names})
    matrix = np.zeros((len(texts), len(COUNTS)), np.int64)
    mode = WORD_MODES[words]
    scores = word_scores or WordScores.none(stop_words)
    tables = (*scores, *(unicode_tables() if mode == UNICODE else no_unicode_tables()))
    by_dictionary = mode == UNICODE and groups & _OF_WORDS
    cuts = dictionary_ends(data, offsets, word_break_table()) if by_dictionary else positions(np.zeros(0, np.int64))
    _count(data, offsets, groups, _longest_gram(names), mode, character_classes(), sentence_break_table(), *tables, cuts, matrix)
    return {name: matrix[:, column(name)] for name in names}


def _longest_gram(names: Collection[str]) -> int:
    """How far n-grams are to be counted; 0 for not at all."""
    return max((int(name.split("_")[1]) for name in names if GROUP_OF[name] == "grams"), default=0)


@inlined
def _count_characters(text, size, has_others, bitmaps, counts):
    letters = upper = digits = basic = blanks = brackets = curly = hashes = newlines = 0
    three_dots = False
    dots_before = np.uint64(0)
    for block in range((size + 63) >> 6):
        at = block << 6
        letter, newline = bitmaps[LETTER, block], bitmaps[NEWLINE, block]
        letters += ones(letter)
        upper += ones(bitmaps[UPPER, block])
        newlines += ones(newline)
        digit = between(text, at, 48, 57)
        digits += ones(digit)
        # ASCII letters, whatever else the bitmap holds by now.
        ascii_letter = between(text, at, 65, 90) | between(text, at, 97, 122)
        marks = between(text, at, 33, 33) | between(text, at, 44, 44) | between(text, at, 63, 63)
        basic += ones(ascii_letter | digit | newline | marks | bitmaps[DOT, block])
        blanks += ones(between(text, at, 32, 32) | between(text, at, 8, 10) | between(text, at, 13, 13))
        # { and [ differ by the bit 32, and so do } and ].
        square_or_curly = equal_with_bits(text, at, 123, 32) | equal_with_bits(text, at, 125, 32)
        curly += ones(square_or_curly & between(text, at, 96, 127))
        brackets += ones(square_or_curly | between(text, at, 40, 41))
        hashes += ones(between(text, at, 35, 35))
        dots = bitmaps[DOT, block]
        three_dots |= (dots & ((dots << _ONE) | dots_before)) != 0
        dots_before = dots >> np.uint64(63)
    counts[_CHARACTERS] = size - np.int64(bitmaps[CONTINUATIONS_BEFORE, (size + 63) >> 6])
    counts[_LETTERS], counts[_UPPER_LETTERS], counts[_DIGITS], counts[_BASIC_CHARACTERS] = letters, upper, digits, basic
    counts[_BLANKS], counts[_CURLY_BRACKETS], counts[_HASHES], counts[_NEWLINES] = blanks, curly, hashes, newlines
    counts[_BRACKETS], counts[_ELLIPSES] = brackets, 0
    if three_dots:
        counts[_ELLIPSES] = _three_dots(size, bitmaps)
    if has_others:
        _count_wide_marks(text, size, counts)


@inlined
def _three_dots(size, bitmaps):
    """Threes of full stops, counted from the beginning of each run."""
    threes = run = 0
    previous = np.int64(-2)
    for block in range((size + 63) >> 6):
        dots = bitmaps[DOT, block]
        while dots:
            at = (block << 6) + lowest(dots)
            dots &= dots - _ONE
            run = run + 1 if at == previous + 1 else 1
            if run == 3:
                threes += 1
                run = 0
            previous = at
    return threes


@inlined
def _count_wide_marks(text, size, counts):
    """The ellipsis U+2026 and the angle brackets U+27E8 and U+27E9, all of which begin with the byte E2."""
    for block in range((size + 63) >> 6):
        places = between(text, block << 6, 0xE2, 0xE2)
        while places:
            code = code_at(text, (block << 6) + lowest(places))
            places &= places - _ONE
            counts[_ELLIPSES] += code == 0x2026
            counts[_BRACKETS] += code == 0x27E8 or code == 0x27E9


@kernel(
    f"void({BYTES}, {OFFSETS}, int64, int64, int64, {BYTES}, {BYTES}, uint64[::1], uint64[::1], "
    f"int64[::1], {BYTES}, uint8[::1], uint64[::1], int64[::1], int64[::1], {OFFSETS}, int64[:, ::1])"
)
def _count(
    data, offsets, groups, longest_gram, word_mode, classes, sentence_breaks, keys, numbers, scores,
    breaks, scripts, feature_keys, weights, totals, cuts, matrix,
):  # fmt: skip
    longest = 0
    for row in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    text = np.zeros(longest + PADDING, np.uint8)
    bitmaps = bitmaps_for(longest)
    # A word and the white space behind it take two bytes. Memory that is not written to is not taken.
    most_words = (longest if word_mode else longest // 2) + 2
    places = 8
    while places < 4 * most_words:
        places *= 2
    starts, ends = np.empty(most_words + AT_ONCE, np.uint32), np.empty(most_words + AT_ONCE, np.uint32)
    piece_ends, piece_hashes = np.empty(longest + 1 + AT_ONCE, np.uint32), np.empty(longest + 1, np.uint64)
    hashes = np.empty(most_words, np.uint64)
    positions, gram_groups, following, others = (
        np.empty(most_words, np.uint32),
        np.empty(most_words, np.uint32),
        np.empty(most_words, np.uint32),
        np.empty(most_words, np.uint32),
    )
    letters_before, frequencies = np.empty(most_words + 1, np.int32), np.empty(most_words, np.int32)
    table = np.empty(places, np.uint32)
    seen = np.full(numbers.max() + np.uint64(1), -1, np.int64)
    cut = 0

    for row in range(offsets.shape[0] - 1):
        begin, size = offsets[row], offsets[row + 1] - offsets[row]
        copy_bytes(data, begin, text, size)
        text[size : size + PADDING] = 0
        counts = matrix[row]
        has_others, has_breaks = map_ascii(text, size, bitmaps)
        if has_others:
            has_breaks |= map_others(text, size, classes, bitmaps)
        _count_characters(text, size, has_others, bitmaps, counts)
        if groups & _ENDING_GROUP:
            counts[_COMPLETE_ENDING] = ends_complete(text, 0, size)
        if groups & _SENTENCES_GROUP:
            counts[_SENTENCES] = count_sentences(text, size, sentence_breaks, bitmaps)
        if groups & _PHRASES_GROUP:
            count_phrases(text, size, bitmaps, counts)
        if groups & _URLS_GROUP:
            count_urls(text, size, counts)
        if groups & (_LINES_GROUP | _PARAGRAPHS_GROUP | _PHRASES_GROUP):
            pieces = find_pieces(text, size, bitmaps, piece_ends, piece_hashes)
            if groups & _LINES_GROUP:
                count_lines(text, size, classes, bitmaps, has_breaks, pieces, piece_ends, piece_hashes, table, counts)
            if groups & (_PARAGRAPHS_GROUP | _PHRASES_GROUP):
                count_paragraphs(text, size, bitmaps, pieces, piece_ends, piece_hashes, hashes, table, counts)
        if groups & _OF_WORDS:
            found = 0
            if word_mode == UNICODE:
                while cut < cuts.shape[0] and cuts[cut] <= begin:
                    cut += 1
                tables = (classes, breaks, scripts, feature_keys, weights, totals)
                if cut < cuts.shape[0] and cuts[cut] <= begin + size:
                    found = find_words_by_dictionary(text, size, *tables, begin, cuts[cut:], starts, ends)
                else:
                    found = find_unicode_words(text, size, *tables, begin, cuts, starts, ends)
            words = count_words(text, size, word_mode, found, classes, bitmaps, starts, ends, letters_before, hashes, counts)
            count_listed(hashes, words, keys, numbers, seen, row, counts)
            if groups & _SCORES_GROUP:
                count_scores(hashes, words, keys, numbers, scores, counts)
            if groups & _LENGTHS_GROUP:
                count_word_lengths(letters_before, words, frequencies, counts)
            if groups & _VOCABULARY_GROUP:
                count_vocabulary(hashes, words, positions, frequencies, table, counts)
            if groups & _GRAMS_GROUP:
                count_grams(
                    words,
                    longest_gram,
                    bitmaps,
                    starts,
                    ends,
                    letters_before,
                    hashes,
                    positions,
                    gram_groups,
                    following,
                    frequencies,
                    others,
                    table,
                    counts,
                )
