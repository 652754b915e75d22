"""The scan of markup counts what a parser would nest, and is linear whatever the page."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.kernels.markup import measure_markup


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (b"", (0, 0, 0)),
        (b"no markup, 1 < 2", (0, 0, 0)),
        (b"<div><b><i>x</i></b></div>", (3, 3, 0)),
        (b"<p><p><p><br><img><li><td>", (0, 7, 0)),
        (b"<div>" * 50 + b"</div>" * 60 + b"<div>", (50, 51, 0)),
        (b"<a href=\"x>y\" title='<b>' checked data-x = 7>", (1, 1, 4)),
        (b"<a/b/c=d>", (1, 1, 2)),
        (b"<A HREF=1><Div></A></DIV>", (2, 2, 1)),
        (b"<!-- <div><div> --><b>", (1, 1, 0)),
        (b"<!doctype html><?xml <b> ?></ b><i>", (1, 1, 0)),
        (b"<script>if (a<b) {'<div><div>'}</script><b>", (1, 2, 0)),
        (b"<textarea><div><div></textarea><style><b></style>", (1, 2, 0)),
        (b"<script><div><div>", (1, 1, 0)),
        (b'<a x="unclosed <div><div>', (1, 1, 1)),
        (b"<", (0, 0, 0)),
        (b"<a", (1, 1, 0)),
        (b"</", (0, 0, 0)),
        (b"<!-", (0, 0, 0)),
    ],
)
def test_counts(html: bytes, expected: tuple[int, int, int]):
    assert measure_markup(html) == expected


class Reference(HTMLParser):
    """Counts start tags and attributes as Python's own tokenizer sees them."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=False)
        self.elements = self.attributes = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements += 1
        self.attributes = max(self.attributes, len(attrs))


NAMES = st.sampled_from(["div", "a", "b", "p", "br", "td", "h1", "section"])
ATTRIBUTE = st.tuples(st.sampled_from(["id", "class", "data-x", "href"]), st.text("abc <>&=/", max_size=8)).map(
    lambda item: f'{item[0]}="{item[1]}"'
)
PIECES = st.one_of(
    st.tuples(NAMES, st.lists(ATTRIBUTE, max_size=5)).map(lambda item: f"<{item[0]} {' '.join(item[1])}>"),
    NAMES.map(lambda name: f"</{name}>"),
    st.text("abc é\n&;", max_size=20),
    st.text("abc <>", max_size=10).map(lambda text: f"<!--{text.replace('>', '')}-->"),
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_tags_are_those_of_another_tokenizer(html: str):
    expected = Reference(html)
    _, elements, attributes = measure_markup(html.encode())
    assert (elements, attributes) == (expected.elements, expected.attributes)


@settings(max_examples=2 * settings().max_examples)
@given(
    st.lists(st.sampled_from([b"<", b">", b"/", b"!", b"--", b"a", b"script", b"=", b'"', b"'", b" ", b"\xff", b"\0"]), max_size=60).map(
        b"".join
    )
)
def test_any_bytes_are_measured(html: bytes):
    depth, elements, attributes = measure_markup(html)
    assert 0 <= depth <= elements <= html.count(b"<")
    assert 0 <= attributes <= len(html)


@pytest.mark.parametrize("piece", [b"<div>", b"<script>", b"<a ", b"<", b'<a x="', b"<!--", b"</a", b"<textarea>", b"<style></styl"])
def test_pages_that_parsers_cannot_bear(piece: bytes):
    """A few megabytes, which a scan of quadratic cost would not end."""
    assert measure_markup(piece * (4 * 2**20 // len(piece)))[1] >= 0
