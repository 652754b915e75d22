"""Where the dumps of Wikimedia's wikis are, and how a multistream file is cut into units.

An origin has, for wiki and day, ``/{wiki}/{date}/dumpstatus.json``, which lists the files of each job with size, hash and
address. A multistream file is many bzip2 streams in a row: a header, streams of 100 pages, an end. Its index has a line
``offset:page id:title`` for each page. Source: https://meta.wikimedia.org/wiki/Data_dumps/Dump_format,
https://en.wikipedia.org/wiki/Wikipedia:Database_download.
"""

from __future__ import annotations

import bz2
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from curation_tasks.errors import InputError, TransientError
from curation_tasks.parts import Snapshot, SourceUnit
from curation_tasks.sources.files import common_folder, path_below
from curation_tasks.sources.wikipedia_part import WikipediaParameters
from curation_tasks.storage.filesystem import absolute, exists, glob_files, scheme_of
from curation_tasks.storage.remote import open_remote, read_remote
from curation_tasks.storage.remote_file import RemoteFile

_JOBS = {"multistream": "articlesmultistreamdump", "plain": "articlesdump"}
_DATE_FOLDER = re.compile(r'href="(?:[^"]*/)?(\d{8})/"')
_BLOCK = 2**22


@dataclass(frozen=True)
class _DumpFile:
    uri: str
    path: str
    bytes: int
    etag: str


def list_dumps(parameters: WikipediaParameters, snapshot: str) -> list[SourceUnit]:
    """The units of a dump: ranges of streams where a file has an index, else whole files.

    Raises:
        InputError: There is no such dump, it lists no file, or a pattern names none.
        TransientError: The dump is not finished, or the origin does not answer.
    """
    units: list[SourceUnit] = []
    for file in _local_files(parameters, snapshot) if parameters.files else _dump_files(parameters, snapshot):
        index = _index_of(file.uri)
        if index and (not parameters.files or _is_there(index)):
            units += _ranges(file, index, parameters.unit_bytes)
        else:
            # A hash that the listing states is that of the whole file: of ranges each block has its checksum.
            options = {"digest": file.etag} if file.etag.startswith(("sha1:", "md5:")) else {}
            units.append(SourceUnit(file.uri, file.path, file.bytes, file.etag, options))
    return units


def list_dates(parameters: WikipediaParameters) -> list[Snapshot]:
    """The finished dumps that all the wikis have, as their origin lists them.

    Raises:
        TransientError: The origin does not answer.
    """
    if not parameters.languages:
        return []
    finished: dict[str, list[str]] = {}
    for wiki in parameters.wikis():
        folder = f"{absolute(parameters.base_url)}/{wiki}"
        listing = read_remote(f"{folder}/").decode("utf-8", "replace")
        for date in sorted(set(_DATE_FOLDER.findall(listing))):
            try:
                job = _job(f"{folder}/{date}/dumpstatus.json", _JOBS[parameters.dump])
            except InputError:
                continue  # a day of another kind of dump, or one that has just begun
            if job.get("status") == "done":
                finished.setdefault(date, []).append(str(job.get("updated", "")).replace(" ", "T"))
    everywhere = {date: max(times) for date, times in finished.items() if len(times) == len(parameters.languages)}
    return [
        Snapshot(date, f"{date[:4]}-{date[4:6]}-{date[6:]}", f"{time}+00:00" if time else "") for date, time in sorted(everywhere.items())
    ]


# --- files ---------------------------------------------------------------------------------------------------------------


def _dump_files(parameters: WikipediaParameters, snapshot: str) -> Iterator[_DumpFile]:
    date = parameters.date or snapshot.partition("+")[0]  # behind a plus stands the name of a trial
    base = absolute(parameters.base_url)
    if not re.fullmatch(r"\d{8}", date):
        raise InputError(
            f"{date!r} is no day of a dump",
            where=base,
            expected="YYYYMMDD",
            remedy="set `date`, or give the pipeline `partitions` by snapshot",
        )
    for wiki in parameters.wikis():
        status = f"{base}/{wiki}/{date}/dumpstatus.json"
        job = _job(status, _JOBS[parameters.dump])
        if job.get("status") != "done":
            raise TransientError(
                f"the dump of {wiki} is not finished: {job.get('status')}",
                where=status,
                expected="done",
                remedy="try again later, or take an earlier day",
            )
        files = [(name, entry) for name, entry in job.get("files", {}).items() if ".xml" in name and "-index" not in name]
        if not files:
            raise InputError(f"the dump of {wiki} lists no file", where=status, remedy="try `dump: plain`, or another day")
        for name, entry in sorted(files, key=lambda item: _natural(item[0])):
            url = str(entry.get("url") or f"/{wiki}/{date}/{name}")
            hashes = [f"{kind}:{entry[kind]}" for kind in ("sha1", "md5") if entry.get(kind)]
            yield _DumpFile(
                f"{base}{url}" if url.startswith("/") else url, f"{wiki}/{date}/{name}", int(entry.get("size", -1)), (hashes or [""])[0]
            )


