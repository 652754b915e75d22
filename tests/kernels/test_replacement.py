"""Replacing characters on Arrow buffers is ``str.translate``."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.replacement import replace_characters

MARKS = {"\u201c": '"', "\u201d": '"', "\u2019": "'", "\u00e9": "e", "\U0001f436": "d"}
TEXTS = st.none() | st.text() | st.text(alphabet=[*MARKS, "a", "\u00e8", "\u201e", "\U0001f431"], max_size=80)


@given(texts=st.lists(TEXTS, max_size=8), kind=st.sampled_from([pa.string(), pa.large_string()]), start=st.integers(0, 3))
def test_result_is_that_of_translate(texts, kind, start):
    array = pa.array(texts, kind).slice(start)
    result, changed = replace_characters(array, MARKS)
    expected = [None if text is None else text.translate(str.maketrans(MARKS)) for text in texts[start:]]
    result.validate(full=True)
    assert result.type == kind
    assert result.to_pylist() == expected
    assert changed == sum(old != new for old, new in zip(texts[start:], expected, strict=True))


def test_an_array_without_matches_is_handed_back():
    array = pa.array(["plain", None, "\u00e8\u00e8"])
    assert replace_characters(array, MARKS) == (array, 0)
    assert replace_characters(array, MARKS)[0] is array


def test_no_marks_replace_nothing():
    assert replace_characters(pa.array(["\u201c"]), {})[1] == 0
