"""arXiv: papers as documents, from their TeX sources, every package accounted for.

TeX becomes text by a scanner of our own (``tex_text``, which says what of a paper stays); nothing of a package is executed or
written to disk (``arxiv_packages``).
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import arrow_type
from curation_tasks.sources.arxiv_listing import is_archive
from curation_tasks.sources.arxiv_packages import Bounds, Package, package_of, packages_in, reason_by_signature
from curation_tasks.sources.arxiv_part import ARXIV, ArxivParameters
from curation_tasks.sources.download import open_whole
from curation_tasks.sources.records import SeenIds, UnitAccount, bounded, records_batch
from curation_tasks.sources.tex_files import source_of
from curation_tasks.sources.tex_text import TexOptions, paper_of

_BATCH_CHARACTERS, _BATCH_PAPERS = 8 * 2**20, 512
#: ``2503.01234`` and, before April 2007, ``astro-ph0001001`` or ``math.GT0309136``.
_NEW_ID = re.compile(r"\d{4}\.\d{4,5}(?:v\d+)?")
_OLD_ID = re.compile(r"(?P<archive>[a-z][a-z-]+)(?:\.[A-Z]{2})?/?(?P<number>\d{7})(?:v\d+)?")
_WITHDRAWN = re.compile(rb"\s*%auto-ignore", re.IGNORECASE)


def read_arxiv(unit: SourceUnit, parameters: ArxivParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """The papers of an archive, or of one package.

    Adds: ``url``, ``arxiv_id``, ``title``, ``abstract``, ``section_titles``, and ``categories`` where the identity tells one (papers
    before April 2007; later ones are classified in arXiv's metadata only). The abstract is part of the text, the title is not.

    Rejects, with the package's position in the archive as ``reject_value``:
        pdf_only, postscript_only, html_only: There is no TeX, but that.
        unsupported_format: Neither that: an office file, an image, another kind of archive.
        withdrawn: The authors took the paper back.
        no_main_file: No file is one that TeX could be run on.
        empty_text: Nothing is left of the source.
        too_large, too_many_files: Beyond the bounds of the parameters; not unpacked.
        damaged_package: Cannot be unpacked.
        damaged_archive: The rest of the archive cannot be read.
        repeated_id: The paper stood in the archive before.

    Counts of archives ``packages``, ``packages_expected`` and ``packages_lost``; where a run's limit leaves one in the middle
    ``archives.unfinished``, and ``packages_unread`` instead of ``packages_lost``. Counts of the packages that were read, with a limit
    also beyond it, ``missing_inputs``, ``bounded_sources`` (includes or macros left out because of the bounds) and ``unsafe_members``.

    Raises:
        InputError: Not one package of an archive could be read, or it has not the MD5 that the manifest states.
    """
    reader = _Reader(parameters, context)
    if not is_archive(unit.uri):
        with open_whole(unit) as stream:
            # A larger file is cut, and then too large or damaged.
            reader.add(unit.path, stream.read(16 * parameters.max_package_bytes + 1))
        yield from bounded(reader.take())
        return
    account = UnitAccount("packages", "archives", ("damaged_archive",), unit.options.get("papers"))
    try:
        with open_whole(unit) as stream:
            yield from _archive(stream, unit, reader, parameters, account)
        account.has_ended = True
        if reader.rows:
            yield from account.batches(reader.take())
    except GeneratorExit:
        account.count(context)
        raise
    account.count(context)


def _archive(stream: Any, unit: SourceUnit, reader: _Reader, parameters: ArxivParameters, account: UnitAccount) -> Iterator[pa.RecordBatch]:
    packages = 0
    try:
        for name, data in packages_in(stream, Bounds(parameters.max_package_bytes, parameters.max_package_files)):
            packages += 1
            reader.add(name, data)
            if reader.is_full:
                yield from account.batches(reader.take())
    except (tarfile.TarError, EOFError, ValueError) as error:
        if packages == 0:
            raise InputError("the archive has no package that can be read", where=unit.uri, expected="a tar archive of packages") from error
        reader.reject(None, "damaged_archive")
    if packages == 0:
        raise InputError("the archive has no package", where=unit.uri, expected="a tar archive of packages")


class _Reader:
    """Gathers papers into batches."""

    def __init__(self, parameters: ArxivParameters, context: RunContext):
        self._bounds = Bounds(parameters.max_package_bytes, parameters.max_package_files)
        self._options = TexOptions(parameters.math, parameters.footnotes == "keep", parameters.code == "keep", parameters.layout)
        self._context = context
        self._seen = SeenIds()
        self._number = 0
        self._characters = 0
        self.rows: list[dict[str, Any]] = []

    @property
    def is_full(self) -> bool:
        return self._characters >= _BATCH_CHARACTERS or len(self.rows) >= _BATCH_PAPERS

    def add(self, name: str, data: bytes | None) -> None:
        """Reads a package; None stands for one that is beyond the bounds."""
        if data is None:
            self.reject(name, "too_large")
        elif name.lower().endswith(".pdf") or reason_by_signature(data[:512]) == "pdf_only":
            self.reject(name, "pdf_only")
        else:
            self._paper(name, package_of(data, _inner_name(name), self._bounds))

    def reject(self, name: str | None, reason: str) -> None:
        self._row(name, {"reason": reason})

    def _paper(self, name: str, package: Package) -> None:
        counts = Counter(unsafe_members=package.unsafe)
        if not package.reason and _is_withdrawn(package):
            package.reason = "withdrawn"
        if package.reason:
            row: dict[str, Any] = {"reason": package.reason}
        elif (source := source_of(package.files)) is None:
            row = {"reason": "no_main_file"}
        else:
            paper = paper_of(source.text, self._options)
            counts.update(missing_inputs=source.missing, bounded_sources=int(source.bounded or paper.bounded))
            row = {"text": paper.text, "title": paper.title, "abstract": paper.abstract, "section_titles": paper.section_titles}
            row["reason"] = None if paper.text else "empty_text"
        for counter, amount in counts.items():
            if amount:
                self._context.count(counter, amount)
        self._row(name, row)

    def _row(self, name: str | None, row: dict[str, Any]) -> None:
        self._number += 1
        self._characters += len(row.get("text", ""))
        self.rows.append(row | _identity(name) | {"number": self._number})

    def take(self) -> pa.RecordBatch:
        rows, self.rows, self._characters = self.rows, [], 0
        reasons = np.array([row["reason"] for row in rows], object)
        columns = {
            name: pa.array([row.get(name) or None for row in rows], arrow_type(kind)) for name, kind in ARXIV.provides_of(None).items()
        }
        columns["text"] = pa.array([row.get("text") if row["reason"] is None else None for row in rows], pa.string())
        columns["native_id"] = columns["arxiv_id"]
        numbers = np.array([row["number"] for row in rows], np.int64)
        return records_batch(columns, reasons, numbers, self._seen, lambda row: "")


def _is_withdrawn(package: Package) -> bool:
    return len(package.files) == 1 and bool(_WITHDRAWN.match(next(iter(package.files.values()))[:200]))


def _inner_name(name: str) -> str:
    base = posixpath.basename(name).removesuffix(".gz").removesuffix(".tgz")
    return base if "." in base and not _NEW_ID.fullmatch(base) else f"{base}.tex"


def _identity(name: str | None) -> dict[str, Any]:
    """What the name of a package tells: identity, address, and the archive of old ones as category."""
    stem = re.sub(r"\.(?:tar\.gz|tgz|tar|gz|pdf|tex)$", "", posixpath.basename(name or ""), flags=re.IGNORECASE)
    if _NEW_ID.fullmatch(stem):
        return {"arxiv_id": stem, "url": f"https://arxiv.org/abs/{stem}", "categories": []}
    if match := _OLD_ID.fullmatch(stem):
        identity = f"{match['archive']}/{match['number']}"
        return {"arxiv_id": identity, "url": f"https://arxiv.org/abs/{identity}", "categories": [match["archive"]]}
    return {"arxiv_id": None, "url": None, "categories": []}
