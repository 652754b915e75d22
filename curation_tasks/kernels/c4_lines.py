"""The line rules of C4 in one pass over Arrow buffers: texts in, shorter texts and counts out.

Each line is copied to where it would stand in the new text and judged there; a line that fails is overwritten by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import SPLITLINES, characters, copy, scan_line, strip
from curation_tasks.kernels.phrases import PHRASES, find_phrases, phrase_table
from curation_tasks.kernels.utf8 import character_before, decode, string_array, text_buffers

#: What is counted for each text. Lines that hold nothing but white space are not counted.
COUNTS = ("lines", "words", "removed_lines", "removed_words", "removed_characters", "lorem_ipsum", "curly_bracket")
_LINES, _WORDS, _REMOVED_LINES, _REMOVED_WORDS, _REMOVED_CHARACTERS, _LOREM_IPSUM, _CURLY_BRACKET = range(7)
_LOREM, _CURLY, _JAVASCRIPT, _POLICY = 1, 2, 4, 8
_OPENING, _CLOSING, _FULL_STOP = 0x5B, 0x5D, 0x2E
_EDIT, _CITATION_NEEDED = (np.frombuffer(text, np.uint8).copy() for text in (b"[edit]", b"[citation needed]"))
_NO_LIMIT = 2**62


@dataclass(frozen=True)
class C4Rules:
    """What is asked of a line.

    Attributes:
        end_marks: Characters of which a line must end with one; "" asks for none. A line that ends with ``...`` fails.
        min_words: Fewest words.
        max_word_length: Characters of the longest word; None for no limit.
        citations: Whether ``[1]``, ``[edit]`` and ``[citation needed]`` are cut out.
        javascript: Whether a line fails that holds ``javascript``.
        policy_phrases: A line fails that holds one of these, whatever the case of ASCII letters.
    """

    end_marks: str
    min_words: int
    max_word_length: int | None
    citations: bool
    javascript: bool
    policy_phrases: Sequence[str]


def c4_lines(texts: pa.Array, rules: C4Rules) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """The texts with the lines that pass, stripped and joined by line feeds.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        rules: What is asked of a line.

    Returns:
        ``(texts, counts)``: the same type and rows; the names of ``COUNTS`` → int64, shape (rows,). ``lorem_ipsum`` counts the lines
        with that phrase, ``curly_bracket`` those with ``{``, among lines that no earlier rule removed; their order is: longest word,
        fewest words, the end of the line, *lorem ipsum*, *javascript*, the bracket, policy phrases.
    """
    offsets, data = text_buffers(texts)
    phrases = ["lorem ipsum", "{", "javascript", *rules.policy_phrases]
    meaning = np.full(len(phrases), _POLICY, np.int64)
    meaning[:3] = _LOREM, _CURLY, _JAVASCRIPT if rules.javascript else 0
    written = np.empty(offsets[-1] - offsets[0] + 1, np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    counts = np.zeros((len(texts), len(COUNTS)), np.int64)
    end_marks = np.array([ord(mark) for mark in rules.end_marks], np.int64)
    longest = _NO_LIMIT if rules.max_word_length is None else rules.max_word_length
    _c4_lines(
        data, offsets, end_marks, rules.min_words, longest, rules.citations, phrase_table(phrases), meaning, written, new_offsets, counts
    )
    result = string_array(texts, new_offsets, written[: new_offsets[-1]])
    return result, {name: counts[:, column] for column, name in enumerate(COUNTS)}


@inlined
def _stands_at(data, at, end, text):
    if at + text.shape[0] > end:
        return False
    for k in range(text.shape[0]):  # noqa: SIM110 — Numba compiles no generator expressions
        if data[at + k] != text[k]:
            return False
    return True


@inlined
def _citation_end(data, at, end):
    """Where a citation ends that begins at ``at`` (``[`` and any number of digits and ``]``, or one of two words), else ``at``."""
    after = at + 1
    while after < end and 48 <= data[after] <= 57:
        after += 1
    if after < end and data[after] == _CLOSING:
        return after + 1
    if _stands_at(data, at, end, _EDIT):
        return at + _EDIT.shape[0]
    if _stands_at(data, at, end, _CITATION_NEEDED):
        return at + _CITATION_NEEDED.shape[0]
    return at


@inlined
def _copy_without_citations(data, start, end, to, at):
    while start < end:
        bracket = start
        while bracket < end and data[bracket] != _OPENING:
            bracket += 1
        at = copy(data, start, bracket, to, at)
        if bracket == end:
            break
        start = _citation_end(data, bracket, end)
        if start == bracket:
            to[at] = _OPENING
            at += 1
            start += 1
    return at


@inlined
def _ends_well(data, start, end, end_marks):
    """Whether a line ends with one of the marks, and not with an ellipsis of three full stops."""
    if end_marks.shape[0] == 0:
        return True
    if start == end:
        return False
    if end - start >= 3 and data[end - 1] == _FULL_STOP and data[end - 2] == _FULL_STOP and data[end - 3] == _FULL_STOP:
        return False
    at = character_before(data, start, end)
    code = decode(data, at, end - at, end)
    for k in range(end_marks.shape[0]):  # noqa: SIM110 — Numba compiles no generator expressions
        if end_marks[k] == code:
            return True
    return False


@inlined
def _meanings(found, meaning):
    total = 0
    for index in range(meaning.shape[0]):
        if found >> index & 1:
            total |= meaning[index]
    return total


@inlined
def _rewrite(data, at, end, end_marks, min_words, longest_word, citations, phrases, meaning, written, to, counts):
    """Writes the lines of one text that pass, and counts; where the new text ends."""
    begin_of_text = to
    while at < end:
        begin, finish, _, at, words, too_long = scan_line(data, at, end, SPLITLINES, True, longest_word)
        if words == 0:
            continue
        counts[_LINES] += 1
        counts[_WORDS] += words
        passed = False
        if not too_long and words >= min_words:
            line = to
            if to > begin_of_text:
                written[to] = 10
                line += 1
            last = _copy_without_citations(data, begin, finish, written, line) if citations else copy(data, begin, finish, written, line)
            if _ends_well(written, line, last, end_marks):
                holds = _meanings(find_phrases(written, line, last, phrases), meaning)
                passed = holds & (_LOREM | _JAVASCRIPT | _POLICY) == 0
                counts[_LOREM_IPSUM] += holds & _LOREM != 0
                counts[_CURLY_BRACKET] += holds & (_LOREM | _JAVASCRIPT) == 0 and holds & _CURLY != 0
        if passed:
            to = last
        else:
            counts[_REMOVED_LINES] += 1
            counts[_REMOVED_WORDS] += words
    return to


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], int64, int64, boolean, {PHRASES}, int64[::1], uint8[::1], int64[::1], int64[:, ::1])")
def _c4_lines(data, offsets, end_marks, min_words, longest_word, citations, phrases, meaning, written, new_offsets, counts):
    to = 0
    for row in range(offsets.shape[0] - 1):
        at, end, begin = offsets[row], offsets[row + 1], to
        finish = _rewrite(data, at, end, end_marks, min_words, longest_word, citations, phrases, meaning, written, begin, counts[row])
        # A citation at either end may have left white space behind.
        first, last = strip(written, begin, finish)
        to = begin + last - first
        for k in range(to - begin if first > begin else 0):
            written[begin + k] = written[first + k]
        counts[row, _REMOVED_CHARACTERS] = characters(data, at, end) - characters(written, begin, to)
        new_offsets[row + 1] = to
