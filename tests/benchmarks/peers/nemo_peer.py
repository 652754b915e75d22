"""NeMo Curator's filter classes on a corpus: how fast, and what they decide. Runs in an environment of its own, see ``bench_peers.py``."""

import json
import time

from given_texts import given_texts
from nemo_curator.stages.text.filters.heuristic import repetition, string

REPETITION = [
    *(repetition.RepeatingTopNGramsFilter(n=n, max_repeating_ngram_ratio=bound) for n, bound in ((2, 0.2), (3, 0.18), (4, 0.16))),
    *(
        repetition.RepeatingDuplicateNGramsFilter(n=n, max_repeating_duplicate_ngram_ratio=bound)
        for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
    ),
]
#: The cascade for English, in its order.
CASCADE = [
    string.NonAlphaNumericFilter(),
    string.SymbolsToWordsFilter(),
    string.NumbersFilter(),
    string.UrlsFilter(),
    string.WhiteSpaceFilter(),
    string.ParenthesesFilter(),
    string.BoilerPlateStringFilter(),
    repetition.RepeatedLinesFilter(),
    repetition.RepeatedParagraphsFilter(),
    repetition.RepeatedLinesByCharFilter(),
    repetition.RepeatedParagraphsByCharFilter(),
    string.WordCountFilter(),
    string.PunctuationFilter(),
    string.WordsWithoutAlphabetsFilter(),
    string.CommonEnglishWordsFilter(),
    string.MeanWordLengthFilter(),
    string.LongWordFilter(),
    string.EllipsisFilter(),
    *REPETITION,
    string.BulletsFilter(),
]


def main():
    texts, output = given_texts(__doc__)
    size = sum(len(text.encode()) for text in texts)
    started = time.process_time()
    kept = [[keeps(one, text) for text in texts] for one in CASCADE]
    seconds = time.process_time() - started
    report = {"speeds": {"nemo_english": size / 1e6 / seconds}, "kept": {str(number): row for number, row in enumerate(kept)}}
    with open(output, "w", encoding="utf-8") as file:
        json.dump(report, file)


def keeps(one, text):
    """Whether a filter keeps a text; None where it raises an error (on blank text)."""
    try:
        return bool(one.keep_document(one.score_document(text)))
    except (ZeroDivisionError, ValueError):
        return None


if __name__ == "__main__":
    main()
