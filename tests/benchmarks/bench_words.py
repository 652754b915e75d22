"""How fast texts are cut into words by Unicode's rules, by language: MB of UTF-8 text per CPU second of one core.

    python tests/benchmarks/bench_words.py FILE.jsonl.gz [--languages eng,cmn,tha,lao,khm,mya] [--megabytes 6]

A line of the file has `lang` and `text`. What there is of a language is repeated, in documents of about 3 KB.
"""

import argparse
import gzip
import json
import resource
import time

import pyarrow as pa

from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.storage.shard import text_bytes_of

_COUNTS = ("words", "unique_words", "top_2_gram_characters", "duplicate_5_gram_characters")
_DOCUMENT_BYTES = 3_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file")
    arguments.add_argument("--languages", default="eng,cmn,jpn,tha,kor,hin,lao,khm,mya")
    arguments.add_argument("--megabytes", type=int, default=6)
    given = arguments.parse_args()
    with gzip.open(given.file, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for language in given.languages.split(","):
        texts = documents("\n".join(row["text"] for row in rows if row["lang"] == language), given.megabytes * 1_000_000)
        seconds = min(measured(texts) for _ in range(5))
        words = int(text_counts(texts, ["words"], words="unicode")["words"].sum())
        print(f"{language:5}{text_bytes_of(texts) / 1e6 / seconds:8.1f} MB/s{words:12,} words")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def documents(text: str, size: int) -> pa.Array:
    step = _DOCUMENT_BYTES * len(text) // len(text.encode())
    whole = (text + "\n") * (size // len(text.encode()) + 1)
    return pa.array([whole[at : at + step] for at in range(0, len(whole), step)])


def measured(texts: pa.Array) -> float:
    started = time.process_time()
    text_counts(texts, _COUNTS, words="unicode")
    return time.process_time() - started


if __name__ == "__main__":
    main()
