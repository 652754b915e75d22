"""Characters without a glyph, on whole Arrow buffers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from curation_tasks.cleaning.parameters import CharactersParameters
from curation_tasks.context import RunContext
from curation_tasks.kernels.character_removal import CODE_POINTS, JOINED, JOINER, REMOVE, TO_SPACE, TRANSPARENT, remove_characters
from curation_tasks.schema import with_columns

#: Space stands for these, since they divide words.
_SEPARATORS = ((0x1C, 0x1F),)
#: Controls (tab, line breaks and next line aside), noncharacters, interlinear annotation.
_CONTROLS = (
    (0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F), (0xFDD0, 0xFDEF), (0xFFF9, 0xFFFB),
    *((plane | 0xFFFE, plane | 0xFFFF) for plane in range(0, CODE_POINTS, 0x10000)),
)  # fmt: skip
#: Soft hyphen, Mongolian vowel separator, zero-width space, word joiner and the invisible operators, byte-order mark.
_ZERO_WIDTH = ((0xAD, 0xAD), (0x180E, 0x180E), (0x200B, 0x200B), (0x2060, 0x2065), (0x206A, 0x206F), (0xFEFF, 0xFEFF))
_JOINERS = ((0x200C, 0x200D),)
_DIRECTIONS = ((0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069))
_PRIVATE_USE = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))
_REPLACEMENTS = ((0xFFFC, 0xFFFD),)
#: Blocks whose scripts join their letters, Arabic to Myanmar and beyond, and those of emoji and of symbols that are shown as such.
_JOINED = (
    (0x0600, 0x109F), (0x1700, 0x18AF), (0x1900, 0x1CFF), (0xA800, 0xABFF), (0xFB50, 0xFDCF), (0xFDF0, 0xFDFF), (0xFE70, 0xFEFC),
    (0x10A00, 0x11FFF), (0x1E900, 0x1E95F), (0xA9, 0xA9), (0xAE, 0xAE), (0x2190, 0x2BFF), (0x1F000, 0x1FAFF),
)  # fmt: skip
#: Variation selectors and skin tones: part of the emoji before them.
_TRANSPARENT = ((0xFE00, 0xFE0F), (0x1F3FB, 0x1F3FF))


def characters(batch: pa.RecordBatch, parameters: CharactersParameters, context: RunContext) -> pa.RecordBatch:
    """Removes control characters, zero-width characters and what else the parameters name.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.characters.changed`` (documents).

    Source: The Unicode Standard 15, sections 23.1 to 23.8; joiners: section 9.2 (Arabic), 12.1 (Indic), UTS 51 (emoji).
    """
    texts, changed = remove_characters(batch.column("text"), _actions(parameters))
    if not changed:
        return batch
    context.count("cleaning.characters.changed", changed)
    return with_columns(batch, {"text": texts})


@lru_cache(maxsize=8)
def _actions(parameters: CharactersParameters) -> np.ndarray:
    """uint8, shape (0x110000,): what happens to each code point."""
    actions = np.zeros(CODE_POINTS, np.uint8)
    chosen = [
        (parameters.controls, _SEPARATORS, TO_SPACE),
        (parameters.controls, _CONTROLS, REMOVE),
        (parameters.zero_width, _ZERO_WIDTH, REMOVE),
        (parameters.joiners != "keep", _JOINERS, JOINER if parameters.joiners == "where_needed" else REMOVE),
        (parameters.directions, _DIRECTIONS, REMOVE),
        (parameters.private_use, _PRIVATE_USE, REMOVE),
        (parameters.replacement_characters, _REPLACEMENTS, REMOVE),
        (True, _JOINED, JOINED),
        (True, _TRANSPARENT, TRANSPARENT),
    ]
    for wanted, ranges, action in chosen:
        for first, last in ranges if wanted else ():
            actions[first : last + 1] |= action
    return actions
