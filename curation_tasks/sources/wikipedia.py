"""Wikipedia: pages of a dump as documents, every page accounted for.

Wikitext becomes text by a scanner over whole buffers (``curation_tasks.kernels.wikitext``, which says what of a page stays).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.kernels.wikitext import WikitextCleaner, WikitextOptions
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.records import SeenIds, UnitAccount, records_batch
from curation_tasks.sources.wikipedia_pages import Damage, Page, Site, read_pages
from curation_tasks.sources.wikipedia_part import WikipediaParameters
from curation_tasks.storage.shard import one_batch

_BATCH_CHARACTERS, _BATCH_PAGES = 8 * 2**20, 8192
#: ``#REDIRECT [[Target]]`` in old dumps, which have no element for it, in the languages of the largest wikis.
_REDIRECT = re.compile(
    r"\s*#(?:redirect|weiterleitung|redirection|redirección|redireccion|rinvia|doorverwijzing|przekieruj|patrz|перенаправление|"
    r"перенапр|пренасочване|виж|redirecionamento|omdirigering|ohjaus|uudelleenohjaus|yönlendirme|重定向|転送|リダイレクト|تحويل|تغییر_مسیر)"
    r"\s*:?\s*\[\[",
    re.IGNORECASE,
)
#: Characters of titles that addresses of Wikimedia's wikis leave as they are.
_PLAIN_IN_ADDRESSES = "/:@!$*(),;~'"
#: Of a rejected page whose text is not kept for its own sake, so much goes to the ledger.
_RAW_CHARACTERS = 1000


def read_wikipedia(unit: SourceUnit, parameters: WikipediaParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """The pages of a unit.

    Adds: ``url``, ``title``, ``wiki`` (name of its database), ``page_id``, ``revision_id``, ``revision_time``, ``categories`` in the
    order of the page, and the headings that stand in the text with their levels 1 to 6.

    Rejects, with the page's id as ``reject_value``:
        redirect: To another page. Only the beginning of the text goes to the ledger, here and in what follows.
        other_namespace: Not one of ``namespaces``.
        not_wikitext: Of another content model (CSS, JSON, Lua …).
        missing_text: The revision was deleted, or the dump holds none.
        empty_text: Nothing is left of the wikitext.
        repeated_id: The page stood in the unit before.
        damaged_stream: Compressed data that cannot be read; the value is the byte at which its stream begins.
        malformed_xml: XML that cannot be read; likewise.

    Counts ``pages``, ``pages_expected`` (by the index) and ``pages_lost`` (expected, and behind damage). Of a unit that a run's limit
    leaves in the middle: ``dumps.unfinished``, and ``pages_unread`` instead of ``pages_lost``.

    Raises:
        InputError: Not one page could be read, or a file that is read whole has not the hash that the dump lists for it.
    """
    account = UnitAccount("pages", "dumps", ("damaged_stream", "malformed_xml"), unit.options.get("pages"))
    try:
        yield from _batches(unit, _Reader(unit, parameters), account)
    except GeneratorExit:
        account.count(context)
        raise
    account.count(context)


def _batches(unit: SourceUnit, reader: _Reader, account: UnitAccount) -> Iterator[pa.RecordBatch]:
    pages = 0
    for item in read_pages(unit):
        if isinstance(item, Site):
            if reader.rows:  # a dump that tells of its wiki behind its first pages
                yield from account.batches(reader.take())
            reader.begin(item)
            continue
        pages += isinstance(item, Page)
        reader.add(item)
        if reader.is_full:
            yield from account.batches(reader.take())
    if pages == 0:
        raise InputError("the dump has no page that can be read", where=f"{unit.uri}", expected="<page> elements of a MediaWiki export")
    account.has_ended = True
    if reader.rows:
        yield from account.batches(reader.take())


class _Reader:
    """Gathers pages into batches."""

    def __init__(self, unit: SourceUnit, parameters: WikipediaParameters):
        self._parameters = parameters
        self._options = WikitextOptions(
            **{name: getattr(parameters, name) for name in ("tables", "math", "captions", "code", "layout", "drop_sections", "templates")}
        )
        self._seen = SeenIds()
        self._file_name = posixpath.basename(unit.uri)
        self.begin(Site())

    def begin(self, site: Site) -> None:
        """Sets the wiki to which the pages that follow belong."""
        self._site, self._cleaner = site, None
        self._wiki = site.name or self._file_name.partition("-")[0]
        self._address = site.base[: site.base.rfind("/") + 1]
        self.rows: list[Page | Damage] = []
        self._characters = 0

    def add(self, row: Page | Damage) -> None:
        self.rows.append(row)
        self._characters += len(row.text or "") if isinstance(row, Page) else 0

    @property
    def is_full(self) -> bool:
        return self._characters >= _BATCH_CHARACTERS or len(self.rows) >= _BATCH_PAGES

    def take(self) -> pa.RecordBatch:
        rows, self.rows, self._characters = self.rows, [], 0
        reasons = np.array([self._reason(row) for row in rows], object)
        wikitext = pa.array([row.text if reason is None else "" for row, reason in zip(rows, reasons, strict=True)], pa.large_string())
        if self._cleaner is None:
            self._cleaner = WikitextCleaner(self._site.namespaces, self._options)
        pages = self._cleaner.clean(wikitext)
        empty = pc.equal(pc.binary_length(pages.texts), 0).to_numpy(zero_copy_only=False)
        reasons[empty & (reasons == None)] = "empty_text"  # noqa: E711  (elementwise)
        numbers = np.array([(row.page_id or 0) if isinstance(row, Page) else row.place for row in rows], np.int64)
        columns = self._described(rows) | {
            "text": one_batch(pa.table({"text": pages.texts})).column(0).cast(pa.string()),
            "categories": pages.categories,
            "section_titles": pages.section_titles,
            "section_levels": pages.section_levels,
        }
        return records_batch(columns, reasons, numbers, self._seen, lambda row: _raw(rows[row]))

    def _reason(self, row: Page | Damage) -> str | None:
        if isinstance(row, Damage):
            return row.reason
        if row.redirect or (row.text and _REDIRECT.match(row.text)):
            return "redirect"
        if row.namespace not in self._parameters.namespaces:
            return "other_namespace"
        if row.model != "wikitext":
            return "not_wikitext"
        if row.text is None:
            return "missing_text" if row.deleted else "empty_text"
        return None

    def _described(self, rows: list[Page | Damage]) -> Mapping[str, pa.Array]:
        pages = [row if isinstance(row, Page) else None for row in rows]

        def column(name: str, kind: pa.DataType) -> pa.Array:
            return pa.array([getattr(page, name, None) for page in pages], kind)

        times = pc.strptime(column("timestamp", pa.string()), format="%Y-%m-%dT%H:%M:%SZ", unit="us", error_is_null=True)
        return {
            "native_id": pa.array([self._id(page) for page in pages], pa.string()),
            "url": pa.array([self._url(page) for page in pages], pa.string()),
            "title": column("title", pa.string()),
            "wiki": pa.repeat(pa.scalar(self._wiki), len(rows)),
            "page_id": column("page_id", pa.int64()),
            "revision_id": column("revision_id", pa.int64()),
            "revision_time": times.cast(pa.timestamp("us", tz="UTC")),
        }

    def _id(self, page: Page | None) -> str | None:
        return f"{self._wiki}:{page.page_id}" if page and page.page_id is not None else None

    def _url(self, page: Page | None) -> str | None:
        return self._address + quote(page.title.replace(" ", "_"), safe=_PLAIN_IN_ADDRESSES) if page and self._address else None


def _raw(row: Page | Damage) -> str:
    return (row.text or "")[:_RAW_CHARACTERS] if isinstance(row, Page) else ""
