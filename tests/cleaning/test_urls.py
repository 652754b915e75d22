"""URLs go; what stands around them stays."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.testing import documents

PIECES = [
    "http://",
    "HTTPS://",
    "ftp://",
    "www.",
    "WWW.",
    "a.b/c",
    "x",
    ":",
    "/",
    "(",
    ")",
    "[",
    "]",
    ".",
    ",",
    "!",
    "'",
    '"',
    "<",
    ">",
    " ",
    "  ",
    "\n",
    "\u00a0",
    "\u201d",
    "\u00bb",
    "\u00e9",
    "_",
    "w",
    "http",
    "#f?q=1&r=2;s",
    "\x00",
    "\u4eca",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=16).map("".join)
BEGIN = re.compile(r"(?<![A-Za-z0-9_])(?:(?:https?|ftp)://|www\.)", re.IGNORECASE | re.ASCII)


def without_urls(text, word):
    """``(new text, URLs)``: the definition, character by character."""
    pieces, done, count, search = [], 0, 0, 0
    while found := BEGIN.search(text, search):
        after = found.end()
        while after < len(text) and not (
            text[after].isspace() or ord(text[after]) < 32 or 0x7F <= ord(text[after]) < 0xA0 or text[after] in '<>"`{}|\\^\u00ab\u00bb'
            or "\u2018" <= text[after] <= "\u201f"
        ):  # fmt: skip
            after += 1
        while after > found.end():
            body, last = text[found.end() : after], text[after - 1]
            unopened = last in ")]" and body.count(last) > body.count({")": "(", "]": "["}[last])
            if last not in ".,;:!?'*_~" and not unopened:
                break
            after -= 1
        if after == found.end():
            search = found.start() + 1
            continue
        pieces += [text[done : found.start()], word]
        count += 1
        alone = not word and text[: found.start()].endswith(" ") and text[after : after + 1] == " "
        search = done = after + alone
    return "".join([*pieces, text[done:]]), count


@given(batch=documents(st.none() | TEXTS), word=st.sampled_from(["", "<URL>", "[a long replacement]"]))
@settings(max_examples=300)
def test_urls_are_those_of_the_definition(clean, batch, word):
    result, counters = clean("urls", batch, replacement=word)
    expected = [without_urls(text or "", word) for text in batch.column("text").to_pylist()]
    assert result.column("text").to_pylist() == [
        old if old is None else new for old, (new, _) in zip(batch.column("text").to_pylist(), expected, strict=True)
    ]
    assert counters["cleaning.urls.removed"] == sum(count for _, count in expected)
    assert counters["cleaning.urls.changed"] == sum(count > 0 for _, count in expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See https://example.org/a?b=1#c, then go.", "See , then go."),
        ("See http://example.org now", "See now"),
        ('<a href="http://example.org/x">y</a>', '<a href="">y</a>'),
        ("(https://en.wikipedia.org/wiki/Dog_(animal))", "()"),
        ("wwww.example.org and http://", "wwww.example.org and http://"),
        ("www.example.org", ""),
        ("\u201chttps://example.org\u201d", "\u201c\u201d"),
    ],
)
def test_what_stands_around_a_url_stays(text_of, text, expected):
    assert text_of("urls", text) == expected
