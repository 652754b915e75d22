"""Words of Lao, Khmer and Burmese by the dictionaries of ICU (https://icu.unicode.org), which icu4py has in its wheel.

ICU is called once for some thousand characters and not once a run, because each call has a price of its own: runs are put one
behind the other with newlines between them, at which ICU always cuts. It gets letters and marks of one script and nothing
else, because it would join the last word of a run to a Latin word or to digits that follow.

A look at 64 bytes at a time tells which data hold a letter of these scripts; where none does, nothing else is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import numpy as np

from curation_tasks.kernels import characters
from curation_tasks.kernels.bitmaps import between, code_at, lowest, ones
from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.segmented_scripts import DICTIONARY, character, run_end, run_kinds, script_table

#: Bytes of runs that ICU is given at a time, but for a longer run, which is never cut.
_AT_ONCE = 1 << 15
_NEWLINE = 10
_NONE, _ONE = np.uint64(0), np.uint64(1)


def dictionary_ends(data: np.ndarray, offsets: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """Where the words of these scripts end.

    Args:
        data: uint8, read-only: the bytes of all texts.
        offsets: int64, shape (texts + 1,), read-only.
        breaks: Of ``word_breaks.word_break_table``.

    Returns:
        int64, ascending, read-only: the byte of ``data`` behind each word, and where each run begins behind the first one.
    """
    begin, end = (int(offsets[0]), int(offsets[-1])) if len(offsets) else (0, 0)
    most = _letters(data, begin, end)
    if not most:
        return positions(np.zeros(0, np.int64))
    # Memory that is not written to is not taken.
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    runs = _find_runs(data, offsets, script_table(), breaks, starts, ends)
    found = [_ends_of(data, starts[first:last], ends[first:last]) for first, last in _batches(starts[:runs], ends[:runs])]
    return positions(np.concatenate(found) if found else np.zeros(0, np.int64))


def _batches(starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs that go to ICU together, as ``(first, last + 1)``."""
    before = np.concatenate([[0], np.cumsum(ends - starts)])
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(before, before[first] + _AT_ONCE, "right")) - 1, first + 1)
        yield first, last
        first = last


def _ends_of(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    from icu4py.breakers import WordBreaker

    most = int((ends - starts).sum()) // 2 + len(starts)
    codes, places = np.empty(most, np.uint16), np.empty(most + 1, np.int64)
    size = _copy_runs(data, starts, ends, codes, places)
    text = codes[:size].tobytes().decode("utf-16-le")
    return places[np.fromiter(map(itemgetter(1), WordBreaker(text, "und").segments()), np.int64)]


# Runs ------------------------------------------------------------------------------------------------------------------


@inlined
def _leads(data, at):
    """Which of 64 bytes begin a character of a block with letters of these scripts. Reads one byte more."""
    lao = between(data, at, 0xE0, 0xE0) & between(data, at + 1, 0xBA, 0xBB)  # U+0E80 to U+0EFF
    second = between(data, at + 1, 0x80, 0x82) | between(data, at + 1, 0x9E, 0x9F)
    khmer_or_myanmar = between(data, at, 0xE1, 0xE1) & second  # U+1000 to U+10BF, U+1780 to U+17FF
    second = between(data, at + 1, 0xA7, 0xA7) | between(data, at + 1, 0xA9, 0xA9)
    return lao | khmer_or_myanmar | (between(data, at, 0xEA, 0xEA) & second)  # U+A9C0 to U+A9FF, U+AA40 to U+AA7F


@inlined
def _leads_at_end(data, at, end):
    """The same for fewer bytes, none behind ``end`` being looked at."""
    bits = _NONE
    for k in range(end - at - 1):
        lead, second = data[at + k], data[at + k + 1]
        found = lead == 0xE0 and 0xBA <= second <= 0xBB
        found |= lead == 0xE1 and (0x80 <= second <= 0x82 or 0x9E <= second <= 0x9F)
        found |= lead == 0xEA and (second == 0xA7 or second == 0xA9)
        bits |= np.uint64(found) << np.uint64(k)
    return bits


@kernel(f"int64({BYTES}, int64, int64)")
def _letters(data, begin, end):
    """How many characters there are of the blocks with these scripts."""
    count = 0
    at = begin
    while at < end:
        count += ones(_leads(data, at) if at + 65 <= end else _leads_at_end(data, at, min(at + 64, end)))
        at += 64
    return count


@kernel(f"int64({BYTES}, {OFFSETS}, {BYTES}, {BYTES}, int64[::1], int64[::1])")
def _find_runs(data, offsets, scripts, breaks, starts, ends):
    runs = row = 0
    at, end = offsets[0], offsets[-1]
    done = at
    while at < end:
        leads = _leads(data, at) if at + 65 <= end else _leads_at_end(data, at, min(at + 64, end))
        while leads:
            start = at + lowest(leads)
            leads &= leads - _ONE
            while offsets[row + 1] <= start:
                row += 1
            if start < done or start + 3 > offsets[row + 1]:
                continue
            bits = scripts[code_at(data, start)]
            if bits & DICTIONARY:
                done = run_end(data, start, offsets[row + 1], run_kinds(bits), scripts, breaks)
                starts[runs], ends[runs] = start, done
                runs += 1
        at += 64
    return runs


@kernel(f"int64({BYTES}, int64[::1], int64[::1], uint16[::1], int64[::1])")
def _copy_runs(data, starts, ends, codes, places):
    """Writes the UTF-16 units of runs with a newline behind each, and the byte of the data that each stands for."""
    size = 0
    for run in range(starts.shape[0]):
        at = starts[run]
        while at < ends[run]:
            codes[size], width = character(data, at)
            places[size] = at
            at += width
            size += 1
        codes[size], places[size] = _NEWLINE, ends[run]
        size += 1
    places[size] = ends[-1]
    return size


# Words -----------------------------------------------------------------------------------------------------------------


@inlined
def put_dictionary_words(text, begin, end, classes, origin, cuts, cut, starts, ends, words):
    """Puts the words of a run behind those that were found.

    Args:
        text: Padded bytes.
        begin: Of the run.
        end: Of the run.
        classes: Of ``characters.character_classes``.
        origin: Where the text begins in the data of ``cuts``.
        cuts: Of ``dictionary_ends``.
        cut: The first of them that may be of this run.
        starts: Of the words that were found.
        ends: Of the words that were found.
        words: How many were found.

    Returns:
        ``(words, cut)``.
    """
    start = begin
    while start < end:
        while cut < cuts.shape[0] and cuts[cut] - origin <= start:
            cut += 1
        # Bytes that are no text may have runs that are nobody's.
        stop = min(cuts[cut] - origin, end) if cut < cuts.shape[0] else end
        if _has_letter(text, start, stop, classes):
            starts[words], ends[words] = start, stop
            words += 1
        start = stop
    return words, cut


@inlined
def _has_letter(text, at, end, classes):
    while at < end:
        code, width = character(text, at)
        if classes[code] & characters.ALPHANUMERIC:
            return True
        at += width
    return False
