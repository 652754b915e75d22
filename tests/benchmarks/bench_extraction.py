"""Extraction engines: quality on pages with gold text, pages per CPU second, and memory over many passes.

    python tests/benchmarks/bench_extraction.py [--gold FOLDER] [--passes 100] [--engines resiliparse,justext]

The folder has ``score_extract.py`` with ``load`` (items), ``rd_`` (a page's bytes) and ``score``; without it, generated pages are
timed and not scored. Memory is that of a parser process, which is replaced when it grows.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from curation_tasks.sources.extraction.decoding import decode_page
from curation_tasks.sources.extraction.engines import ENGINES, make_engine
from curation_tasks.sources.extraction.extract import extract_page
from curation_tasks.sources.extraction.pages import Page
from curation_tasks.sources.extraction.parser_process import RECYCLE_BYTES, ParserProcess
from curation_tasks.sources.web import ExtractionParameters, PageLimits, WarcParameters

#: A batch may take the parser beyond the size at which it is replaced.
MEMORY_CEILING = RECYCLE_BYTES + 512 * 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", type=Path, help="pages with gold text, and their scorer")
    parser.add_argument("--passes", type=int, default=10, help="passes of each engine over a sample of the pages, for memory")
    parser.add_argument("--engines", default=",".join(ENGINES))
    chosen, _ = parser.parse_known_args()
    scorer = _load("score_extract", chosen.gold / "score_extract.py") if chosen.gold else None
    pages = _gold_pages(scorer, chosen.gold) if scorer else _generated_pages()
    held = True
    for name in chosen.engines.split(","):
        for options in [{}, {"fast": True}] if name == "trafilatura" else [{}]:
            parameters = ExtractionParameters(engine=name, **options)
            _speed(parameters, pages)
            if scorer:
                _quality(parameters, scorer)
        held &= _memory(name, pages[:: max(1, len(pages) // 60)], chosen.passes)
    return 0 if held else 1


def _speed(parameters: ExtractionParameters, pages: list[bytes]) -> None:
    engine, limits = make_engine(parameters), PageLimits()
    extract_page(pages[0], None, None, engine, limits)
    start = time.process_time()
    found = [extract_page(page, None, None, engine, limits) for page in pages]
    seconds = time.process_time() - start
    empty = sum(page.reason is not None for page in found)
    print(f"{_named(parameters):18} {len(pages) / seconds:6.0f} pages/s with decoding and metadata; {empty} of {len(pages)} without text")


def _quality(parameters: ExtractionParameters, scorer: ModuleType) -> None:
    engine = make_engine(parameters)
    scores = scorer.score(lambda page: engine(Page(decode_page(page).text)), kind="bytes", rouge=False)
    for dataset, values in scores.items():
        shown = "  ".join(f"{name} {values[name]}" for name in ("tokP", "tokR", "tokF1", "segP", "segR", "segF1") if name in values)
        print(f"{_named(parameters):18} {dataset:12} {shown}  errors {values['errors']}")


def _memory(engine: str, pages: list[bytes], passes: int) -> bool:
    """Passes over the same pages: what grows is a leak. Prints memory after each tenth of them."""
    parser = ParserProcess(WarcParameters(files="x", extraction={"engine": engine}))
    sizes = []
    try:
        for _ in range(passes):
            parser.parse([(page, None, None) for page in pages])
            sizes.append(psutil.Process(parser._process.pid).memory_info().rss if parser._process else 0)
    finally:
        parser.close()
    shown = " ".join(f"{size / 1e6:.0f}" for size in sizes[:: max(1, passes // 10)])
    print(f"{engine:18} parser memory in MB over {passes} passes of {len(pages)} pages: {shown}; largest {max(sizes) / 1e6:.0f}")
    return max(sizes) <= MEMORY_CEILING


def _named(parameters: ExtractionParameters) -> str:
    return parameters.engine + (" fast" if parameters.fast else "")


def _gold_pages(scorer: ModuleType, folder: Path) -> list[bytes]:
    return [scorer.rd_(f"{folder}/{item['html']}") for _, item in scorer.load()]


def _generated_pages() -> list[bytes]:
    module = _load("made_archives", Path(__file__).parent.parent / "sources" / "made_archives.py")
    return [module.page(number, 30) for number in range(500)]


def _load(name: str, place: Path) -> Any:
    specification = importlib.util.spec_from_file_location(name, place)
    sys.modules[name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
