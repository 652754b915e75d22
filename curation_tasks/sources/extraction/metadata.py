"""What a page says of itself: title, language, date, author, description, canonical address.

Read from the parsed page, from ``<meta>`` (standard names, Open Graph, Dublin Core, schema.org) and from JSON-LD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from curation_tasks.sources.extraction.pages import METADATA_COLUMNS, Page

_MOST_ELEMENTS = 400
_MOST_JSON_CHARACTERS = 200_000
_MOST_CHARACTERS = {"title": 1000, "author": 300, "description": 5000, "canonical_url": 2000, "language_hint": 35}

#: Names of ``<meta name|property|itemprop|http-equiv>``, the most trusted first.
_META_NAMES = {
    "title": ("og:title", "twitter:title", "dc.title", "dcterms.title"),
    "language_hint": ("content-language", "dc.language", "dcterms.language", "og:locale", "language"),
    "published": (
        "article:published_time", "datepublished", "date", "dc.date.issued", "dcterms.issued", "dc.date", "dcterms.date", "pubdate",
        "publishdate", "publication_date", "sailthru.date", "parsely-pub-date", "citation_publication_date", "datecreated",
    ),
    "author": ("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author", "citation_author"),
    "description": ("description", "og:description", "twitter:description", "dc.description", "dcterms.description"),
    "canonical_url": ("og:url",),
}  # fmt: skip
_FIELD_OF = {name: (field, rank) for field, names in _META_NAMES.items() for rank, name in enumerate(names)}
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_ISO_DATE = re.compile(r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")


def page_metadata(page: Page) -> dict[str, str | None]:
    """The columns ``METADATA_COLUMNS`` of a page, null where it does not say.

    ``published`` is a date, YYYY-MM-DD; ``language_hint`` a tag as ``en`` or ``pt-br``; both as the page claims.
    """
    found: dict[str, tuple[int, str]] = {}
    for field, rank, value in _statements(page):
        if value and (field not in found or rank < found[field][0]):
            found[field] = (rank, value)
    values = {field: found[field][1] if field in found else None for field in METADATA_COLUMNS}
    return {field: _cleaned(field, value, page.url) if value else None for field, value in values.items()}


def _statements(page: Page) -> Iterator[tuple[str, int, str]]:
    """All that the page says: ``(column, rank, value)``, the lowest rank the most trusted."""
    document = page.tree.document
    if document is None:
        return
    yield "title", 0, page.tree.title or ""
    root = document.document_element
    if root is not None:
        yield "language_hint", 0, root.get_attribute("lang") or root.get_attribute("xml:lang") or ""
    # One pass for all of them; a collection that is iterated costs as much for each of its members.
    for element in document.query_selector_all(_ELEMENTS).values()[:_MOST_ELEMENTS]:
        yield from _READERS[element.tag](element)


def _from_meta(element: Any) -> Iterator[tuple[str, int, str]]:
    for attribute in ("name", "property", "itemprop", "http-equiv"):
        name = element.get_attribute(attribute)
        if name and (match := _FIELD_OF.get(name.strip().lower())):
            field, rank = match
            value = element.get_attribute("content") or ""
            # A date that is none, or an author's address, gives way to the next that is one.
            if not (field == "published" and not _date(value)) and not (field == "author" and value.startswith("http")):
                yield field, rank + 10, value
            return


def _from_link(element: Any) -> Iterator[tuple[str, int, str]]:
    if "canonical" in element.get_attribute("rel").lower().split():
        yield "canonical_url", 0, element.get_attribute("href") or ""


def _from_time(element: Any) -> Iterator[tuple[str, int, str]]:
    stamp = element.get_attribute("datetime")
    if _date(stamp):
        yield "published", 5 if element.has_attribute("pubdate") else 90, stamp


def _from_script(element: Any) -> Iterator[tuple[str, int, str]]:
    """JSON-LD."""
    text = element.text or ""
    if len(text) > _MOST_JSON_CHARACTERS:
        return
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        return
    for item in _items(stated):
        if isinstance(stamp := item.get("datePublished"), str) and _date(stamp):
            yield "published", 1, stamp
        if name := _name_of(item.get("author")):
            yield "author", 40, name
        if isinstance(text := item.get("description"), str):
            yield "description", 60, text
        if isinstance(title := item.get("headline"), str):
            yield "title", 60, title


_ELEMENTS = 'meta[content], link[rel], time[datetime], script[type="application/ld+json"]'
_READERS = {"meta": _from_meta, "link": _from_link, "time": _from_time, "script": _from_script}


def _items(stated: Any) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-LD block: itself, the members of a list, and those of ``@graph``."""
    for item in stated[:50] if isinstance(stated, list) else [stated]:
        if isinstance(item, dict):
            yield item
            graph = item.get("@graph")
            if isinstance(graph, list):
                yield from (member for member in graph[:50] if isinstance(member, dict))


def _name_of(author: Any) -> str:
    if isinstance(author, list):
        return ", ".join(filter(None, (_name_of(one) for one in author[:10] if not isinstance(one, list))))
    if isinstance(author, dict):
        author = author.get("name")
    return author if isinstance(author, str) and not author.startswith("http") else ""


def _cleaned(field: str, value: str, url: str | None) -> str | None:
    value = _SPACES.sub(" ", value.encode("utf-8", "replace").decode()).strip()
    if field == "published":
        return _date(value)
    if field == "language_hint":
        match = _LANGUAGE.match(value)
        return match[0].lower().replace("_", "-")[: _MOST_CHARACTERS[field]] if match else None
    if field == "canonical_url":
        return _address(value, url)
    return value[: _MOST_CHARACTERS[field]] or None


def _address(value: str, url: str | None) -> str | None:
    try:
        joined = urljoin(url or "", value)
        return joined if urlsplit(joined).scheme in ("http", "https") and len(joined) <= _MOST_CHARACTERS["canonical_url"] else None
    except ValueError:
        return None


def _date(value: str) -> str | None:
    """YYYY-MM-DD of an ISO 8601 or RFC 2822 date between 1990 and 2100."""
    match = _ISO_DATE.match(value)
    try:
        found = date(int(match[1]), int(match[2]), int(match[3])) if match else parsedate_to_datetime(value).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.isoformat() if 1990 <= found.year <= 2100 else None
