"""One page from bytes to text: bounds, engines, and what a page says of itself."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_lies import SENTENCES
from pydantic import ValidationError

from curation_tasks.sources.extraction.engines import ENGINES, make_engine
from curation_tasks.sources.extraction.extract import extract_page
from curation_tasks.sources.extraction.metadata import page_metadata
from curation_tasks.sources.extraction.pages import ExtractedPage, Page
from curation_tasks.sources.extraction.stop_words import StopLists
from curation_tasks.sources.web import PAGE_REASONS, ExtractionParameters, PageLimits

ENGINE = {name: make_engine(ExtractionParameters(engine=name)) for name in ENGINES}
PARAGRAPHS = [
    "The river rose in the night and by the morning it had reached the doors of the houses that stand near the bridge. It was the "
    "first time in a hundred years that the water had come so far, and many of the people who live there did not believe it at first.",
    "Nobody was hurt, but the teacher and her pupils had to spend the day in the station, where there was tea and bread for all of "
    "them. They were told stories by the man who sells the tickets, and in the afternoon they were taken home in a boat by his sons.",
    "In the evening the water fell again, and the people of the village began to carry the mud out of their kitchens and their "
    "gardens. It will be some weeks before all of it is gone, but they say that the ground will be the better for it in the spring.",
]


def article(head: str = "", body: str = "", comments: str = "") -> str:
    paragraphs = "".join(f"<p>{text}</p>" for text in PARAGRAPHS)
    return (
        f"<!DOCTYPE html><html lang='en-GB'><head><title>The flood</title>{head}</head><body><header><nav><ul><li><a href='/'>Home</a></li>"
        f"<li><a href='/news'>All the news</a></li></ul></nav></header><main><article><h1>The flood</h1>{paragraphs}{body}</article></main>"
        f"{comments}<footer>Imprint and privacy</footer></body></html>"
    )


def extracted(html: str | bytes, engine: str = "resiliparse", limits: PageLimits | None = None) -> ExtractedPage:
    body = html.encode() if isinstance(html, str) else html
    return extract_page(body, None, "http://example.org/a/b", ENGINE[engine], limits or PageLimits())


def text_of(html: str, **options: object) -> str:
    return make_engine(ExtractionParameters(**options))(Page(html))


class TestBounds:
    """What no parser is asked for."""

    @pytest.mark.parametrize(
        ("html", "reason", "value"),
        [
            (b"<div>" * 200_000, "page_too_deep", 200_000),
            (b"<p " + b" ".join(b"a%d=1" % n for n in range(20_000)) + b">", "page_too_many_attributes", 20_000),
            (b"<p>x" * 300_000, "page_too_many_elements", 300_000),
            (b"<a><div></a>" * 100_000, "page_too_deep", None),
            (b"<html></html>", "empty_text", None),
            (b"", "empty_text", None),
            ("<html><p>".encode("utf-16-le") + random.Random(1).randbytes(20_000).replace(b"\n", b"\xdc"), None, None),
        ],
    )
    def test_pages_made_to_be_borne_badly(self, html: bytes, reason: str | None, value: float | None):
        found = extracted(html)
        assert reason is None or found.reason == reason
        assert value is None or found.value == value
        assert found.reason is None or found.text is None

    def test_bounds_are_inclusive(self):
        html = "<div>" * 20 + "words" + "</div>" * 20
        assert extracted(html, limits=PageLimits(depth=20)).text == "words"
        assert extracted(html, limits=PageLimits(depth=19)).reason == "page_too_deep"

    def test_what_is_no_text_is_undecodable(self):
        assert extracted(b"\xff\xfe" + b"\x00\xdc" * 3000).reason == "undecodable"


PIECES = [
    "<div>", "</div>", "<p>", "</p>", "<table>", "<td>", "<a href=x>", "</a>", "<b>", "<svg>", "<math>", "<select>", "<template>",
    "<script>", "</script>", "<!--", "-->", "<![CDATA[", "<?xml ?>", "<title>", "<meta charset=utf-7 name=date content=1>", "<plaintext>",
    "<html lang=xx>", "&#0;", "&#xD800;", "&amp", "<frameset>", "<noscript>", "<iframe>", "word ", "\0", "\ud7ff", "\U0001f600",
    "<time datetime=2020-01-01>", "\x85", '<script type="application/ld+json">[{"@graph":[{"author":[[{"name":[]}]]}]}]</script>',
]  # fmt: skip


class TestEngines:
    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_article_and_not_what_stands_around_it(self, engine: str):
        found = extracted(article(), engine)
        assert found.reason is None
        assert all(paragraph in found.text for paragraph in PARAGRAPHS)
        assert "All the news" not in found.text
        assert "Imprint" not in found.text

    @pytest.mark.parametrize("engine", ENGINES)
    def test_a_declaration_and_zero_bytes_do_no_harm(self, engine: str):
        html = f"<?xml version='1.0' encoding='latin-1'?>{article()}".replace("the doors", "the\0 doors")
        assert PARAGRAPHS[1] in extracted(html, engine).text

    @pytest.mark.parametrize("engine", ["resiliparse", "trafilatura"])
    def test_comments_and_links_when_asked_for(self, engine: str):
        said = "<p>What a sad story, I hope that all of you are well now.</p>"
        comment = f"<section id='comments' class='comments'><div class='comment'>{said}</div></section>"
        html = article(
            body="<p>More about it is told on <a href='http://example.org/more'>this page</a> of the same paper.</p>", comments=comment
        )
        assert "sad story" not in text_of(html, engine=engine)
        assert "sad story" in text_of(html, engine=engine, comments=True)
        assert "http://example.org/more" not in text_of(html, engine=engine)
        assert "http://example.org/more" in text_of(html, engine=engine, links=True)

    def test_markdown(self):
        html = article(
            body="<h2>What was lost</h2><ul><li>The library with all of its books</li><li>The old mill near the bridge</li></ul>"
        )
        text = text_of(html, engine="trafilatura", form="markdown")
        assert "## What was lost" in text
        assert "- The library with all of its books" in text

    def test_a_control_character_beside_what_is_removed(self):
        html = "<html><body><p>One<script>x</script>&#1;two three</p></body></html>"
        assert text_of(html, engine="trafilatura", content="whole") == "One two three"

    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_whole_page(self, engine: str):
        text = text_of(article(), engine=engine, content="whole")
        assert "All the news" in text
        assert PARAGRAPHS[0] in text

    @pytest.mark.parametrize(
        "given",
        [
            {"engine": "resiliparse", "form": "markdown"},
            {"engine": "justext", "links": True},
            {"engine": "justext", "fast": True},
            {"engine": "trafilatura", "content": "whole", "favor": "recall"},
        ],
    )
    def test_what_an_engine_cannot_do_is_refused(self, given: dict):
        with pytest.raises(ValidationError):
            ExtractionParameters(**given)

    @settings(max_examples=settings().max_examples * 3 // 5)
    @given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
    @pytest.mark.parametrize("engine", ENGINES)
    def test_any_markup_gives_a_text_or_a_reason(self, engine: str, html: str):
        try:
            found = extracted(html, engine)
        except Exception:
            # What an engine raises ends in its process as `parser_crashed`; resiliparse, the default, raises nothing.
            assert engine != "resiliparse"
            return
        assert (found.text is None) == (found.reason is not None)
        assert found.reason is None or found.reason in PAGE_REASONS
        for value in (found.text, *found.columns.values()):
            assert value is None or value.encode()


class TestStopLists:
    @pytest.mark.parametrize(
        ("language", "name"),
        [("deu", "German"), ("fra", "French"), ("rus", "Russian"), ("ces", "Czech"), ("ell", "Greek"), ("tur", "Turkish")],
    )
    def test_a_list_is_picked_by_its_words(self, language: str, name: str):
        assert StopLists.of_justext().language_of(" ".join(SENTENCES[language] * 3)) == name

    def test_no_list_fits_a_text_without_its_words(self):
        lists = StopLists.of_justext()
        assert lists.language_of("") is None
        assert lists.of_text("qwrtz plkjh " * 50) == frozenset()
        assert lists.of_text(" ".join(SENTENCES["tha"])) == frozenset()

    def test_of_equals_the_first_by_name(self):
        assert StopLists({"b": ["x"], "a": ["x"]}).language_of("x y") == "a"


class TestMetadata:
    def metadata(self, head: str, url: str | None = "http://example.org/a/b", attributes: str = "") -> dict[str, str | None]:
        return page_metadata(Page(f"<html {attributes}><head>{head}</head><body><p>x</p></body></html>", url))

    def test_of_the_standard_elements(self):
        head = (
            "<title> The\n flood </title><meta name=author content='Ann'><meta name=Description content='About it'>"
            "<link rel='canonical' href='../c?x=1'><meta property='article:published_time' content='2024-03-05T10:00:00+01:00'>"
        )
        assert self.metadata(head, attributes="lang='pt_BR'") == {
            "title": "The flood", "language_hint": "pt-br", "published": "2024-03-05", "canonical_url": "http://example.org/c?x=1",
            "author": "Ann", "description": "About it",
        }  # fmt: skip

    def test_of_other_vocabularies(self):
        head = (
            "<meta property='og:title' content='T'><meta property='og:description' content='D'><meta property='og:url' content='http://c/'>"
            "<meta property='og:locale' content='fr_FR'><meta name='DC.creator' content='Ben'>"
            "<meta name='DC.date.issued' content='2001-02-03'>"
        )
        assert list(self.metadata(head).values()) == ["T", "fr-fr", "2001-02-03", "http://c/", "Ben", "D"]

    def test_of_linked_data(self):
        authors = '[{"name": "Ann"}, {"name": "Ben"}]'
        data = f'{{"@graph": [{{"headline": "H", "datePublished": "2010-11-12T00:00", "author": {authors}, "description": "D"}}]}}'
        found = self.metadata(f'<script type="application/ld+json">{data}</script>')
        assert (found["title"], found["published"], found["author"], found["description"]) == ("H", "2010-11-12", "Ann, Ben", "D")

    @pytest.mark.parametrize(
        ("stamp", "date"),
        [
            ("2024-2-9", "2024-02-09"), ("Tue, 05 Mar 2024 10:00:00 GMT", "2024-03-05"), ("2024/03/05", "2024-03-05"), ("2024-02-30", None),
            ("yesterday", None), ("1234-01-01", None), ("", None), ("20240305", None), ("2024-03-055", None),
        ],
    )  # fmt: skip
    def test_dates(self, stamp: str, date: str | None):
        assert self.metadata(f"<meta name=date content='{stamp}'>")["published"] == date

    def test_a_date_that_is_none_gives_way(self):
        head = "<meta property='article:published_time' content='soon'><meta name=date content='2020-01-02'>"
        assert self.metadata(head)["published"] == "2020-01-02"

    @pytest.mark.parametrize("address", ["javascript:alert(1)", "http://[bad", "http://a/" + "x" * 3000, ""])
    def test_addresses_that_are_none(self, address: str):
        assert self.metadata(f"<link rel=canonical href='{address}'>")["canonical_url"] is None

    def test_linked_data_that_is_none_or_too_deep(self):
        for data in ("{", "[" * 100_000, '"text"', "[1, null, []]", '{"author": {"name": ["x"]}, "datePublished": 7}'):
            assert set(self.metadata(f'<script type="application/ld+json">{data}</script>').values()) == {None}
