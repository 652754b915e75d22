"""Pages of a dump: bzip2 streams, and the XML in them.

Each stream of a multistream file is read by itself, so that damage costs the pages behind it in that stream and no more.
Source: the export format, https://www.mediawiki.org/xml/export-0.11.xsd.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import indexed_bzip2
from lxml import etree

from curation_tasks.errors import InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.download import open_whole
from curation_tasks.sources.files import open_decompressed
from curation_tasks.storage.filesystem import open_input, scheme_of, storage_errors
from curation_tasks.storage.remote_file import REMOTE_SCHEMES, RemoteFile

#: How a bzip2 stream with content begins: its size digit, then the mark of a block.
_STREAM_START = re.compile(rb"BZh[1-9]1AY&SY")
_ROOT, _ROOT_END = b"<mediawiki>", b"</mediawiki>"
_BLOCK = 2**20


@dataclass(frozen=True)
class Site:
    """What a dump says of its wiki.

    Attributes:
        name: Of the database, as ``enwiki``; "" when the dump does not say.
        base: Address of its main page.
        namespaces: Number → names.
    """

    name: str = ""
    base: str = ""
    namespaces: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """A page and its last revision as they stand in a dump. ``text`` is None where the dump has none."""

    title: str
    namespace: int
    page_id: int | None
    redirect: bool
    revision_id: int | None
    timestamp: str | None
    model: str
    text: str | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """Where reading ended before the pages did: ``reason`` is ``damaged_stream`` or ``malformed_xml``.

    Attributes:
        place: Byte of the file at which the stream begins.
    """

    reason: str
    place: int


class _DamagedError(Exception):
    """The compressed data is damaged or cut short."""


def read_pages(unit: SourceUnit) -> Iterator[Site | Page | Damage]:
    """What is in a unit: first the site, then pages, and the places of damage.

    Raises:
        InputError: The header of the dump cannot be read.
        TransientError: The store failed.
    """
    if "start" not in unit.options:
        yield from _whole_file(unit)
        return
    yield _site_of_header(unit)
    data = _range(unit, unit.options["start"], unit.options["stop"])
    starts = [match.start() for match in _STREAM_START.finditer(data)]
    if starts[:1] != [0]:
        yield Damage("damaged_stream", unit.options["start"])  # the range begins with a stream, as its index says
    for start, stop in pairwise([*starts, len(data)]):
        yield from _parsed(_Stream(io.BytesIO(data[start:stop]), wrap=True), unit.options["start"] + start)


def _range(unit: SourceUnit, start: int, stop: int) -> bytes:
    if scheme_of(unit.uri) in REMOTE_SCHEMES:
        etag = "" if ":" in unit.etag else unit.etag  # a hash that a listing states is no version of the server's
        return RemoteFile(unit.uri, etag=etag).read_range(start, stop)
    with storage_errors(unit.uri), open_input(unit.uri) as file:
        file.seek(start)
        return file.read(stop - start)


def _site_of_header(unit: SourceUnit) -> Site:
    for item in _parsed(_Stream(io.BytesIO(_range(unit, 0, unit.options["header"])), tail=_ROOT_END), 0):
        if isinstance(item, Site):
            return item
    raise InputError(
        "the dump does not begin with a header", where=unit.uri, expected="<mediawiki> and <siteinfo>", remedy="fetch it again"
    )


def _whole_file(unit: SourceUnit) -> Iterator[Site | Page | Damage]:
    if not unit.uri.endswith(".bz2"):
        with open_decompressed(unit.uri) as stream:
            yield from _parsed(stream, 0)
        return
    with open_whole(unit) as file:
        yield from _parsed(_Stream(file), 0)


class _Stream:
    """Decompresses as it is read; optionally as an XML document of its own."""

    def __init__(self, file: Any, *, wrap: bool = False, tail: bytes = b""):
        self._head, self._tail = (_ROOT, _ROOT_END) if wrap else (b"", tail)
        self._file = file
        self._decompressed: Any = None
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        if self._decompressed is None:
            self._decompressed = self._guarded(lambda: indexed_bzip2.IndexedBzip2File(self._file, parallelization=1))
        data = self._guarded(lambda: self._decompressed.read(_BLOCK if size < 0 else size))
        if not data:
            tail, self._tail = self._tail, b""
            return b"" if self._last.rstrip().endswith(_ROOT_END) else tail
        # The last stream has the end of the document, or is nothing else.
        self._last = (self._last + data)[-64:]
        return data

    def _guarded(self, action: Any) -> Any:
        try:
            return action()
        except (ValueError, RuntimeError, OSError, EOFError, IndexError, OverflowError) as error:
            raise _DamagedError from error


def _parsed(stream: Any, place: int) -> Iterator[Site | Page | Damage]:
    """The site and the pages of an XML document; entities of its own are not expanded, and one text has at most 10 MB."""
    try:
        events = etree.iterparse(
            stream, events=("end",), tag=("{*}page", "{*}siteinfo"), resolve_entities=False, no_network=True, huge_tree=False
        )
        for _, element in events:
            yield _page(element) if element.tag.endswith("page") else _site(element)
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError:
        yield Damage("malformed_xml", place)
    except _DamagedError:
        yield Damage("damaged_stream", place)


def _children(element: Any) -> dict[str, Any]:
    """Local name → child, the last of each name."""
    return {child.tag[child.tag.rfind("}") + 1 :]: child for child in element if isinstance(child.tag, str)}


def _text(children: Mapping[str, Any], name: str) -> str | None:
    return children[name].text if name in children else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().lstrip("-").isdecimal() and len(text) < 19 else None


def _page(element: Any) -> Page:
    page = _children(element)
    revision = _children(page["revision"]) if "revision" in page else {}
    content = revision.get("text")
    return Page(
        title=_text(page, "title") or "",
        namespace=_number(_text(page, "ns")) or 0,
        page_id=_number(_text(page, "id")),
        redirect="redirect" in page,
        revision_id=_number(_text(revision, "id")),
        timestamp=_text(revision, "timestamp"),
        model=_text(revision, "model") or "wikitext",
        text=None if content is None else content.text,
        deleted=content is None or content.get("deleted") is not None,
    )


def _site(element: Any) -> Site:
    site = _children(element)
    namespaces: dict[int, tuple[str, ...]] = {}
    for child in site.get("namespaces", ()):
        number = _number(child.get("key"))
        if number is not None and child.text:
            namespaces[number] = (child.text,)
    return Site((_text(site, "dbname") or "").strip(), (_text(site, "base") or "").strip(), namespaces)
