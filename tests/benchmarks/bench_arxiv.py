"""arXiv: megabytes of TeX a CPU second of one core, from packages to documents.

    python tests/benchmarks/bench_arxiv.py [--packages FOLDER]

Without ``--packages``, papers made by code serve. Prints what was read and why the rest was not.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from curation_tasks.context import RunContext
from curation_tasks.sources.arxiv_part import ArxivParameters
from curation_tasks.sources.catalog import PARTS
from curation_tasks.sources.tex_files import decoded
from curation_tasks.sources.tex_reading import without_comments
from curation_tasks.sources.tex_text import paper_of

SOURCE = next(part for part in PARTS if part.name == "arxiv")
FLOOR = 1.0
BODY = (
    r"\section{Title \thenumber}\label{s} Let $\vec x \in \R^n$ be as in \cite{a,b}; see Fig.~\ref{f} for \emph{details} of "
    r"G\"odel's work --- and 50\% more. % a comment" + "\n" + r"\begin{equation}\label{e} \vec{y} = \frac{1}{2}\vec x \end{equation}"
    r"\begin{figure}\includegraphics{x}\caption{No}\end{figure}" + "The method of this section is the one that was described before. " * 20
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--packages", help="A folder of packages, searched in depth.")
    arguments.add_argument("--corpus", help="Not used: texts of a corpus have no TeX.")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = f"{options.packages or _made(Path(folder))}/**"
        parameters = ArxivParameters(files=(files,))
        units = SOURCE.list_units(parameters, "all", "")
        reasons: Counter[str] = Counter()
        slowest = characters = 0.0
        begin = time.process_time()
        for unit in units:
            started = time.process_time()
            for batch in SOURCE.load()(unit, parameters, RunContext("bench", "all", "bench", "/nowhere")):
                characters += sum(len(text or "") for text in batch.column("text").to_pylist())
                named = "reject_reason" in batch.schema.names
                reasons.update(batch.column("reject_reason").to_pylist() if named else ["document"] * len(batch))
            slowest = max(slowest, time.process_time() - started)
        seconds = time.process_time() - begin
        print(f"{len(units)} packages in {seconds:.2f} s, the slowest {slowest:.2f} s; {characters / 1e6:.1f} M characters of text")
        print({reason or "document": count for reason, count in reasons.most_common()})
        speed = _scanner([Path(unit.uri) for unit in units])
    print(f"TeX to text        {speed:6.1f} MB/s of TeX")
    return 0 if speed >= FLOOR else 1


def _scanner(files: list[Path]) -> float:
    """The scanner alone, on the files that are TeX by themselves."""
    sources = [file.read_bytes() for file in files if file.suffix in (".tex", ".gz") and file.stat().st_size]
    sources = [gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data for data in sources]
    sources = [data for data in sources if b"\\begin{document}" in data and b"\0" not in data[:512]]
    begin, size = time.process_time(), 0
    while time.process_time() - begin < 2 and sources:
        for data in sources:
            paper_of(without_comments(decoded(data)))
            size += len(data)
    return size / 1e6 / max(time.process_time() - begin, 1e-9)


def _made(folder: Path) -> Path:
    for number in range(60):
        head = r"\documentclass{a}\newcommand{\vec}[1]{\mathbf{#1}}\def\R{{\mathbb R}}\title{T}\begin{document}"
        (folder / f"2503.{number:05d}.gz").write_bytes(gzip.compress((head + BODY * 40 + r"\end{document}").encode()))
    return folder


if __name__ == "__main__":
    sys.exit(main())
