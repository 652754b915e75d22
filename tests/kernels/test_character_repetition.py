"""Runs of characters are counted as plain Python counts them."""

from collections import Counter
from math import isqrt

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.character_repetition import character_runs
from curation_tasks.testing import TRAPS

TEXTS = (
    st.none() | st.text(max_size=80) | st.lists(st.sampled_from(["abcde", "fgh", "\u00e9\U0001f436", "\0", "x"]), max_size=40).map("".join)
)


def expected(text):
    times = Counter(text[at : at + 10] for at in range(len(text) - 9))
    repeated = sorted((number for number in times.values() if number > 1), reverse=True)
    return sum(times.values()), sum(repeated[: isqrt(len(times))])


@given(texts=st.lists(TEXTS, max_size=5), start=st.integers(0, 2))
def test_runs_are_those_of_plain_python(texts, start):
    runs, frequent = character_runs(pa.array(texts, pa.string()).slice(start))
    assert list(zip(runs.tolist(), frequent.tolist(), strict=True)) == [expected(text or "") for text in texts[start:]]


def test_runs_of_texts_that_caused_trouble():
    runs, frequent = character_runs(pa.array(TRAPS))
    assert list(zip(runs.tolist(), frequent.tolist(), strict=True)) == [expected(text or "") for text in TRAPS]


def test_a_large_text_among_small_ones():
    text = "0123456789abcdef" * 100_000
    assert [column.tolist() for column in character_runs(pa.array(["a", text, text[:10]]))] == [
        [0, len(text) - 9, 1],
        [0, expected(text)[1], 0],
    ]
