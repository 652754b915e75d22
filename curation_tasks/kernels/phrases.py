"""Many phrases searched at once, in a compiled loop: each is looked for only where its rarest letter stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curation_tasks.kernels.compilation import inlined

#: Signature of what ``phrase_table`` gives.
PHRASES = "Tuple((uint8[::1], int64[::1], int64[::1], int16[::1], int16[::1]))"
#: One bit of a result for each phrase.
MOST_PHRASES = 62

#: From frequent to rare in English text. Bytes that are not listed count as the rarest.
_BY_FREQUENCY = b" etaoinsrhldcumfpgwybvkxjqz"


def phrase_table(phrases: Sequence[str]) -> tuple[np.ndarray, ...]:
    """What ``find_phrases`` takes.

    Args:
        phrases: At most ``MOST_PHRASES``, none empty; the case of ASCII letters is ignored.

    Returns:
        The phrases in lower case, one behind the other; where each begins; the place of its anchor (its rarest byte); for each byte
        the first phrase that has it as anchor, −1 for none; and the next phrase of the same anchor.
    """
    if len(phrases) > MOST_PHRASES or not all(phrases):
        raise ValueError(f"at most {MOST_PHRASES} phrases, none of them empty")
    lowered = [phrase.encode().lower() for phrase in phrases]
    anchors = [max(range(len(text)), key=lambda place, text=text: _rarity(text[place])) for text in lowered]
    first, following = np.full(256, -1, np.int16), np.full(len(lowered) + 1, -1, np.int16)
    for index in reversed(range(len(lowered))):
        byte = lowered[index][anchors[index]]
        following[index] = first[byte]
        first[byte] = index
    for upper in range(ord("A"), ord("Z") + 1):
        first[upper] = first[upper + 32]
    offsets = np.cumsum([0, *map(len, lowered)])
    return np.frombuffer(b"".join(lowered), np.uint8).copy(), offsets.astype(np.int64), np.array(anchors, np.int64), first, following


def _rarity(byte: int) -> int:
    place = _BY_FREQUENCY.find(byte)
    return place if place >= 0 else len(_BY_FREQUENCY)


@inlined
def lower(byte):
    """An ASCII capital as a small letter, any other byte as it is."""
    return byte + np.uint8(32) if 65 <= byte <= 90 else byte


@inlined
def has_phrase_at(data, at, end, phrases, index):
    """Whether a phrase stands at ``at`` and ends before ``end``."""
    text, offsets = phrases[0], phrases[1]
    begin, length = offsets[index], offsets[index + 1] - offsets[index]
    if at + length > end:
        return False
    for k in range(length):  # noqa: SIM110 — Numba compiles no generator expressions
        if lower(data[at + k]) != text[begin + k]:
            return False
    return True


@inlined
def find_phrases(data, start, end, phrases):
    """Which phrases stand in ``[start, end)``: int64, bit i for phrase i."""
    anchors, first, following = phrases[2], phrases[3], phrases[4]
    found = 0
    for at in range(start, end):
        index = np.int64(first[data[at]])
        while index >= 0:
            begin = at - anchors[index]
            if begin >= start and has_phrase_at(data, begin, end, phrases, index):
                found |= 1 << index
            index = np.int64(following[index])
    return found
