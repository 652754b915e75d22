"""Cuts a small multistream dump from a real one, serves it as the origin does, and curates it.

    python tests/benchmarks/check_wikipedia.py DUMP.xml.bz2 [DUMP.xml.bz2 …] [--index INDEX.txt.bz2] [--truth TRUTH.json] [--pages N]

With the index of a multistream dump (of one file only) its streams are served byte for byte; pages of a plain dump are put into
streams of 100. ``curate run`` reads them over HTTP in small units. Counted are pages, redirects and what is kept, against ``--truth``
(file name → ``pages``, ``redirects``, ``kept``) where it knows the file and all of it was cut.
"""

from __future__ import annotations

import argparse
import bz2
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from curation_tasks.manifest import read_manifest

_DATE = "20250801"
_PIPELINE = """name: cut
stages:
  - id: pages
    source: wikipedia
    parameters: {{languages: {language}, base_url: "{base}", date: "{date}", unit_bytes: 200000}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="+", type=Path)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--pages", type=int, default=1000)
    options = parser.parse_args()
    truth = json.loads(options.truth.read_text(encoding="utf-8")) if options.truth else {}
    wrong = sum(not _check(dump, options.index, truth.get(dump.name), options.pages) for dump in options.dumps)
    print(f"{len(options.dumps)} dumps, {wrong} not as expected")
    return 1 if wrong else 0


def _check(dump: Path, index: Path | None, truth: dict | None, most: int) -> bool:
    if b"<siteinfo>" not in bz2.decompress(dump.read_bytes()).replace(b"\0", b""):
        print(f"other  {dump.name}: has no <siteinfo>, so that it is no whole dump's beginning")
        return True
    wiki, files, pages = _cutter().cut_of_a_real_dump(dump.read_bytes(), _DATE, index.read_bytes() if index else None, most)
    with tempfile.TemporaryDirectory() as folder:
        server = _serve(files)
        base = f"http://127.0.0.1:{server.server_port}"
        pipeline = Path(folder) / "cut.yaml"
        pipeline.write_text(_PIPELINE.format(language=wiki.removesuffix("wiki"), base=base, date=_DATE), encoding="utf-8")
        root = f"{folder}/data"
        command = [str(Path(sys.executable).with_name("curate")), "run", str(pipeline), "--root", root]
        done = subprocess.run(command, capture_output=True, text=True)
        server.shutdown()
        if done.returncode:
            print(f"WRONG  {dump.name}: {done.stderr[-500:]}")
            return False
        [manifest] = Path(root).glob("cut/*/pages/*/manifest.json")
        content = read_manifest(str(manifest)).content
    counters, reasons, counts = content["counters"], content["reasons"], content["counts"]
    right = counters == {"pages": pages, "pages_expected": pages} and counts["documents"] + counts["rejected"] == pages
    if truth and pages == truth["pages"]:
        right &= reasons.get("redirect", 0) == truth["redirects"]
        right &= counts["documents"] + reasons.get("empty_text", 0) == truth["kept"]
    sizes = ", ".join(f"{path.rpartition('/')[2]} {len(data):,} bytes" for path, data in files.items() if path.endswith(".bz2"))
    print(f"{'right' if right else 'WRONG'}  {dump.name}: {pages} pages, {counts['documents']} documents, {reasons}; {sizes}")
    return right


def _serve(files: dict[str, bytes]) -> ThreadingHTTPServer:
    """Files with ranges, as the origin gives them."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            content = files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, len(content)) if last else len(content)
            self.send_response(206 if "Range" in self.headers else 200)
            if "Range" in self.headers:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[start:stop])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _cutter() -> object:
    place = Path(__file__).parent.parent / "sources" / "wikipedia_dump.py"
    specification = importlib.util.spec_from_file_location("wikipedia_dump", place)
    module = importlib.util.module_from_spec(specification)
    sys.modules["wikipedia_dump"] = module
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
