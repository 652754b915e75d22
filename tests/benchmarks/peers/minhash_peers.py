"""datatrove's four MinHash stages and rensa on a corpus: how fast. Runs in an environment of its own, see ``bench_fuzzy.py``.

datatrove takes its defaults (5-grams of words, 14 buckets of 8 hashes, 64 bits); one process, one task a stage. Its two
ways to words are measured: the default tokenizer, and ``str.split`` put in its place, which is faster. rensa gets lists of
words, made within the time.
"""

import json
import tempfile
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup import minhash as module
from datatrove.pipeline.dedup.minhash import MinhashConfig
from given_texts import given_texts
from rensa import RMinHash, RMinHashLSH

PERMUTATIONS, ROWS = 112, 8


def main():
    texts, output = given_texts(__doc__)
    report = {"documents": len(texts), "megabytes": sum(len(text.encode()) for text in texts) / 1e6}
    few = texts[: max(1, len(texts) // 4)]
    report["few_megabytes"] = sum(len(text.encode()) for text in few) / 1e6
    report["datatrove"] = datatrove(few)
    split = type("Split", (), {"word_tokenize": staticmethod(str.split)})()
    module.load_word_tokenizer = lambda language: split
    report["datatrove_split"] = datatrove(texts)
    report["rensa"] = rensa(texts)
    with open(output, "w", encoding="utf-8") as file:
        json.dump(report, file)


def datatrove(texts):
    """CPU seconds of each stage, and the documents that are left."""
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    config = MinhashConfig()
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        signatures, buckets, removed = (str(Path(folder) / name) for name in ("signatures", "buckets", "removed"))
        warm = MinhashDedupSignature(output_folder=str(Path(folder) / "warm"), config=config)
        warm.run(documents[:2], 0, 1)  # loads the tokenizer
        seconds["signatures"], _ = timed(lambda: MinhashDedupSignature(output_folder=signatures, config=config).run(documents, 0, 1))

        def match():
            for bucket in range(config.num_buckets):
                MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=config).run(None, bucket, config.num_buckets)

        seconds["buckets"], _ = timed(match)
        seconds["cluster"], _ = timed(
            lambda: MinhashDedupCluster(input_folder=buckets, output_folder=removed, config=config).run(None, 0, 1)
        )
        seconds["filter"], left = timed(lambda: len(list(MinhashDedupFilter(input_folder=removed).run(documents, 0, 1))))
    return {"seconds": seconds, "left": left}


def rensa(texts):
    index = RMinHashLSH(threshold=0.8, num_perm=PERMUTATIONS, num_bands=PERMUTATIONS // ROWS)

    def sign():
        found = []
        for text in texts:
            words = text.lower().split()
            minhash = RMinHash(num_perm=PERMUTATIONS, seed=1)
            minhash.update([" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))])
            found.append(minhash)
        return found

    seconds = {}
    seconds["signatures"], signatures = timed(sign)

    def match():
        kept = 0
        for number, minhash in enumerate(signatures):
            if not index.query(minhash):
                kept += 1
            index.insert(number, minhash)
        return kept

    seconds["index"], left = timed(match)
    return {"seconds": seconds, "left": left}


def timed(work):
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


if __name__ == "__main__":
    main()
