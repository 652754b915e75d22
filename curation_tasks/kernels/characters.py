"""What the kernels know of each character: classes from the Unicode Character Database, of one version everywhere.

Python's ``unicodedata`` changes with the interpreter, and a signal must not. ``unicode_properties.txt`` names its version;
``tests/kernels/unicode_properties.py`` writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

_PROPERTIES = Path(__file__).with_name("unicode_properties.txt")
CODE_POINTS = 0x110000

#: Bits of a class. A character has any number of them.
SPACE = 1  #: ``str.isspace``
LETTER = 2  #: general category L
ALPHANUMERIC = 4  #: L or N
UPPER = 8  #: Lu or Lt
LOWER = 16  #: Ll
PUNCTUATION = 32  #: does not make a word, see ``MARKS``
TERMINAL = 64  #: ends a sentence: property Sentence_Terminal, the full stop included
MARK = 128  #: M: belongs to the character before it

#: Characters of the classes that are no property of Unicode.
SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
#: A word of such characters, of ASCII marks, controls and ends of sentences is a symbol and not a plain word, as in datatrove.
MARKS = (
    "\u00ab\u00b4\u00bb\u2013\u2014\u2019\u201c\u201d\u201e\u2026\u2236\u2501\u25ba\u3001\u3008\u3009\u300a\u300b\u300c\u300d\u3010\u3011"
    "\uff05\uff08\uff09\uff0c\uff11\uff1a\uff1b\uff5e"
)


class Properties(NamedTuple):
    """One property value each, for all characters of a range.

    Attributes:
        first: First code point.
        last: Last code point.
        category: General_Category, as ``Lu``.
        word_break: Word_Break of UAX #29.
        sentence_break: Sentence_Break of UAX #29.
        pictographic: ``Pictographic`` for Extended_Pictographic, else ``-``.
        script: ISO 15924 code, only of scripts for which there is a segmenter, else ``-``.
    """

    first: int
    last: int
    category: str
    word_break: str
    sentence_break: str
    pictographic: str
    script: str


@cache
def properties() -> tuple[Properties, ...]:
    """The content of the file, in the order of code points, without gaps."""
    rows = (line.split(" ") for line in _PROPERTIES.read_text("ascii").splitlines() if not line.startswith("#"))
    return tuple(Properties(*(int(code, 16) for code in span.split("..")), *rest) for span, *rest in rows)


def unicode_version() -> str:
    return _PROPERTIES.read_text("ascii").split()[2].rstrip(".")


def table(value: Callable[[Properties], int]) -> np.ndarray:
    """A number for each code point.

    Args:
        value: The number of the characters of a range.

    Returns:
        uint8, shape (0x110000,), read-only.
    """
    rows = properties()
    lengths = [row.last - row.first + 1 for row in rows]
    numbers = np.repeat(np.array([value(row) for row in rows], np.uint8), lengths)
    numbers.flags.writeable = False
    return numbers


@cache
def character_classes() -> np.ndarray:
    """The bits above, for each code point: uint8, shape (0x110000,)."""

    def classes(row: Properties) -> int:
        letter = row.category[0] == "L"
        return (
            LETTER * letter
            | ALPHANUMERIC * (letter or row.category[0] == "N")
            | UPPER * (row.category in ("Lu", "Lt"))
            | LOWER * (row.category == "Ll")
            | (TERMINAL | PUNCTUATION) * (row.sentence_break in ("STerm", "ATerm"))
            | MARK * (row.category[0] == "M")
        )

    found = table(classes).copy()
    found[[ord(character) for character in SPACES]] |= SPACE
    found[[ord(mark) for mark in MARKS]] |= PUNCTUATION
    ascii_marks = [code for code in range(0xA0) if not chr(code).isalnum()]
    found[ascii_marks] |= PUNCTUATION
    found.flags.writeable = False
    return found


@cache
def special_characters() -> np.ndarray:
    """White space, punctuation and symbols (categories P and S), and numbers (N): uint8, shape (0x110000,), 1 for each of them."""
    special = table(lambda row: row.category[0] in "NPS").copy()
    special[[ord(character) for character in SPACES]] = 1
    special.flags.writeable = False
    return special


@cache
def letters_and_numbers() -> np.ndarray:
    """Categories L and N: uint8, shape (0x110000,), 1 for each of them."""
    return table(lambda row: row.category[0] in "LN")
