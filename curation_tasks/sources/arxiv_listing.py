"""Which archives hold the papers of a month: arXiv's manifest of bulk source files.

Source: https://info.arxiv.org/help/bulk_data_s3.html. ``src/arXiv_src_manifest.xml`` lists tar archives of about 500 MB with
month (``yymm``), size, MD5 and number of papers.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from curation_tasks.errors import InputError
from curation_tasks.parts import Snapshot, SourceUnit
from curation_tasks.sources.arxiv_part import ArxivParameters
from curation_tasks.sources.files import common_folder, path_below
from curation_tasks.storage.filesystem import absolute, glob_files, scheme_of
from curation_tasks.storage.remote import read_remote
from curation_tasks.storage.remote_file import RemoteFile

MANIFEST = "src/arXiv_src_manifest.xml"
_MONTH = re.compile(r"(?:(?P<century>19|20)?(?P<year>\d\d))-?(?P<month>0[1-9]|1[0-2])")


def list_archives(parameters: ArxivParameters, snapshot: str) -> list[SourceUnit]:
    """One unit an archive of the month, or a file of ``files``.

    Raises:
        InputError: The month has no archive, the manifest cannot be read, or a pattern names no file.
        TransientError: The origin does not answer.
    """
    if parameters.files:
        return list(_given_files(parameters, snapshot))
    wanted = _yymm(parameters.month or snapshot.partition("+")[0])  # behind a plus stands the name of a trial
    base = absolute(parameters.base_url)
    pays = _pays(parameters, base)
    units = []
    for entry in _entries(base, pays):
        if entry["yymm"] == wanted:
            options: dict[str, Any] = {"requester_pays": True} if pays else {}
            if entry.get("md5sum"):
                options["digest"] = f"md5:{entry['md5sum']}"
            if entry.get("num_items", "").isdecimal():
                options["papers"] = int(entry["num_items"])
            name, size = entry["filename"], entry.get("size", "")
            units.append(SourceUnit(f"{base}/{name}", name, int(size) if size.isdecimal() else -1, options.get("digest", ""), options))
    if not units:
        raise InputError(
            f"no archive of {parameters.month or snapshot}", where=f"{base}/{MANIFEST}", expected="a month of the manifest, as 2025-03"
        )
    return sorted(units, key=lambda unit: unit.path)


def list_months(parameters: ArxivParameters) -> list[Snapshot]:
    """The months of the manifest, each with the time of its last archive."""
    base = absolute(parameters.base_url)
    months: dict[str, str] = {}
    for entry in _entries(base, _pays(parameters, base)):
        if re.fullmatch(r"\d{4}", entry["yymm"]):
            month = _full_month(entry["yymm"])
            months[month] = max(months.get(month, ""), entry.get("timestamp", ""))
    return [Snapshot(month, f"{month}-01", _iso(time)) for month, time in sorted(months.items())]


def _pays(parameters: ArxivParameters, uri: str) -> bool:
    """Whether requests have to say that the reader pays."""
    return parameters.requester_pays and scheme_of(uri) in ("s3", "s3a")


def _iso(time: str) -> str:
    """``2010-12-23 00:13:59`` as an ISO time in UTC, "" for anything else."""
    return f"{time[:10]}T{time[11:19]}+00:00" if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", time) else ""


def _yymm(month: str) -> str:
    match = _MONTH.fullmatch(month)
    if match is None:
        raise InputError(
            f"{month!r} is no month", expected="YYYY-MM, as 2025-03", remedy="set `month`, or give the pipeline `partitions` by month"
        )
    return match["year"] + match["month"]


def _full_month(yymm: str) -> str:
    """arXiv began in 1991."""
    return f"{'19' if yymm[:2] > '90' else '20'}{yymm[:2]}-{yymm[2:]}"


def _entries(base: str, pays: bool) -> Iterator[dict[str, str]]:
    place = f"{base}/{MANIFEST}"
    data = read_remote(place, requester_pays=pays)
    try:
        for _, element in etree.iterparse(io.BytesIO(data), tag="file", resolve_entities=False, no_network=True):
            entry = {child.tag: (child.text or "").strip() for child in element if isinstance(child.tag, str)}
            if entry.get("filename") and entry.get("yymm"):
                yield entry
            element.clear()
    except etree.XMLSyntaxError as error:
        raise InputError("this is no manifest of arXiv", where=place, expected="<arXivSRC> with <file> elements") from error


def _given_files(parameters: ArxivParameters, snapshot: str) -> Iterator[SourceUnit]:
    base = common_folder(parameters.files)
    found = {}
    for pattern in parameters.files:
        uri = pattern.replace("{snapshot}", snapshot)
        pays = _pays(parameters, uri)
        files = [RemoteFile(uri).stat()] if scheme_of(uri) in ("http", "https") else glob_files(uri, requester_pays=pays)
        if not files:
            raise InputError(f"no file matches {pattern!r}", where=absolute(uri), expected="at least one file for each entry of `files`")
        found |= {file.uri: file for file in files}
    for uri, file in sorted(found.items()):
        options = {"requester_pays": True} if _pays(parameters, uri) else {}
        yield SourceUnit(uri, path_below(uri, base), file.bytes, file.etag, options)


def is_archive(uri: str) -> bool:
    """Whether a file holds many papers, by its name."""
    return re.match(r"arXiv_src_.*\.tar$", posixpath.basename(uri)) is not None
