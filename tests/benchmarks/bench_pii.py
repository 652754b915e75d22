"""How fast personal data is found, beside plain Presidio, and that the hits are the same: MB of UTF-8 text per second of one core.

    python tests/benchmarks/bench_pii.py [--corpus FILE.parquet] [--megabytes 16] [--plain-seconds 15]

Ours sees all of the text; plain Presidio, about a megabyte a second, every n-th document, in which the hits are compared.
Without a corpus, pages are generated: prose with dates, versions and paths, and an address, number or link here and there.
"""

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tldextract
from presidio_analyzer.predefined_recognizers import EmailRecognizer, PhoneRecognizer, UrlRecognizer

from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.pii.recognizers import gazetteer, patterns
from curation_tasks.storage.shard import text_bytes_of

#: Plain Presidio is given what it should get through in the time allowed at this speed.
_PLAIN_BYTES_PER_SECOND = 600_000
_PROSE = "Once upon a time Lily went to the park, and it was a sunny day."
_PIECES = (
    "Version 2.4.68 of 2026-09-29 08:15 replaces 1.0.", "see /usr/share/doc/x.conf", "write to {0}.{1}@example.com", "the end.The start",
    "call +1 212-555-{2:04}", "www.example.org/{0}/{1}?q={2}", "on pages 211-227 (2003)",
    "id 0x400a{2} in 10.0.{1}.{2}", "Ring 030 12{2:04}",
)  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", help="a Parquet file with a column `text`")
    arguments.add_argument("--megabytes", type=int, default=16, help="how much text")
    arguments.add_argument("--plain-seconds", type=int, default=15, help="about how long plain Presidio may take")
    given = arguments.parse_args()
    texts = corpus(given.corpus, given.megabytes * 1_000_000) if given.corpus else pages(given.megabytes * 1_000_000)
    every = max(1, text_bytes_of(texts) // (given.plain_seconds * _PLAIN_BYTES_PER_SECOND))
    sample = np.arange(0, len(texts), every)
    megabytes = text_bytes_of(texts) / 1e6, text_bytes_of(texts.take(pa.array(sample))) / 1e6
    print(f"{len(texts):,} texts, {megabytes[0]:.0f} MB; plain Presidio: {len(sample):,} texts, {megabytes[1]:.1f} MB\n")
    print(f"{'':16}{'ours':>10}{'plain':>10}{'ratio':>8}{'hits':>9}  the same")
    compare(texts, sample, *megabytes)


def compare(texts: pa.Array, sample: np.ndarray, our_megabytes: float, plain_megabytes: float) -> None:
    offsets, data = text_buffers(texts)
    # No network: the list of public suffixes is that of the package.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    ours, plain, same = 0.0, 0.0, True
    for entity, find, recognizer in (
        ("EMAIL_ADDRESS", patterns.find_emails, EmailRecognizer()),
        ("URL", patterns.find_urls, UrlRecognizer()),
        ("PHONE_NUMBER", phones, PhoneRecognizer()),
    ):
        our_seconds, spans = measured(lambda find=find: find(offsets, data), warm=lambda find=find: find(offsets[:2], data))
        plain_seconds, expected = measured(lambda recognizer=recognizer, entity=entity: plain_hits(recognizer, entity, texts, sample))
        found = hits(spans[np.isin(spans["row"], sample)], offsets)
        report(entity, our_megabytes / our_seconds, plain_megabytes / plain_seconds, len(found), found == expected)
        ours, plain, same = ours + our_seconds / our_megabytes, plain + plain_seconds / plain_megabytes, same and found == expected
    report("all three", 1 / ours, 1 / plain, 0, same)
    seconds, names = measured(lambda: gazetteer.find_names(offsets, data), warm=lambda: gazetteer.find_names(offsets[:2], data))
    print(f"{'PERSON':16}{our_megabytes / seconds:>10.1f}{'':>18}{len(names):>9,}")


def measured(work: Callable, warm: Callable | None = None) -> tuple[float, object]:
    """Seconds of the processor and the result. Tables, patterns and machine code are had once a process: ``warm``."""
    if warm:
        warm()
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def phones(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    return patterns.find_phones(offsets, data, PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS)


def hits(spans: np.ndarray, offsets: np.ndarray) -> set[tuple[int, int, int, float]]:
    rows = spans["row"]
    return set(
        zip(rows.tolist(), (spans["start"] - offsets[rows]).tolist(), (spans["end"] - offsets[rows]).tolist(), spans["score"], strict=True)
    )


def plain_hits(recognizer: object, entity: str, texts: pa.Array, sample: np.ndarray) -> set[tuple[int, int, int, float]]:
    return {
        (row, len(text[: hit.start].encode()), len(text[: hit.end].encode()), hit.score)
        for row in sample.tolist()
        for text in (texts[row].as_py(),)
        for hit in recognizer.analyze(text, [entity])
    }


def report(name: str, ours: float, plain: float, count: int, same: bool) -> None:
    print(f"{name:16}{ours:>10.1f}{plain:>10.2f}{ours / plain:>7.1f}x{f'{count:,}' if count else '':>9}  {'yes' if same else 'NO'}")


def corpus(path: str, size: int) -> pa.Array:
    texts, total = [], 0
    for batch in pq.ParquetFile(path).iter_batches(columns=["text"], batch_size=512):
        texts.append(batch.column(0))
        total += text_bytes_of(batch.column(0))
        if total >= size:
            break
    return pa.concat_arrays(texts)


def pages(size: int) -> pa.Array:
    generator, texts, total = random.Random(7), [], 0
    while total < size:
        pieces = [generator.choice((_PROSE,) * 120 + _PIECES) for _ in range(generator.randrange(20, 200))]
        texts.append(" ".join(piece.format(*(generator.randrange(256) for _ in range(3))) for piece in pieces))
        total += len(texts[-1])
    return pa.array(texts)


if __name__ == "__main__":
    main()
