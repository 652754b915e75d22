"""Comments are found where a language has them, and not in its strings."""

import io
import tokenize

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.comments import STYLES, comment_characters


def counted(text, style):
    return comment_characters(pa.array([text]), style).tolist()[0]


@pytest.mark.parametrize(
    ("style", "text", "comments"),
    [
        ("hash", "echo hi # greet\nls '# no' \"# no\" # yes", [" greet", " yes"]),
        ("slash", 'int x = 1; // one\n/* two\nlines */ char *s = "// no /* no */"; // \u00e9', [" one", " two\nlines ", " \u00e9"]),
        ("slash", "`// no\n// no`; '//'", []),
        ("slash", "a / b /* open", [" open"]),
        ("slash", "/", []),
        ("slash", "/*", []),
        ("dash", "select 1 -- one\n/* two */ - 3 '-- no'", [" one", " two "]),
        ("python", '"""Docs # here."""\nx = """not docs"""  # yes\n', ["Docs # here.", " yes"]),
        ("python", "def f():\n    'docs'\n    return 'no'\n", ["docs"]),
        ("python", "f(\n  'no'\n)\nx = [\n  'no',\n]\n", []),
        ("python", "'a\\'b # no'", ["a\\'b # no"]),
        ("python", "'", [""]),
        ("python", '"""', [""]),
        ("python", "'unclosed # no\n# yes", ["unclosed # no"[:-1], " yes"]),
        ("python", "", []),
    ],
)
def test_comments(style, text, comments):
    assert counted(text, style) == sum(map(len, comments))


NAMES = st.sampled_from(["x = 1", "y = 'a # b'", "f(2)", "if x:\n    pass", "z = [1,\n  2]"])
COMMENTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0c", exclude_categories=("Cs", "Cc")), max_size=10)


@given(lines=st.lists(st.tuples(NAMES, COMMENTS), max_size=8))
def test_comments_of_python_are_those_of_its_tokenizer(lines):
    source = "".join(f"{code}  #{comment}\n" for code, comment in lines)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    assert counted(source, "python") == sum(len(token.string) - 1 for token in tokens if token.type == tokenize.COMMENT)


@given(texts=st.lists(st.none() | st.text("ab'\"`#/*-\\\n ([{)]}\u00e9", max_size=60), max_size=6), style=st.sampled_from(list(STYLES)))
def test_any_text_has_at_most_its_characters_of_comments(texts, style):
    together = comment_characters(pa.array(texts, pa.string()), style).tolist()
    assert together == [counted(text, style) for text in texts]
    assert all(0 <= count <= len(text or "") for text, count in zip(texts, together, strict=True))
