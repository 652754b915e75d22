"""Words by the rules of Unicode (UAX #29, section 4), and of scripts without spaces by segmenters.

A loop over characters looks up the property Word_Break and decides from the last two that count whether a word ends. Marks
and format characters do not count (rule WB4). What is kept are the pieces with a letter or a digit.

A run of a script without spaces is a matter of its own: Han, Kana and Thai are cut by ``budoux_words``, Lao, Khmer and the Myanmar
script by ``dictionary_words``, before the loop. Where a script begins or ends, a word does.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from curation_tasks.kernels import characters
from curation_tasks.kernels.bitmaps import PADDING
from curation_tasks.kernels.budoux_words import THAI_MODEL, cut_run, model_of, segmenter_tables
from curation_tasks.kernels.characters import character_classes, table
from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.dictionary_words import dictionary_ends, put_dictionary_words
from curation_tasks.kernels.segmented_scripts import DICTIONARY, PROPERTY, SEGMENTED, THAI, character, run_end, run_kinds

_NAMES = (
    *("Other", "CR", "LF", "Newline", "Extend", "ZWJ", "Format", "Katakana", "Hebrew_Letter", "ALetter", "Single_Quote", "Double_Quote"),
    *("MidNumLet", "MidLetter", "MidNum", "Numeric", "ExtendNumLet", "Regional_Indicator", "WSegSpace"),
)
_OTHER, _CR, _LF, _NEWLINE, _EXTEND, _ZWJ, _FORMAT, _KATAKANA, _HEBREW, _LETTER, _SINGLE_QUOTE, _DOUBLE_QUOTE = range(12)
_MID_NUM_LET, _MID_LETTER, _MID_NUM, _NUMERIC, _EXTEND_NUM_LET, _REGIONAL, _SPACE = range(12, 19)
#: A bit beside the property.
_PICTOGRAPHIC = 32


@cache
def word_break_table() -> np.ndarray:
    """Word_Break and Extended_Pictographic of each code point."""
    return table(lambda row: _NAMES.index(row.word_break) | _PICTOGRAPHIC * (row.pictographic == "Pictographic"))


def unicode_tables() -> tuple[np.ndarray, ...]:
    """What ``find_unicode_words`` takes."""
    return (word_break_table(), *segmenter_tables())


@cache
def no_unicode_tables() -> tuple[np.ndarray, ...]:
    """Arrays of the same types, for kernels that are not going to look into them."""
    breaks = np.zeros(1, np.uint8)
    breaks.flags.writeable = False
    return breaks, np.zeros(1, np.uint8), np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64)


@inlined
def _is_letter(kind):
    return kind in (_LETTER, _HEBREW)


@inlined
def _property_ahead(text, at, size, breaks):
    """The property of the next character that counts, of none ``Other``."""
    while at < size:
        code, width = character(text, at)
        kind = np.int64(breaks[code]) & PROPERTY
        if kind not in (_EXTEND, _FORMAT, _ZWJ):
            return kind
        at += width
    return np.int64(_OTHER)


@inlined
def _joined(before, last, kind, ahead, regionals):
    """Whether no word ends between two characters, by WB5 to WB16.

    Args:
        before: Property of the character before the last one that counts.
        last: Of the last one.
        kind: Of the next one.
        ahead: Of the one behind it.
        regionals: How many regional indicators stand before.
    """
    letter, last_letter = _is_letter(kind), _is_letter(last)
    if (last_letter or last == _NUMERIC) and (letter or kind == _NUMERIC):
        return True  # WB5, 8, 9, 10
    middle_of_word = kind in (_MID_LETTER, _MID_NUM_LET, _SINGLE_QUOTE)
    if last_letter and middle_of_word and _is_letter(ahead):
        return True  # WB6
    if letter and _is_letter(before) and last in (_MID_LETTER, _MID_NUM_LET, _SINGLE_QUOTE):
        return True  # WB7
    if last == _HEBREW and (kind == _SINGLE_QUOTE or (kind == _DOUBLE_QUOTE and ahead == _HEBREW)):
        return True  # WB7a, 7b
    if kind == _HEBREW and last == _DOUBLE_QUOTE and before == _HEBREW:
        return True  # WB7c
    if kind == _NUMERIC and before == _NUMERIC and last in (_MID_NUM, _MID_NUM_LET, _SINGLE_QUOTE):
        return True  # WB11
    if last == _NUMERIC and ahead == _NUMERIC and kind in (_MID_NUM, _MID_NUM_LET, _SINGLE_QUOTE):
        return True  # WB12
    if last == _KATAKANA and kind == _KATAKANA:
        return True  # WB13
    if kind == _EXTEND_NUM_LET:
        return last_letter or last in (_NUMERIC, _KATAKANA, _EXTEND_NUM_LET)  # WB13a
    if last == _EXTEND_NUM_LET:
        return letter or kind in (_NUMERIC, _KATAKANA)  # WB13b
    return kind == _REGIONAL and last == _REGIONAL and regionals % 2 == 1  # WB15, 16


def _finder_of_words(by_dictionary):
    """A function that finds words. One of the two leaves out what most texts do not need, which makes it a twentieth faster."""

    @inlined
    def find(text, size, classes, breaks, scripts, keys, weights, totals, origin, cuts, starts, ends):
        """Finds the words of a padded text.

        Args:
            text: Padded bytes.
            size: Bytes of the text.
            classes: Of ``characters.character_classes``.
            breaks: Like the four behind it of ``unicode_tables``.
            scripts: Bits of each character.
            keys: Of BudouX's features.
            weights: Of BudouX's features.
            totals: Of BudouX's models.
            origin: Where the text begins in the data of ``cuts``.
            cuts: Of ``dictionary_ends``, from the first one on that may be of this text.
            starts: Is filled with the byte at which each word begins.
            ends: Is filled with the byte behind each word.

        Returns:
            How many there are.
        """
        model = np.int64(-1)
        words = at = cut = 0
        start = 0
        filled = False  # Whether the piece has a letter or a digit.
        before = last = np.int64(_OTHER)
        raw_last = np.int64(-1)  # Of the character before, whether it counts or not; -1 at the beginning.
        regionals = 0
        while at < size:
            code, width = character(text, at)
            kind = np.int64(breaks[code]) & PROPERTY
            if width > 1 and scripts[code] & SEGMENTED:
                if filled:
                    starts[words], ends[words] = start, at
                    words += 1
                kinds = run_kinds(scripts[code])
                end = run_end(text, at, size, kinds, scripts, breaks)
                if by_dictionary and kinds & DICTIONARY:
                    words, cut = put_dictionary_words(text, at, end, classes, origin, cuts, cut, starts, ends, words)
                elif kinds & THAI:
                    words = cut_run(text, at, end, THAI_MODEL, keys, weights, totals, starts, ends, words)
                else:
                    if model < 0:
                        model = model_of(text, size, scripts)
                    words = cut_run(text, at, end, model, keys, weights, totals, starts, ends, words)
                at = start = end
                filled = False
                before = last = np.int64(_OTHER)
                raw_last = np.int64(-1)
                regionals = 0
                continue
            ignored = kind in (_EXTEND, _FORMAT, _ZWJ)
            if raw_last < 0:
                boundary = at > start
            elif raw_last == _CR and kind == _LF:
                boundary = False  # WB3
            elif raw_last in (_CR, _LF, _NEWLINE) or kind in (_CR, _LF, _NEWLINE):
                boundary = True  # WB3a, 3b
            elif raw_last == _ZWJ and breaks[code] & _PICTOGRAPHIC:
                boundary = False  # WB3c
            elif raw_last == _SPACE and kind == _SPACE:
                boundary = False  # WB3d
            elif ignored:
                boundary = False  # WB4
            else:
                boundary = not _joined(before, last, kind, _property_ahead(text, at + width, size, breaks), regionals)
            if boundary:
                if filled:
                    starts[words], ends[words] = start, at
                    words += 1
                start = at
                filled = False
            if classes[code] & characters.ALPHANUMERIC:
                filled = True
            raw_last = kind
            if not ignored or last in (_CR, _LF, _NEWLINE):
                before, last = last, kind
                regionals = regionals + 1 if kind == _REGIONAL else 0
            at = min(at + width, size)
        if filled:
            starts[words], ends[words] = start, size
            words += 1
        return words

    return find


#: For texts without a letter of a script that a dictionary cuts, and for all texts.
find_unicode_words, find_words_by_dictionary = _finder_of_words(False), _finder_of_words(True)


@kernel(f"int64(uint8[::1], int64, {BYTES}, {BYTES}, uint8[::1], uint64[::1], int64[::1], int64[::1], {OFFSETS}, int32[::1], int32[::1])")
def _words_of(text, size, classes, breaks, scripts, keys, weights, totals, cuts, starts, ends):
    return find_words_by_dictionary(text, size, classes, breaks, scripts, keys, weights, totals, 0, cuts, starts, ends)


def unicode_words(text: str) -> list[str]:
    """The words of one text: what the word mode ``unicode`` counts."""
    encoded = text.encode()
    padded = np.frombuffer(encoded + bytes(PADDING), np.uint8).copy()
    cuts = dictionary_ends(np.frombuffer(encoded, np.uint8), positions(np.array([0, len(encoded)])), word_break_table())
    starts, ends = np.zeros(len(encoded) + 1, np.int32), np.zeros(len(encoded) + 1, np.int32)
    found = _words_of(padded, len(encoded), character_classes(), *unicode_tables(), cuts, starts, ends)
    return [encoded[start:end].decode() for start, end in zip(starts[:found].tolist(), ends[:found].tolist(), strict=True)]
