"""Marks of Markdown go, and nothing that only looks like them."""

import pytest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**bold** and *italic*, __bold__ and _italic_.", "bold and italic, bold and italic."),
        ("***both*** _a_ _b_ *c* *d*", "both a b c d"),
        ("snake_case_name and __init__.py stay_", "snake_case_name and init.py stay_"),
        ("2*3*4, 2 * 3 * 4, a*b, f(*args, **kwargs)", "2*3*4, 2 * 3 * 4, a*b, f(*args, **kwargs)"),
        ("# One\n## Two ##\n#hash #tag\n####### seven", "One\nTwo\n#hash #tag\n####### seven"),
        ("> quoted\n> > twice\na > b", "quoted\ntwice\na > b"),
        (
            "![a picture](p.png) [a link](https://example.org/a_(b) 'title') [not](a link with spaces)",
            "a picture a link [not](a link with spaces)",
        ),
        ("```python\nx = 1\n```\n`code` and ~~gone~~ ~~~", "x = 1\ncode and gone ~~~"),
        ("[1] [x] * item\n* another _ item", "[1] [x] * item\n* another _ item"),
        ("**\u00fcber** \u00fc_b_er", "\u00fcber \u00fc_b_er"),
    ],
)
def test_marks_go(text_of, text, expected):
    assert text_of("markdown", text) == expected


def test_every_kind_can_be_kept(clean):
    text = "# **a** [b](c) ![d](e) `f` ~~g~~\n> h\n```\ni"
    options = {name: False for name in ("emphasis", "images", "headings", "quotes", "code", "fences", "strikethrough")}
    result, counters = clean("markdown", [text], links="keep", **options)
    assert result.column("text").to_pylist() == [text]
    assert not counters


def test_links_may_become_their_url(text_of):
    assert text_of("markdown", "[text](https://example.org/x)", links="url") == "https://example.org/x"
