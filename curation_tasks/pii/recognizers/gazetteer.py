"""Names of people by a list of given names: the embedded default where no language model is configured.

Precision before recall. A name is a capitalised word of the list, with the surname behind it, or what follows a title:

* ``Lily``, ``Anna-Marie``, ``Ludwig van Beethoven``, ``John F. Smith``, ``Mr. Brown`` (the title itself stays).
* Names that are words too (Will, Rose, Mark, Spot) count in the middle of a sentence, and at its start only in a document
  that shows them in the middle of one. Names that are rather places, months or brands (May, Paris, Jordan) count only
  with a surname or a title.
* ``the Smith chart``, ``St. Mary``, ``Victoria Station``, ``Thomas Algorithm`` are places or things. So is what sticks to
  digits, ``@``, ``/``, ``_`` or ``.``: parts of addresses and of code.

One compiled pass over the Arrow buffer; a word is looked up by its 64-bit FNV-1a hash. The lists are in
``curation_tasks/pii/data``. Names alone without a given name of the list, names in capitals, and names in scripts without
capitals are not found: for those, configure a model.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.pii.recognizers.name_words import (
    CLOSER,
    COMMON_WORD,
    DETERMINER,
    FNV_OFFSET,
    FNV_PRIME,
    NAME,
    NO_SURNAME,
    OPENER,
    PARTICLE,
    PLACE,
    TITLE,
    word_table,
)
from curation_tasks.pii.spans import spans_from

_LOWER, _CAPITALIZED, _INITIAL, _OTHER = 0, 1, 2, 3
_MOST_SURNAMES = 3


def find_names(offsets: np.ndarray, data: np.ndarray, language: str = "en") -> np.ndarray:
    """Names of people.

    Args:
        offsets: int64, shape (rows + 1,), as of ``kernels.utf8.text_buffers``.
        data: uint8, the UTF-8 bytes of all rows.
        language: ``en``, ``de``, ``fr`` or ``es``: whose titles and function words apply. Given names are of all languages.

    Returns:
        ``SPAN``, in order of rows and positions.
    """
    keys, flags = word_table(language)
    hits = np.empty((len(data) // 64 + 64, 6), np.int64)
    count = _find_names(hits, data, offsets, keys, flags)
    if count > len(hits):
        hits = np.empty((count, 6), np.int64)
        _find_names(hits, data, offsets, keys, flags)
    hits = _settle_doubtful(hits[:count])
    return spans_from(hits, "PERSON", hits[:, 3] / 10)


def _settle_doubtful(hits: np.ndarray) -> np.ndarray:
    """Keeps a word at the start of a sentence only where its document has it as a name in the middle of one.

    A full name there says nothing: who writes of Will Smith may still ask "Will you come?".
    """
    doubtful = hits[:, 5] == 1
    if not doubtful.any():
        return hits
    word = hits[:, 0] * (1 << 20) + hits[:, 4]
    return hits[~doubtful | np.isin(word, word[~doubtful & (hits[:, 3] == 5)])]


@inlined
def _keep(hits, count, row, start, end, score, slot, doubtful):
    if count < len(hits):
        hits[count, 0], hits[count, 1], hits[count, 2] = row, start, end
        hits[count, 3], hits[count, 4], hits[count, 5] = score, slot, doubtful
    return count + 1


@inlined
def _is_word(data, position, stop):
    """Whether a letter starts here. Beyond ASCII everything is a letter but the blocks of punctuation."""
    byte = data[position]
    if byte < 0x80:
        return 97 <= byte <= 122 or 65 <= byte <= 90
    if byte < 0xC3 or position + 1 >= stop:
        return False
    following = data[position + 1]
    if byte == 0xE2:
        return following >= 0xB0
    return not ((byte == 0xE3 and following == 0x80) or (byte == 0xEF and following >= 0xB8) or byte >= 0xF0)


@inlined
def _is_capital(data, position, stop):
    """Capital letters of Latin and Cyrillic; of the extensions of Latin those that alternate with small ones."""
    byte = data[position]
    if byte < 0x80:
        return 65 <= byte <= 90
    if position + 1 >= stop:
        return False
    following = data[position + 1]
    if byte == 0xC3:
        return following <= 0x9E and following != 0x97
    if byte == 0xC4 or byte == 0xC5:
        odd = (byte == 0xC4 and following >= 0xB9) or (byte == 0xC5 and (following <= 0x88 or 0xB9 <= following <= 0xBD))
        return (following & 1 == 1) == odd
    if byte == 0xC8:
        return following & 1 == 0
    return byte == 0xD0 and 0x81 <= following <= 0xAF


@inlined
def _word_end(data, start, stop):
    """The end of the word that starts here, and its shape.

    An apostrophe before a capital is inside the word (``O'Brien``), and so is the capital behind ``Mc`` and ``Mac``.
    """
    capital = _is_capital(data, start, stop)
    position, inner, lower = start + 1, 0, 0
    while position < stop:
        byte = data[position]
        if 97 <= byte <= 122 or byte & 0xC0 == 0x80:
            lower += byte < 0x80 or position > start + 1
        elif 65 <= byte <= 90:
            prefix = lower == 1 or lower == 2
            inner += not (prefix and data[start] == 77 and data[position - 1] == 99)
        elif byte == 39 and position + 1 < stop and 65 <= data[position + 1] <= 90 and position - start <= 2:
            inner -= 1
        elif byte < 0x80 or not _is_word(data, position, stop):
            break
        elif byte == 0xC3 and position + 1 < stop and _is_capital(data, position, stop):
            inner += 1
        position += 1
    if not capital:
        return position, _LOWER if inner == 0 else _OTHER
    if inner > 0:
        return position, _OTHER
    return position, _CAPITALIZED if lower > 0 else _INITIAL


@inlined
def _hash(data, start, end):
    key = FNV_OFFSET
    for position in range(start, end):
        key = (key ^ np.uint64(data[position])) * FNV_PRIME
    return key if key != 0 else np.uint64(1)


@inlined
def _slot(data, start, end, keys):
    """Where a word is in the table; an empty slot, whose flags are 0, when it is not there."""
    mask = np.uint64(len(keys) - 1)
    key = _hash(data, start, end)
    slot = key & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@inlined
def _behind_particles(data, position, stop, keys, flags):
    for _ in range(3):
        if position + 1 >= stop or data[position] != 32 or not _is_word(data, position + 1, stop):
            return -1
        last, shape = _word_end(data, position + 1, stop)
        flag = flags[_slot(data, position + 1, last, keys)]
        if shape == _CAPITALIZED:
            return -1 if flag & (NO_SURNAME | CLOSER) else last
        if not flag & PARTICLE:
            return -1
        position = last
    return -1


@inlined
def _ends_free(data, end, stop):
    if end >= stop:
        return True
    byte = data[end]
    if byte in (47, 61, 64, 92, 95, 40, 91) or 48 <= byte <= 57:
        return False
    return not (byte == 46 and end + 1 < stop and (_is_word(data, end + 1, stop) or 48 <= data[end + 1] <= 57))


@inlined
def _with_surnames(data, end, stop, keys, flags):
    """Goes on over initials, particles and capitalised words behind a name.

    Returns:
        ``(end, surnames, place)``: where the name ends, how many words were added, whether a word behind makes a place of it.
    """
    surnames, position = 0, end
    while surnames < _MOST_SURNAMES and position + 1 < stop and (data[position] == 32 or data[position] == 45):
        first = position + 1
        hyphen = data[position] == 45
        if not _is_word(data, first, stop):
            break
        last, shape = _word_end(data, first, stop)
        flag = flags[_slot(data, first, last, keys)]
        if shape == _LOWER and flag & PARTICLE and not hyphen:
            ending = _behind_particles(data, last, stop, keys, flags)
            if ending < 0:
                break
            end, position, surnames = ending, ending, surnames + 1
            continue
        if shape == _INITIAL and last < stop and data[last] == 46:
            # An initial belongs to the name when a surname follows.
            position = last + 1
            continue
        if shape != _CAPITALIZED or (flag & NO_SURNAME and not hyphen):
            break
        if flag & CLOSER:
            return end, surnames, True
        if not _ends_free(data, last, stop):
            break
        end, position = last, last
        if not hyphen:
            surnames += 1
    return end, surnames, False


@inlined
def _titled(data, start, end, stop, keys, flags):
    """The name behind a title: ``(end, start)``, start −1 when there is none."""
    position = end
    if position < stop and data[position] == 46:
        position += 1
    if position >= stop or data[position] != 32:
        return end, -1
    first = position + 1
    if first >= stop or not _is_word(data, first, stop):
        return end, -1
    last, shape = _word_end(data, first, stop)
    if shape != _CAPITALIZED or flags[_slot(data, first, last, keys)] & (NO_SURNAME | CLOSER):
        return end, -1
    last, _, place = _with_surnames(data, last, stop, keys, flags)
    return (end, -1) if place else (last, first)


@inlined
def _after_opener(data, before_start, before_end, start, keys, flags):
    """Whether the word before is an opener with a dot: ``St. Mary``."""
    dotted = start - before_end == 2 and data[before_end] == 46 and data[before_end + 1] == 32
    return dotted and flags[_slot(data, before_start, before_end, keys)] & OPENER != 0


@inlined
def _opens_sentence(data, before_end, start, begin):
    """Whether a word is the first of its sentence, or of a quotation or line within it."""
    if before_end == begin and start - begin < 4:
        return True
    for position in range(before_end, start):
        byte = data[position]
        if byte in (10, 13, 33, 34, 46, 58, 59, 63, 40, 91, 42, 124) or byte >= 0x80:
            return True
    return before_end == begin


@inlined
def _stands_free(data, start, end, begin, stop):
    """Not a part of an address, a path, an identifier or a number."""
    if start > begin and data[start - 1] in (35, 36, 38, 45, 46, 47, 61, 64, 92, 95, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57):
        return False
    return _ends_free(data, end, stop)


@inlined
def _word_start(data, position, stop):
    while position < stop and not _is_word(data, position, stop):
        position += 1
        while position < stop and data[position] & 0xC0 == 0x80:
            position += 1
    return position


@kernel(f"int64(int64[:, ::1], {BYTES}, {OFFSETS}, uint64[::1], int64[::1])")
def _find_names(hits, data, offsets, keys, flags):
    """Fills hits with (row, start, end, ten times the score, word, doubtful) as far as they go; returns their number."""
    count = 0
    for row in range(len(offsets) - 1):
        begin, stop = offsets[row], offsets[row + 1]
        before_start, before_end, before_shape, before_opens = begin, begin, _OTHER, True
        start = _word_start(data, begin, stop)
        while start < stop:
            end, shape = _word_end(data, start, stop)
            opens = _opens_sentence(data, before_end, start, begin)
            following = end
            if shape in (_CAPITALIZED, _INITIAL):
                slot = _slot(data, start, end, keys)
                flag = flags[slot]
                if flag & TITLE:
                    following, found = _titled(data, start, end, stop, keys, flags)
                    if found >= 0:
                        count = _keep(hits, count, row, found, following, 8, _slot(data, found, following, keys), 0)
                elif flag & NAME and shape == _CAPITALIZED and _stands_free(data, start, end, begin, stop):
                    near = not opens and start - before_end == 1
                    flag_before = flags[_slot(data, before_start, before_end, keys)] if near else 0
                    odd_before = near and before_shape == _CAPITALIZED and not before_opens and not flag_before & (NO_SURNAME | NAME)
                    following, surnames, place = _with_surnames(data, end, stop, keys, flags)
                    blocked = place or flag_before & OPENER or _after_opener(data, before_start, before_end, start, keys, flags)
                    bare = surnames == 0
                    if not blocked and not (bare and (odd_before or flag_before & DETERMINER)):
                        if not flag & (COMMON_WORD | PLACE):
                            count = _keep(hits, count, row, start, following, 6 if bare else 8, slot, 0)
                        elif flag & PLACE:
                            if not bare and not opens:
                                count = _keep(hits, count, row, start, following, 8, slot, 0)
                            else:
                                following = end
                        elif opens:
                            count = _keep(hits, count, row, start, following, 5, slot, 1)
                        elif before_shape == _LOWER or flag_before & NAME or not (bare or odd_before):
                            count = _keep(hits, count, row, start, following, 5 if bare else 8, slot, 0)
                    if blocked:
                        following = end
            before_start, before_end, before_shape, before_opens = start, following, shape, opens
            if following > end:
                before_start = end
            start = _word_start(data, following, stop)
    return count
