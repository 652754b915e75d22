"""datatrove's filters on a corpus: how fast, and what they decide. Runs in an environment of its own, see ``bench_peers.py``.

Words are those between white space (``str.split``), which is faster than its tokenizers and what our word mode
``whitespace`` is; ``default_tokenizer`` measures the other.
"""

import json
import time

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION
from given_texts import given_texts

#: Its default tokenizer is slow: so many megabytes of text it gets.
DEFAULT_MEGABYTES = 2.0
MODULES = (gopher_quality_filter, gopher_repetition_filter, fineweb_quality_filter)


def main():
    texts, output = given_texts(__doc__)
    sizes = [len(text.encode()) for text in texts]

    few = next((row for row in range(len(texts)) if sum(sizes[:row]) > DEFAULT_MEGABYTES * 1e6), len(texts))
    filters = {"gopher_quality": GopherQualityFilter(), "gopher_repetition": GopherRepetitionFilter(), "fineweb": FineWebQualityFilter()}
    judge(filters, texts[:2])  # loads the tokenizer
    started = time.process_time()
    judge(filters, texts[:few])
    speeds = {"gopher_and_fineweb, default tokenizer": sum(sizes[:few]) / 1e6 / (time.process_time() - started)}

    for module in MODULES:
        module.split_into_words = lambda text, language: text.split()
    started = time.process_time()
    decisions = judge(filters, texts)
    speeds["gopher_and_fineweb"] = sum(sizes) / 1e6 / (time.process_time() - started)

    # With bounds that no text misses every rule is looked at, as ours are: without them a filter stops at the first missed.
    started = time.process_time()
    judge(all_signals(), texts)
    speeds["gopher_and_fineweb, all signals"] = sum(sizes) / 1e6 / (time.process_time() - started)

    c4 = C4QualityFilter(min_num_sentences=-1)
    documents = [Document(text=text, id="") for text in texts]
    started = time.process_time()
    results = [c4.filter(document) for document in documents]
    speeds["c4_lines"] = sum(sizes) / 1e6 / (time.process_time() - started)
    decisions["c4_lines"] = [reason_of(result) for result in results]
    rewritten = [document.text for document in documents]

    report = {
        "speeds": speeds,
        "decisions": decisions,
        "rewritten": rewritten,
        "punctuation": "".join(sorted(PUNCTUATION_SET)),
        "terminals": "".join(sorted(TERMINAL_PUNCTUATION)),
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(report, file)


def all_signals():
    little, much = 1e-9, 1e9
    quality = GopherQualityFilter(
        min_doc_words=1, max_doc_words=10**9, min_avg_word_length=little, max_avg_word_length=much, max_symbol_word_ratio=much,
        max_bullet_lines_ratio=much, max_ellipsis_lines_ratio=much, max_non_alpha_words_ratio=little,
    )  # fmt: skip
    repetition = GopherRepetitionFilter(
        dup_line_frac=much, dup_para_frac=much, dup_line_char_frac=much, dup_para_char_frac=much,
        top_n_grams=tuple((n, much) for n in (2, 3, 4)), dup_n_grams=tuple((n, much) for n in range(5, 11)),
    )  # fmt: skip
    fineweb = FineWebQualityFilter(line_punct_thr=0, short_line_thr=much, char_duplicates_ratio=much, new_line_ratio=much)
    return {"gopher_quality": quality, "gopher_repetition": repetition, "fineweb": fineweb}


def judge(filters, texts):
    decisions = {}
    for name, one in filters.items():
        decisions[name] = []
        for text in texts:
            try:
                decisions[name].append(reason_of(one.filter(Document(text=text, id=""))))
            except ZeroDivisionError:
                decisions[name].append("error")
    return decisions


def reason_of(result):
    return None if result is True else result[1]


if __name__ == "__main__":
    main()
