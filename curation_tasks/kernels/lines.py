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
    put_few_positions,
)
from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.counts import LONG_LINE, SHORT_LINE, column
from curation_tasks.kernels.hashing import FREE, bytes_hash, chained, power_of_two
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
_POLICY_PARAGRAPHS, _POLICY_PHRASES = column("policy_paragraphs"), column("policy_phrases")

#: The bullets of NeMo Curator's BulletsFilter.
BULLETS = "\u2022\u2023\u2043\u204c\u204d\u2219\u25cb\u25cf\u25d8\u25e6\u29be\u29bf"
_BULLETS = np.array([ord(bullet) for bullet in BULLETS], np.int64)
_DISC, _DASH, _STAR = ord("\u2022"), ord("-"), ord("*")
_READ_MORE = np.frombuffer(b"read more", np.uint8)
#: The last two bytes of the marks: ``...`` and ``read more..``, ``read more``, U+2026, U+00BB, and either ellipsis in brackets.
_ENDS_OF_MARKS = ((b".", b"."), (b"rR", b"eE"), (b"\x80", b"\xa6"), (b"\xc2", b"\xbb"), (b".\xa6", b")]"))
_LAST_BUT_ONE_OF_MARK, _LAST_OF_MARK = (
    np.array([sum(1 << k for k, pair in enumerate(_ENDS_OF_MARKS) if byte in pair[which]) for byte in range(256)], np.uint8)
    for which in (0, 1)
)


# Pieces between newlines -----------------------------------------------------------------------------------------------


@inlined
def find_pieces(text, size, bitmaps, piece_ends, piece_hashes):
    """Finds the pieces between newlines, of which lines and paragraphs are made, and hashes them.

    Args:
        text: Padded bytes.
        size: Bytes of the text.
        bitmaps: Of the text.
        piece_ends: Is filled with the byte behind each piece: its newline, or the end of the text. Needs ``AT_ONCE`` places more.
        piece_hashes: Is filled with the hash of each piece.

    Returns:
        The number of pieces, one more than there are newlines.
    """
    pieces = 0
    for block in range((size + 63) >> 6):
        pieces = put_few_positions(bitmaps[NEWLINE, block], block << 6, piece_ends, pieces)
    piece_ends[pieces] = size
    pieces += 1
    start = np.int64(0)
    for piece in range(pieces):
        end = np.int64(piece_ends[piece])
        piece_hashes[piece] = bytes_hash(text, start, end)
        start = end + 1
    return pieces


@inlined
def _is_known(item, hashes, table):
    """Whether an item's hash is that of an earlier one. ``table``: of ``_empty_table``; it is entered there when not."""
    mask = np.uint64(table.shape[0] - 1)
    slot = (hashes[item] >> np.uint64(20)) & mask
    while table[slot] != FREE:
        if hashes[table[slot]] == hashes[item]:
            return True
        slot = (slot + _ONE) & mask
    table[slot] = item
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
    if byte != 0xE2:  # the first byte of all twelve
        return 0, np.int64(byte == _DASH), np.int64((byte == _DASH) | (byte == _STAR))
    code = code_at(text, begin)
    for k in range(_BULLETS.shape[0]):
        if _BULLETS[k] == code:
            return 1, np.int64(code == _DISC), 0
    return 0, 0, 0


