"""Measures markup before a parser sees it: how deep elements nest, how many there are, and the most attributes of one.

Parsers take time quadratic in these on pages made to be so; this scan is linear in all of them. It follows the tokenizer of
the HTML standard as far as it decides what is a tag: quoted values, comments, and elements whose content is no markup.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import BYTES, inlined, kernel

_LESS, _GREATER, _SLASH, _EXCLAMATION, _QUESTION, _EQUALS, _DASH = 0x3C, 0x3E, 0x2F, 0x21, 0x3F, 0x3D, 0x2D
_DOUBLE_QUOTE, _SINGLE_QUOTE = 0x22, 0x27
_NAME_BYTES = 8


def _packed(names: str) -> tuple[int, ...]:
    """The first eight bytes of each name as one number, as ``_name`` reads them."""
    return tuple(int.from_bytes(name.encode()[:_NAME_BYTES], "big") for name in names.split())


#: They have no content, or the next one of their kind ends them: they do not make a page deeper.
_FLAT = _packed(
    "area base br col embed hr img input link meta param source track wbr html head body "
    "p li dt dd option optgroup tr td th thead tbody tfoot colgroup rb rp rt rtc"
)
#: Their content is text up to the end tag of the same name.
_RAW = _packed("script style textarea title xmp iframe noembed noframes")


def measure_markup(html: bytes) -> tuple[int, int, int]:
    """What a parser would have to bear.

    Args:
        html: A page in UTF-8 (or any encoding that holds ASCII as it is).

    Returns:
        ``(depth, elements, attributes)``: elements open at once, start tags, and attributes of the tag that has most. Depth is
        counted high where end tags are missing.
    """
    if not html:
        return 0, 0, 0
    depth, elements, attributes = _measure(np.frombuffer(html, np.uint8))
    return int(depth), int(elements), int(attributes)


@inlined
def _is_space(byte):
    return byte == 0x20 or (0x09 <= byte <= 0x0D and byte != 0x0B)


@inlined
def _is_letter(byte):
    return 0x61 <= (byte | 0x20) <= 0x7A


@inlined
def _find(data, place, byte):
    """The first place of a byte from ``place`` on, or the end."""
    while place < len(data) and data[place] != byte:
        place += 1
    return place


@inlined
def _name(data, place):
    """The first eight bytes of a tag's name in lower case, packed, and the place behind the name."""
    packed, length = np.int64(0), 0
    while place < len(data):
        byte = data[place]
        if _is_space(byte) or byte in (_SLASH, _GREATER):
            break
        if length < _NAME_BYTES:
            packed = (packed << 8) | np.int64(byte | 0x20 if 0x41 <= byte <= 0x5A else byte)
            length += 1
        place += 1
    return packed, place


@inlined
def _attributes(data, place):
    """The number of attributes up to the tag's end, and the place behind it."""
    count = 0
    while place < len(data):
        byte = data[place]
        if byte == _GREATER:
            return count, place + 1
        if _is_space(byte) or byte == _SLASH:
            place += 1
            continue
        count += 1
        place += 1  # a name may begin with "="
        while place < len(data) and not (_is_space(data[place]) or data[place] in (_SLASH, _GREATER, _EQUALS)):
            place += 1
        while place < len(data) and _is_space(data[place]):
            place += 1
        if place < len(data) and data[place] == _EQUALS:
            place += 1
            while place < len(data) and _is_space(data[place]):
                place += 1
            if place < len(data) and data[place] in (_DOUBLE_QUOTE, _SINGLE_QUOTE):
                place = _find(data, place + 1, data[place]) + 1
            else:
                while place < len(data) and not (_is_space(data[place]) or data[place] == _GREATER):
                    place += 1
    return count, place


@inlined
def _behind_comment(data, place):
    """The place behind ``-->``, or the end."""
    while place + 2 < len(data):
        if data[place] == _DASH and data[place + 1] == _DASH and data[place + 2] == _GREATER:
            return place + 3
        place += 1
    return len(data)


@inlined
def _end_of_raw(data, place, name):
    """The place of the end tag of that name, or the end."""
    while place + 2 < len(data):
        place = _find(data, place, _LESS)
        if place + 2 < len(data) and data[place + 1] == _SLASH and _name(data, place + 2)[0] == name:
            return place
        place += 1
    return len(data)


@kernel(f"UniTuple(int64, 3)({BYTES})")
def _measure(data):
    place = depth = deepest = elements = most = 0
    while True:
        place = _find(data, place, _LESS)
        if place + 1 >= len(data):
            return deepest, elements, most
        following = data[place + 1]
        if _is_letter(following):
            name, place = _name(data, place + 1)
            count, place = _attributes(data, place)
            elements += 1
            most = max(most, count)
            if name in _RAW:
                place = _end_of_raw(data, place, name)
                depth += 1
            elif name not in _FLAT:
                depth += 1
            deepest = max(deepest, depth)
        elif following == _SLASH and place + 2 < len(data) and _is_letter(data[place + 2]):
            name, place = _name(data, place + 2)
            _, place = _attributes(data, place)
            if name not in _FLAT:
                depth = max(0, depth - 1)
        elif following == _EXCLAMATION and place + 3 < len(data) and data[place + 2] == _DASH and data[place + 3] == _DASH:
            place = _behind_comment(data, place + 4)
        elif following in (_EXCLAMATION, _QUESTION, _SLASH):
            place = _find(data, place, _GREATER)
        else:
            place += 1
