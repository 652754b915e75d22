"""Marks of Markdown go, and nothing that only looks like them."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.markdown import RULES, remove_markdown


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


PIECES = (
    "*",
    "**",
    "***",
    "_",
    "__",
    "~~",
    "~~~",
    "`",
    "```",
    "#",
    "## ",
    "> ",
    "![",
    "[",
    "](",
    ")",
    "u",
    "\u00e9",
    " ",
    "   ",
    "\n",
    "\\",
    "(",
    "1",
    ".",
)


def every_rule_on_every_text(texts, kinds):
    for kind in (kind for kind in RULES if kind in kinds):
        for _, _, pattern, replacement, passes in RULES[kind]:
            for _ in range(passes):
                texts = pc.replace_substring_regex(texts, pattern, replacement)
    return texts


@given(
    texts=st.lists(st.none() | st.lists(st.sampled_from(PIECES), max_size=25).map("".join), min_size=1, max_size=6),
    kinds=st.sets(st.sampled_from(sorted(RULES)), min_size=1),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
    start=st.integers(0, 2),
)
def test_a_rule_that_may_match_is_tried(texts, kinds, kind, start):
    texts = pa.array(texts, kind).slice(start)
    written, changed = remove_markdown(texts, sorted(kinds))
    assert written.to_pylist() == every_rule_on_every_text(texts, kinds).to_pylist()
    assert written.type == kind
    assert changed == sum(before != after for before, after in zip(texts.to_pylist(), written.to_pylist(), strict=True))
