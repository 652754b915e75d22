"""Templates of the wikitext scanner's second pass: those that carry words are written out by their pattern.

The pieces of a pattern become frames, so that arguments are read as wikitext in their turn. Patterns are described in
``wikitext_templates``.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.wikitext_brackets import COLON, LESS, PIPE
from curation_tasks.kernels.wikitext_markup import EQUALS, closing_of, skip_construct, trim
from curation_tasks.kernels.wikitext_output import LIMIT, STRETCH, has_room, note_hole, push, push_rest
from curation_tasks.kernels.wikitext_tables import (
    FUNCTION,
    LITERAL_OFFSETS,
    LITERALS,
    MONTH,
    PATTERN_OFFSETS,
    PIECES,
    RANGE,
    TEMPLATE,
    UNIT,
    find_name,
)
from curation_tasks.kernels.wikitext_templates import ALL, AS_RANGE, AS_UNIT, LAST, LITERAL, NAMED, POSITION

#: Arguments that are told apart; of further ones the last is known too.
ARGUMENTS = 16
#: Rows of the table of arguments: positional ones, then named ones. Columns: begin and end of the value, of the name.
_NAMED_FROM = ARGUMENTS + 1
ARGUMENT_ROWS = _NAMED_FROM + ARGUMENTS

_LONGEST_NAME = 64


@inner
def template(state, frames, arguments, data, match, tables, at, out, w):
    """At ``{{``: the words of a template that has some; nothing of any other."""
    closing = closing_of(state, match, at)
    if closing < 0:
        return note_hole(state, data, at + 2, out, w)
    value, first = _template_at(data, tables, at + 2, closing)
    if value < 0 or not has_room(state):
        return note_hole(state, data, closing + 2, out, w)
    positional, named = _split_arguments(state, data, match, arguments, first, closing)
    if positional == 0 and (value >> 1) & 1:
        return note_hole(state, data, closing + 2, out, w)
    pattern = _chosen_pattern(data, tables, arguments, value, positional)
    push_rest(state, frames, closing + 2)
    offsets = tables[PATTERN_OFFSETS]
    for piece in range(offsets[pattern + 1] - 1, offsets[pattern] - 1, -1):
        _push_piece(state, frames, arguments, data, tables, piece, positional, named)
    state[LIMIT] = closing
    return closing, w


@inner
def _template_at(data, tables, at, closing):
    """The value of the template whose name begins at ``at``, and where its first argument begins."""
    stop = at
    while stop < closing and data[stop] != PIPE and data[stop] != COLON and data[stop] != LESS and stop - at < _LONGEST_NAME:
        stop += 1
    name_end = stop
    while stop < closing and data[stop] != PIPE and data[stop] != COLON:  # a comment behind the name
        stop += 1
    start, end = trim(data, at, name_end)
    if stop < closing and data[stop] == COLON:
        return find_name(tables, FUNCTION, data, start, end), stop + 1
    value = find_name(tables, TEMPLATE, data, start, end)
    if value < 0 and end - start > 5 and end - start < 16 and _is_lang(data, start):
        # {{lang-de|Wort}}: the first argument, as of {{nowrap}}.
        value = find_name(tables, TEMPLATE, _NOWRAP, 0, _NOWRAP.shape[0])
    return value, min(stop + 1, closing)


_NOWRAP = np.frombuffer(b"nowrap", np.uint8)


@inner
def _is_lang(data, at):
    return (data[at] | 32) == 108 and data[at + 1] == 97 and data[at + 2] == 110 and data[at + 3] == 103 and data[at + 4] == 45


@inner
def _split_arguments(state, data, match, arguments, at, closing):
    """Fills the table of arguments; returns how many positional and how many named ones there are.

    Row 0 holds the last positional argument, row n the n-th. ``1=``, ``text=``, ``quote=`` and ``content=`` name the first.
    """
    arguments[:] = 0
    positional, named = 0, 0
    part, equals = at, np.int64(-1)
    while at <= closing:
        if at < closing and data[at] != PIPE:
            if data[at] == EQUALS and equals < 0:
                equals = at
            at = min(skip_construct(state, data, match, at), closing)
            continue
        if part < closing or at > part:
            number = 0
            if equals >= 0:
                name, name_end = trim(data, part, equals)
                start, end = trim(data, equals + 1, at)
                number = _number_of(data, name, name_end)
                if number == 0 and named < ARGUMENTS:
                    _set(arguments, _NAMED_FROM + named, start, end, name, name_end)
                    named += 1
                if number > 0:
                    positional = max(positional, number)
            else:
                start, end = part, at
                positional += 1
                number = positional
            if number > 0:
                _set(arguments, 0, start, end, 0, 0)
                if number <= ARGUMENTS:
                    _set(arguments, number, start, end, 0, 0)
        part, equals = at + 1, np.int64(-1)
        at += 1
    return positional, named


@inner
def _set(arguments, row, start, end, name, name_end):
    arguments[row, 0] = start
    arguments[row, 1] = end
    arguments[row, 2] = name
    arguments[row, 3] = name_end


@inner
def _number_of(data, start, end):
    """The position that an argument's name stands for, 0 for other names."""
    if end - start == 1 and 49 <= data[start] <= 57:
        return np.int64(data[start]) - 48
    if end - start == 4 and data[start] == 116 and data[start + 1] == 101 and data[start + 2] == 120:  # text
        return np.int64(1)
    if end - start == 5 and data[start] == 113 and data[start + 1] == 117 and data[start + 2] == 111:  # quote
        return np.int64(1)
    if end - start == 7 and data[start] == 99 and data[start + 1] == 111 and data[start + 4] == 101:  # content
        return np.int64(1)
    return np.int64(0)


@inner
def _chosen_pattern(data, tables, arguments, value, positional):
    first, count = value >> 8, (value >> 2) & 63
    if value & 1:
        return first + _convert_form(data, tables, arguments, positional)
    return first + max(np.int64(0), min(positional, count) - 1)


@inner
def _convert_form(data, tables, arguments, positional):
    """Which pattern of ``convert`` serves: a quantity, a range, or a compound of two units."""
    if positional >= 4:
        start, end = trim(data, arguments[2, 0], arguments[2, 1])
        if find_name(tables, RANGE, data, start, end) >= 0:
            return 1
        start, end = trim(data, arguments[3, 0], arguments[3, 1])
        if start < end and 48 <= data[start] <= 57:
            return 2
    return 0


@inner
def _push_piece(state, frames, arguments, data, tables, piece, positional, named):
    pieces = tables[PIECES]
    kind, value, more = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
    if kind == LITERAL:
        push(state, frames, value, 0, 0)
    elif kind == POSITION:
        push(state, frames, STRETCH, *_argument(data, arguments, value))
    elif kind == LAST:
        push(state, frames, STRETCH, *_argument(data, arguments, 0))
    elif kind == ALL:
        for number in range(min(positional, ARGUMENTS), 0, -1):
            push(state, frames, STRETCH, *_argument(data, arguments, number))
            if number > 1:
                push(state, frames, more, 0, 0)
    elif kind == NAMED:
        for row in range(_NAMED_FROM, _NAMED_FROM + named):
            if arguments[row, 1] > arguments[row, 0] and _is_literal(data, tables, arguments[row, 2], arguments[row, 3], value):
                push(state, frames, STRETCH, arguments[row, 0], arguments[row, 1])
                push(state, frames, more, 0, 0)
                break
    else:
        start, end = _argument(data, arguments, value)
        words = UNIT if kind == AS_UNIT else RANGE if kind == AS_RANGE else MONTH
        literal = find_name(tables, words, data, start, end)
        if literal >= 0:
            push(state, frames, literal, 0, 0)
        else:
            push(state, frames, STRETCH, start, end)


@inner
def _argument(data, arguments, number):
    """Begin and end of a positional argument, without white space around; 0 is the last one."""
    if number > ARGUMENTS:
        return np.int64(0), np.int64(0)
    return trim(data, arguments[number, 0], arguments[number, 1])


@inner
def _is_literal(data, tables, start, end, literal):
    """Whether ``data[start:end]`` is the literal of that number."""
    begin = tables[LITERAL_OFFSETS][literal]
    if tables[LITERAL_OFFSETS][literal + 1] - begin != end - start:
        return False
    for k in range(end - start):  # noqa: SIM110 — Numba compiles no generator expressions
        if data[start + k] != tables[LITERALS][begin + k]:
            return False
    return True