def _job(status: str, name: str) -> dict[str, Any]:
    try:
        jobs = json.loads(read_remote(status))["jobs"]
        return jobs.get(name) or {}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this is no status of a dump", where=status, expected='{"jobs": {…}}') from error


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which ``articles2`` comes before ``articles10``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _local_files(parameters: WikipediaParameters, snapshot: str) -> Iterator[_DumpFile]:
    base = common_folder(parameters.files)
    found = {}
    for pattern in parameters.files:
        uri = pattern.replace("{snapshot}", snapshot)
        files = [file for file in _matches(uri) if "-index" not in posixpath.basename(file.uri)]
        if not files:
            raise InputError(
                f"no file matches {pattern!r}", where=absolute(uri), expected="at least one dump file for each entry of `files`"
            )
        found |= {file.uri: file for file in files}
    for uri, file in sorted(found.items()):
        yield _DumpFile(uri, path_below(uri, base), file.bytes, file.etag)


def _matches(uri: str) -> list[Any]:
    return [RemoteFile(uri).stat()] if scheme_of(uri) in ("http", "https") else glob_files(uri)


def _is_there(uri: str) -> bool:
    if scheme_of(uri) not in ("http", "https"):
        return exists(uri)
    try:
        RemoteFile(uri).stat()
    except InputError:
        return False
    return True


def _index_of(uri: str) -> str:
    """The address of a multistream file's index, "" for other files."""
    folder, _, name = uri.rpartition("/")
    if "-multistream" not in name or ".xml" not in name or not name.endswith(".bz2"):
        return ""
    return f"{folder}/{name.replace('-multistream', '-multistream-index').replace('.xml', '.txt')}"


# --- ranges --------------------------------------------------------------------------------------------------------------


def _ranges(file: _DumpFile, index: str, unit_bytes: int) -> list[SourceUnit]:
    """Units of about so many bytes, each of whole streams; ``pages`` is how many the index promises."""
    size = file.bytes if file.bytes >= 0 else RemoteFile(file.uri).stat().bytes
    pages = _pages_by_offset(index)
    offsets = sorted(pages)
    if not offsets or offsets[-1] >= size:
        raise InputError(
            "the index does not belong to the file", where=index, expected=f"offsets below {size:,}", remedy="fetch both again"
        )
    units = []
    cuts = _cuts(offsets, unit_bytes)
    for begin, end in pairwise([*cuts, len(offsets)]):
        start, stop = offsets[begin], offsets[end] if end < len(offsets) else size
        # Every unit reads the header, which names the wiki and its namespaces.
        options = {"start": start, "stop": stop, "header": offsets[0], "pages": sum(pages[offset] for offset in offsets[begin:end])}
        units.append(SourceUnit(file.uri, f"{file.path}:{start}-{stop}", stop - start, file.etag, options))
    return units


def _cuts(offsets: Sequence[int], unit_bytes: int) -> list[int]:
    """The streams with which units begin."""
    cuts = [0]
    for stream, offset in enumerate(offsets):
        if offset - offsets[cuts[-1]] >= unit_bytes:
            cuts.append(stream)
    return cuts


def _pages_by_offset(index: str) -> Counter[int]:
    pages: Counter[bytes] = Counter()
    with open_remote(index) as file:
        for lines in _lines(file, index):
            pages.update(line.partition(b":")[0] for line in lines if line)
    try:
        return Counter({int(offset): count for offset, count in pages.items()})
    except ValueError as error:
        raise InputError("this is no index of a multistream dump", where=index, expected="lines of offset:page id:title") from error


def _lines(file: Any, index: str) -> Iterator[list[bytes]]:
    """The lines of an index, plain or bzip2, a block at a time."""
    held = b""
    for block in _decompressed(file, index) if index.endswith(".bz2") else iter(lambda: file.read(_BLOCK), b""):
        *lines, held = (held + block).split(b"\n")
        yield lines
    yield [held]


def _decompressed(file: Any, index: str) -> Iterator[bytes]:
    decompressor = bz2.BZ2Decompressor()
    data = file.read(_BLOCK)
    while data or not decompressor.needs_input:
        try:
            yield decompressor.decompress(data, _BLOCK)
        except (OSError, EOFError) as error:
            raise InputError(f"damaged bzip2 data: {error}", where=index, remedy="fetch it again") from error
        if decompressor.eof:
            data = decompressor.unused_data or file.read(_BLOCK)
            if not data:
                return
            decompressor = bz2.BZ2Decompressor()
        else:
            data = file.read(_BLOCK) if decompressor.needs_input else b""
    if not decompressor.eof:
        raise InputError("the bzip2 data ends too soon", where=index, remedy="fetch it again")
