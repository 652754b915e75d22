"""What is looked up is what Arrow's functions make of a text."""

from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.normalization import _by_arrow, normalize

STEPS = ("diacritics", "punctuation", "digits", "lower", "whitespace")
#: Letters, marks that go and marks that stay, parts of Hangul syllables, letters that grow, and what lies beyond the table.
CHARACTERS = (
    "aZ9 \t\u00a0\u2028.,$\u00e9\u0301\u0338\u0334\u0344\u1100\u1161\u11a8\uac00\u09c7\u09be\u302e"
    "\u0130\u023a\u2126\U0001d15e\U0002f800\U0001f436"
)


@pytest.mark.parametrize("steps", [STEPS, *combinations(STEPS, 1)])
def test_every_character_becomes_what_arrow_makes_of_it(steps):
    characters = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    # Behind a syllable and before a mark, where characters combine.
    for texts in (pa.array(characters), pa.array([f"x\uac00{character}\u0301 y" for character in characters])):
        assert normalize(texts, steps).equals(_by_arrow(texts, steps))


@given(
    texts=st.lists(st.none() | st.text(CHARACTERS, max_size=20), min_size=1, max_size=6),
    steps=st.sets(st.sampled_from(STEPS), min_size=1),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
    start=st.integers(0, 2),
)
def test_texts_become_what_arrow_makes_of_them(texts, steps, kind, start):
    array = pa.array(texts, kind).slice(start)
    normalized = normalize(array, sorted(steps))
    normalized.validate(full=True)
    assert normalized.equals(_by_arrow(array, steps))
