"""datatrove's sentence de-duplication: which sentences it cuts. Runs in an environment of its own, see ``bench_sentences.py``.

It is given sentences, so that what a sentence is makes no difference, and tells which of each document are in a span that stood
before. Twice: with the normalisation that ours has, and with its own.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.dedup import sentence_dedup as module
from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig, SentenceDedupSignature, SentenceFindDedups
from datatrove.utils.text import TextNormConfig

SAME = TextNormConfig(
    lowercase=True, norm_whitespace=True, remove_punctuation=False, norm_unicode_diacritics=False, norm_numbers=False,
    norm_weekdays=False, norm_monthnames=False,
)  # fmt: skip


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sentences", required=True, help="JSON: for each document the list of its sentences")
    arguments.add_argument("--output", required=True)
    given = arguments.parse_args()
    documents = json.loads(Path(given.sentences).read_text(encoding="utf-8"))
    told = {str(number): sentences for number, sentences in enumerate(documents)}
    # A document's text is its number here: the splitter looks its sentences up.
    splitter = type("Splitter", (), {"sent_tokenize": staticmethod(told.__getitem__)})()
    module.load_word_tokenizer = lambda language: splitter
    report = {name: cut(told, SentDedupConfig(norm_config=norm)) for name, norm in (("same", SAME), ("own", TextNormConfig()))}
    Path(given.output).write_text(json.dumps(report), encoding="utf-8")


def cut(told, config):
    """``{"cut": for each document the positions of the sentences that are cut, "seconds"}``."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        signatures, duplicates = (str(Path(folder) / name) for name in ("signatures", "duplicates"))
        documents = [Document(text=number, id=number) for number in told]
        SentenceDedupSignature(output_folder=signatures, config=config).run(documents, 0, 1)
        SentenceFindDedups(data_folder=signatures, output_folder=duplicates, config=config).run(None, 0, 1)
        files = [file for file in Path(duplicates).rglob("*") if file.is_file()]
        found = np.concatenate([np.fromfile(file, np.dtype([("doc", "<u4"), ("sent", "<u2")])) for file in files])
    seconds = time.process_time() - started
    cuts = [set() for _ in told]
    for document, sentence in found.tolist():
        cuts[document].update(range(sentence, sentence + config.n_sentences))
    return {"cut": [sorted(sentences) for sentences in cuts], "seconds": seconds}


if __name__ == "__main__":
    main()
