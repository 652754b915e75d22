"""Finds texts that may hold a pattern, so that an expensive library sees only those.

The patterns are windows of up to three characters, each a set; a code point has a class, and a class has for each of the
three places a mask with one bit for each window. A window is found where the three masks have a bit in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import INVALID, decode, width_of

_CODE_POINTS = 0x110000
#: Length of a set of characters: one place for each of the Basic Multilingual Plane, and the last for all others.
CHARACTERS = 0x10001
_AMPERSAND, _ESCAPE, _BRACKET, _LESS_THAN, _SEMICOLON, _NUMBER_SIGN = 0x26, 0x1B, 0x5B, 0x3C, 0x3B, 0x23
#: HTML entities are searched for: never, always, or where no ``<`` stands before them.
ENTITIES_IGNORED, ENTITIES_ALWAYS, ENTITIES_WITHOUT_MARKUP = 0, 1, 2
_LONGEST_ENTITY = 24
#: Bytes looked at in one step by the loop that the compiler turns into vector instructions.
_BLOCK = 32


@dataclass(frozen=True)
class Suspicion:
    """What makes a text suspect.

    Attributes:
        classes: uint8, shape (0x110000,): class of each code point.
        masks: uint64, shape (classes, 3): bit w of column k is set when the class may stand at place k of window w.
        alone: bool, shape (classes,): true where one character of the class is enough.
        entities: One of the ``ENTITIES_…`` constants.
        escapes: Whether ``ESC [`` is suspect.
    """

    classes: np.ndarray
    masks: np.ndarray
    alone: np.ndarray
    entities: int
    escapes: bool

    @classmethod
    def of(cls, windows: Sequence[Sequence[np.ndarray]], alone: Iterable[int], *, entities: int, escapes: bool) -> Suspicion:
        """Makes the tables.

        Args:
            windows: At most 64; each of two or three places, each place bool of shape (CHARACTERS,): the characters that may
                stand there. At least one place of each window must hold no ASCII character.
            alone: Code points that are suspect by themselves.
            entities: One of the ``ENTITIES_…`` constants.
            escapes: Whether ``ESC [`` is suspect.

        Raises:
            ValueError: A window could match ASCII text, which the scan passes over.
        """
        places = np.zeros((CHARACTERS, 3), np.uint64)
        for number, window in enumerate(windows):
            if all(place[:128].any() for place in window):
                raise ValueError(f"window {number} may match ASCII text")
            for column, place in enumerate(window):
                places[place, column] |= np.uint64(1 << number)
        rows, kinds = _distinct_rows(places)
        if len(rows) > 128:
            raise ValueError(f"{len(rows)} classes of characters; a byte holds 128 of them, each with and without suspicion by itself")
        classes = np.full(_CODE_POINTS, kinds[-1], np.uint8)
        classes[: CHARACTERS - 1] = kinds[:-1]
        classes[np.fromiter(alone, np.int64)] += np.uint8(len(rows))
        # The last row says which windows are found after two characters: those do not wait for a third.
        ends_early = np.array([[0, 0, sum(1 << number for number, window in enumerate(windows) if len(window) == 2)]], np.uint64)
        return cls(classes, np.vstack([rows, rows, ends_early]), np.repeat([False, True], len(rows)), entities, escapes)

    def find(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Which texts are suspect.

        Args:
            data: uint8: the bytes.
            starts: int64, shape (texts,): where each begins.
            ends: int64, shape (texts,): where it ends.

        Returns:
            bool, shape (texts,). False is a proof, true is not.
        """
        found = np.zeros(len(starts), np.bool_)
        _find(data, _frozen(starts), _frozen(ends), self.classes, self.masks, self.alone, self.entities, self.escapes, found)
        return found


def _distinct_rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of a table with long runs of equal rows, and for each row the index of its like."""
    begins = np.flatnonzero(np.concatenate([[True], (table[1:] != table[:-1]).any(axis=1)]))
    rows, kinds = np.unique(table[begins], axis=0, return_inverse=True)
    return rows, np.repeat(kinds.ravel(), np.diff(np.append(begins, len(table)))).astype(np.uint8)


def _frozen(array: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(array, np.int64).view()
    view.flags.writeable = False
    return view


@inlined
def _skip_plain(data, at, end):
    """The first position from ``at`` on that needs a look: not ASCII, a control character (line feed and tab aside) or ``&``."""
    while at + _BLOCK <= end:
        odd = False
        for k in range(_BLOCK):
            byte = data[at + k]
            odd |= (byte >= 127) | (byte == _AMPERSAND) | ((byte < 32) & (byte != 10) & (byte != 9))
        if odd:
            break
        at += _BLOCK
    while at < end:
        byte = data[at]
        if byte >= 127 or byte == _AMPERSAND or (byte < 32 and byte != 10 and byte != 9):
            break
        at += 1
    return at


@inlined
def _is_entity(data, at, end):
    """Whether ``&`` at ``at`` begins ``&#?[0-9A-Za-z]{1,24};``."""
    at += 1
    if at < end and data[at] == _NUMBER_SIGN:
        at += 1
    begin = at
    while at < end and (48 <= data[at] <= 57 or 65 <= data[at] <= 90 or 97 <= data[at] <= 122):
        at += 1
    return at < end and data[at] == _SEMICOLON and 1 <= at - begin <= _LONGEST_ENTITY


@inlined
def _has_less_than(data, at, end):
    for k in range(at, end):  # noqa: SIM110 — Numba compiles no generator expressions
        if data[k] == _LESS_THAN:
            return True
    return False


@inlined
def _search_windows(data, start, at, end, classes, masks, alone):
    """Looks at the stretch around a character that is not ASCII.

    Begins with the two (ASCII) characters before it and goes on until two ASCII characters have followed the last other.

    Returns:
        ``(found, after)``: where the last character that is not ASCII ends.
    """
    none = np.uint64(0)
    ends_early = masks[masks.shape[0] - 1, 2]
    after_one = after_two = none  # windows whose first, whose first and second place are filled by the characters before
    quiet = 0
    after = at
    at = max(start, at - 2)
    while at < end and quiet < 2:
        width = width_of(data[at])
        code = decode(data, at, width, end)
        if code == INVALID:
            return True, end
        kind = classes[code]
        seconds = after_one & masks[kind, 1]
        if alone[kind] or (seconds & ends_early) != none or (after_two & masks[kind, 2]) != none:
            return True, end
        after_two = seconds & ~ends_early
        after_one = masks[kind, 0]
        is_ascii = data[at] < 128
        at += width
        if not is_ascii:
            quiet, after = 0, at
        elif at > after:
            quiet += 1
    return False, after


@inlined
def _is_suspect(data, start, end, classes, masks, alone, entities, escapes):
    markup_searched, markup = start, False
    at = _skip_plain(data, start, end)
    while at < end:
        byte = data[at]
        if byte >= 128:
            found, at = _search_windows(data, start, at, end, classes, masks, alone)
            if found:
                return True
        else:
            if alone[classes[byte]] or (escapes and byte == _ESCAPE and at + 1 < end and data[at + 1] == _BRACKET):
                return True
            if byte == _AMPERSAND and entities != ENTITIES_IGNORED and not markup and _is_entity(data, at, end):
                if entities == ENTITIES_ALWAYS:
                    return True
                markup = _has_less_than(data, markup_searched, at)
                markup_searched = at
                if not markup:
                    return True
            at += 1
        at = _skip_plain(data, at, end)
    return False


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, uint8[::1], uint64[:, ::1], boolean[::1], int64, boolean, boolean[::1])")
def _find(data, starts, ends, classes, masks, alone, entities, escapes, found):
    for row in range(starts.shape[0]):
        found[row] = _is_suspect(data, starts[row], ends[row], classes, masks, alone, entities, escapes)
