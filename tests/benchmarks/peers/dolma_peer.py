"""dolma's taggers on a corpus: how fast. Runs in an environment of its own, see ``bench_peers.py``."""

import json
import time

from dolma.core.data_types import Document
from dolma.taggers.c4 import C4Tagger
from dolma.taggers.gopher import GopherTagger
from given_texts import given_texts

#: It is slow: so many megabytes of text it gets.
MEGABYTES = 8.0


def main():
    texts, output = given_texts(__doc__)
    sizes = [len(text.encode()) for text in texts]
    few = next((row for row in range(len(texts)) if sum(sizes[:row]) > MEGABYTES * 1e6), len(texts))
    documents = [Document(source="", version="", id=str(row), text=text) for row, text in enumerate(texts[:few])]
    speeds = {}
    for name, tagger in (("gopher_and_fineweb", GopherTagger()), ("c4_lines", C4Tagger())):
        started = time.process_time()
        for document in documents:
            tagger.predict(document)
        speeds[name] = sum(sizes[:few]) / 1e6 / (time.process_time() - started)
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"speeds": speeds}, file)


if __name__ == "__main__":
    main()
