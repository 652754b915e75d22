"""Lines and paragraphs of a text: how many, how they begin and end, and which are repeated."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels import characters
from curation_tasks.kernels.bitmaps import (
    BREAK,
    HIT,
    NEWLINE,
    SPACE,
    any_set,
    behind_last_clear,
    character_at,
    code_at,
    first_clear,
    lowest,
)
from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.counts import LONG_LINE, SHORT_LINE, column
from curation_tasks.kernels.hashing import FREE, bytes_hash, power_of_two
from curation_tasks.kernels.utf8 import character_before

_ONE = np.uint64(1)
_LINES, _LINE_CHARACTERS, _SHORT_LINES = column("lines"), column("line_characters"), column("short_lines")
_TERMINAL_LINES, _ENDMARK_LINES = column("terminal_lines"), column("endmark_lines")
_ELLIPSIS_LINES, _MARKED_ELLIPSIS_LINES = column("ellipsis_lines"), column("marked_ellipsis_lines")
_BULLET_LINES, _DASH_BULLET_LINES, _STAR_BULLET_LINES = (column(f"{kind}bullet_lines") for kind in ("", "dash_", "star_"))
_DUPLICATE_LINES, _DUPLICATE_LINE_CHARACTERS = column("duplicate_lines"), column("duplicate_line_characters")
_LONGEST_LINE, _LONG_LINES = column("longest_line"), column("long_lines")
_SPLIT_LINES, _SPLIT_ELLIPSIS_LINES = column("split_lines"), column("split_ellipsis_lines")
_SPLIT_BULLET_LINES, _SPLIT_DASH_LINES, _SPLIT_STAR_LINES = (column(f"split_{kind}bullet_lines") for kind in ("", "dash_", "star_"))
_RUN_LINES = column("run_lines")
_DUPLICATE_RUN_LINES, _DUPLICATE_RUN_LINE_CHARACTERS = column("duplicate_run_lines"), column("duplicate_run_line_characters")
_PARAGRAPHS, _PARAGRAPH_CHARACTERS = column("paragraphs"), column("paragraph_characters")
_DUPLICATE_PARAGRAPHS = column("duplicate_paragraphs")
_DUPLICATE_PARAGRAPH_CHARACTERS = column("duplicate_paragraph_characters")
_POLICY_PARAGRAPHS = column("policy_paragraphs")

#: The bullets of NeMo Curator's BulletsFilter.
BULLETS = "\u2022\u2023\u2043\u204c\u204d\u2219\u25cb\u25cf\u25d8\u25e6\u29be\u29bf"
_BULLETS = np.array([ord(bullet) for bullet in BULLETS], np.int64)
_DISC, _DASH, _STAR, _ELLIPSIS = ord("\u2022"), ord("-"), ord("*"), 0x2026
_READ_MORE = np.frombuffer(b"read more", np.uint8)


@inlined
def _is_known(key, hashes, known, table):
    """Whether a hash is among the first ``known`` of ``hashes``; it is appended when not. ``table``: see ``FREE``."""
    mask = np.uint64(table.shape[0] - 1)
    slot = (key >> np.uint64(20)) & mask
    while table[slot] != FREE:
        if hashes[table[slot]] == key:
            return True
        slot = (slot + _ONE) & mask
    table[slot] = known
    hashes[known] = key
    return False


@inlined
def _empty_table(table, items):
    """The part of a table that serves so many items, emptied."""
    part = table[: power_of_two(2 * items)]
    part[:] = FREE
    return part


# Beginnings and ends ---------------------------------------------------------------------------------------------------


@inlined
def _bullet(text, begin):
    """Which lists of bullets the first character is in: ``(the twelve, • and -, * and -)``, 0 or 1 each."""
    byte = text[begin]
    if byte == _DASH:
        return 0, 1, 1
    if byte == _STAR:
        return 0, 0, 1
    if byte != 0xE2:  # the first byte of all twelve
        return 0, 0, 0
    code = code_at(text, begin)
    for k in range(_BULLETS.shape[0]):
        if _BULLETS[k] == code:
            return 1, np.int64(code == _DISC), 0
    return 0, 0, 0


@inlined
def _is_ellipsis(text, begin, end):
    """Whether ``text[begin:end]`` ends with three full stops or U+2026."""
    if end - begin < 3:
        return False
    first, second, third = text[end - 3], text[end - 2], text[end - 1]
    return (first == 46 and second == 46 and third == 46) or (first == 0xE2 and second == 0x80 and third == 0xA6)


@inlined
def _is_read_more(text, begin, end):
    if end - begin < 9:
        return False
    for k in range(9):  # noqa: SIM110 — Numba compiles no generator expressions
        if text[end - 9 + k] | (32 if k != 4 else 0) != _READ_MORE[k]:
            return False
    return True


@inlined
def _is_marked_ellipsis(text, begin, end):
    """Whether it ends with one of NeMo Curator's ellipsis marks."""
    if _is_ellipsis(text, begin, end) or _is_read_more(text, begin, end):
        return True
    last = text[end - 1]
    if last == 46:
        return end - begin >= 11 and text[end - 2] == 46 and _is_read_more(text, begin, end - 2)
    if last == 0xBB:
        return end - begin >= 3 and text[end - 2] == 0xC2 and text[end - 3] == _DASH
    if (last == 93 or last == 41) and _is_ellipsis(text, begin, end - 1):
        opening = end - 5  # U+2026 has as many bytes as three full stops
        return opening >= begin and text[opening] == (91 if last == 93 else 40)
    return False


