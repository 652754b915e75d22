"""One page from bytes to text: decoded, measured, parsed."""

from __future__ import annotations

from curation_tasks.kernels.markup import measure_markup
from curation_tasks.sources.extraction.decoding import decode_page
from curation_tasks.sources.extraction.metadata import page_metadata
from curation_tasks.sources.extraction.pages import METADATA_COLUMNS, ExtractedPage, ExtractionEngine, Page
from curation_tasks.sources.web import PageLimits

#: Of an undecodable page so many characters in a hundred are replacements: it is another kind of file, or encrypted.
_MOST_REPLACED_RATIO = 0.2


def extract_page(body: bytes, charset: str | None, url: str | None, engine: ExtractionEngine, limits: PageLimits) -> ExtractedPage:
    """The text and metadata of a page, or why there is none.

    What parsers cannot bear is found before one is asked: a scan that is linear in everything measures the mark-up.

    Args:
        body: The page.
        charset: Of the HTTP header.
        url: Its address.
        engine: Finds the text.
        limits: What a page may cost; size was looked at by who read it.
    """
    decoded = decode_page(body, charset)
    columns: dict[str, str | None] = dict.fromkeys(METADATA_COLUMNS) | {"encoding": decoded.encoding}
    if decoded.replaced > _MOST_REPLACED_RATIO * len(decoded.text):
        return ExtractedPage(None, "undecodable", float(decoded.replaced), columns)
    measured = measure_markup(decoded.text.encode("utf-8", "replace"))
    bounds = (limits.depth, limits.elements, limits.attributes)
    for name, found, bound in zip(("deep", "many_elements", "many_attributes"), measured, bounds, strict=True):
        if found > bound:
            return ExtractedPage(None, f"page_too_{name}", float(found), columns)
    page = Page(decoded.text, url)
    columns |= page_metadata(page)
    text = _without_surrogates(engine(page))
    if not text or text.isspace():
        return ExtractedPage(None, "empty_text", None, columns)
    return ExtractedPage(text, None, None, columns)


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
