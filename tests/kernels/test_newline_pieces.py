"""Pieces between newlines are counted as plain Python counts them."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.newline_pieces import piece_counts

TEXTS = st.lists(st.sampled_from(["a", "\u2026", "\n", "\n", "- b", "* ", " ", "\r", "\u00e9\U0001f436"]), max_size=30).map("".join)


def expected(text):
    pieces = text.split("\n")
    copied = [piece for piece in pieces if pieces.count(piece) > 1]
    return (
        len(pieces),
        sum(piece.startswith(("*", "-")) for piece in pieces),
        sum(piece.endswith("\u2026") for piece in pieces),
        len(copied),
        sum(map(len, copied)),
    )


@given(texts=st.lists(TEXTS, max_size=5), kind=st.sampled_from([pa.string(), pa.large_string()]), start=st.integers(0, 2))
def test_pieces_are_those_of_plain_python(texts, kind, start):
    counts = piece_counts(pa.array(texts, kind).slice(start))
    assert list(zip(*(column.tolist() for column in counts), strict=True)) == [expected(text) for text in texts[start:]]