@inlined
def _is_endmark(byte):
    return byte == 46 or byte == 63 or byte == 33 or byte == 34 or byte == 39


# Lines -----------------------------------------------------------------------------------------------------------------


@inlined
def count_lines(text, size, classes, bitmaps, has_breaks, newlines, hashes, table, counts):
    """Counts lines in the three senses that are in use.

    Args:
        text: Padded bytes.
        size: Bytes of the text.
        classes: Of ``characters.character_classes``.
        bitmaps: Of the text.
        has_breaks: Whether a line may end otherwise than with U+000A.
        newlines: Number of these.
        hashes: Scratch, one place for two bytes.
        table: Scratch, at least four places for two bytes.
        counts: The row of the matrix.
    """
    table = _empty_table(table, min(newlines + 1, size // 2 + 1))
    lines = line_characters = short = terminal = endmarks = ellipses = marked = 0
    bullets = dash_bullets = star_bullets = duplicates = duplicate_characters = 0
    longest = long = pieces = duplicate_pieces = duplicate_piece_characters = known = 0
    start = start_character = 0
    block, bits = 0, bitmaps[NEWLINE, 0]
    while True:
        while bits == 0 and (block << 6) < size:
            block += 1
            bits = bitmaps[NEWLINE, block]
        end = size
        if bits != 0:
            end = (block << 6) + lowest(bits)
            bits &= bits - _ONE
        end_character = character_at(bitmaps, end)
        length = end_character - start_character
        longest = max(longest, length)
        long += length >= LONG_LINE
        if end > start:
            pieces += 1
            repeated = _is_known(bytes_hash(text, start, end), hashes, known, table)
            known += not repeated
            duplicate_pieces += repeated
            duplicate_piece_characters += length * repeated
            begin = first_clear(bitmaps[SPACE], start, end)
            if begin < end:
                lines += 1
                line_characters += length
                short += length <= SHORT_LINE
                duplicates += repeated
                duplicate_characters += length * repeated
                last = character_before(text, start, end)
                terminal += (classes[code_at(text, last)] & characters.TERMINAL) != 0
                finish = behind_last_clear(bitmaps[SPACE], begin, end)
                endmarks += _is_endmark(text[finish - 1])
                ellipses += _is_ellipsis(text, begin, finish)
                marked += _is_marked_ellipsis(text, begin, finish)
                bullet, dash, star = _bullet(text, begin)
                bullets += bullet
                dash_bullets += dash
                star_bullets += star
        if end == size:
            break
        start, start_character = end + 1, end_character + 1
    counts[_LINES], counts[_LINE_CHARACTERS], counts[_SHORT_LINES] = lines, line_characters, short
    counts[_TERMINAL_LINES], counts[_ENDMARK_LINES] = terminal, endmarks
    counts[_ELLIPSIS_LINES], counts[_MARKED_ELLIPSIS_LINES] = ellipses, marked
    counts[_BULLET_LINES], counts[_DASH_BULLET_LINES], counts[_STAR_BULLET_LINES] = bullets, dash_bullets, star_bullets
    counts[_DUPLICATE_LINES], counts[_DUPLICATE_LINE_CHARACTERS] = duplicates, duplicate_characters
    counts[_LONGEST_LINE], counts[_LONG_LINES] = longest, long
    # The newlines at either end cut off an empty piece each; a text of newlines alone, two. All empty pieces are equal.
    empty_first = np.int64(size == 0 or text[0] == 10)
    empty_last = np.int64(size > 0 and text[size - 1] == 10)
    counts[_RUN_LINES] = pieces + empty_first + empty_last
    counts[_DUPLICATE_RUN_LINES] = duplicate_pieces + (empty_first & empty_last)
    counts[_DUPLICATE_RUN_LINE_CHARACTERS] = duplicate_piece_characters
    if has_breaks:
        _count_split_lines(text, size, bitmaps, counts)
    else:
        counts[_SPLIT_LINES] = newlines + (1 if size > 0 and not empty_last else 0)
        counts[_SPLIT_BULLET_LINES], counts[_SPLIT_DASH_LINES], counts[_SPLIT_STAR_LINES] = bullets, dash_bullets, star_bullets
        counts[_SPLIT_ELLIPSIS_LINES] = ellipses


@inlined
def _count_split_lines(text, size, bitmaps, counts):
    """Counts the lines of ``str.splitlines`` where they are others than those between newlines."""
    lines = ellipses = bullets = dash_bullets = star_bullets = 0
    start = block = 0
    bits = bitmaps[BREAK, 0]
    while start < size:
        while bits == 0 and (block << 6) < size:
            block += 1
            bits = bitmaps[BREAK, block]
        end = size
        if bits != 0:
            end = (block << 6) + lowest(bits) + 1
            bits &= bits - _ONE
        lines += 1
        # What ends the line is white space, so it needs no cutting off.
        begin = first_clear(bitmaps[SPACE], start, end)
        if begin < end:
            ellipses += _is_ellipsis(text, begin, behind_last_clear(bitmaps[SPACE], begin, end))
            bullet, dash, star = _bullet(text, begin)
            bullets += bullet
            dash_bullets += dash
            star_bullets += star
        start = end
    counts[_SPLIT_LINES], counts[_SPLIT_ELLIPSIS_LINES] = lines, ellipses
    counts[_SPLIT_BULLET_LINES], counts[_SPLIT_DASH_LINES], counts[_SPLIT_STAR_LINES] = bullets, dash_bullets, star_bullets


# Paragraphs ------------------------------------------------------------------------------------------------------------


@inlined
def count_paragraphs(text, size, bitmaps, newlines, hashes, table, counts):
    """Counts the pieces between two or more newlines, white space at the ends of the text aside.

    Args:
        text: Padded bytes.
        size: Bytes of the text.
        bitmaps: Of the text, ``HIT`` included.
        newlines: Number of U+000A.
        hashes: Scratch, one place for two bytes.
        table: Scratch, at least four places for two bytes.
        counts: The row of the matrix.
    """
    start = first_clear(bitmaps[SPACE], 0, size)
    finish = behind_last_clear(bitmaps[SPACE], start, size)
    table = _empty_table(table, min(newlines // 2 + 1, size // 2 + 1))
    paragraphs = all_characters = duplicates = duplicate_characters = with_hit = known = 0
    block, bits = start >> 6, bitmaps[NEWLINE, start >> 6] & (~np.uint64(0) << np.uint64(start & 63))
    while True:
        # The next two newlines in a row.
        end = finish
        while True:
            while bits == 0 and (block << 6) < finish:
                block += 1
                bits = bitmaps[NEWLINE, block]
            if bits == 0:
                break
            at = (block << 6) + lowest(bits)
            if at >= finish:
                break
            bits &= bits - _ONE
            if at >= start and text[at + 1] == 10:
                end = at
                break
        length = character_at(bitmaps, end) - character_at(bitmaps, start)
        paragraphs += 1
        all_characters += length
        repeated = _is_known(bytes_hash(text, start, end), hashes, known, table)
        known += not repeated
        duplicates += repeated
        duplicate_characters += length * repeated
        with_hit += any_set(bitmaps[HIT], start, end)
        if end == finish:
            break
        start = end
        while text[start] == 10:
            start += 1
    counts[_PARAGRAPHS], counts[_PARAGRAPH_CHARACTERS] = paragraphs, all_characters
    counts[_DUPLICATE_PARAGRAPHS], counts[_DUPLICATE_PARAGRAPH_CHARACTERS] = duplicates, duplicate_characters
    counts[_POLICY_PARAGRAPHS] = with_hit
