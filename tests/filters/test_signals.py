"""The registry of signals fits the counts of the kernels."""

import numpy as np
import pyarrow as pa
import pytest

from curation_tasks.filters.signals import SIGNALS, Ratio
from curation_tasks.kernels.text_counts import COUNTS, text_counts
from curation_tasks.schema import COLUMN_TYPES


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_a_formula_on_counts_that_exist(name):
    signal = SIGNALS[name]
    assert signal.name == name
    assert signal.kind in COLUMN_TYPES
    assert set(signal.formula.reads) <= set(COUNTS)
    assert signal.meaning.endswith(".")
    assert signal.source


def test_a_ratio_of_nothing_is_zero():
    assert Ratio("a", "b")({"a": np.array([0, 3]), "b": np.array([0, 4])}).tolist() == [0.0, 0.75]
    assert str(Ratio("a", "b")) == "a / b"


def test_values_of_a_story():
    counts = text_counts(pa.array(["The dog ran. The dog sat."]))
    values = {name: float(signal.formula(counts)[0]) for name, signal in SIGNALS.items()}
    assert values == {
        "word_count": 6,
        "character_count": 25,
        "complete_ending": 1,
        "top_2_gram_ratio": 14 / 25,
        "top_3_gram_ratio": 0,
        "top_4_gram_ratio": 0,
    }
