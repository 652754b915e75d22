"""Curly quotes become straight ones, and nothing else changes."""

import pyarrow as pa
import pytest
from hypothesis import given
from pydantic import ValidationError

from curation_tasks.cleaning.catalog import QuotesParameters
from curation_tasks.cleaning.quotes import quotes
from curation_tasks.testing import context_for, documents


def clean(batch, **parameters):
    given_parameters = QuotesParameters(**parameters)
    context = context_for(given_parameters)
    return quotes(batch, given_parameters, context), context.counters


@given(batch=documents())
def test_the_four_curly_quotes_become_straight(batch):
    result, counters = clean(batch)
    table = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
    expected = [text and text.translate(table) for text in batch.column("text").to_pylist()]
    assert result.column("text").to_pylist() == expected
    assert result.drop_columns(["text"]).equals(batch.drop_columns(["text"]))
    assert counters["cleaning.quotes.changed"] == sum(a != b for a, b in zip(batch.column("text").to_pylist(), expected, strict=True))


def test_marks_are_a_parameter():
    batch = pa.record_batch({"text": ["\u201eHallo\u201c \u00abBonjour\u00bb 5\u2032 \u2018x\u2019"]})
    assert clean(batch, single="\u2032", double="\u201e\u201c\u00ab\u00bb")[0].column("text").to_pylist() == [
        '"Hallo" "Bonjour" 5\' \u2018x\u2019'
    ]


def test_text_without_quotes_is_handed_on_without_a_copy():
    batch = pa.record_batch({"text": ["plain", None, "caf\u00e9"]})
    result, counters = clean(batch)
    assert result is batch
    assert not counters


@pytest.mark.parametrize("wrong", [{"single": "`"}, {"single": "\u2018\u201c"}])
def test_marks_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError, match=r"ASCII|stands under"):
        QuotesParameters(**wrong)
