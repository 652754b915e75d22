"""py3langid and lingua on labelled texts, and how right they and we are. Runs in an environment of its own, see ``bench_language.py``.

Codes are brought to one form by langcodes: ISO 639-1 where there is one, single languages to their macro-language (arb → ar).
"""

import argparse
import gzip
import json
import time
from collections import defaultdict
from functools import cache

import langcodes
import py3langid
import pyarrow.parquet as pq
from lingua import Language, LanguageDetectorBuilder

#: They are slow: so many megabytes of the corpus they get.
MEGABYTES = 3.0


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gold", required=True, help="JSON Lines of text, lang, set")
    arguments.add_argument("--ours", required=True, help="JSON: our name → {answers: one a gold text, supported: codes}")
    arguments.add_argument("--corpus")
    arguments.add_argument("--output", required=True)
    given = arguments.parse_args()
    opened = gzip.open if given.gold.endswith(".gz") else open
    with opened(given.gold, "rt", encoding="utf-8") as file:
        gold = [json.loads(line) for line in file]
    with open(given.ours, encoding="utf-8") as file:
        found = json.load(file)
    sample = []
    if given.corpus:
        for text in pq.read_table(given.corpus, columns=["text"]).column("text").slice(0, 5000).to_pylist():
            if sum(map(len, sample)) < MEGABYTES * 1e6:
                sample.append(text)
    speeds = {}
    for name, (identify, supported) in peers().items():
        identify("warm up")
        found[name] = {"answers": [identify(row["text"]) for row in gold], "supported": supported}
        started = time.process_time()
        for text in sample:
            identify(text)
        speeds[name] = sum(len(text.encode()) for text in sample) / 1e6 / (time.process_time() - started) if sample else None
    with open(given.output, "w", encoding="utf-8") as file:
        json.dump({"speeds": speeds, "accuracy": accuracy(gold, found)}, file)


def peers():
    detector = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def lingua(text):
        language = detector.detect_language_of(text)
        return language.iso_code_639_1.name.lower() if language else "unknown"

    return {
        "py3langid": (lambda text: py3langid.classify(text)[0], [label for label, _ in py3langid.rank("text")]),
        "lingua": (lingua, [language.iso_code_639_1.name.lower() for language in Language.all()]),
    }


def accuracy(gold, found):
    """Set → identifier → share of right answers: of its own languages, and of those that all know; and how many texts those are."""
    right_codes = [code(row["lang"]) for row in gold]
    known = {name: {code(label) for label in item["supported"]} for name, item in found.items()}
    common = set.intersection(*known.values())
    table = defaultdict(dict)
    for name, item in found.items():
        answers = [code(answer) for answer in item["answers"]]
        for kind in sorted({row["set"] for row in gold}):
            rows = [number for number, row in enumerate(gold) if row["set"] == kind]
            own = [answers[n] == right_codes[n] for n in rows if right_codes[n] in known[name]]
            shared = [answers[n] == right_codes[n] for n in rows if right_codes[n] in common]
            table[kind][name] = {
                "languages": len(known[name]), "own": sum(own) / len(own), "own_texts": len(own),
                "common": sum(shared) / len(shared), "common_texts": len(shared), "common_languages": len(common),
            }  # fmt: skip
    return table


@cache
def code(label):
    label = label.removeprefix("__label__")
    if label in ("unknown", ""):
        return label
    try:
        return langcodes.Language.get(langcodes.standardize_tag(label.split("-")[0], macro=True)).language
    except langcodes.LanguageTagError:
        return label


if __name__ == "__main__":
    main()
