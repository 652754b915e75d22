"""Three-sentence spans beside datatrove's: which sentences are cut, and why not the same where they are not.

    python tests/benchmarks/bench_sentences.py --corpus FILE.parquet [--rows N] [--environments FOLDER]

Both get the same sentences, ours, since what a sentence is differs. With one normalisation (letter case, white space) and no
least length, the same sentences must be cut of each document, but for two rules. A document of which nothing is left keeps
nothing for others here, and stays the first place of its spans there: what follows from it is found by taking these documents
away and running both again. And three sentences that make the text of three others, cut elsewhere, are another span here and
the same there: documents that have such a span may differ, and no others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_fuzzy import environment, make_dataset

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.catalog import SentencesParameters
from curation_tasks.dedup.repeated import sentences
from curation_tasks.kernels import text_units

HERE = Path(__file__).parent
PARAMETERS = SentencesParameters(min_document_characters=0, min_characters=1)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", type=Path, help="a Parquet file with a column `text`")
    arguments.add_argument("--rows", type=int, default=5000)
    arguments.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "curation-peers")
    given = arguments.parse_args()
    if not given.corpus:
        print("skipped: give --corpus FILE.parquet (make bench CORPUS=FILE.parquet)")
        return 0
    try:
        python = environment(given.environments)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"datatrove is left out: {error}")
        return 0
    texts = pq.read_table(given.corpus, columns=["text"]).column("text").slice(0, given.rows).combine_chunks()
    texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
    while True:
        units = text_units.sentences(texts)
        ours, emptied, seconds = cut_here(texts, units)
        listed = list_sentences(texts, units)
        report = cut_there(python, listed)
        theirs = [set(found) for found in report["same"]["cut"]]
        different = {row for row, (here, there) in enumerate(zip(ours, theirs, strict=True)) if here != there}
        unexplained = different - cut_otherwise(listed)
        own = [set(found) for found in report["own"]["cut"]]
        both = sum(map(len, map(set.intersection, own, ours)))
        print(f"{len(texts):,} documents, {len(units.row):,} sentences; nothing is left of {len(emptied):,} documents")
        found = f"cut here {sum(map(len, ours)):,}, there {sum(map(len, theirs)):,}"
        print(f"   {found}; {len(different):,} documents differ, {len(unexplained):,} of them unexplained")
        print(f"   with the normalisation of its own {sum(map(len, own)):,}, {both:,} of them here too")
        print(f"   CPU seconds {seconds:.1f} here, {report['same']['seconds']:.1f} there, given the sentences", flush=True)
        if not emptied:
            return 1 if unexplained else 0
        texts = texts.take(pa.array(np.setdiff1d(np.arange(len(texts)), emptied)))


def cut_here(texts: pa.Array, units: Any) -> tuple[list[set[int]], list[int], float]:
    """The positions of the sentences that are cut of each document, the documents of which nothing is left, and CPU seconds."""
    cuts: list[set[int]] = [set() for _ in range(len(texts))]
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder), texts)
        context = ReductionContext(
            pipeline="bench", snapshot="all", stage="sentences", folder=folder, work=f"{folder}/work",
            map=lambda step, function, items, *arguments: [function(item, *arguments) for item in items],
        )  # fmt: skip
        started = time.process_time()
        decisions = sentences(dataset, PARAMETERS, context)
        seconds = time.process_time() - started
        first = np.searchsorted(units.row, np.arange(len(texts)))
        for table in (pq.read_table(uri) for uri in decisions.cuts if uri):
            for row, end in zip(table["row"].to_pylist(), table["end"].to_pylist(), strict=True):
                of_row = units.end[first[row] :]
                cuts[row].add(int(np.searchsorted(of_row[: np.count_nonzero(units.row == row)], end)))
        emptied = [row for uri in decisions.uris if uri for row in pq.read_table(uri)["row"].to_pylist()]
    return cuts, emptied, seconds


def list_sentences(texts: pa.Array, units: Any) -> list[list[str]]:
    """The sentences of each document."""
    listed: list[list[str]] = [[] for _ in range(len(texts))]
    encoded = [text.encode() for text in texts.to_pylist()]
    for row, start, end in zip(units.row.tolist(), units.start.tolist(), units.end.tolist(), strict=True):
        listed[row].append(encoded[row][start:end].decode())
    return listed


def cut_otherwise(listed: list[list[str]]) -> set[int]:
    """The documents that have a span whose text is also that of three other sentences."""
    spans: dict[str, set[tuple[str, ...]]] = {}
    rows: dict[str, set[int]] = {}
    for row, sentences_of in enumerate(listed):
        said = [" ".join(sentence.lower().split()) for sentence in sentences_of]
        for at in range(len(said) - 2):
            span = tuple(said[at : at + 3])
            spans.setdefault(" ".join(span), set()).add(span)
            rows.setdefault(" ".join(span), set()).add(row)
    return {row for text, different in spans.items() if len(different) > 1 for row in rows[text]}


def cut_there(python: Path, listed: list[list[str]]) -> dict[str, Any]:
    """What datatrove reports."""
    with tempfile.TemporaryDirectory() as folder:
        given, output = Path(folder) / "sentences.json", Path(folder) / "report.json"
        given.write_text(json.dumps(listed), encoding="utf-8")
        command = [str(python), str(HERE / "peers" / "sentence_peer.py"), "--sentences", str(given), "--output", str(output)]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(output.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
