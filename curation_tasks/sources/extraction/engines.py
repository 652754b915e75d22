"""The engines, by name. Each ``make_…`` takes the parameters of a stage and gives an ``ExtractionEngine``.

Another engine is a line in ``ENGINES``, its name in ``curation_tasks.sources.web.ExtractionParameters``, and its library in
``engine_libraries`` there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from curation_tasks.sources.extraction.pages import ExtractionEngine, Page
from curation_tasks.sources.web import ExtractionParameters

_BLANK_LINES = re.compile(r"\n[ \t\r\f\v]*\n\s*")


def make_engine(parameters: ExtractionParameters) -> ExtractionEngine:
    """The engine that the parameters name; imports its library."""
    return ENGINES[parameters.engine](parameters)


def make_resiliparse(parameters: ExtractionParameters) -> ExtractionEngine:
    """Rules on blocks in compiled code; the fastest. https://resiliparse.chatnoir.eu"""
    from resiliparse.extract.html2text import extract_plain_text

    options = {
        "preserve_formatting": True,
        "main_content": parameters.content == "main",
        "list_bullets": True,
        "alt_texts": False,
        "links": parameters.links,
        "form_fields": False,
        "noscript": False,
        "comments": parameters.comments,
    }

    def extract(page: Page) -> str:
        return _tidy(extract_plain_text(page.tree, **options))

    return extract


def make_trafilatura(parameters: ExtractionParameters) -> ExtractionEngine:
    """Rules and fall-backs with the best measured text; an order of magnitude slower. https://trafilatura.readthedocs.io"""
    import trafilatura
    from trafilatura.meta import reset_caches

    def whole(page: Page) -> str:
        html = _without_declaration(page.html)
        try:
            return _tidy(trafilatura.html2txt(html) or "")
        except ValueError:  # a control character beside an element that it removes
            return _tidy(trafilatura.html2txt(_without_controls(html)) or "")

    if parameters.content == "whole":
        return whole
    options = {
        "output_format": "markdown" if parameters.form == "markdown" else "txt",
        "include_comments": parameters.comments,
        "include_links": parameters.links,
        "favor_precision": parameters.favor == "precision",
        "favor_recall": parameters.favor == "recall",
        "fast": parameters.fast,
        "deduplicate": False,
    }
    calls = 0

    def extract(page: Page) -> str:
        nonlocal calls
        calls += 1
        if calls % 1000 == 0:
            reset_caches()
        return _tidy(trafilatura.extract(_without_declaration(page.html), **options) or "")

    return extract


def make_justext(parameters: ExtractionParameters) -> ExtractionEngine:
    """Stop-word density of paragraphs. The stop list is the one whose words the page has most. https://github.com/miso-belica/jusText"""
    import justext
    from lxml.etree import ParserError
    from resiliparse.extract.html2text import extract_plain_text

    from curation_tasks.sources.extraction.stop_words import StopLists

    lists = StopLists.of_justext()

    def extract(page: Page) -> str:
        if not page.html.strip():
            return ""
        # What readers see: the text of all nodes would be judged by the words of scripts.
        stop_words = lists.of_text(extract_plain_text(page.tree, main_content=False, alt_texts=False))
        # Scripts without spaces, and languages without a list, are judged by length and links alone.
        density = {} if stop_words else {"stopwords_low": 0.0, "stopwords_high": 0.0}
        html = _without_controls(_without_declaration(page.html))
        try:
            try:
                paragraphs = justext.justext(html, stop_words, **density)
            except AssertionError:  # the page is one element, and one that justext removes: it needs another one around it
                paragraphs = justext.justext(f"<html><body>{html}</body></html>", stop_words, **density)
        except ParserError:
            return ""  # a declaration, comments, and nothing else
        kept = (item.text for item in paragraphs if parameters.content == "whole" or not item.is_boilerplate)
        return "\n\n".join(text for text in kept if text)

    return extract


ENGINES: dict[str, Callable[[ExtractionParameters], ExtractionEngine]] = {
    "resiliparse": make_resiliparse,
    "trafilatura": make_trafilatura,
    "justext": make_justext,
}

#: Characters that XML does not have, by themselves or as references; engines raise when they stand beside what they remove.
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x0*([0-9a-f]{1,6})|0*([0-9]{1,7}));?", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>", re.IGNORECASE)


def _without_declaration(html: str) -> str:
    """lxml refuses text that declares an encoding: it is decoded already."""
    return _DECLARATION.sub("", html.replace("\0", ""), count=1)


def _without_controls(html: str) -> str:
    """Spaces for what XML does not have."""

    def replaced(match: re.Match[str]) -> str:
        number = int(match[1], 16) if match[1] else int(match[2])
        return " " if number > 0x10FFFF or number == 0 or _CONTROL.match(chr(number)) else match[0]

    return _REFERENCE.sub(replaced, _CONTROL.sub(" ", html))


def _tidy(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", text).strip()
