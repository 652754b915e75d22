"""Web archives: reading against fastwarc's own loop, and the whole way from an archive to documents.

    python tests/benchmarks/bench_archives.py [--warc FILE]

Without a file, an archive of generated pages. Megabytes count what is behind the compression.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from curation_tasks.context import RunContext
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.archive_documents import read_archive
from curation_tasks.sources.archive_record import ArchiveRecord
from curation_tasks.sources.archives import ArchiveReader
from curation_tasks.sources.extraction.parser_process import close_idle
from curation_tasks.sources.web import WarcParameters

#: Of fastwarc's own speed.
READ_FLOOR = 0.9
#: Peak of reader and parser while a stage of one thread runs.
MEMORY_CEILING = 900 * 2**20
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warc", type=Path, help="an archive of pages")
    chosen, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.warc or _generated(Path(folder))
        ratio = _reading(path)
        peak = _documents(path)
    if chosen.warc is None:
        print("made-up records are small, so the floor of reading is not held against them: give --warc")
        return 0 if peak <= MEMORY_CEILING else 1
    return 0 if ratio >= READ_FLOOR and peak <= MEMORY_CEILING else 1


def _reading(path: Path) -> float:
    """Both in turn, so that what else the machine does falls on both."""
    loops: dict[str, Callable[[Path], int]] = {"fastwarc": _fastwarc, "ours": _ours}
    best = dict.fromkeys(loops, 0.0)
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            start = time.process_time()
            size = loop(path)
            best[name] = max(best[name], size / 1e6 / (time.process_time() - start))
    ratio = best["ours"] / best["fastwarc"]
    print(f"reading records        {best['ours']:6,.0f} MB/s   fastwarc's own loop {best['fastwarc']:6,.0f}   ratio {ratio:.2f}")
    return ratio


def _fastwarc(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(len(record.reader.read()) for record in ArchiveIterator(file, fsspec_args=False))


def _ours(path: Path) -> int:
    with open(path, "rb") as file:
        reader = ArchiveReader(file, str(path), frozenset({"response", "request", "metadata", "warcinfo", "resource", "conversion"}))
        return sum(len(record.body) for record in reader if isinstance(record, ArchiveRecord))


def _documents(path: Path) -> int:
    """The stage's own work, in this process and its parser."""
    context, counts = RunContext("bench", "all", "bench", "/nowhere"), Counter()
    start = time.process_time()
    for batch in read_archive(SourceUnit(str(path), path.name), WarcParameters(files=str(path)), context):
        counts["records"] += len(batch)
        counts["documents"] += batch.column("reject_reason").null_count
        counts["text"] += batch.column("text").nbytes
    close_idle()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.process_time() - start + children.ru_utime + children.ru_stime
    peaks = [usage.ru_maxrss * 1024 for usage in (resource.getrusage(resource.RUSAGE_SELF), children)]
    print(
        f"archive to documents   {counts['records'] / seconds:6,.0f} pages/s {counts['text'] / 1e6 / seconds:5.1f} MB of text/s   "
        f"{counts['documents']:,} documents of {context.counters['records.in_archives']:,} records   "
        f"peak memory: reader {peaks[0] / 1e6:,.0f} MB, parser {peaks[1] / 1e6:,.0f} MB"
    )
    return sum(peaks)


def _generated(folder: Path) -> Path:
    place = Path(__file__).parent.parent / "sources" / "made_archives.py"
    specification = importlib.util.spec_from_file_location("made_archives", place)
    sys.modules[specification.name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    path = folder / "generated.warc.gz"
    path.write_bytes(module.crawl_file({f"http://example.org/{number}": module.page(number, 30) for number in range(2000)}))
    return path


if __name__ == "__main__":
    sys.exit(main())
