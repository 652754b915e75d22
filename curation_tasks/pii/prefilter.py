"""Where Presidio has to look: windows of text outside of which it provably finds nothing.

Presidio's recognizers scan at 1 to 30 MB/s, compiled loops at some hundred. So the loops here look over the whole
Arrow buffer for what every hit must contain, and hand on the *windows* around it.

Why the hits are the same. Each recognizer's hit is made of characters of one alphabet, and it looks at most one
character beyond (``\\b`` of the e-mail pattern; the neighbours that a phone number must not touch). A window is a
maximal run of that alphabet, so a hit never crosses its ends, and a search within the window runs exactly as it does in
the whole text. Runs that lack what a hit needs cannot hold one:

=======  ==========================================================  ==================================================
kind     alphabet (everything that is not a separator)               a hit needs
=======  ==========================================================  ==================================================
e-mail   ``!#$%&'*+-/=?^_`{|}~.@``, letters, digits                  an ``@``
URL      all but white space, brackets ``()<>``                      a dot between a host character and the first two
                                                                     letters of a top-level domain
phone    digits, punctuation of numbers, signs and words of          enough digits, no more apart than the pattern
         extensions                                                  allows
=======  ==========================================================  ==================================================

For e-mail and URL any character beyond ASCII counts as part of the alphabet: a window may then be longer than needed,
which costs time but changes nothing. ``tests/pii/test_prefilter.py`` holds the proof by example: windows against whole
text, on texts generated to break it, and the alphabets against the patterns of the installed libraries.

Positions are in bytes of the Arrow data buffer; a window is a row of an int64 array of shape (windows, 3): row, start,
end. Windows are in order and do not overlap.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel

#: First two letters of the top-level domains that Presidio's ``UrlRecognizer`` knows.
TOP_LEVEL_DOMAIN_STARTS = (
    "ac ad ae af ag ai al am an ao ap aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo br bs bt bu bv bw by bz "
    "ca cc cd ce cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz da de di dj dk dm do dz ea ec ed ee eg em en eq er es et eu "
    "ev ex fa fe fi fj fk fl fm fo fr fu fy ga gb gd ge gf gg gh gi gl gm gn go gp gq gr gs gt gu gw gy ha he hi hk hm hn ho "
    "hr ht hu ic id ie il im in io iq ir is it je jm jo jp ju ka ke kg kh ki km kn kp kr kw ky kz la lb lc le lg li lk lo lr "
    "ls lt lu lv ly ma mb mc md me mg mh mi mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu "
    "ny nz ob ok om on or os pa pe pf pg ph pi pk pl pm pn po pr ps pt pu pw py qa qu ra re ri ro rs ru rw sa sb sc sd se sg "
    "sh si sj sk sl sm sn so sp sr st su sv sx sy sz ta tc td te tf tg th ti tj tk tl tm tn to tp tr tt tu tv tw tz ua ug uk "
    "un us uy uz va vc ve vg vi vl vn vo vu wa we wf wi wo ws wt xx xy ye yo yt za zm zo zw"
)

#: Characters between the digits of a phone number, as ``phonenumbers`` defines them (its ``_VALID_PUNCTUATION``), and plus signs.
PHONE_PUNCTUATION = "-x‐-―−ー－-／ \xa0\xad\u200b\u2060\u3000()（）［］.\\[\\]/~⁓∼～+＋"
#: Characters of its extension patterns (``;ext=``, ``доб``, ``anexo``, ``#`` and so on).
PHONE_EXTENSION = ";ext= \xa0\\t,ensio\u0301\u00f3ｅｘｔｎдобanexo:.．x#＃~～intｉｎｔ\\-"
#: Of the punctuation, those that also introduce an extension and so may stand in any number of blanks.
PHONE_JOINERS = "xX~～"

#: Fewest digits of a valid number written with its country code, over all countries.
INTERNATIONAL_DIGITS = 6

_SEPARATOR, _MEMBER, _PUNCTUATION, _JOINER, _LETTER_X, _DIGIT = 0, 1, 2, 3, 4, 16
_MAXIMUM_GAP = 4


def email_windows(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Windows that hold every hit of Presidio's ``EmailRecognizer``.

    Args:
        offsets: int64, shape (rows + 1,), as of ``kernels.utf8.text_buffers``.
        data: uint8, the UTF-8 bytes of all rows.

    Returns:
        int64, shape (windows, 3): row, start, end.
    """
    return _collect(_email_windows, data, offsets, _email_alphabet())


