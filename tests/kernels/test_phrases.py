"""Phrases are found where ``in`` finds them, whatever the case of ASCII letters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.compilation import BYTES, kernel
from curation_tasks.kernels.phrases import MOST_PHRASES, PHRASES, find_phrases, phrase_table

PIECES = ["use cookies", "uses cookies", "Use", "COOKIES", " ", "{", "lorem", "ipsum", "\u00dcber uns", "\u00fcber", "a", "aa", "\u212a"]


@kernel(f"int64({BYTES}, {PHRASES})")
def _found(data, phrases):
    return find_phrases(data, 0, data.shape[0], phrases)


def found(text, phrases):
    data = np.frombuffer(text.encode(), np.uint8)
    return _found(data, phrase_table(phrases))


@given(
    text=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join),
    phrases=st.lists(st.sampled_from(PIECES) | st.text(min_size=1, max_size=4), max_size=12),
)
def test_phrases_are_found_as_by_in(text, phrases):
    expected = sum(1 << index for index, phrase in enumerate(phrases) if phrase.encode().lower() in text.encode().lower())
    assert found(text, phrases) == expected


@pytest.mark.parametrize("phrases", [["a", ""], ["x"] * (MOST_PHRASES + 1)])
def test_what_cannot_be_searched_is_refused(phrases):
    with pytest.raises(ValueError, match="none of them empty"):
        phrase_table(phrases)
