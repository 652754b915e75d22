"""Which texts ftfy could change: a superset, derived from ftfy's own tables and expressions.

ftfy runs its steps again and again until nothing changes. So a text stays as it is when no step changes it in the first
round, and each step can be ruled out by itself:

- replacements of characters: the text has none of them;
- control characters, ANSI escapes, HTML entities: likewise, or no match of the step's expression;
- mojibake: ftfy leaves a text alone unless ``ftfy.badness.BADNESS_RE`` finds something. Each of its alternatives is a
  sequence of sets of characters; we look for up to three adjacent ones (any sequence that matches has them);
- normalization: every character is inert: alone it stays as it is, does not combine with what stands before it, and is
  not reordered (quick check of Unicode Annex 15).

Where ftfy's expression has a form that is not understood here, every character beyond ASCII is suspect: slower, never wrong.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from ftfy import chardata
from ftfy.badness import BADNESS_RE

from curation_tasks.cleaning.parameters import UnicodeParameters
from curation_tasks.kernels.suspects import CHARACTERS, ENTITIES_ALWAYS, ENTITIES_IGNORED, ENTITIES_WITHOUT_MARKUP, Suspicion

_CODE_POINTS = sys.maxunicode + 1
_LINE_BREAKS = "\r\x85\u2028\u2029"
_C1_CONTROLS = range(0x80, 0xA0)
_SURROGATES = range(0xD800, 0xE000)
_ENTITIES = {"auto": ENTITIES_WITHOUT_MARKUP, True: ENTITIES_ALWAYS, False: ENTITIES_IGNORED}
#: Hangul vowels and final consonants, which Unicode composes by arithmetic and not by its table.
_HANGUL_SECONDS = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))


@lru_cache(maxsize=8)
def suspicion_of(parameters: UnicodeParameters) -> Suspicion:
    """What makes a text suspect under some options of ftfy."""
    alone = set(_replaced_characters(parameters))
    if parameters.normalization:
        alone |= set(_not_inert(parameters.normalization))
    windows: list[list[np.ndarray]] = []
    if parameters.fix_encoding:
        singles, windows = mojibake_windows(BADNESS_RE)
        alone |= singles
    return Suspicion.of(windows, sorted(alone), entities=_ENTITIES[parameters.unescape_html], escapes=parameters.remove_terminal_escapes)


def _replaced_characters(parameters: UnicodeParameters) -> Iterator[int]:
    """Code points that a step of ftfy replaces or removes wherever they stand."""
    yield from _SURROGATES
    if parameters.fix_c1_controls:
        yield from _C1_CONTROLS
    if parameters.fix_latin_ligatures:
        yield from chardata.LIGATURES
    if parameters.fix_character_width:
        yield from chardata.WIDTH_MAP
    if parameters.uncurl_quotes:
        for expression in (chardata.SINGLE_QUOTE_RE, chardata.DOUBLE_QUOTE_RE):
            yield from (code for code in range(CHARACTERS) if expression.match(chr(code)))
    if parameters.fix_line_breaks:
        yield from map(ord, _LINE_BREAKS)
    if parameters.remove_control_chars:
        yield from chardata.CONTROL_CHARS


def _not_inert(form: str) -> Iterator[int]:
    """Code points that normalization may change or move, by themselves or behind another."""
    seconds = set(_HANGUL_SECONDS) if form in ("NFC", "NFKC") else set()
    for code in range(_CODE_POINTS):
        if code in _SURROGATES:
            continue
        character = chr(code)
        if unicodedata.combining(character) or unicodedata.normalize(form, character) != character:
            yield code
        if form in ("NFC", "NFKC"):
            parts = unicodedata.decomposition(character).split()
            if len(parts) == 2 and not parts[0].startswith("<"):
                seconds.add(int(parts[1], 16))
    yield from sorted(seconds)


def mojibake_windows(expression: re.Pattern[str]) -> tuple[set[int], list[list[np.ndarray]]]:
    """Characters and windows of characters of which each match of an expression has at least one.

    Returns:
        ``(characters, windows)``: code points; and up to 64 windows of two or three places, bool of shape (CHARACTERS,) each.
    """
    try:
        sequences = [_places(items) for items in _alternatives(expression)]
    except _NotUnderstood:
        return set(range(128, _CODE_POINTS)), []
    characters: set[int] = set()
    windows = []
    for places in sequences:
        window = _most_telling(places)
        if len(window) == 1:
            characters |= set(np.flatnonzero(window[0]).tolist())
        elif all(place[:128].any() for place in window) or len(windows) == 64:
            return set(range(128, _CODE_POINTS)), []
        else:
            windows.append(window)
    return characters, windows


class _NotUnderstood(Exception):  # noqa: N818 — not an error: the answer is to suspect more
    pass


def _alternatives(expression: re.Pattern[str]) -> list[Sequence[Any]]:
    """The parsed alternatives of an expression, each a sequence of items."""
    parsed = list(re._parser.parse(expression.pattern, expression.flags))  # type: ignore[attr-defined]
    if len(parsed) == 1 and str(parsed[0][0]) == "BRANCH":
        return [list(items) for items in parsed[0][1][1]]
    return [parsed]


def _places(items: Sequence[Any]) -> list[list[np.ndarray]]:
    """The runs of adjacent single characters that every match of a sequence of items has."""
    runs: list[list[np.ndarray]] = [[]]
    for operation, argument in items:
        match str(operation):
            case "LITERAL" | "NOT_LITERAL" | "IN":
                runs[-1].append(_set(str(operation), argument))
            case "ANY":
                runs[-1].append(np.ones(CHARACTERS, bool))
            case "AT":  # a position has no character; leaving it out only finds more
                pass
            case "MAX_REPEAT" | "MIN_REPEAT":
                runs.append([])
            case _:
                raise _NotUnderstood(operation)
    return runs


def _set(operation: str, argument: Any) -> np.ndarray:
    """Characters that match an item, bool of shape (CHARACTERS,)."""
    if operation == "LITERAL":
        return _range(argument, argument)
    if operation == "NOT_LITERAL":
        return _negated(_range(argument, argument))
    result = np.zeros(CHARACTERS, bool)
    negate = False
    for kind, value in argument:
        match str(kind):
            case "NEGATE":
                negate = True
            case "LITERAL":
                result |= _range(value, value)
            case "RANGE":
                result |= _range(*value)
            case "CATEGORY":
                result |= _category(str(value))
            case _:
                raise _NotUnderstood(kind)
    return _negated(result) if negate else result


def _negated(characters: np.ndarray) -> np.ndarray:
    result = ~characters
    result[-1] = True  # not all characters beyond the plane are in the set, so some may be outside of it
    return result


def _range(first: int, last: int) -> np.ndarray:
    result = np.zeros(CHARACTERS, bool)
    result[first : last + 1] = True
    result[-1] |= last >= CHARACTERS - 1  # the place of all characters beyond the Basic Multilingual Plane
    return result


@lru_cache(maxsize=4)
def _category(name: str) -> np.ndarray:
    """``\\s`` exactly; for other categories any character, which only finds more."""
    if name == "CATEGORY_SPACE":
        return np.array([chr(code).isspace() for code in range(CHARACTERS)])
    return np.ones(CHARACTERS, bool)


def _most_telling(runs: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Of all stretches of up to three adjacent places, the one that the fewest texts have."""
    stretches = [run[at : at + length] for run in runs for length in (1, 2, 3) for at in range(len(run) - length + 1)]
    # Longer is rarer; among equals, the one with fewer combinations. A stretch that ASCII text can have is of no use.
    telling = [stretch for stretch in stretches if not all(place[:128].any() for place in stretch)]
    return max(telling or stretches, key=lambda stretch: (len(stretch), -sum(np.log(place.sum()) for place in stretch)))
