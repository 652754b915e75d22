"""Every operation that cleans text, and block lists of web addresses: MB of text, or addresses, per CPU second of one core.

    python tests/benchmarks/bench_cleaning.py [--corpus FILE.parquet] [--megabytes 32] [--domains 5000000]

Without a corpus, stories are generated. The block list is made up: its domains, and addresses of which one in a hundred is on it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from curation_tasks.catalog import load_catalog
from curation_tasks.storage.shard import text_bytes_of
from curation_tasks.testing import context_for

#: What is measured besides each operation's own defaults.
OPERATIONS = (
    ("cleaning.lines", {"rules": "c4"}),
    ("cleaning.lines", {"rules": "refinedweb"}),
    ("cleaning.line_patterns", {"patterns": ["(?i)^share this"]}),
    ("cleaning.slice", {"left": 0, "right": -1}),
    ("cleaning.boilerplate", {}),
    ("cleaning.characters", {}),
    ("cleaning.newlines", {}),
    ("cleaning.urls", {}),
    ("cleaning.enclosing_quotes", {}),
    ("cleaning.markdown", {}),
    ("cleaning.normalize", {}),
    ("cleaning.unicode", {}),
    ("cleaning.quotes", {}),
)
URLS = 200_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", help="a Parquet file with a column `text`")
    arguments.add_argument("--megabytes", type=int, default=32, help="how much text")
    arguments.add_argument("--domains", type=int, default=5_000_000, help="length of the block list")
    given = arguments.parse_args()
    text = _bench_text()
    size = given.megabytes * 1_000_000
    texts = text.corpus(given.corpus, size) if given.corpus else text.stories(size)
    names = pa.array([f"d{number}" for number in range(len(texts))])
    batch = pa.record_batch({"doc_id": names, "text": texts})
    megabytes = text_bytes_of(texts) / 1e6
    print(f"{len(texts):,} texts, {megabytes:.0f} MB\n\n{'':60}{'MB/s':>8}")
    for name, options in OPERATIONS:
        print(f"{name + ' ' + str(options or ''):60}{megabytes / seconds(name, options, batch):8.0f}")
    block_list(given.domains)


def seconds(name: str, options: dict[str, object], batch: pa.RecordBatch) -> float:
    """CPU seconds of the second call: machine code and tables are had once a process."""
    part = load_catalog().operations[name]
    parameters = part.parameters.model_validate(options)
    context = context_for(parameters)
    part(batch, parameters, context)
    started = time.process_time()
    part(batch, parameters, context)
    return time.process_time() - started


def block_list(domains: int) -> None:
    """A list of so many domains: hashed once a node, then mapped; addresses looked up."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CURATE_CACHE"] = folder
        path = Path(folder) / "blocked.txt"
        path.write_text("".join(f"site-{number:08d}.example\n" for number in range(domains)))
        urls = [f"https://www.site-{(number * 7919) % (domains * 100):08d}.example/page/{number}?q=1" for number in range(URLS)]
        batch = pa.record_batch({"doc_id": pa.array([str(n) for n in range(URLS)]), "text": pa.array([""] * URLS), "url": pa.array(urls)})
        started = time.process_time()
        looked_up = seconds("filters.url", {"domains_files": [str(path)]}, batch)
        first = time.process_time() - started - 2 * looked_up
        print(f"\nfilters.url, {domains:,} domains: {URLS / looked_up / 1e6:.2f} million addresses/s; list hashed in {first:.1f} s")


def _bench_text() -> ModuleType:
    """The texts are those of ``bench_text.py``; benchmarks are programs, not a package."""
    specification = importlib.util.spec_from_file_location("bench_text", Path(__file__).with_name("bench_text.py"))
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
