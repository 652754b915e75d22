"""Scripts that are written without spaces, and where a run of one begins and ends.

Which segmenter cuts which: ``budoux_words`` Han, Kana and Thai; ``dictionary_words`` Lao, Khmer and the Myanmar script.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from curation_tasks.kernels.bitmaps import decoded
from curation_tasks.kernels.characters import Properties, table
from curation_tasks.kernels.compilation import inlined

#: Bits of a character. The two in the middle are for ``budoux_words``, which adds them.
HAN, KANA, THAI, SIMPLIFIED_ONLY, TRADITIONAL_ONLY, LAO, KHMER, MYANMAR = (1 << bit for bit in range(8))
DICTIONARY = LAO | KHMER | MYANMAR
SEGMENTED = HAN | KANA | THAI | DICTIONARY
_BY_DICTIONARY = {"Laoo": LAO, "Khmr": KHMER, "Mymr": MYANMAR}

#: Position of the value Extend of Word_Break in the table of its values (``word_breaks``).
EXTEND = 4
#: Bits of that table which hold the value.
PROPERTY = 31


@cache
def script_table() -> np.ndarray:
    """The script of each code point: uint8, shape (0x110000,), read-only. Of what dictionaries cut only letters and their marks count."""

    def script(row: Properties) -> int:
        kana = row.script in ("Hira", "Kana") or row.word_break == "Katakana"
        by_dictionary = _BY_DICTIONARY.get(row.script, 0) if row.category[0] in "LM" else 0
        return HAN * (row.script == "Hani") | KANA * kana | THAI * (row.script == "Thai") | by_dictionary

    return table(script)


@inlined
def character(text, at):
    """``(code point, bytes)``."""
    return (np.int64(text[at]), 1) if text[at] < 0xC0 else decoded(text, at)


@inlined
def run_kinds(bits):
    """The bits of the scripts that a run goes on with: Han and Kana are cut together."""
    return bits & (THAI | DICTIONARY) if bits & (THAI | DICTIONARY) else HAN | KANA


@inlined
def _goes_with(code, kinds, scripts, breaks):
    """Whether a character is a mark that belongs to any run."""
    # ICU counts UTF-16 units, which are characters as long as none lies beyond U+FFFF.
    fits = code < 0x10000 or not kinds & DICTIONARY
    return breaks[code] & PROPERTY == EXTEND and not scripts[code] & DICTIONARY and fits


@inlined
def run_end(text, at, size, kinds, scripts, breaks):
    """The end of the run of the same scripts that begins at ``at``, marks of no script included."""
    while at < size:
        code, width = character(text, at)
        if not scripts[code] & kinds and not _goes_with(code, kinds, scripts, breaks):
            break
        at += width
    return min(at, size)
