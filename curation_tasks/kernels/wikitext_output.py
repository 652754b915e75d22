"""State of the wikitext scanner's second pass: the stack of what is still to be read, and the tidy edges of what is left out.

The pass reads *frames*: stretches of the page, and literals between them. A link's label, or an argument of a template
that is written out, is a frame above the one it stands in; when it ends, reading goes on behind the link.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.wikitext_brackets import COLON, NEWLINE, SPACE, TAB

#: Places in the state, an int64 array.
(START, BEGIN, LIMIT, TOP, HOLE, ITALIC, BOLD, LINE_START, TABLE_DEPTH, NO_LINK_END_FROM, NO_LINK_END_BEFORE, HEADINGS, CATEGORIES,
 HEADING_LEVEL, HEADING_START, SKIP_LEVEL, SKIP_START, SKIP_HEADINGS, ROW, TEXT_TABLES, KEEP_CAPTIONS, MARKDOWN) = range(22)  # fmt: skip
STATE_SIZE = 22

#: Kinds of frames: a stretch of the page, the end of a heading, the end of a line; from 0 on, the literal of that number.
STRETCH, HEADING_END, LINE_END = -1, -2, -3

FRAMES = 512
#: A construct is followed into while so many frames are free: more than a template of all arguments takes.
FREE_FRAMES = 80

COMMA, SEMICOLON, DOT, OPEN_PARENTHESIS, CLOSE_PARENTHESIS = 44, 59, 46, 40, 41


@inner
def has_room(state):
    return state[TOP] + FREE_FRAMES < FRAMES


@inner
def push(state, frames, kind, at, limit):
    """Puts a frame on the stack: it is read when those above have ended."""
    top = state[TOP]
    frames[top, 0] = kind
    frames[top, 1] = at
    frames[top, 2] = limit
    state[TOP] = top + 1


@inner
def push_rest(state, frames, at):
    """Puts the rest of the current stretch on the stack, from ``at`` on."""
    push(state, frames, STRETCH, at, state[LIMIT])


@inner
def trimmed(out, begin, w):
    """The end of the output without spaces and tabs."""
    while w > begin and (out[w - 1] == SPACE or out[w - 1] == TAB):
        w -= 1
    return w


@inner
def _ends_with_comma(out, begin, w):
    w = trimmed(out, begin, w)
    return w > begin and out[w - 1] == COMMA


@inner
def note_hole(state, data, at, out, w):
    """Tidies the edges where something was left out before ``at``: no double space, none before a comma.

    Returns:
        ``(at, w)``: where reading and writing go on.
    """
    limit, begin = state[LIMIT], state[BEGIN]
    previous = np.int64(NEWLINE) if w == begin else np.int64(out[w - 1])
    if at < limit:
        following = data[at]
        if following == SPACE and (previous in (SPACE, NEWLINE, OPEN_PARENTHESIS)):
            while at < limit and data[at] == SPACE:
                at += 1
        elif (following in (COMMA, SEMICOLON)) and previous == OPEN_PARENTHESIS:
            at += 1
            while at < limit and data[at] == SPACE:
                at += 1
        elif following == COMMA and _ends_with_comma(out, begin, w):
            w = trimmed(out, begin, w)
            at += 1
        elif previous == SPACE and (following in (COMMA, SEMICOLON, DOT, COLON, CLOSE_PARENTHESIS)):
            w -= 1
    state[HOLE] = w
    return at, w


@inner
def close_parenthesis(state, data, at, out, w):
    """Writes the ``)`` at ``at``, or takes back brackets in which nothing is left, and separators before a hole at their end."""
    begin, p = state[BEGIN], w
    while p > begin and w - p < 16 and (out[p - 1] == SPACE or out[p - 1] == COMMA or out[p - 1] == SEMICOLON):
        p -= 1
    if state[HOLE] >= p and p > begin and out[p - 1] == OPEN_PARENTHESIS:
        return note_hole(state, data, at + 1, out, p - 1)
    if state[HOLE] > p:
        w = p
    out[w] = CLOSE_PARENTHESIS
    return at + 1, w + 1


@inner
def write_newline(state, out, w):
    """Ends a line: no blanks at its end, at most one empty line in a row, none at the beginning."""
    begin = state[BEGIN]
    state[HOLE] = -1  # what was left out on this line is no edge of the next one, whose text may end at the same place
    w = trimmed(out, begin, w)
    if w > begin and not (w - 2 >= begin and out[w - 1] == NEWLINE and out[w - 2] == NEWLINE):
        out[w] = NEWLINE
        w += 1
    return w


@inner
def write_range(data, start, end, out, w):
    for at in range(start, end):
        out[w] = data[at]
        w += 1
    return w
