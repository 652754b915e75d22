"""One pair of marks around a text goes, if the two belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.cleaning.parameters import EnclosingQuotesParameters
from curation_tasks.testing import documents


@given(batch=documents(st.none() | st.text(alphabet='"ab \n\u201c\u201d', max_size=10)))
def test_marks_around_a_text_go(clean, batch):
    result, counters = clean("enclosing_quotes", batch, pairs=['""', "\u201c\u201d"])

    def expected(text):
        for opening, closing in ('""', "\u201c\u201d"):
            stripped = text.strip()
            inside = stripped[1:-1]
            if len(stripped) > 1 and stripped[0] == opening and stripped[-1] == closing and not {opening, closing} & set(inside):
                text = inside
        return text

    old = batch.column("text").to_pylist()
    assert result.column("text").to_pylist() == [text and expected(text) for text in old]
    assert bool(counters) == any(text and expected(text) != text for text in old)


def test_two_quotations_are_left_alone(text_of):
    assert text_of("enclosing_quotes", '"Hi," he said. "Bye."') == '"Hi," he said. "Bye."'
    assert text_of("enclosing_quotes", ' "A story."\n') == "A story."


@pytest.mark.parametrize("pair", ["", '"', "abc", "  "])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(ValidationError, match="no pair"):
        EnclosingQuotesParameters(pairs=[pair])
