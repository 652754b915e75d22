"""Pages in the encodings of the web whose labels are right, missing or wrong: for tests, and for ``bench_decoding.py``."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation_tasks.sources.extraction.encodings import codec_of

#: Language → encodings that its pages have besides UTF-8.
ENCODINGS: Mapping[str, Sequence[str]] = {
    language: encodings.split()
    for language, encodings in {
        "kor": "EUC-KR", "jpn": "Shift_JIS EUC-JP ISO-2022-JP", "cmn": "GBK gb18030 Big5", "bul": "windows-1251",
        "rus": "windows-1251 KOI8-R IBM866 ISO-8859-5 x-mac-cyrillic", "ukr": "windows-1251 KOI8-U",
        "pol": "ISO-8859-2 windows-1250", "ces": "ISO-8859-2 windows-1250", "hun": "ISO-8859-2 windows-1250",
        "fra": "windows-1252 ISO-8859-15", "deu": "windows-1252", "spa": "windows-1252", "por": "windows-1252", "ita": "windows-1252",
        "swe": "windows-1252", "dan": "windows-1252", "fin": "windows-1252", "ell": "windows-1253 ISO-8859-7", "tur": "windows-1254",
        "heb": "windows-1255", "ara": "windows-1256", "lit": "windows-1257 ISO-8859-13", "lav": "windows-1257",
        "vie": "windows-1258", "tha": "windows-874",
    }.items()
}  # fmt: skip

#: A few sentences of each language, written for these tests; other ones come by ``read_sentences``.
SENTENCES: Mapping[str, Sequence[str]] = json.loads(Path(__file__).with_name("sentences.json").read_text(encoding="utf-8"))

_WRONG = ("UTF-8", "windows-1252", "UTF-8", "windows-1252", "ISO-8859-2", "windows-1251", "GBK", "Shift_JIS")
CONDITIONS = ("right header", "right meta", "both right", "no label", "wrong header", "wrong meta", "both wrong")


@dataclass(frozen=True)
class LabelledPage:
    """A page and what its labels claim.

    Attributes:
        body: Its bytes.
        header: ``charset`` of the HTTP header.
        text: What it says.
        encoding, language, condition: What it is.
    """

    body: bytes
    header: str | None
    text: str
    encoding: str
    language: str
    condition: str


def pages(
    sentences: Mapping[str, Sequence[str]] = SENTENCES, *, seed: int = 1, count: int = 1, lengths: Sequence[int] = (3, 8)
) -> Iterator[LabelledPage]:
    """``count`` pages of each language, encoding and condition, each of so many sentences."""
    choose = random.Random(seed)
    for language, encodings in ENCODINGS.items():
        if not sentences.get(language):
            continue
        for encoding in (*encodings, "UTF-8"):
            for _ in range(count):
                chosen = [choose.choice(sentences[language]) for _ in range(choose.choice(lengths))]
                for condition in CONDITIONS:
                    yield _page(language, encoding, condition, chosen, choose)


def read_sentences(path: str) -> dict[str, list[str]]:
    """Language → sentences, from JSON Lines (gzip) with ``lang`` (ISO 639-3) and ``text``."""
    found: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found.setdefault(row["lang"], []).append(row["text"])
    return found


def _page(language: str, encoding: str, condition: str, sentences: Iterable[str], choose: random.Random) -> LabelledPage:
    codec = codec_of(encoding)
    said = [sentence.encode(codec, "ignore").decode(codec) for sentence in sentences]
    wrong = choose.choice([name for name in _WRONG if name != encoding])
    header = {"right header": encoding, "both right": encoding, "wrong header": wrong, "both wrong": wrong}.get(condition)
    meta = {"right meta": encoding, "both right": encoding, "wrong meta": wrong, "both wrong": wrong}.get(condition)
    # A page with one wrong label has the right one beside it as often as not.
    if condition == "wrong header" and choose.random() < 0.5:
        meta = encoding
    if condition == "wrong meta" and choose.random() < 0.5:
        header = encoding
    label = f'<meta charset="{meta}">' if meta else ""
    text = (
        f"<!DOCTYPE html><html><head>{label}<title>Page</title><style>a{{b:c}}</style></head><body><div><a href='/'>Home</a></div>"
        f"<article>{''.join(f'<p>{sentence}</p>' for sentence in said)}</article></body></html>"
    )
    return LabelledPage(text.encode(codec), header, text, encoding, language, condition)
