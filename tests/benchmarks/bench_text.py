"""How fast text is cleaned and judged, beside the plain libraries: MB of UTF-8 text per second of one core.

    python tests/benchmarks/bench_text.py [--corpus FILE.parquet] [--megabytes 32]

Without a corpus, stories are generated: ASCII for the most part, curly quotes in one of three, mojibake in one of a hundred.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable

import ftfy
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.cleaning.catalog import QuotesParameters, UnicodeParameters
from curation_tasks.cleaning.quotes import quotes
from curation_tasks.cleaning.unicode import unicode
from curation_tasks.filters.catalog import QualityParameters
from curation_tasks.filters.quality import quality
from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.storage.shard import text_bytes_of
from curation_tasks.testing import context_for

#: The plain libraries see this much: they are slow.
_PLAIN_BYTES = 2_000_000
_TEXT = "once upon a time there was little girl who loved to play with her red ball in the big park and she said mom let us go home"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", help="a Parquet file with a column `text`")
    arguments.add_argument("--megabytes", type=int, default=32, help="how much text")
    given = arguments.parse_args()
    texts = corpus(given.corpus, given.megabytes * 1_000_000) if given.corpus else stories(given.megabytes * 1_000_000)
    batch = pa.record_batch({"text": texts})
    plain = texts.slice(0, max(1, len(texts) * _PLAIN_BYTES // max(1, text_bytes_of(texts)))).to_pylist()
    print(f"{len(texts):,} texts, {text_bytes_of(texts) / 1e6:.0f} MB\n\n{'':24}{'ours':>10}{'plain':>10}{'ratio':>8}")
    report("cleaning.quotes", batch, lambda batch: run(quotes, batch, QuotesParameters()), plain, unify)
    report("cleaning.unicode", batch, lambda batch: run(unicode, batch, UnicodeParameters()), plain, fix)
    report("word count alone", batch, lambda batch: text_counts(batch.column("text"), ["words"]), plain, lambda text: len(text.split()))
    report("filters.quality", batch, lambda batch: run(quality, batch, QualityParameters(rules="tinystories")), plain, judge)


def run(operation: Callable, batch: pa.RecordBatch, parameters: object) -> pa.RecordBatch:
    return operation(batch, parameters, context_for(parameters))


def report(name: str, batch: pa.RecordBatch, ours: Callable, plain: list[str], theirs: Callable) -> None:
    ours(batch)  # tables, machine code and memory are had once a process
    started = time.process_time()
    ours(batch)
    our_speed = text_bytes_of(batch.column("text")) / 1e6 / (time.process_time() - started)
    started = time.process_time()
    for text in plain:
        theirs(text)
    their_speed = sum(len(text.encode()) for text in plain) / 1e6 / (time.process_time() - started)
    print(f"{name:24}{our_speed:10.0f}{their_speed:10.1f}{our_speed / their_speed:7.0f}×")


def unify(text: str) -> str:
    return text.replace("\u2018", "'").replace("\u2019", "'").replace("\u201c", '"').replace("\u201d", '"')


def fix(text: str) -> str:
    return ftfy.fix_text(
        text, normalization=None, uncurl_quotes=False, fix_line_breaks=False, fix_character_width=False, fix_latin_ligatures=False
    )


def judge(text: str) -> list[float]:
    """Word count, ending and the shares of the top n-grams, one after the other, as peers' filters do."""
    words = text.split()
    scores = [len(words), float(text.rstrip()[-1:] in '.!?"\u201d')]
    for n in (2, 3, 4):
        grams = [" ".join(words[at : at + n]) for at in range(len(words) - n + 1)]
        top, times = Counter(grams).most_common(1)[0] if grams else ("", 0)
        scores.append(len(top) * times / max(1, len(text)))
    return scores


def corpus(path: str, size: int) -> pa.Array:
    texts = pq.read_table(path, columns=["text"]).column("text").combine_chunks()
    return texts.slice(0, max(1, min(len(texts), len(texts) * size // max(1, text_bytes_of(texts)))))


def stories(size: int) -> pa.Array:
    chance = random.Random(1)
    words = _TEXT.split()
    found, written = [], 0
    while written < size:
        text = ". ".join(" ".join(chance.choices(words, k=chance.randint(5, 15))).capitalize() for _ in range(chance.randint(10, 25))) + "."
        if chance.random() < 1 / 3:
            text = f"\u201c{text}\u201d she said. It\u2019s late."
        if chance.random() < 1 / 100:
            text += " caf\u00c3\u00a9."
        found.append(text)
        written += len(text)
    return pa.array(found)


if __name__ == "__main__":
    main()
