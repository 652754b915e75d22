"""Sources and exports: megabytes of a file per second and core.

    python tests/benchmarks/bench_sources.py

Reads and writes 80 MB of generated stories in every format, and takes the generator's own time.
"""

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.export.catalog import PARTS as EXPORTS
from curation_tasks.parts import Part, SourcePart
from curation_tasks.sources.catalog import PARTS as SOURCES
from curation_tasks.sources.jsonl import _LineReader

CONTEXT = RunContext("bench", "all", "bench", "/nowhere")
STORIES = 100_000
#: Whole blocks of JSON Lines; the slow way; the plain JSON Lines export; seconds for 20,000 stories.
READ_FLOOR, LINE_FLOOR, WRITE_FLOOR, GENERATOR_CEILING = 100, 30, 200, 2.0


def main() -> int:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    sources = {part.name: part for part in SOURCES}
    _read(sources["story_generator"], stories=100, units=1)
    batches, seconds = _timed(lambda: _read(sources["story_generator"], stories=STORIES))
    generator = seconds * 20_000 / STORIES
    print(f"story_generator        {generator:6.2f} s for 20,000 stories")
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in EXPORTS:
            for compression in ("none", "gzip", "zstd"):
                _measure(part, compression, Path(folder), batches, sources[part.name], speeds)
        text = Path(folder) / "stories.txt"
        text.write_text("\n<|endoftext|>\n".join(story for batch in batches for story in batch.column("text").to_pylist()))
        speeds["read tinystories"] = _speed(text, lambda: _read(sources["tinystories"], url=str(text)))
        _LineReader._whole_block = lambda self, lines: None  # type: ignore[method-assign]
        plain = Path(folder) / "part.jsonl"
        speeds["read jsonl by lines"] = _speed(plain, lambda: _read(sources["jsonl"], files=str(plain)))
    for name, speed in speeds.items():
        print(f"{name:22} {speed:6,.0f} MB/s")
    held = speeds["read jsonl none"] >= READ_FLOOR and speeds["read jsonl by lines"] >= LINE_FLOOR
    return 0 if held and speeds["write jsonl none"] >= WRITE_FLOOR and generator <= GENERATOR_CEILING else 1


def _measure(
    part: Part, compression: str, folder: Path, batches: list[pa.RecordBatch], source: SourcePart, speeds: dict[str, float]
) -> None:
    """Writes and reads a file; speeds count its text as it is without compression."""
    parameters = part.parameters(compression=compression)
    place = folder / f"part{part.suffix_of(parameters)}"
    part.load()(iter(batches[:1]), io.BytesIO(), parameters)
    with open(place, "wb") as file:
        _, seconds = _timed(lambda: part.load()(iter(batches), file, parameters))
    size = sum(batch.nbytes for batch in batches) / 1e6
    speeds[f"write {part.name} {compression}"] = size / seconds
    _, seconds = _timed(lambda: _read(source, files=str(place)))
    speeds[f"read {part.name} {compression}"] = size / seconds


def _speed(place: Path, work: Callable) -> float:
    return place.stat().st_size / 1e6 / _timed(work)[1]


def _read(part: SourcePart, **parameters: object) -> list[pa.RecordBatch]:
    chosen = part.parameters(**parameters)
    units: Iterable = part.load_units()(chosen, "all")
    return [batch for unit in units for batch in part.load()(unit, chosen, CONTEXT)]


def _timed(work: Callable) -> tuple:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
