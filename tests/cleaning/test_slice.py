"""Slices are those of Python; what a missing marker does is a choice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.cleaning.parameters import SliceParameters
from curation_tasks.testing import documents

TEXTS = st.text(alphabet="ab<>\u00e9\U0001f436 \n\u00a0", max_size=20)
EDGES = st.none() | st.integers(-8, 8) | st.sampled_from(["<", "a", "\u00e9", "<>", "\U0001f436b"])


def expected(text, left, right, include_left, include_right, strip):
    """The slice, or None where a marker is missing."""
    if (isinstance(left, str) and left not in text) or (isinstance(right, str) and right not in text):
        return None
    begin, end = left, right
    if isinstance(left, str):
        begin = text.index(left) + (0 if include_left else len(left))
    if isinstance(right, str):
        end = text.rindex(right) + (len(right) if include_right else 0)
    part = text[begin:end]
    return part.strip() if strip else part


@given(
    batch=documents(st.none() | TEXTS), left=EDGES, right=EDGES, flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    missing=st.sampled_from(["keep", "empty"]),
)  # fmt: skip
@settings(max_examples=300)
def test_slices_are_those_of_python(clean, batch, left, right, flags, missing):
    if left is None and right is None:
        left = 0
    options = dict(zip(["include_left", "include_right", "strip"], flags, strict=True))
    result, counters = clean("slice", batch, left=left, right=right, missing=missing, **options)
    old = batch.column("text").to_pylist()
    parts = [None if text is None else expected(text, left, right, **options) for text in old]
    absent = [text is not None and part is None for text, part in zip(old, parts, strict=True)]
    new = [("" if missing == "empty" else text) if gone else part for text, part, gone in zip(old, parts, absent, strict=True)]
    assert result.column("text").to_pylist() == new
    assert counters["cleaning.slice.marker_missing"] == sum(absent)


def test_a_text_without_the_marker_can_be_rejected(clean):
    result, counters = clean("slice", ["a <b> c", "none", None], left="<", right=">", missing="reject")
    assert result.column("text").to_pylist() == ["<b>", "none", None]
    assert result.column("reject_reason").to_pylist() == [None, "slice.marker_missing", None]
    assert counters == {"cleaning.slice.marker_missing": 1, "cleaning.slice.changed": 1}


@pytest.mark.parametrize("wrong", [{}, {"left": ""}])
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError, match=r"nothing"):
        SliceParameters(**wrong)
