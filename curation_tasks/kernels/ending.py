"""Whether a text ends as a sentence does."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.utf8 import character_before, decode, is_ascii_space, is_wide_space

#: Characters that end a sentence.
TERMINATORS = ".!?\u2026\u203c\u2047\u2048\u2049\u3002\uff01\uff1f\uff0e\uff61\u061f\u06d4\u0964\u0965\u1362\u17d4\u104b\u0589"
#: Marks that end direct speech: enough by themselves, as in the TinyStories tutorial, which accepts `"` and U+201D.
SPEECH_MARKS = '"\u201d\u00bb\u300d\u300f'
#: Marks that may stand behind a terminator. An apostrophe or a bracket alone ends nothing.
CLOSERS = SPEECH_MARKS + "'\u2019\u201c\u203a)]}\uff09\u3011*_"

_TERMINATORS, _SPEECH_MARKS, _CLOSERS = (
    np.array([ord(mark) for mark in marks], np.int64) for marks in (TERMINATORS, SPEECH_MARKS, CLOSERS)
)


@inlined
def _contains(marks, code):
    for k in range(marks.shape[0]):  # noqa: SIM110 — Numba compiles no generator expressions
        if marks[k] == code:
            return True
    return False


@inlined
def _character_at_end(data, start, end):
    at = character_before(data, start, end)
    return at, decode(data, at, end - at, end)


@inlined
def ends_complete(data, start, end):
    """Whether the text, white space at its end aside, ends with a terminator, a speech mark, or closers behind a terminator."""
    code = np.int64(0)
    at = end
    while at > start:
        at, code = _character_at_end(data, start, end)
        if not (is_ascii_space(data[at]) or is_wide_space(data, at, end)):
            break
        end = at
    if end == start:
        return False
    if _contains(_SPEECH_MARKS, code):
        return True
    while _contains(_CLOSERS, code) and at > start:
        end = at
        at, code = _character_at_end(data, start, end)
    return _contains(_TERMINATORS, code)
