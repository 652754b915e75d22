"""dolma's taggers on a corpus: how fast. Runs in an environment of its own, see ``bench_peers.py``."""

import argparse
import json
import time

import pyarrow.parquet as pq
from dolma.core.data_types import Document
from dolma.taggers.c4 import C4Tagger
from dolma.taggers.gopher import GopherTagger

#: It is slow: so many megabytes of text it gets.
MEGABYTES = 8.0


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--corpus", required=True)
    arguments.add_argument("--rows", type=int, required=True)
    arguments.add_argument("--output", required=True)
    given = arguments.parse_args()
    texts = pq.read_table(given.corpus, columns=["text"]).column("text").slice(0, given.rows).to_pylist()
    sizes = [len(text.encode()) for text in texts]
    few = next((row for row in range(len(texts)) if sum(sizes[:row]) > MEGABYTES * 1e6), len(texts))
    documents = [Document(source="", version="", id=str(row), text=text) for row, text in enumerate(texts[:few])]
    speeds = {}
    for name, tagger in (("gopher_and_fineweb", GopherTagger()), ("c4_lines", C4Tagger())):
        started = time.process_time()
        for document in documents:
            tagger.predict(document)
        speeds[name] = sum(sizes[:few]) / 1e6 / (time.process_time() - started)
    with open(given.output, "w", encoding="utf-8") as file:
        json.dump({"speeds": speeds}, file)


if __name__ == "__main__":
    main()
