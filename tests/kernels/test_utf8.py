"""Characters in compiled loops are Python's characters, and broken bytes never lead out of a row."""

import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels import utf8
from curation_tasks.kernels.text_counts import text_counts

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def test_white_space_is_that_of_python_for_every_character():
    counts = text_counts(pa.array([f"a{character}b" for character in CHARACTERS]), ["words"])
    found = {character for character, words in zip(CHARACTERS, counts["words"], strict=True) if words == 2}
    assert found == {character for character in CHARACTERS if character.isspace()}


def test_every_character_is_decoded():
    for step in range(0, len(CHARACTERS), 997):
        data = np.frombuffer(CHARACTERS[step].encode(), np.uint8)
        assert utf8.width_of(data[0]) == len(data)
        assert utf8.decode(data, 0, len(data), len(data)) == ord(CHARACTERS[step])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_buffers_are_those_of_the_rows_of_a_slice(kind):
    offsets, data = utf8.text_buffers(pa.array(["one", None, "three", "four"], kind).slice(1, 2))
    assert [bytes(data[start:end]) for start, end in pairwise(offsets)] == [b"", b"three"]


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_other_arrow_strings_are_taken(kind):
    offsets, data = utf8.text_buffers(pa.array(["one", "two"]).cast(kind))
    assert bytes(data[offsets[1] : offsets[2]]) == b"two"


@given(rows=st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_bytes_that_are_not_utf8_are_counted_within_their_row(rows):
    def counts(rows):
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
        texts = pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(rows))])
        return [tuple(values) for values in zip(*text_counts(texts).values(), strict=True)]

    assert counts(rows) == [counts([row])[0] for row in rows]