@inlined
def _may_be_ellipsis(text, end):
    """Whether the two bytes before ``end`` end one of the ellipsis marks; of most lines they do not, and nothing else is looked at."""
    return _LAST_OF_MARK[text[end - 1]] & _LAST_BUT_ONE_OF_MARK[text[end - 2]] != 0


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
def count_lines(text, size, classes, bitmaps, has_breaks, pieces, piece_ends, piece_hashes, table, counts):
    """Counts lines in the three senses that are in use.

    Args:
        text: Padded bytes.
        size: Bytes of the text.
        classes: Of ``characters.character_classes``.
        bitmaps: Of the text.
        has_breaks: Whether a line may end otherwise than with U+000A.
        pieces: Number of pieces.
        piece_ends: Of ``find_pieces``.
        piece_hashes: Of ``find_pieces``.
        table: Scratch, at least four places for two bytes.
        counts: The row of the matrix.
    """
    table = _empty_table(table, min(pieces, size // 2 + 1))
    lines = line_characters = short = terminal = endmarks = ellipses = marked = 0
    bullets = dash_bullets = star_bullets = duplicates = duplicate_characters = 0
    longest = long = filled = duplicate_pieces = duplicate_piece_characters = 0
    start = start_character = np.int64(0)
    for piece in range(pieces):
        end = np.int64(piece_ends[piece])
        end_character = character_at(bitmaps, end)
        length = end_character - start_character
        longest = max(longest, length)
        long += length >= LONG_LINE
        if end > start:
            filled += 1
            repeated = _is_known(piece, piece_hashes, table)
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
                if _may_be_ellipsis(text, finish):
                    ellipses += _is_ellipsis(text, begin, finish)
                    marked += _is_marked_ellipsis(text, begin, finish)
                bullet, dash, star = _bullet(text, begin)
                bullets += bullet
                dash_bullets += dash
                star_bullets += star
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
    counts[_RUN_LINES] = filled + empty_first + empty_last
    counts[_DUPLICATE_RUN_LINES] = duplicate_pieces + (empty_first & empty_last)
    counts[_DUPLICATE_RUN_LINE_CHARACTERS] = duplicate_piece_characters
    if has_breaks:
        _count_split_lines(text, size, bitmaps, counts)
    else:
        counts[_SPLIT_LINES] = pieces - (1 if size == 0 or empty_last else 0)
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
def count_paragraphs(text, size, bitmaps, pieces, piece_ends, piece_hashes, hashes, table, counts):
    """Counts the pieces between two or more newlines, white space at the ends of the text aside.

    A paragraph is a run of pieces that are not empty, so its hash is chained from theirs; the first and the last piece of the
    text may have white space that does not belong to the paragraph.

    Args:
        text: Padded bytes.
        size: Bytes of the text.
        bitmaps: Of the text, ``HIT`` included.
        pieces: Number of pieces.
        piece_ends: Of ``find_pieces``.
        piece_hashes: Of ``find_pieces``.
        hashes: Scratch, one place for two bytes.
        table: Scratch, at least four places for two bytes.
        counts: The row of the matrix, with the phrases counted already.
    """
    text_begin = first_clear(bitmaps[SPACE], 0, size)
    text_end = behind_last_clear(bitmaps[SPACE], text_begin, size)
    table = _empty_table(table, min(pieces // 2 + 1, size // 2 + 1))
    paragraphs = all_characters = duplicates = duplicate_characters = with_hit = 0
    has_hits = counts[_POLICY_PHRASES] > 0
    is_inside, key = False, np.uint64(0)
    start = begin = np.int64(0)
    for piece in range(pieces):
        end = np.int64(piece_ends[piece])
        left, right = max(start, text_begin), min(end, text_end)
        if left < right:
            if not is_inside:
                is_inside, begin, key = True, left, np.uint64(0)
            is_cut = right - left < end - start
            key = chained(key, bytes_hash(text, left, right) if is_cut else piece_hashes[piece])
            if right == text_end or piece_ends[piece + 1] == end + 1:
                is_inside = False
                length = character_at(bitmaps, right) - character_at(bitmaps, begin)
                hashes[paragraphs] = key
                repeated = _is_known(paragraphs, hashes, table)
                paragraphs += 1
                all_characters += length
                duplicates += repeated
                duplicate_characters += length * repeated
                if has_hits:
                    with_hit += any_set(bitmaps[HIT], begin, right)
        start = end + 1
    # A text without a paragraph is an empty one.
    counts[_PARAGRAPHS], counts[_PARAGRAPH_CHARACTERS] = max(paragraphs, 1), all_characters
    counts[_DUPLICATE_PARAGRAPHS], counts[_DUPLICATE_PARAGRAPH_CHARACTERS] = duplicates, duplicate_characters
    counts[_POLICY_PARAGRAPHS] = with_hit
