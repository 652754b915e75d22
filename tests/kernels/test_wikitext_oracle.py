"""The compiled scanner and a plain Python reading of the same page give the same text."""

import importlib.util
from pathlib import Path

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation_tasks.kernels.wikitext import WikitextCleaner

_SPECIFICATION = importlib.util.spec_from_file_location("wikitext_oracle", Path(__file__).with_name("wikitext_oracle.py"))
oracle = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(oracle)

CLEANER = WikitextCleaner()
WORDS = st.sampled_from(["river", "Haus", "über", "漢字", "x1", "don't", "a-b", "5", "\U0001f600"])


def wrapped(pattern: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return inner.map(pattern.format)


def constructs(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        wrapped("[[town|{}]]", inner),
        wrapped("{{{{lang|de|{}}}}}", inner),
        wrapped("{{{{nowrap|{}}}}}", inner),
        wrapped("<b>{}</b>", inner),
        wrapped("({})", inner),
    )


MARKED = [
    *(
        "[[town]]",
        "[[:Category:X]]",
        "[[de:Stadt]]",
        "[[File:a.jpg|thumb|x]]",
        "[[Category:Towns|x]]",
        "[https://a.b label]",
        "[https://a.b]",
    ),
    *("{{convert|3|mi|km}}", "{{convert|8|km2}}", "{{cn}}", "{{Infobox|a=b|{{c}}}}", "<ref>{{cite|x}} [[y]]</ref>", "<ref name=a />"),
    *("<!-- c [[ -->", "&amp;", "&eacute;", "&nbsp;", "<nowiki>[[n]]</nowiki>", "''it''", "'''bo'''", "__NOTOC__", "<math>x^2</math>"),
    *("({{x}})", "({{x}}; y)", "(y, {{x}})"),
]
LEAVES = st.one_of(WORDS, st.sampled_from(MARKED))
TEXTS = st.lists(st.recursive(LEAVES, constructs, max_leaves=6), min_size=1, max_size=6).flatmap(
    lambda pieces: st.lists(
        st.sampled_from([" ", ", ", ". ", "; ", " "]), min_size=len(pieces), max_size=len(pieces)
    ).map(lambda gaps: "".join(piece + gap for piece, gap in zip(pieces, gaps, strict=True)).rstrip())
)  # fmt: skip
LINES = st.one_of(
    TEXTS,
    TEXTS.map("* {}".format),
    TEXTS.map("## {}".format),
    TEXTS.map("== {} ==".format),
    st.sampled_from(["", "", "----", "{| class=x\n! a !! b\n|-\n| [[c]] || {{d}}\n|}"]),
)


@example(["river", "&nbsp; [[de:Stadt]]", "[[town|&nbsp;]],"])  # an edge of one line at the place where the next one's text ends
@example(["river", "<ref>{{cite|x}}</ref>; or *"])
@settings(max_examples=3 * settings().max_examples)
@given(lines=st.lists(LINES, max_size=8))
def test_well_formed_pages(lines):
    page = "\n".join(lines)
    [text] = CLEANER.clean(pa.array([page])).texts.to_pylist()
    assert text == oracle.text_of(page)