def url_windows(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Windows that hold every hit of Presidio's ``UrlRecognizer``; arguments and result as of ``email_windows``."""
    separators, hosts, domains = _url_tables()
    return _collect(_url_windows, data, offsets, separators, hosts, domains)


def phone_windows(offsets: np.ndarray, data: np.ndarray, minimum: int, short_starts: np.ndarray) -> np.ndarray:
    """Windows that hold every hit of Presidio's ``PhoneRecognizer``, with one character of context on each side.

    Args:
        offsets: int64, shape (rows + 1,), as of ``kernels.utf8.text_buffers``.
        data: uint8, the UTF-8 bytes of all rows.
        minimum: Fewest digits of a valid number in any of the regions.
        short_starts: bool, shape (100,): the first two digits that a valid number of fewer than ``INTERNATIONAL_DIGITS``
            digits can have.

    Returns:
        int64, shape (windows, 3): row, start, end.
    """
    return _collect(_phone_windows, data, offsets, phone_alphabet(), minimum, short_starts)


def window_text(data: np.ndarray, windows: np.ndarray) -> tuple[bytes, np.ndarray]:
    """The windows' bytes, each followed by a line feed, which no alphabet holds.

    Returns:
        ``(text, starts)``: the joined bytes; int64, shape (windows,): where each window starts in them.
    """
    lengths = windows[:, 2] - windows[:, 1] + 1
    starts = np.cumsum(lengths) - lengths
    joined = np.full(int(lengths.sum()), 10, np.uint8)
    _copy_windows(data, windows, starts, joined)
    return joined.tobytes(), starts


@cache
def _email_alphabet() -> np.ndarray:
    table = np.zeros(256, np.bool_)
    table[[ord(character) for character in "!#$%&'*+-/=?^_`{|}~.@"]] = True
    for first, last in ("09", "AZ", "az"):
        table[ord(first) : ord(last) + 1] = True
    table[0x80:] = True
    return table


@cache
def _url_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    separators = np.zeros(256, np.bool_)
    separators[[ord(character) for character in "\t\n\x0b\x0c\r ()<>"]] = True
    hosts = np.zeros(256, np.bool_)
    for first, last in ("09", "AZ", "az", "..", "--"):
        hosts[ord(first) : ord(last) + 1] = True
    # The last bytes of İ, ſ and the Kelvin sign, which the pattern takes for i, s and k.
    hosts[[0xB0, 0xBF, 0xAA]] = True
    domains = np.zeros((256, 256), np.bool_)
    for pair in TOP_LEVEL_DOMAIN_STARTS.split():
        for first in (pair[0], pair[0].upper()):
            domains[ord(first), [ord(pair[1]), ord(pair[1].upper())]] = True
    # The first bytes of İ, ſ and the Kelvin sign: a letter of which only the first byte is looked at.
    for lead in (0xC4, 0xC5, 0xE2):
        domains[lead, :] = True
        domains[:, lead] = True
    return separators, hosts, domains


@cache
def phone_alphabet() -> np.ndarray:
    """Classes of code points for ``phone_windows``: uint8, shape (0x200000,); digits as 16 + value."""
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    # Twice the size of Unicode's last plane but one: whatever four bytes decode to is inside the table.
    table = np.full(0x200000, _SEPARATOR, np.uint8)
    for characters, kind in (
        (re.findall(f"[{PHONE_EXTENSION}（(［\\[]", everything, re.IGNORECASE), _MEMBER),
        (re.findall(f"[{PHONE_PUNCTUATION}]", everything, re.IGNORECASE), _PUNCTUATION),
        (PHONE_JOINERS, _JOINER),
        ("xX", _LETTER_X),
    ):
        table[[ord(character) for character in characters]] = kind
    for digit in re.findall(r"\d", everything):
        table[ord(digit)] = _DIGIT + unicodedata.digit(digit)
    return table


def _collect(scan: Callable[..., int], data: np.ndarray, *arguments: Any) -> np.ndarray:
    """Calls a kernel that fills an array of windows and returns how many there are; again if they were too many."""
    windows = np.empty((len(data) // 256 + 64, 3), np.int64)
    count = scan(windows, data, *arguments)
    if count > len(windows):
        windows = np.empty((count, 3), np.int64)
        scan(windows, data, *arguments)
    return windows[:count]


@inlined
def _keep(windows, count, row, start, end):
    if count < len(windows):
        windows[count, 0], windows[count, 1], windows[count, 2] = row, start, end
    return count + 1


@inlined
def _find(data, position, stop, byte):
    while position < stop and data[position] != byte:
        position += 1
    return position


@inlined
def _kind_at(data, position, stop, alphabet):
    first = data[position]
    if first < 0x80:
        return alphabet[first], 1
    if first < 0xE0 and position + 1 < stop:
        return alphabet[(np.int64(first & 0x1F) << 6) | (data[position + 1] & 0x3F)], 2
    if first < 0xF0 and position + 2 < stop:
        return alphabet[(np.int64(first & 0x0F) << 12) | (np.int64(data[position + 1] & 0x3F) << 6) | (data[position + 2] & 0x3F)], 3
    if position + 3 < stop:
        middle = (np.int64(data[position + 1] & 0x3F) << 12) | (np.int64(data[position + 2] & 0x3F) << 6)
        return alphabet[(np.int64(first & 0x07) << 18) | middle | (data[position + 3] & 0x3F)], 4
    return np.uint8(_SEPARATOR), 1


@inlined
def _phone_run(data, start, stop, alphabet, minimum, short_starts):
    """The end of the run that starts at ``start``, and whether it has digits enough for a number.

    Digits count together while the punctuation between them is no longer than the pattern allows, or holds a sign of an
    extension (``3     ~83279``: the digits before it, if too few for a number, are taken together with those behind).
    Three letters x or more make a vanity number, in which each stands for a digit; then the whole run counts. (No such
    number is known that Presidio accepts, but none is ruled out either.)
    """
    position, qualifies = start, False
    digits, previous, gap, joined, short = 0, -1, 0, False, False
    run_digits, run_letters = 0, 0
    while position < stop:
        kind, width = _kind_at(data, position, stop, alphabet)
        if kind == _SEPARATOR:
            break
        if kind >= _DIGIT:
            if gap > _MAXIMUM_GAP and not joined:
                digits, previous, short = 0, -1, False
            value = kind - _DIGIT
            short = short or (previous >= 0 and short_starts[previous * 10 + value])
            digits, previous, gap, joined = digits + 1, value, 0, False
            run_digits += 1
            qualifies = qualifies or digits >= INTERNATIONAL_DIGITS or (digits >= minimum and short)
        elif kind == _MEMBER:
            digits, previous, gap, joined, short = 0, -1, 0, False, False
        else:
            gap += 1
            joined = joined or kind in (_JOINER, _LETTER_X)
            run_letters += kind == _LETTER_X
        position += width
    if run_letters >= 3 and run_digits > 0 and run_digits + run_letters >= minimum:
        qualifies = True
    return position, qualifies


@inlined
def _character_before(data, position, begin):
    if position > begin:
        position -= 1
        while position > begin and data[position] & 0xC0 == 0x80:
            position -= 1
    return position


@inlined
def _character_after(data, position, stop):
    if position < stop:
        position += 1
        while position < stop and data[position] & 0xC0 == 0x80:
            position += 1
    return position


@kernel(f"int64(int64[:, ::1], {BYTES}, {OFFSETS}, boolean[::1])")
def _email_windows(windows, data, offsets, alphabet):
    count = 0
    for row in range(len(offsets) - 1):
        begin, stop = offsets[row], offsets[row + 1]
        position = _find(data, begin, stop, 64)
        while position < stop:
            start, end = position, position + 1
            while start > begin and alphabet[data[start - 1]]:
                start -= 1
            while end < stop and alphabet[data[end]]:
                end += 1
            count = _keep(windows, count, row, start, end)
            position = _find(data, end, stop, 64)
    return count


@kernel(f"int64(int64[:, ::1], {BYTES}, {OFFSETS}, boolean[::1], boolean[::1], boolean[:, ::1])")
def _url_windows(windows, data, offsets, separators, hosts, domains):
    count = 0
    for row in range(len(offsets) - 1):
        begin, stop = offsets[row], offsets[row + 1]
        # A host's character before the dot, two letters behind it.
        position = _find(data, begin + 1, stop - 2, 46)
        while position < stop - 2:
            if not (hosts[data[position - 1]] and domains[data[position + 1], data[position + 2]]):
                position = _find(data, position + 1, stop - 2, 46)
                continue
            start, end = position, position + 1
            while start > begin and not separators[data[start - 1]]:
                start -= 1
            while end < stop and not separators[data[end]]:
                end += 1
            count = _keep(windows, count, row, start, end)
            position = _find(data, end + 1, stop - 2, 46)
    return count


@kernel(f"int64(int64[:, ::1], {BYTES}, {OFFSETS}, uint8[::1], int64, boolean[::1])")
def _phone_windows(windows, data, offsets, alphabet, minimum, short_starts):
    count = 0
    for row in range(len(offsets) - 1):
        begin, stop = offsets[row], offsets[row + 1]
        position = begin
        while position < stop:
            kind, width = _kind_at(data, position, stop, alphabet)
            if kind == _SEPARATOR:
                position += width
                continue
            start = position
            end, qualifies = _phone_run(data, start, stop, alphabet, minimum, short_starts)
            if qualifies:
                count = _keep(windows, count, row, _character_before(data, start, begin), _character_after(data, end, stop))
            position = end
    return count


@kernel(f"void({BYTES}, int64[:, ::1], int64[::1], uint8[::1])")
def _copy_windows(data, windows, starts, joined):
    for window in range(len(windows)):
        length = windows[window, 2] - windows[window, 1]
        for byte in range(length):
            joined[starts[window] + byte] = data[windows[window, 1] + byte]
