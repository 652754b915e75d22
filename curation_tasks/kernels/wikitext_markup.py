"""Links, tags and quotes of the wikitext scanner's second pass.

Each function is called at its mark and returns ``(at, w)``: where reading and writing go on.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.utf8 import is_ascii_space
from curation_tasks.kernels.wikitext_brackets import (
    CLOSE_BRACKET,
    COLON,
    HYPHEN,
    LESS,
    NEWLINE,
    OPEN_BRACE,
    OPEN_BRACKET,
    PIPE,
    SLASH,
    SPACE,
    folded_letter,
    is_comment,
    tag_end,
    tag_name_end,
)
from curation_tasks.kernels.wikitext_characters import AMPERSAND, entity
from curation_tasks.kernels.wikitext_output import (
    BOLD,
    CATEGORIES,
    HOLE,
    ITALIC,
    KEEP_CAPTIONS,
    LIMIT,
    LINE_END,
    LINE_START,
    NO_LINK_END_BEFORE,
    NO_LINK_END_FROM,
    ROW,
    START,
    has_room,
    note_hole,
    push,
    push_rest,
    write_newline,
    write_range,
)
from curation_tasks.kernels.wikitext_tables import (
    KEYWORD,
    LINK_CATEGORY,
    NAMESPACE,
    TAG,
    TAG_BREAK,
    TAG_MATH,
    TAG_RAW,
    find_name,
    tag_action,
)

APOSTROPHE, UNDERSCORE, EQUALS, DOLLAR = 39, 95, 61, 36
_LONGEST_MAGIC_WORD = 40


@inner
def trim(data, start, end):
    """The range without white space at both ends."""
    while start < end and is_ascii_space(data[start]):
        start += 1
    while end > start and is_ascii_space(data[end - 1]):
        end -= 1
    return start, end


@inner
def closing_of(state, match, at):
    """The place of the bracket that closes the one at ``at`` within the current stretch, or −1."""
    closing = np.int64(match[at - state[START]])
    if closing <= 0 or state[START] + closing >= state[LIMIT]:
        return np.int64(-1)
    return state[START] + closing


@inner
def jump(state, match, at):
    """Behind the bracket or whole element that begins at ``at``, or ``at`` itself when none is closed."""
    closing = np.int64(match[at - state[START]])
    return at if closing <= 0 else state[START] + closing


@inner
def skip_construct(state, data, match, at):
    """Behind the link, template, table or whole element that begins at ``at``; ``at + 1`` when none does."""
    behind = jump(state, match, at)
    if behind == at:
        return at + 1
    return behind if data[at] == LESS else behind + 2


@inner
def link(state, frames, data, match, tables, categories, at, out, w):
    """At ``[[``: the label of a link; nothing of a file, a category, a link to another language."""
    closing = closing_of(state, match, at)
    if closing < 0:
        return note_hole(state, data, at + 2, out, w)
    target = at + 2
    pipe, colon = target, np.int64(-1)
    while pipe < closing and data[pipe] != PIPE and data[pipe] != OPEN_BRACE and data[pipe] != OPEN_BRACKET:
        if data[pipe] == COLON and colon < 0:
            colon = pipe
        pipe += 1
    has_label = pipe < closing and data[pipe] == PIPE
    if colon > target:
        name, name_end = trim(data, target, colon)
        kind = find_name(tables, NAMESPACE, data, name, name_end)
        if kind == LINK_CATEGORY:
            _note_category(state, data, categories, colon + 1, pipe)
            return note_hole(state, data, closing + 2, out, w)
        if kind > 0:
            return _file(state, frames, data, match, tables, pipe, closing, at, out, w)
        if not has_label and _is_language(data, name, name_end):
            return note_hole(state, data, closing + 2, out, w)
    if not has_room(state):
        return at + 2, w
    label = pipe + 1 if has_label and pipe + 1 < closing else target
    if label == target and colon == target:
        label += 1
    push_rest(state, frames, closing + 2)
    state[LIMIT] = pipe if has_label and label <= pipe else closing
    return label, w


@inner
def _note_category(state, data, categories, start, end):
    start, end = trim(data, start, end)
    count = state[CATEGORIES]
    if end > start and count < categories.shape[0]:
        categories[count, 0] = state[ROW]
        categories[count, 1] = start
        categories[count, 2] = end
        state[CATEGORIES] = count + 1


@inner
def _is_language(data, start, end):
    """Whether a link's prefix is a code of a language, as ``de``, ``zh-min-nan`` or ``simple``."""
    if end - start == 6 and data[start] == 115 and data[start + 1] == 105 and data[start + 5] == 101:  # simple
        return True
    letters = start
    while letters < end and 97 <= data[letters] <= 122:
        letters += 1
    if letters - start < 2 or letters - start > 3:
        return False
    while letters < end and (97 <= data[letters] <= 122 or data[letters] == HYPHEN):
        letters += 1
    return letters == end


@inner
def _file(state, frames, data, match, tables, pipe, closing, at, out, w):
    """A file: nothing, or its caption as a line of its own. The caption is the last part that is no keyword."""
    if not state[KEEP_CAPTIONS] or pipe >= closing or not has_room(state):
        return note_hole(state, data, closing + 2, out, w)
    start, end, part, cursor = closing, closing, pipe + 1, pipe + 1
    is_option = False
    while cursor <= closing:
        if cursor == closing or data[cursor] == PIPE:
            first, last = trim(data, part, cursor)
            if not (is_option or first == last or _is_keyword(data, tables, first, last)):
                start, end = first, last
            part, is_option = cursor + 1, False
            cursor += 1
        else:
            is_option |= data[cursor] == EQUALS and cursor - part < 16
            cursor = min(skip_construct(state, data, match, cursor), closing)
    if start == end:
        return note_hole(state, data, closing + 2, out, w)
    push_rest(state, frames, closing + 2)
    push(state, frames, LINE_END, 0, 0)
    state[LIMIT] = end
    return start, write_newline(state, out, w)


@inner
def _is_keyword(data, tables, start, end):
    """Whether a part of a file link says how to show it: a keyword, or a size as ``200px``."""
    if find_name(tables, KEYWORD, data, start, end) > 0:
        return True
    return end - start > 2 and data[end - 1] == 120 and data[end - 2] == 112 and (48 <= data[start] <= 57 or data[start] == 120)


@inner
def external_link(state, frames, data, match, at, out, w):
    """At a single ``[``: the label of a link to an address, nothing of one without label; else the bracket."""
    limit = state[LIMIT]
    in_vain = state[NO_LINK_END_FROM] <= at < state[NO_LINK_END_BEFORE]
    if _is_address(data, at + 1, limit) and not in_vain:
        label = at + 1
        while label < limit and not (is_ascii_space(data[label]) or data[label] == CLOSE_BRACKET or data[label] == OPEN_BRACKET):
            label += 1
        closing = label
        while closing < limit and data[closing] != CLOSE_BRACKET and data[closing] != NEWLINE:
            closing = skip_construct(state, data, match, closing)
        if closing < limit and data[closing] == CLOSE_BRACKET:
            if label == closing or not has_room(state):
                return note_hole(state, data, closing + 1, out, w)
            push_rest(state, frames, closing + 1)
            state[LIMIT] = closing
            return (label + 1 if data[label] == SPACE else label), w
        # No link on the rest of this line has an end: it need not be searched again.
        state[NO_LINK_END_FROM] = at
        state[NO_LINK_END_BEFORE] = min(closing, limit)
    out[w] = OPEN_BRACKET
    return at + 1, w + 1


@inner
def _is_address(data, at, limit):
    """Whether an address begins: ``//`` with a scheme before it or without, ``mailto:``, ``news:``, ``tel:``."""
    stop = at
    while stop < limit and stop - at < 12 and 97 <= folded_letter(data[stop]) <= 122:
        stop += 1
    if stop + 1 < limit and data[stop] == SLASH and data[stop + 1] == SLASH:
        return stop == at
    if stop >= limit or stop - at < 3 or data[stop] != COLON:
        return False
    if stop + 2 < limit and data[stop + 1] == SLASH and data[stop + 2] == SLASH:
        return True
    return stop - at == 6 and folded_letter(data[at]) == 109 and folded_letter(data[at + 5]) == 111  # mailto


@inner
def tag(state, data, match, tables, at, out, w):
    """At ``<``: comments and elements that are taken whole, tags; else the character itself."""
    limit = state[LIMIT]
    behind = jump(state, match, at)
    if behind > limit:
        behind = at
    if behind > at and is_comment(data, at, limit):
        return note_hole(state, data, behind, out, w)
    name = at + 1
    if name < limit and data[name] == SLASH:
        name += 1
    name_end = tag_name_end(data, name, limit)
    action = np.int64(-1)
    if name_end > name:
        value = find_name(tables, TAG, data, name, name_end)
        action = tag_action(value) if value >= 0 else value
    if behind > at:
        return _whole_element(state, data, tables, action, at, behind, out, w)
    stop = tag_end(data, name_end, limit) if action > 0 else np.int64(-1)
    if stop < 0:
        out[w] = LESS
        return at + 1, w + 1
    if action == TAG_BREAK:
        w = write_newline(state, out, w)
    return _go_on(state, data, stop, out, w)


@inner
def _go_on(state, data, at, out, w):
    """Goes on behind a mark that writes nothing; what was left out just before it has its edge here."""
    if state[HOLE] == w:
        return note_hole(state, data, at, out, w)
    return at, w


@inner
def _whole_element(state, data, tables, action, at, behind, out, w):
    content, content_end = tag_end(data, at + 1, behind), behind
    state[LINE_START] = 0  # behind it ``;`` and ``*`` are no marks of a list, other than behind a comment
    if (action in (TAG_RAW, TAG_MATH)) and content < behind:
        content_end -= 1
        while data[content_end] != LESS:
            content_end -= 1
        if action == TAG_RAW:
            return behind, _write_raw(data, tables, content, content_end, out, w)
        content, content_end = trim(data, content, content_end)
        out[w] = DOLLAR
        w = write_range(data, content, content_end, out, w + 1)
        out[w] = DOLLAR
        return behind, w + 1
    return note_hole(state, data, behind, out, w)


@inner
def _write_raw(data, tables, start, end, out, w):
    """Text in which nothing is mark-up but entities."""
    at = start
    while at < end:
        if data[at] == AMPERSAND:
            at, w = entity(data, tables, at, end, out, w)
        else:
            out[w] = data[at]
            at, w = at + 1, w + 1
    return w


@inner
def quotes(state, data, at, out, w):
    """At ``'``: marks of bold and italic text go, apostrophes stay; in ``''Titanic'''s`` the first of three is one."""
    limit, stop = state[LIMIT], at
    while stop < limit and data[stop] == APOSTROPHE:
        stop += 1
    count = stop - at
    literal = 0
    if count == 1:
        literal = 1
    elif count == 2:
        state[ITALIC] ^= 1
    elif count == 3 and state[ITALIC] and not state[BOLD] and _inside_word(data, state[START], at, stop, limit):
        literal, state[ITALIC] = 1, 0
    elif count == 3:
        state[BOLD] ^= 1
    elif count == 4:
        literal, state[BOLD] = 1, state[BOLD] ^ 1
    else:
        literal = count - 5
        state[ITALIC] ^= 1
        state[BOLD] ^= 1
    # Six and more in a row are no apostrophes of a word.
    if literal == 1:
        out[w] = APOSTROPHE
        w += 1
    return _go_on(state, data, stop, out, w)


@inner
def _inside_word(data, start, at, stop, limit):
    """Whether letters stand on both sides."""
    return at > start and not is_ascii_space(data[at - 1]) and stop < limit and 97 <= folded_letter(data[stop]) <= 122


@inner
def magic_word(state, data, at, out, w):
    """At ``_``: nothing of ``__NOTOC__`` and its like in other scripts, else the character."""
    limit = state[LIMIT]
    if at + 5 < limit and data[at + 1] == UNDERSCORE:
        stop = at + 2
        while stop < limit and stop - at < _LONGEST_MAGIC_WORD and (65 <= data[stop] <= 90 or data[stop] >= 0x80):
            stop += 1
        # One underscore may stand inside, as in the Russian for NOTOC.
        if stop + 1 < limit and data[stop] == UNDERSCORE and data[stop + 1] >= 0x80:
            stop += 1
            while stop < limit and stop - at < _LONGEST_MAGIC_WORD and data[stop] >= 0x80:
                stop += 1
        if stop > at + 2 and stop + 1 < limit and data[stop] == UNDERSCORE and data[stop + 1] == UNDERSCORE:
            return note_hole(state, data, stop + 2, out, w)
    out[w] = UNDERSCORE
    return at + 1, w + 1
