"""The filters beside those of datatrove, NeMo Curator and dolma: megabytes of text a CPU second of one core, and the same decisions.

    python tests/benchmarks/bench_peers.py --corpus FILE.parquet [--rows N] [--environments FOLDER] [--peers datatrove nemo dolma]

Each peer is installed from the package index into an environment of its own outside the repository, once, and runs there on
the same rows; a peer that cannot be installed is left out, with a word. Of the decisions every difference is explained by a
documented difference of definitions, or the program fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.catalog import load_catalog
from curation_tasks.filters.rule_files import load_shipped
from curation_tasks.kernels.characters import PUNCTUATION, TERMINAL, character_classes
from curation_tasks.storage.shard import ROW_GROUP_TEXT_BYTES, text_bytes_of
from curation_tasks.testing import context_for

HERE = Path(__file__).parent
REQUIREMENTS = {
    "datatrove": ("datatrove==0.10.1", "spacy", "nltk", "pyarrow"),
    "nemo": ("nemo-curator==1.4.0",),
    "dolma": ("dolma==1.2.1", "pyarrow<20"),
}
TITLES = {"datatrove": "datatrove 0.10.1, `str.split`", "nemo": "NeMo Curator 1.4.0, filter classes", "dolma": "dolma 1.2.1, taggers"}
GOPHER_AND_FINEWEB = ("gopher_quality", "gopher_repetition", "fineweb")
#: datatrove's reasons → the signal of our rule.
DATATROVE_REASONS = {
    "gopher_short_doc": "plain_word_count",
    "gopher_long_doc": "plain_word_count",
    "gopher_below_avg_threshold": "mean_plain_word_length",
    "gopher_above_avg_threshold": "mean_plain_word_length",
    "gopher_too_many_hashes": "hashes_per_word",
    "gopher_too_many_ellipsis": "ellipses_per_word",
    "gopher_too_many_bullets": "split_dash_bullet_line_ratio",
    "gopher_too_many_end_ellipsis": "split_ellipsis_line_ratio",
    "gopher_below_alpha_threshold": "alphabetic_word_ratio",
    "gopher_enough_stop_words": "distinct_stop_word_count",
    "dup_para_frac": "duplicate_paragraph_ratio",
    "dup_para_char_frac": "duplicate_paragraph_text_ratio",
    "dup_line_frac": "duplicate_run_line_ratio",
    "dup_line_char_frac": "duplicate_run_line_text_ratio",
    **{f"top_{n}_gram": f"top_{n}_gram_length_ratio" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"duplicate_{n}_gram_ratio" for n in range(5, 11)},
    "line_punct_ratio": "terminal_line_ratio",
    "short_line_ratio": "short_line_ratio",
    "char_dup_ratio": "duplicate_line_text_ratio",
    "list_ratio": "newlines_per_word",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", help="a Parquet file with a column `text`")
    arguments.add_argument("--rows", type=int, help="only so many documents")
    arguments.add_argument("--environments", type=Path, default=_cache() / "curation-peers", help="where the peers are installed")
    arguments.add_argument("--peers", nargs="*", choices=list(REQUIREMENTS), default=list(REQUIREMENTS))
    given = arguments.parse_args()
    if not given.corpus:
        print("skipped: peers are compared on real text; give --corpus FILE.parquet (make bench CORPUS=FILE.parquet)")
        return
    texts = pq.read_table(given.corpus, columns=["text"]).column("text").combine_chunks().slice(0, given.rows)
    reports = {name: report for name in given.peers if (report := run_peer(name, given.environments, given.corpus, len(texts)))}
    results = {name: judge(texts, rules) for name, rules in (("gopher_and_fineweb", GOPHER_AND_FINEWEB), ("nemo_english", "nemo_english"))}
    results["c4_lines"] = run_operation("cleaning.lines", {"rules": {"name": "c4"}}, texts)
    print(f"\n{len(texts):,} documents, {text_bytes_of(texts) / 1e6:.0f} MB of text; MB of text a CPU second of one core\n")
    print_speeds({name: speed for name, (_, speed) in results.items()}, reports)
    differences = 0
    if "datatrove" in reports:
        differences += compare_with_datatrove(texts, results, reports["datatrove"])
    if "nemo" in reports:
        differences += compare_with_nemo(texts, results["nemo_english"][0], reports["nemo"])
    if differences:
        sys.exit(f"{differences} differences that no documented definition explains")


# The peers ------------------------------------------------------------------------------------------------------------


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def run_peer(name: str, environments: Path, corpus: str, rows: int) -> dict[str, Any] | None:
    """What a peer's program reports; None when it cannot be installed or fails."""
    python = environments / name / "bin" / "python"
    try:
        if not (environments / f"{name}.installed").exists():
            print(f"installing {', '.join(REQUIREMENTS[name])} into {environments / name}", flush=True)
            uv = shutil.which("uv") or ".tools/bin/uv"
            _run(
                [
                    uv,
                    "venv",
                    "--quiet",
                    "--clear",
                    "--python",
                    f"{sys.version_info.major}.{sys.version_info.minor}",
                    str(environments / name),
                ]
            )
            _run([uv, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS[name]])
            (environments / f"{name}.installed").touch()
        print(f"running {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "report.json"
            program = HERE / "peers" / f"{name}_peer.py"
            _run([str(python), str(program), "--corpus", str(Path(corpus).resolve()), "--rows", str(rows), "--output", str(output)])
            return json.loads(output.read_text("utf-8"))
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        print(f"{name} is left out: {said[-1] if said else error}")
        return None


def _run(command: list[str]) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


# Ours -----------------------------------------------------------------------------------------------------------------


def judge(texts: pa.Array, rules: str | Sequence[str]) -> tuple[pa.Table, float]:
    return run_operation("filters.quality", {"rules": rules}, texts)


def run_operation(name: str, given: dict[str, Any], texts: pa.Array) -> tuple[pa.Table, float]:
    """What an operation makes of the texts in batches as a stage has them, and MB of text a CPU second: the best of three."""
    part = load_catalog().operations[name]
    parameters = part.parameters.model_validate(given)
    run, context = part.load(), context_for(parameters)
    batches = [pa.record_batch({"text": piece}) for piece in _pieces(texts)]
    seconds = []
    for _ in range(3):
        started = time.process_time()
        found = [run(batch, parameters, context) for batch in batches]
        seconds.append(time.process_time() - started)
    return pa.Table.from_batches(found), text_bytes_of(texts) / 1e6 / min(seconds)


def _pieces(texts: pa.Array) -> list[pa.Array]:
    rows = max(1, len(texts) * ROW_GROUP_TEXT_BYTES // max(1, text_bytes_of(texts)))
    return [texts.slice(start, rows) for start in range(0, len(texts), rows)]


# Tables ---------------------------------------------------------------------------------------------------------------


def print_speeds(ours: dict[str, float], reports: dict[str, dict[str, Any]]) -> None:
    print("| what | ours | peer | theirs | ratio |\n|---|---|---|---|---|")
    rows = [
        ("all Gopher and FineWeb signals and rules", "gopher_and_fineweb", "datatrove", "gopher_and_fineweb"),
        ("the same, datatrove without its early ends", "gopher_and_fineweb", "datatrove", "gopher_and_fineweb, all signals"),
        ("the same, datatrove's default tokenizer", "gopher_and_fineweb", "datatrove", "gopher_and_fineweb, default tokenizer"),
        ("the same", "gopher_and_fineweb", "nemo", "nemo_english"),
        ("the same", "gopher_and_fineweb", "dolma", "gopher_and_fineweb"),
        ("the 28 filters for English", "nemo_english", "nemo", "nemo_english"),
        ("lines of C4, text rewritten", "c4_lines", "datatrove", "c4_lines"),
        ("lines of C4", "c4_lines", "dolma", "c4_lines"),
    ]
    for title, our_name, peer, their_name in rows:
        if peer in reports:
            theirs = reports[peer]["speeds"][their_name]
            print(f"| {title} | {ours[our_name]:.0f} | {TITLES[peer]} | {theirs:.2f} | {ours[our_name] / theirs:.0f}× |")


def compare(title: str, ours: Sequence[str | None], theirs: Sequence[str | None], explained: Callable[[int], str | None]) -> int:
    """Prints a line of the table of decisions; returns how many differences nothing explains."""
    different = [row for row in range(len(ours)) if ours[row] != theirs[row]]
    reasons = Counter(explained(row) for row in different)
    unexplained = reasons.pop(None, 0)
    said = "; ".join(f"{count:,}: {reason}" for reason, count in sorted(reasons.items(), key=str)) or "none"
    print(f"| {title} | {len(ours):,} | {len(ours) - len(different):,} | {said} | {unexplained} |")
    for row in [row for row in different if explained(row) is None][:5]:
        print(f"    row {row}: ours {ours[row]}, theirs {theirs[row]}")
    return unexplained


def _signals_of(table: pa.Table, rules: str) -> list[str | None]:
    """The signal of the first rule of a set that each document misses."""
    failed = table.column("failed_rules").to_pylist()
    return [next((name.split(".")[1] for name in names or () if name.startswith(f"{rules}.")), None) for names in failed]


DECISIONS = "\n| decisions | documents | same decision and reason | explained differences | unexplained |\n|---|---|---|---|---|"


def compare_with_datatrove(texts: pa.Array, results: dict[str, tuple[pa.Table, float]], report: dict[str, Any]) -> int:
    classes = character_classes()
    marks, terminals = set(report["punctuation"]), set(report["terminals"])

    def defined_otherwise(text: str, ours: int, theirs: set[str]) -> bool:
        return any((character in theirs) != bool(classes[ord(character)] & ours) for character in set(text) - {"\t", "\n", " "})

    def explanation(rules: str, row: int) -> str | None:
        text = texts[row].as_py()
        if rules == "gopher_repetition":
            return "n-grams are joined without white space, so that `a bc` is `ab c`" if repeats_joined(text) else None
        if rules == "gopher_quality" and defined_otherwise(text, PUNCTUATION, marks):
            return "characters that are punctuation to only one of both"
        if rules == "fineweb" and defined_otherwise(text, TERMINAL, terminals):
            return "characters that end a sentence to only one of both"
        return None

    print(DECISIONS)
    unexplained = 0
    for rules in GOPHER_AND_FINEWEB:
        theirs = [DATATROVE_REASONS.get(reason, reason) for reason in report["decisions"][rules]]
        ours = _signals_of(results["gopher_and_fineweb"][0], rules)
        ours = ["empty" if signal in ("character_count", "line_count") else signal for signal in ours]
        unexplained += compare(f"datatrove, {rules}", ours, theirs, lambda row, rules=rules: explanation(rules, row))
    return unexplained


def repeats_joined(text: str) -> bool:
    """Whether words joined without white space repeat an n-gram that they do not repeat with it."""
    words = text.split()
    for n in range(5, 11):
        grams = {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}
        if len(grams) != len({"".join(gram) for gram in grams}):
            return True
    return False


def compare_with_nemo(texts: pa.Array, table: pa.Table, report: dict[str, Any]) -> int:
    """Filter by filter, then the reason of the cascade, on the documents on which the definitions coincide."""
    rules = load_shipped("nemo_english").rules
    unexplained = 0
    print(DECISIONS)
    same_reasons: list[tuple[str, np.ndarray, np.ndarray]] = []
    for number, rule in enumerate(rules):
        values = table.column(rule.signal).to_numpy()
        ours = np.ones(len(values), bool)
        ours &= values >= rule.min if rule.min is not None else True
        ours &= values <= rule.max if rule.max is not None else True
        theirs = report["kept"][str(number)]
        if not re.fullmatch(r"top_\d_gram_ratio", rule.signal):
            same_reasons.append((rule.signal, ours, np.array([bool(kept) for kept in theirs])))
        unexplained += compare(
            f"NeMo Curator, {rule.signal}",
            ours.tolist(),
            theirs,
            lambda row, signal=rule.signal: nemo_explanation(signal, texts[row].as_py()),
        )
    explained = np.array(
        [any(nemo_explanation(rule.signal, text) for rule in rules if "top_" not in rule.signal) for text in texts.to_pylist()]
    )
    reasons = [_first_missed(same_reasons, side)[~explained].tolist() for side in (1, 2)]
    title = "NeMo Curator, reason of the cascade without the three top n-grams"
    return unexplained + compare(title, *reasons, lambda row: None)


def nemo_explanation(signal: str, text: str) -> str | None:
    """Why the definitions differ on a text."""
    if signal.startswith("top_"):
        return "ties fall by the order of a set; the n-gram is also removed inside words, and only where single spaces join it"
    if signal.startswith("duplicate_paragraph") and ("\n\n\n" in text or text != text.strip()):
        return "three newlines in a row, or white space at an end: other paragraphs"
    if signal.startswith("covered_") and len(text.split()) < int(signal.split("_")[1]):
        return "fewer than n words: theirs is 1, ours 0"
    if not text.strip():
        return "blank text: theirs is 1 or an error, ours 0"
    return None


def _first_missed(judged: list[tuple[str, np.ndarray, np.ndarray]], side: int) -> np.ndarray:
    missed = np.array([~entry[side] for entry in judged])
    names = np.array([entry[0] for entry in judged] + ["kept"])
    return names[np.where(missed.any(axis=0), missed.argmax(axis=0), len(judged))]


if __name__ == "__main__":
    main()
