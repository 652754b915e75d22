"""Second pass of the wikitext scanner: writes the text of a page, reading each byte once."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.wikitext_brackets import (
    CLOSE_BRACE,
    CLOSE_BRACKET,
    COLON,
    HYPHEN,
    LESS,
    NEWLINE,
    OPEN_BRACE,
    OPEN_BRACKET,
    PIPE,
    SPACE,
    TAB,
)
from curation_tasks.kernels.wikitext_characters import AMPERSAND, HASH, entity
from curation_tasks.kernels.wikitext_expansion import template
from curation_tasks.kernels.wikitext_markup import (
    APOSTROPHE,
    EQUALS,
    UNDERSCORE,
    closing_of,
    external_link,
    jump,
    link,
    magic_word,
    quotes,
    skip_construct,
    tag,
    trim,
)
from curation_tasks.kernels.wikitext_output import (
    BEGIN,
    BOLD,
    CLOSE_PARENTHESIS,
    HEADING_END,
    HEADING_LEVEL,
    HEADING_START,
    HEADINGS,
    HOLE,
    ITALIC,
    LIMIT,
    LINE_END,
    LINE_START,
    MARKDOWN,
    NO_LINK_END_BEFORE,
    ROW,
    SEMICOLON,
    SKIP_HEADINGS,
    SKIP_LEVEL,
    SKIP_START,
    START,
    STRETCH,
    TABLE_DEPTH,
    TEXT_TABLES,
    TOP,
    close_parenthesis,
    has_room,
    note_hole,
    push,
    push_rest,
    trimmed,
    write_newline,
)
from curation_tasks.kernels.wikitext_tables import MARK_BIT, SECTION, SPECIAL, find_name, write_literal

ASTERISK, EXCLAMATION, PLUS = 42, 33, 43


@inner
def write_page(data, start, end, tables, match, frames, arguments, state, headings, categories, out, w):
    """Writes the text of the page ``data[start:end]`` to ``out[w:]``; returns where it ends.

    ``match`` is that of ``match_brackets``; ``state`` has the options set. Rows are added to ``headings`` (row, level,
    begin and end in ``out``) and ``categories`` (row, begin and end in ``data``).
    """
    begin_page(state, start, end, w)
    special = tables[SPECIAL]
    at = start
    while True:
        limit = state[LIMIT]
        if at >= limit:
            if state[TOP] == 0:
                break
            at, w = _next_frame(state, frames, data, tables, headings, out, w)
            continue
        if state[LINE_START]:
            at, w, read = _line_start(state, frames, data, match, at, out, w)
            if read:
                continue
        while at < limit and not special[data[at]] & MARK_BIT:
            out[w] = data[at]
            w += 1
            at += 1
        if at < limit:
            at, w = _mark(state, frames, arguments, data, match, tables, categories, at, out, w)
    return end_page(state, out, w)


@inner
def begin_page(state, start, end, w):
    state[START], state[LIMIT], state[BEGIN] = start, end, w
    for place in (TOP, ITALIC, BOLD, TABLE_DEPTH, NO_LINK_END_BEFORE, HEADING_LEVEL, SKIP_LEVEL):
        state[place] = 0
    state[HOLE] = -1
    state[LINE_START] = 1


@inner
def end_page(state, out, w):
    """Leaves out a section that was to be left out, and white space at the end."""
    if state[SKIP_LEVEL]:
        w = state[SKIP_START]
        state[HEADINGS] = state[SKIP_HEADINGS]
    while w > state[BEGIN] and (out[w - 1] == NEWLINE or out[w - 1] == SPACE or out[w - 1] == TAB):
        w -= 1
    return w


@inner
def _next_frame(state, frames, data, tables, headings, out, w):
    """Goes on with the frame below; writes it when it is a literal."""
    top = state[TOP] - 1
    state[TOP] = top
    kind = frames[top, 0]
    # The stretch ends before it begins: reading goes on with the next frame.
    at, state[LIMIT] = np.int64(0), 0
    if kind == STRETCH:
        at, state[LIMIT] = frames[top, 1], frames[top, 2]
        if state[HOLE] == w:  # nothing came behind what was left out: the edge is here
            return note_hole(state, data, at, out, w)
    elif kind == HEADING_END:
        w = _end_heading(state, tables, headings, out, w)
    elif kind == LINE_END:
        w = write_newline(state, out, w)
    else:
        w = write_literal(tables, kind, out, w)
    return at, w


@inner
def _mark(state, frames, arguments, data, match, tables, categories, at, out, w):
    """Reads what begins at a byte that may be mark-up."""
    byte = data[at]
    following = data[at + 1] if at + 1 < state[LIMIT] else np.uint8(0)
    if byte == NEWLINE:
        state[LINE_START], state[ITALIC], state[BOLD] = 1, 0, 0
        return at + 1, write_newline(state, out, w)
    if byte == OPEN_BRACKET:
        if following == OPEN_BRACKET:
            return link(state, frames, data, match, tables, categories, at, out, w)
        return external_link(state, frames, data, match, at, out, w)
    if byte == OPEN_BRACE and following == OPEN_BRACE:
        return template(state, frames, arguments, data, match, tables, at, out, w)
    if byte == OPEN_BRACE and following == PIPE and match[at - state[START]] != 0:
        return _table(state, data, match, at, out, w)
    if byte == APOSTROPHE:
        return quotes(state, data, at, out, w)
    if byte == LESS:
        return tag(state, data, match, tables, at, out, w)
    if byte == AMPERSAND:
        return entity(data, tables, at, state[LIMIT], out, w)
    if byte == CLOSE_PARENTHESIS:
        return close_parenthesis(state, data, at, out, w)
    if byte == UNDERSCORE:
        return magic_word(state, data, at, out, w)
    if (byte in (CLOSE_BRACKET, CLOSE_BRACE)) and following == byte:
        return note_hole(state, data, at + 2, out, w)  # closes nothing
    if (byte in (PIPE, EXCLAMATION)) and following == byte and state[TABLE_DEPTH] > 0:
        return _cell(state, data, match, at + 2), write_newline(state, out, w)
    out[w] = byte
    return at + 1, w + 1


@inner
def _table(state, data, match, at, out, w):
    """At ``{|``: nothing of a table, or its cells. One that nothing closes is read as cells: it may be the rest of the page."""
    closing = closing_of(state, match, at)
    if closing >= 0 and not state[TEXT_TABLES]:
        return note_hole(state, data, closing + 2, out, w)
    state[TABLE_DEPTH] += 1
    return _line_end(data, at, state[LIMIT]), w


@inner
def _line_end(data, at, limit):
    while at < limit and data[at] != NEWLINE:
        at += 1
    return at


@inner
def _cell(state, data, match, at):
    """Where the content of a cell begins: behind its attributes, which a single ``|`` ends."""
    limit = state[LIMIT]
    while at < limit and data[at] == SPACE:
        at += 1
    stop = at
    while stop < limit and data[stop] != NEWLINE:
        following = data[stop + 1] if stop + 1 < limit else np.uint8(0)
        if data[stop] == PIPE:
            if following != PIPE:
                at = stop + 1
                while at < limit and data[at] == SPACE:
                    at += 1
            return at
        if following == data[stop] and (data[stop] == OPEN_BRACKET or data[stop] == EXCLAMATION):
            return at
        stop = skip_construct(state, data, match, stop)
    return at


@inner
def _line_start(state, frames, data, match, at, out, w):
    """Reads what only the beginning of a line can be: headings, lists, rules, rows and cells of tables.

    Returns:
        ``(at, w, read)``: whether it read anything; if not, the line is text from ``at`` on.
    """
    limit, byte = state[LIMIT], data[at]
    if byte in (SPACE, TAB):
        while at < limit and (data[at] == SPACE or data[at] == TAB):
            at += 1
        return at, w, True
    if byte == LESS and jump(state, match, at) > at:
        return at, w, False  # behind a comment, the line still begins
    state[LINE_START] = 0
    if byte == EQUALS:
        return _heading(state, frames, data, match, at, out, w)
    if byte in (ASTERISK, HASH, COLON, SEMICOLON):
        at, w = _item(state, data, at, out, w)
        return at, w, True
    if byte == HYPHEN and at + 3 < limit and data[at + 1] == HYPHEN and data[at + 2] == HYPHEN and data[at + 3] == HYPHEN:
        while at < limit and data[at] == HYPHEN:
            at += 1
        return at, w, True
    if byte == PIPE or (byte == EXCLAMATION and state[TABLE_DEPTH] > 0):
        return _table_line(state, data, match, at, w)
    return at, w, False


@inner
def _item(state, data, at, out, w):
    """Leaves out the signs of a list's item, or writes its Markdown."""
    limit, last = state[LIMIT], data[at]
    while at < limit and (data[at] == ASTERISK or data[at] == HASH or data[at] == COLON or data[at] == SEMICOLON):
        last = data[at]
        at += 1
    while at < limit and data[at] == SPACE:
        at += 1
    if state[MARKDOWN] and at < limit and data[at] != NEWLINE and (last in (ASTERISK, HASH)):
        if last == HASH:
            out[w], out[w + 1] = 49, DOT_SIGN
            w += 2
        else:
            out[w] = HYPHEN
            w += 1
        out[w] = SPACE
        w += 1
    return at, w


DOT_SIGN = 46


@inner
def _table_line(state, data, match, at, w):
    """A line of a table: ``|}`` ends it, ``|-`` is no text, ``|`` and ``!`` begin a cell, ``|+`` the caption."""
    following = data[at + 1] if at + 1 < state[LIMIT] else np.uint8(0)
    if data[at] == PIPE and following == CLOSE_BRACE:
        state[TABLE_DEPTH] = max(np.int64(0), state[TABLE_DEPTH] - 1)
        return at + 2, w, True
    if state[TABLE_DEPTH] == 0:
        return at, w, False
    if data[at] == PIPE and following == HYPHEN:
        return _line_end(data, at, state[LIMIT]), w, True
    return _cell(state, data, match, at + 2 if following == PLUS else at + 1), w, True


@inner
def _heading(state, frames, data, match, at, out, w):
    """``== Title ==``: the title as a line; else the signs are text."""
    limit, begin = state[LIMIT], at
    while at < limit and data[at] == EQUALS:
        at += 1
    opening, last, stop = at - begin, at, at
    while stop < limit and data[stop] != NEWLINE:
        behind = skip_construct(state, data, match, stop)
        if not (data[stop] == LESS and behind > stop + 1) and data[stop] != SPACE and data[stop] != TAB:
            last = min(behind, limit)
        stop = min(behind, limit)
    title_end = last
    while title_end > at and data[title_end - 1] == EQUALS:
        title_end -= 1
    level = min(opening, last - title_end, 6)
    title, title_end = trim(data, at, title_end)
    if level == 0 or title == title_end or not has_room(state):
        return begin, w, False
    w = _end_section(state, level, w)
    push_rest(state, frames, stop)
    push(state, frames, HEADING_END, 0, 0)
    state[LIMIT] = title_end
    state[HEADING_LEVEL] = level
    if state[MARKDOWN]:
        for _ in range(level):
            out[w] = HASH
            w += 1
        out[w] = SPACE
        w += 1
    state[HEADING_START] = w
    return title, w, True


@inner
def _end_section(state, level, w):
    """Takes back a section that was to be left out, when a heading ends it."""
    if state[SKIP_LEVEL] == 0 or level > state[SKIP_LEVEL]:
        return w
    state[SKIP_LEVEL] = 0
    state[HEADINGS] = state[SKIP_HEADINGS]
    return state[SKIP_START]


@inner
def _end_heading(state, tables, headings, out, w):
    """Notes a heading that has been written, and whether its section is to be left out."""
    begin, count, level = state[HEADING_START], state[HEADINGS], state[HEADING_LEVEL]
    w = trimmed(out, begin, w)
    prefix = level + 1 if state[MARKDOWN] else 0
    if w == begin:
        return begin - prefix
    if state[SKIP_LEVEL] == 0 and find_name(tables, SECTION, out, begin, w) > 0:
        state[SKIP_LEVEL] = level
        state[SKIP_START] = begin - prefix
        state[SKIP_HEADINGS] = count
    if count < headings.shape[0]:
        headings[count, 0] = state[ROW]
        headings[count, 1] = level
        headings[count, 2] = begin
        headings[count, 3] = w
        state[HEADINGS] = count + 1
    return w
