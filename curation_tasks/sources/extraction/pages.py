"""What an extraction engine gets and what comes of a page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

#: Columns that a page's own metadata fills.
METADATA_COLUMNS = {
    "title": "string",
    "language_hint": "string",
    "published": "string",
    "canonical_url": "string",
    "author": "string",
    "description": "string",
}
#: All columns of an extracted page besides its text.
PAGE_COLUMNS = METADATA_COLUMNS | {"encoding": "string"}


@dataclass
class Page:
    """A decoded page, parsed when an engine or the metadata first asks for it.

    Attributes:
        html: The page as text.
        url: Its address, if known.
    """

    html: str
    url: str | None = None

    @cached_property
    def tree(self) -> Any:
        """The page as resiliparse's ``HTMLTree``."""
        from resiliparse.parse.html import HTMLTree

        return HTMLTree.parse(self.html)


class ExtractionEngine(Protocol):
    """Finds the text of a page that was written for its readers.

    An engine is made once in a process of its own (``curation_tasks.sources.extraction.parser``), so it may be killed at any
    time and need not guard against pages that take for ever. It is deterministic: equal pages, equal texts, in any order.
    """

    def __call__(self, page: Page) -> str:
        """The text, "" when there is none. Paragraphs are parted by line breaks."""


@dataclass(slots=True)
class ExtractedPage:
    """What comes of a page.

    Attributes:
        text: None where there is no document in it.
        reason: Why there is none, one of ``curation_tasks.sources.web.PAGE_REASONS``.
        value: The number behind the reason.
        columns: Values of ``PAGE_COLUMNS``.
    """

    text: str | None
    reason: str | None
    value: float | None
    columns: dict[str, str | None]
