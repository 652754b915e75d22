"""How fast and how right languages are found: beside fastText, py3langid and lingua.

    python tests/benchmarks/bench_language.py [--corpus FILE.parquet] [--gold FILE.jsonl.gz] [--megabytes 150]

Megabytes of UTF-8 text per CPU second of one core. fastText is given Python strings that are ready, its own best case. Labelled
texts (``text``, ``lang``, ``set``; also as the variable GOLD) are identified by all; the other two are installed into a
throw-away environment. Without a corpus, texts are made of the stop words of 47 languages.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.filters.catalog import stop_word_lists
from curation_tasks.filters.fasttext_library import predict_with_library
from curation_tasks.filters.language import embedded_model, language
from curation_tasks.filters.language_parameters import LID176_LANGUAGES, LanguageParameters
from curation_tasks.kernels.fasttext_inference import plain_lines, predict
from curation_tasks.kernels.fasttext_model import load_model
from curation_tasks.kernels.text_spans import paragraphs, windows
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.storage.shard import text_bytes_of
from curation_tasks.testing import context_for

PEER = Path(__file__).parent / "peers" / "language_peer.py"
PEER_PACKAGES = ("py3langid==0.4.0", "lingua-language-detector>=2", "langcodes>=3.5", "pyarrow", "numpy")
REPEATS = 3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", help="a Parquet file with a column `text`")
    arguments.add_argument("--gold", default=os.environ.get("GOLD"), help="labelled texts, JSON Lines")
    arguments.add_argument("--megabytes", type=int, default=150, help="how much text")
    given = arguments.parse_args()
    size = given.megabytes * 1_000_000
    texts = corpus(given.corpus, size) if given.corpus else made_up(min(size, 20_000_000))
    megabytes = text_bytes_of(texts) / 1e6
    print(f"{len(texts):,} texts, {megabytes:.0f} MB\n")
    operations(texts, megabytes)
    breakdown(texts, megabytes)
    beside_fasttext(texts, megabytes)
    if given.gold:
        beside_others(given.gold, given.corpus)


def seconds(work: Callable[[], object]) -> float:
    work()  # tables, machine code and memory are had once a process
    found = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def operations(texts: pa.Array, megabytes: float) -> None:
    batch = pa.record_batch({"text": texts})
    print(f"{'filters.language':44}{'MB/s':>8}")
    for name, options in {
        "whole documents": {},
        "window: middle, 1000 characters": {"window": "middle"},
        "by: paragraph": {"by": "paragraph"},
        "whole documents, top: 3, script, keep": {"top": 3, "script": True, "mode": "keep", "languages": ["en"]},
    }.items():
        parameters = LanguageParameters(**options)
        spent = seconds(lambda given=parameters: language(batch, given, context_for(given)))
        print(f"{name:44}{megabytes / spent:8.0f}")


def breakdown(texts: pa.Array, megabytes: float) -> None:
    """Where the time of a whole document goes. What is not a step of its own is measured by leaving it out."""
    load_model.cache_clear()
    started = time.process_time()
    model = load_model(embedded_model())
    opened = time.process_time() - started
    offsets, data = text_buffers(texts)
    starts, ends = offsets[:-1], offsets[1:]
    whole = seconds(lambda: predict(model, data, starts, ends))
    words_only = model_without_grams(model)
    words = seconds(lambda: predict(words_only, data, starts, ends))
    nothing = np.zeros(len(starts), np.int64)
    steps = {
        "split into words and looked up": words,
        "n-grams hashed, known ones added": whole - words,
        "(the classifier, on texts of one word)": seconds(lambda: predict(model, np.frombuffer(b"word", np.uint8), nothing, nothing + 4)),
        "(windows)": seconds(lambda: windows(data, starts, ends, 1000, middle=True)),
        "(paragraphs)": seconds(lambda: paragraphs(data, starts, ends)),
        "(plain lines, for fastText)": seconds(lambda: plain_lines(data, starts, ends)),
    }
    print(f"\n{'of the kernel':44}{'ns/byte':>8}{'of whole':>10}      model opened in {1000 * opened:.0f} ms")
    for name, spent in {"whole": whole, **steps}.items():
        print(f"{name:44}{1000 * spent / megabytes:8.2f}{spent / whole:9.0%}")


def model_without_grams(model):
    import dataclasses

    return dataclasses.replace(model, grams=model.grams._replace(longest=0))


def beside_fasttext(texts: pa.Array, megabytes: float) -> None:
    import fasttext

    model = load_model(embedded_model())
    library = fasttext.FastText._FastText(model_path=embedded_model())
    offsets, data = text_buffers(texts)
    lines = [f"{line}\n" for line in plain_lines(data, offsets[:-1], offsets[1:]).to_pylist()]
    started = time.process_time()
    for line in lines:
        library.f.predict(line, 1, 0.0, "strict")
    theirs = time.process_time() - started
    ours = seconds(lambda: predict(model, data, offsets[:-1], offsets[1:]))
    found = predict(model, data, offsets[:-1], offsets[1:])
    wanted = predict_with_library(model, data, offsets[:-1], offsets[1:])
    same = found.labels[:, 0] == wanted.labels[:, 0]
    difference = np.abs(found.scores[same, 0] - wanted.scores[same, 0]).max()
    print(f"\nfastText {megabytes / theirs:.1f} MB/s, the kernel {megabytes / ours:.1f}: {theirs / ours:.1f} times as fast")
    print(f"labels equal on {same.sum():,} of {len(same):,} texts ({same.mean():.4%}), largest difference of a score {difference:.1g}")


def beside_others(gold: str, corpus_path: str | None) -> None:
    opened = gzip.open if gold.endswith(".gz") else open
    with opened(gold, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    batch = pa.record_batch({"text": texts})
    parameters = LanguageParameters(min_score=0)
    answers = language(batch, parameters, context_for(parameters)).column("language").to_pylist()
    uv = shutil.which("uv") or str(Path(__file__).parents[2] / ".tools" / "bin" / "uv")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "ours.json").write_text(json.dumps({"filters.language": {"answers": answers, "supported": LID176_LANGUAGES}}))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place / "venv"], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", place / "venv", *PEER_PACKAGES], check=True)
        call = [place / "venv/bin/python", PEER, "--gold", gold, "--ours", place / "ours.json", "--output", place / "out.json"]
        # Its own modules only: PYTHONPATH may name ours.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([*call, *(["--corpus", corpus_path] if corpus_path else [])], check=True, env=environment)
        report = json.loads((place / "out.json").read_text())
    for name, speed in report["speeds"].items():
        if speed:
            print(f"{name}: {speed:.2f} MB/s on whole documents")
    for kind, found in report["accuracy"].items():
        any_of = next(iter(found.values()))
        print(f"\n{kind:24}{'languages':>10}{'of its own':>12}{'texts':>8}{'of all three':>14}   "
              f"({any_of['common_texts']:,} texts in {any_of['common_languages']} languages)")  # fmt: skip
        for name, row in found.items():
            print(f"{name:24}{row['languages']:10}{row['own']:12.4f}{row['own_texts']:8,}{row['common']:14.4f}")


def corpus(path: str, size: int) -> pa.Array:
    texts = pq.read_table(path, columns=["text"]).column("text").combine_chunks()
    return texts.slice(0, max(1, min(len(texts), len(texts) * size // max(1, text_bytes_of(texts)))))


def made_up(size: int) -> pa.Array:
    chance = random.Random(1)
    lists = sorted(stop_word_lists().items())
    found, written = [], 0
    while written < size:
        _, words = chance.choice(lists)
        found.append("\n".join(" ".join(chance.choices(list(words), k=chance.randint(5, 20))) for _ in range(chance.randint(5, 40))))
        written += len(found[-1].encode())
    return pa.array(found)


if __name__ == "__main__":
    main()
