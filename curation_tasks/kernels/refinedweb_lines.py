"""The line rules of RefinedWeb in one pass over Arrow buffers: texts in, shorter texts and counts out.

Lines stand between line feeds. Blank lines stay; a text in which nothing is removed stays as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import LINE_FEEDS, characters, copy, scan_line, strip
from curation_tasks.kernels.phrases import PHRASES, has_phrase_at, lower, phrase_table
from curation_tasks.kernels.utf8 import character_before, decode, is_wide_space, string_array, text_buffers, width_of

#: What is counted for each text. Lines that hold nothing but white space are not counted.
COUNTS = ("lines", "words", "removed_lines", "removed_words", "removed_characters")
_LINES, _WORDS, _REMOVED_LINES, _REMOVED_WORDS, _REMOVED_CHARACTERS = range(5)
#: What counters count: RefinedWeb's list as DCLM has it, each also in the singular.
COUNTED = (
    "likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes", "downloads", "views", "followers",
)  # fmt: skip
_COUNTED = phrase_table([word for plural in COUNTED for word in (plural, plural[:-1])])
_UPPERCASE, _DIGIT, _ALPHANUMERIC = 1, 2, 4
#: Code points that may be letters or digits: beyond lie private use, variation selectors and tags.
CLASSED = 0x40000
_NO_LIMIT = 2**62


@dataclass(frozen=True)
class RefinedWebRules:
    """What is asked of a line.

    Attributes:
        max_uppercase_ratio: Upper-case characters over all characters of the line, white space included.
        numbers: Whether a line fails that consists of digits.
        counters: Whether a line fails that is a counter, as ``3 likes`` and ``1.2K Views``.
        min_words: Fewest words of a line that has any.
        edited_words: Phrases are cut out of lines of at most so many words.
        prefixes, suffixes, anywhere: Phrases to cut from the beginning of a line, from its end, or wherever they stand.
    """

    max_uppercase_ratio: float
    numbers: bool
    counters: bool
    min_words: int
    edited_words: int
    prefixes: Sequence[str]
    suffixes: Sequence[str]
    anywhere: Sequence[str]


def refinedweb_lines(texts: pa.Array, rules: RefinedWebRules) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """The texts without the lines that fail and the phrases that are cut out.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        rules: What is asked of a line.

    Returns:
        ``(texts, counts)``: the same type and rows; the names of ``COUNTS`` → int64, shape (rows,); ``words`` are those of the
        text as it came, ``removed_words`` what it has fewer.
    """
    offsets, data = text_buffers(texts)
    written = np.empty(offsets[-1] - offsets[0] + 1, np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    counts = np.zeros((len(texts), len(COUNTS)), np.int64)
    places = np.repeat([0, 1, 2], [len(rules.prefixes), len(rules.suffixes), len(rules.anywhere)])
    cuts = phrase_table([*rules.prefixes, *rules.suffixes, *rules.anywhere])
    limits = (rules.max_uppercase_ratio, rules.numbers, rules.counters, rules.min_words, rules.edited_words)
    _refinedweb_lines(data, offsets, limits, _classes(), cuts, places, written, new_offsets, counts)
    result = string_array(texts, new_offsets, written[: new_offsets[-1]])
    return result, {name: counts[:, column] for column, name in enumerate(COUNTS)}


@cache
def _classes() -> np.ndarray:
    """uint8, shape (0x40000,): the classes of each code point, as Python's ``str`` has them."""
    classes = np.zeros(CLASSED, np.uint8)
    for code in range(CLASSED):
        character = chr(code)
        classes[code] = character.isupper() * _UPPERCASE | character.isdigit() * _DIGIT | character.isalnum() * _ALPHANUMERIC
    return classes


@inlined
def _class_of(data, at, width, end, classes):
    code = decode(data, at, width, end)
    return np.int64(classes[code]) if code < CLASSED else 0


@inlined
def _letters(data, start, end, classes):
    """``(characters, upper-case characters, digits)`` of a line."""
    total = uppercase = digits = others = 0
    for k in range(start, end):  # ASCII: a loop that the compiler turns into vector instructions
        byte = data[k]
        total += (byte & 0xC0) != 0x80
        uppercase += 65 <= byte <= 90
        digits += 48 <= byte <= 57
        others += byte >= 0xC0
    at = start
    while others > 0:
        if data[at] >= 0xC0:
            width = width_of(data[at])
            kind = _class_of(data, at, width, end, classes)
            uppercase += kind & _UPPERCASE != 0
            digits += kind & _DIGIT != 0
            others -= 1
            at += width
        else:
            at += 1
    return total, uppercase, digits


@inlined
def _skip_symbols(data, at, end, classes):
    """The first letter, digit or underscore from ``at`` on."""
    while at < end:
        width = width_of(data[at])
        if data[at] == 0x5F or _class_of(data, at, width, end, classes) & _ALPHANUMERIC:
            break
        at += width
    return at


