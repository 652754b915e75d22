"""Line breaks are made alike and shortened as regular expressions do it."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.testing import documents

TEXTS = st.lists(
    st.sampled_from(
        ["\n", "\n\n\n", "\r\n", "\r", "\x0b", "\x0c", "\u0085", "\u2028", "\u2029", "\u201c", "\u00e9", "word " * 20, "\n" * 70]
    )
    | st.text(max_size=4),
    max_size=12,
).map("".join)


def expected(text, most, carriage_returns, separators):
    if carriage_returns:
        text = re.sub(r"\r\n?", "\n", text)
    if separators:
        text = re.sub("[\x0b\x0c\u0085\u2028\u2029]", "\n", text)
    return re.sub(rf"\n{{{most + 1},}}", "\n" * most, text) if most else text


@given(batch=documents(st.none() | TEXTS), most=st.integers(0, 3), carriage_returns=st.booleans(), separators=st.booleans())
@settings(max_examples=200)
def test_breaks_are_those_of_regular_expressions(clean, batch, most, carriage_returns, separators):
    options = {"max_consecutive": most, "carriage_returns": carriage_returns, "line_separators": separators}
    result, counters = clean("newlines", batch, **options)
    old = batch.column("text").to_pylist()
    new = [text and expected(text, most, carriage_returns, separators) for text in old]
    assert result.column("text").to_pylist() == new
    assert counters["cleaning.newlines.changed"] == sum(a != b for a, b in zip(old, new, strict=True))


def test_a_batch_without_odd_breaks_is_handed_on(clean):
    result, counters = clean("newlines", ["a\n\nb", None])
    assert result.column("text").to_pylist() == ["a\n\nb", None]
    assert not counters
