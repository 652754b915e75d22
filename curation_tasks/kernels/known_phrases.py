"""Phrases and URLs in a text, found 64 bytes at a time.

Two letters of a phrase that are rare in English are compared with all 64 places at once; the whole phrase is compared only
where both fit (W. Muła, "SIMD-friendly algorithms for substring searching").
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.bitmaps import HIT, between, equal_with_bits, lowest, set_bit
from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.counts import column

#: What says that a paragraph is about terms and cookies: the phrases of C4 and those that NeMo Curator added, lower case.
POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "privacy overview",
    "privacy & cookies policy",
    "privacy and cookies policy",
    "necessary cookies are absolutely essential",
    "may not be particularly necessary for the website",
    "continue to browse this site without changing your cookie",
)
_POLICY, _LOREM, _JAVASCRIPT = 0, 1, 2
_PHRASES = (*((phrase, _POLICY) for phrase in POLICY_PHRASES), ("lorem ipsum", _LOREM), ("javascript", _JAVASCRIPT))
_POLICY_PHRASES, _LOREM_IPSUM, _JAVASCRIPT_COUNT = column("policy_phrases"), column("lorem_ipsum"), column("javascript")
_URL_CHARACTERS, _ADULT_URLS, _XML_HEADER = column("url_characters"), column("adult_urls"), column("xml_header")

_RAREST_LAST = " etaoinshrdlcumwfgypbvkjxqz"


def _probes(phrase: str) -> tuple[int, int]:
    """The places of the two rarest letters of a phrase, in order."""
    first, second = sorted(sorted(range(len(phrase)), key=lambda at: -_RAREST_LAST.find(phrase[at]))[:2])
    return first, second


_BYTES = np.frombuffer("".join(phrase for phrase, _ in _PHRASES).encode("ascii"), np.uint8)
_ENDS = np.cumsum([len(phrase) for phrase, _ in _PHRASES])
_BEGINS = _ENDS - [len(phrase) for phrase, _ in _PHRASES]
_KINDS = np.array([kind for _, kind in _PHRASES])
_PROBES = np.array([_probes(phrase) for phrase, _ in _PHRASES])

_ONE = np.uint64(1)
_XML = np.frombuffer(b"<?xml version=", np.uint8)
_XML_CHARACTERS = 100

_URL_BYTES = np.zeros(256, np.bool_)
for _mark in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$-_@.&+/:=?#~!*(),":
    _URL_BYTES[_mark] = True


@inlined
def _stands_at(wanted, begin, end, text, at):
    """Whether ``wanted[begin:end]``, lower case, stands there, whatever the case."""
    for k in range(end - begin):
        byte = text[at + k]
        if 65 <= byte <= 90:
            byte |= 32
        if byte != wanted[begin + k]:
            return False
    return True


@inlined
def count_phrases(text, size, bitmaps, counts):
    """Counts the phrases, and marks in the bitmap ``HIT`` where the policy phrases begin."""
    for block in range((size + 63) >> 6):
        base = block << 6
        for phrase in range(_KINDS.shape[0]):
            begin, end = _BEGINS[phrase], _ENDS[phrase]
            first, second = _PROBES[phrase, 0], _PROBES[phrase, 1]
            places = equal_with_bits(text, base + first, np.int64(_BYTES[begin + first]), 32)
            places &= equal_with_bits(text, base + second, np.int64(_BYTES[begin + second]), 32)
            while places:
                at = base + lowest(places)
                places &= places - _ONE
                if at + end - begin > size or not _stands_at(_BYTES, begin, end, text, at):
                    continue
                if _KINDS[phrase] == _POLICY:
                    counts[_POLICY_PHRASES] += 1
                    set_bit(bitmaps[HIT], at)
                elif _KINDS[phrase] == _LOREM:
                    counts[_LOREM_IPSUM] += 1
                else:
                    counts[_JAVASCRIPT_COUNT] += 1
    counts[_XML_HEADER] = _has_xml_header(text, size)


@inlined
def _has_xml_header(text, size):
    seen = 0
    for at in range(size):
        seen += text[at] & 0xC0 != 0x80
        if seen + _XML.shape[0] - 1 > _XML_CHARACTERS:
            break
        if text[at] == 60 and at + _XML.shape[0] <= size and _stands_at(_XML, 0, _XML.shape[0], text, at):
            return 1
    return 0


@inlined
def _is_hexadecimal(byte):
    return 48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102


@inlined
def _url_end(text, at, size):
    """The end of the URL whose scheme is followed by ``at``."""
    while at < size:
        if _URL_BYTES[text[at]]:
            at += 1
        elif text[at] == 37 and at + 2 < size and _is_hexadecimal(text[at + 1]) and _is_hexadecimal(text[at + 2]):
            at += 3
        else:
            break
    return at


@inlined
def count_urls(text, size, counts):
    """Counts the characters of URLs: http:// or https:// and what may stand in one, as in NeMo Curator's UrlsFilter."""
    total = adult = until = 0
    for block in range((size + 63) >> 6):
        base = block << 6
        places = between(text, base, 104, 104) & between(text, base + 3, 112, 112)
        while places:
            at = base + lowest(places)
            places &= places - _ONE
            if at < until or not (text[at + 1] == 116 and text[at + 2] == 116):
                continue
            behind = at + 4 + (text[at + 4] == 115)
            if not (text[behind] == 58 and text[behind + 1] == 47 and text[behind + 2] == 47):
                continue
            end = _url_end(text, behind + 3, size)
            if end == behind + 3:
                continue
            total += end - at
            until = end
            for k in range(at, end - 3):
                if text[k] == 112 and text[k + 1] == 111 and text[k + 2] == 114 and text[k + 3] == 110:
                    adult += 1
                    break
    counts[_URL_CHARACTERS], counts[_ADULT_URLS] = total, adult