@inlined
def _is_counter(data, start, end, classes):
    """Whether a line is a number, perhaps with a unit (K, M, B), white space, what is counted, and symbols around."""
    at = _skip_symbols(data, start, end, classes)
    if at == end or not 48 <= data[at] <= 57:
        return False
    while at < end and (48 <= data[at] <= 57 or data[at] == 0x2C or data[at] == 0x2E):
        at += 1
    if at < end and (lower(data[at]) == 0x6B or lower(data[at]) == 0x6D or lower(data[at]) == 0x62):
        at += 1
    counted = strip(data, at, end)[0]
    if counted == at:
        return False
    for index in range(_COUNTED[2].shape[0]):
        if has_phrase_at(data, counted, end, _COUNTED, index):
            after = counted + _COUNTED[1][index + 1] - _COUNTED[1][index]
            if _skip_symbols(data, after, end, classes) == end:
                return True
    return False


@inlined
def _is_letter_or_digit(data, at, end):
    """Whether a letter or digit of ASCII begins at ``at``, or any other character beyond it that is no white space."""
    byte = data[at]
    if byte >= 0x80:
        return not is_wide_space(data, at, end)
    return 48 <= byte <= 57 or 97 <= lower(byte) <= 122


@inlined
def _stands_free(data, at, after, start, end):
    """Whether ``[at, after)`` is not a part of a longer word."""
    if at > start and _is_letter_or_digit(data, at, end) and _is_letter_or_digit(data, character_before(data, start, at), end):
        return False
    if after < end and _is_letter_or_digit(data, after, end):
        return not _is_letter_or_digit(data, character_before(data, start, after), end)
    return True


@inlined
def _cut_phrases(line, start, end, cuts, places):
    """Cuts phrases out of a line in place, each kind of place once through the line; where it ends then."""
    offsets = cuts[1]
    for index in range(places.shape[0]):
        length = offsets[index + 1] - offsets[index]
        begin, finish = strip(line, start, end)
        if places[index] == 0:
            low, high = begin, begin + 1
        elif places[index] == 1:
            low, high = finish - length, finish - length + 1
        else:
            low, high = begin, finish - length + 1
        at = max(low, start)
        while at < high:
            if has_phrase_at(line, at, end, cuts, index) and _stands_free(line, at, at + length, start, end):
                for k in range(at, end - length):
                    line[k] = line[k + length]
                end -= length
                high -= length
            else:
                at += 1
    return end


@inlined
def _rewrite(data, start, end, limits, classes, cuts, places, written, to, counts):
    """Writes the lines of one text that pass, and counts; ``(where the new text ends, whether anything was removed)``."""
    max_uppercase, numbers, counters, min_words, edited_words = limits
    touched, first = False, True
    at = start
    while at <= end:
        _, _, stop, after, words, _ = scan_line(data, at, end, LINE_FEEDS, False, _NO_LIMIT)
        line = to
        if not first:
            written[to] = 10
            line += 1
        last = copy(data, at, stop, written, line)
        if words == 0:
            passed, left = True, 0
        else:
            counts[_LINES] += 1
            counts[_WORDS] += words
            left = words
            if words <= edited_words and places.shape[0]:
                cut = _cut_phrases(written, line, last, cuts, places)
                if cut < last:
                    touched, last = True, cut
                    left = scan_line(written, line, last, LINE_FEEDS, False, _NO_LIMIT)[4]
            passed = left >= max(min_words, 1)
            if passed:
                total, uppercase, digits = _letters(written, line, last, classes)
                passed = uppercase <= max_uppercase * total and not (numbers and digits == total)
            if passed and counters:
                passed = not _is_counter(written, line, last, classes)
        if passed:
            to, first = last, False
            counts[_REMOVED_WORDS] += words - left
        else:
            touched = True
            counts[_REMOVED_LINES] += 1
            counts[_REMOVED_WORDS] += words
        if stop == end:
            break
        at = after
    return to, touched


@kernel(
    f"void({BYTES}, {OFFSETS}, Tuple((float64, boolean, boolean, int64, int64)), uint8[::1], {PHRASES}, int64[::1], uint8[::1], "
    "int64[::1], int64[:, ::1])"
)
def _refinedweb_lines(data, offsets, limits, classes, cuts, places, written, new_offsets, counts):
    to = 0
    for row in range(offsets.shape[0] - 1):
        at, end, begin = offsets[row], offsets[row + 1], to
        to, touched = _rewrite(data, at, end, limits, classes, cuts, places, written, begin, counts[row])
        if touched:
            first, last = strip(written, begin, to)
            to = begin + last - first
            for k in range(to - begin if first > begin else 0):
                written[begin + k] = written[first + k]
            counts[row, _REMOVED_CHARACTERS] = characters(data, at, end) - characters(written, begin, to)
        new_offsets[row + 1] = to
