"""Decoding of pages whose labels are right, missing or wrong: share of pages whose text is right to the letter.

    python tests/benchmarks/bench_decoding.py [--sentences FILE.jsonl.gz]

Without a file (JSON Lines with ``lang`` and ``text``), the sentences of the tests.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from curation_tasks.sources.extraction.decoding import decode_page
from curation_tasks.sources.extraction.encodings import decode_bytes, encoding_of

FLOOR = 0.96
_META = re.compile(rb"""<meta[^>]*charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", help="sentences of many languages")
    chosen, _ = parser.parse_known_args()
    lies = _label_lies()
    sentences = lies.read_sentences(chosen.sentences) if chosen.sentences else lies.SENTENCES
    pages = list(lies.pages(sentences, count=6, lengths=(1, 3, 8)))
    print(f"{len(pages):,} pages")
    ours = 0.0
    for name, decode in WAYS.items():
        start = time.process_time()
        right = Counter(page.condition for page in pages if decode(page.body, page.header) == page.text)
        seconds = time.process_time() - start
        each = "  ".join(f"{condition} {right[condition] * len(lies.CONDITIONS) / len(pages):.3f}" for condition in lies.CONDITIONS)
        share = right.total() / len(pages)
        print(f"{name:28} {share:.3f}   {each}   {seconds / len(pages) * 1e6:4.0f} µs a page")
        ours = share if decode is _ours else ours
    return 0 if ours >= FLOOR else 1


def _ours(body: bytes, header: str | None) -> str:
    return decode_page(body, header).text


def _resiliparse(body: bytes, header: str | None) -> str:
    return bytes_to_str(body, detect_encoding(body))


def _in_order(*order: str) -> Callable[[bytes, str | None], str]:
    def decode(body: bytes, header: str | None) -> str:
        meta = _META.search(body[:4096])
        found = {"header": encoding_of(header), "meta": encoding_of(meta[1].decode("latin-1")) if meta else None, "UTF-8": _utf8(body)}
        return decode_bytes(body, next((found[name] for name in order if found[name]), "windows-1252"))[0]

    return decode


def _utf8(body: bytes) -> str | None:
    try:
        body.decode()
    except UnicodeDecodeError:
        return None
    return "UTF-8"


WAYS = {
    "ours": _ours,
    "resiliparse's detection": _resiliparse,
    "UTF-8, header, meta": _in_order("UTF-8", "header", "meta"),
    "header, meta, UTF-8": _in_order("header", "meta", "UTF-8"),
}


def _label_lies():
    place = Path(__file__).parent.parent / "sources" / "extraction" / "label_lies.py"
    specification = importlib.util.spec_from_file_location("label_lies", place)
    sys.modules[specification.name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
