"""Characters of a set are counted as plain Python counts them."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.character_sets import characters_of_set
from curation_tasks.kernels.characters import SPACES, letters_and_numbers, special_characters

#: What was assigned after Python's version of Unicode it calls by another class.
TEXTS = st.none() | st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=60)


@pytest.mark.parametrize(
    ("members", "belongs"),
    [
        (special_characters, lambda character: unicodedata.category(character)[0] in "NPS" or character in SPACES),
        (letters_and_numbers, lambda character: unicodedata.category(character)[0] in "LN"),
    ],
)
@given(texts=st.lists(TEXTS, max_size=5), start=st.integers(0, 2))
def test_characters_of_a_set_are_counted(members, belongs, texts, start):
    counts = characters_of_set(pa.array(texts, pa.string()).slice(start), members())
    assert counts.tolist() == [sum(map(belongs, text or "")) for text in texts[start:]]
