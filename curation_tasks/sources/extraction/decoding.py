"""A page's bytes to text, whatever its labels say.

The order is the one that measures best on pages whose labels are right, missing or wrong (``tests/benchmarks/bench_decoding.py``):

1. a byte-order mark;
2. bytes that are ASCII, or UTF-16 or ISO-2022-JP by their form;
3. bytes that are UTF-8: by chance other text is so only when it is a few bytes long;
4. the detector, except that a label of the header or of the page wins where the detector has no opinion or a related one
   (KOI8-U for KOI8-R, ISO-8859-2 for windows-1250);
5. a label, the legacy encoding of the page's language, and windows-1252.

A label alone is right on little more than half of such pages.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from curation_tasks.sources.extraction.encodings import decode_bytes, encoding_of

#: Where a page may say its encoding; the standard asks browsers to look at 1,024 bytes, pages put it later.
_META_BYTES = 4096
_META = re.compile(rb"""<(?:meta|\?xml)\b[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_LANGUAGE = re.compile(rb"""<html\b[^>]*?\slang\s*=\s*["']?([a-z]{2,3})""", re.IGNORECASE)
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "UTF-8"), (codecs.BOM_UTF16_LE, "UTF-16LE"), (codecs.BOM_UTF16_BE, "UTF-16BE"))
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\([IJ]")
#: The detector's cost grows with what it sees; text this long says enough.
_DETECTION_BYTES = 2**16
#: Broken sequences that a page in UTF-8 may have, as a share of its sequences.
_BROKEN_UTF8_RATIO = 0.05
_WITHOUT_ASCII = dict.fromkeys(range(128))

#: Letters of KOI8-U, which are lines of boxes in KOI8-R, beside a letter.
_UKRAINIAN = re.compile(rb"[\xa4\xa6\xa7\xad][\xc0-\xdf]|[\xc0-\xdf][\xa4\xa6\xa7\xad]")

#: The detector's names that are no labels of the standard.
_DETECTED = {"euc_jp": "EUC-JP", "iso2022_jp": "ISO-2022-JP", "mac-cyrillic": "x-mac-cyrillic"}
#: Encodings that differ in few characters, among which a label knows better than a detector.
_RELATED = (
    {"windows-1252", "ISO-8859-15"},
    {"windows-1250", "ISO-8859-2", "ISO-8859-16"},
    {"windows-1257", "ISO-8859-13", "ISO-8859-4"},
    {"KOI8-R", "KOI8-U"},
    {"windows-1253", "ISO-8859-7"},
    {"windows-1255", "ISO-8859-8", "ISO-8859-8-I"},
    {"GBK", "gb18030"},
)
#: What browsers take for a page of the language without a label: https://html.spec.whatwg.org/#determining-the-character-encoding.
_LEGACY = {
    encoding: languages.split()
    for encoding, languages in {
        "windows-1256": "ar fa ur", "windows-1251": "ba be bg ky mk ru sr tg tt uk sah", "windows-1250": "cs hr hu pl sk sl ro bs",
        "windows-1253": "el", "windows-1257": "et lt lv", "windows-1255": "he", "Shift_JIS": "ja", "EUC-KR": "ko",
        "windows-1254": "ku tr az", "windows-874": "th", "windows-1258": "vi", "gb18030": "zh",
    }.items()
}  # fmt: skip
_LEGACY_OF = {language: encoding for encoding, languages in _LEGACY.items() for language in languages}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A page as text.

    Attributes:
        text: Without a byte-order mark, without surrogates.
        encoding: The standard's name of the encoding.
        replaced: Sequences that could not be decoded.
    """

    text: str
    encoding: str
    replaced: int


def decode_page(page: bytes, header: str | None = None) -> Decoded:
    """Decodes a page.

    Args:
        page: Its bytes.
        header: The ``charset`` of the HTTP header.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if page.startswith(mark):
            return _decoded(page[len(mark) :], encoding)
    return _decoded(page, _encoding(page, header))


def claimed_language(page: bytes) -> str | None:
    """The language, ``en`` or ``deu``, that the page's ``<html lang>`` claims; of undecoded pages."""
    match = _LANGUAGE.search(page[:_META_BYTES])
    return match[1].decode().lower() if match else None


def _decoded(page: bytes, encoding: str) -> Decoded:
    text, replaced = decode_bytes(page, encoding)
    return Decoded(text, encoding, replaced)


def _encoding(page: bytes, header: str | None) -> str:
    labels = [label for label in (encoding_of(header), _label_of(page)) if label]
    if wide := _wide(page):
        return wide
    if page.isascii():
        return "ISO-2022-JP" if _ISO_2022_JP.search(page) else "UTF-8"
    if _is_utf8(page):
        return "UTF-8"
    detected = _detect(page)
    for label in labels:
        if _can_be(page, label) and (detected is None or label == detected or _are_related(label, detected)):
            return label
    if detected and _can_be(page, detected):
        return detected
    if _is_broken_utf8(page):
        return "UTF-8"
    return next((label for label in labels if _can_be(page, label)), None) or _by_language(page) or "windows-1252"


def _label_of(page: bytes) -> str | None:
    match = _META.search(page[:_META_BYTES])
    encoding = encoding_of(match[1].decode("latin-1")) if match else None
    # What could be read as ASCII is not UTF-16: https://html.spec.whatwg.org/#concept-encoding-sniff.
    return "UTF-8" if encoding and encoding.startswith("UTF-16") else encoding


def _wide(page: bytes) -> str | None:
    """UTF-16 without a mark, by the zero bytes of its mark-up."""
    begin = page[:256]
    if b"\0" not in begin:
        return None
    zeros = (begin[0::2].count(0), begin[1::2].count(0))
    half = len(begin) // 2
    if zeros[1] > 0.6 * half and zeros[0] < 0.1 * half:
        return "UTF-16LE"
    if zeros[0] > 0.6 * half and zeros[1] < 0.1 * half:
        return "UTF-16BE"
    return None


def _is_utf8(page: bytes) -> bool:
    """Whole sequences throughout; the last one may be cut, as crawlers cut long pages."""
    try:
        page.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.end == len(page)
    return True


def _is_broken_utf8(page: bytes) -> bool:
    text = page.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = len(text.translate(_WITHOUT_ASCII)) - broken
    return broken <= _BROKEN_UTF8_RATIO * whole


def _detect(page: bytes) -> str | None:
    from resiliparse.parse.encoding import detect_encoding

    name = detect_encoding(page, max_len=_DETECTION_BYTES, html5_compatible=False)
    if name is None or name.lower() in ("ascii", "utf-8"):
        return None
    found = _DETECTED.get(name) or encoding_of(name)
    return "KOI8-U" if found == "KOI8-R" and _UKRAINIAN.search(page) else found


def _are_related(one: str, other: str) -> bool:
    return any(one in group and other in group for group in _RELATED)


def _can_be(page: bytes, encoding: str) -> bool:
    """Whether it decodes with hardly a replaced character; wide encodings and UTF-8 were looked for before."""
    if encoding.startswith("UTF-"):
        return False
    text, replaced = decode_bytes(page, encoding)
    return replaced <= 0.01 * len(text)


def _by_language(page: bytes) -> str | None:
    encoding = _LEGACY_OF.get(claimed_language(page) or "")
    return encoding if encoding and _can_be(page, encoding) else None
