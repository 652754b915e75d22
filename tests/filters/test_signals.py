"""The registry of signals fits the counts of the kernels."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.filters.signals import MEASURED_COUNTS, SIGNALS
from curation_tasks.filters.signals.formulas import Count, Perplexity, Ratio
from curation_tasks.kernels.counts import COUNTS
from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.schema import COLUMN_TYPES
from curation_tasks.testing import TRAPS


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_a_formula_on_counts_that_exist(name):
    signal = SIGNALS[name]
    assert signal.name == name
    assert signal.kind in COLUMN_TYPES
    assert set(signal.formula.reads) <= {*COUNTS, *MEASURED_COUNTS}
    assert signal.meaning.endswith(".")
    assert signal.source


def test_a_ratio_of_nothing_is_zero():
    assert Ratio("a", "b")({"a": np.array([0, 3]), "b": np.array([0, 4])}).tolist() == [0.0, 0.75]
    assert str(Ratio("a", "b")) == "a / b"


def test_formulas_beyond_a_ratio():
    counts = {"a": np.array([1, 0, 9]), "b": np.array([4, 0, 6]), "c": np.array([2, 0, 1])}
    for formula, values, text in (
        (Count("a", plus=1), [2, 1, 10], "a + 1"),
        (Count("b", unit=2), [2, 0, 3], "b / 2"),
        (Ratio("a", "b", less="c"), [0.5, 0, 9 / 5], "a / (b − c)"),
        (Ratio("c", "b", rest=True), [0.5, 0, 5 / 6], "(b − c) / b"),
        (Ratio("a", "b", at_most_one=True), [0.25, 0, 1], "min(1, a / b)"),
        (Ratio("b", "a", without="c"), [2, 0, 5 / 9], "(b − c) / a"),
        (Perplexity("a", "b"), [1, 0, 1], "10 ^ (a / b / 1,000,000)"),
        (Ratio("a", "b", unit=1_000), [0.00025, 0, 0.0015], "a / b / 1,000"),
        (Ratio("a", "b", one_where="c"), [1, 0, 1], "a / b, 1 where c"),
    ):
        assert formula(counts).tolist() == values
        assert str(formula) == text
        assert set(formula.reads) <= set(counts)


def test_values_of_a_story():
    text = "The dog ran. The dog sat.\n\n- Read 12 PAGES on http://a.org/x\n"
    counts = text_counts(pa.array([text])) | dict.fromkeys(MEASURED_COUNTS, np.array([5]))
    values = {name: round(float(signal.formula(counts)[0]), 3) for name, signal in SIGNALS.items()}
    shown = "\n".join(f"{name} = {value:g}" for name, value in values.items())
    assert shown == STORY.strip()


@given(texts=st.lists(st.text() | st.sampled_from([text for text in TRAPS if text]), min_size=1, max_size=5))
def test_ratios_are_within_0_and_1(texts):
    counts = text_counts(pa.array(texts)) | dict.fromkeys(MEASURED_COUNTS, np.zeros(len(texts), np.int64))
    for name, signal in SIGNALS.items():
        values = signal.formula(counts)
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
        if name.endswith("_ratio"):
            assert (values <= 1).all(), name


STORY = """
character_count = 61
letter_ratio = 0.623
uppercase_ratio = 0.211
digit_ratio = 0.033
alphanumeric_ratio = 0.754
non_alphanumeric_ratio = 0.246
white_space_ratio = 0.213
bracket_ratio = 0
curly_bracket_ratio = 0
curly_bracket_count = 0
url_ratio = 0.23
adult_url_count = 0
special_character_ratio = 0.082
character_repetition_ratio = 1
word_count = 12
plain_word_count = 11
mean_word_length = 4
mean_plain_word_length = 4.273
median_word_length = 3
longest_word_length = 14
alphabetic_word_ratio = 0.833
non_alphabetic_word_ratio = 0.167
uppercase_word_ratio = 0.083
symbol_word_ratio = 0
marked_word_ratio = 0.417
hashes_per_word = 0
ellipses_per_word = 0
stop_word_count = 0
distinct_stop_word_count = 0
stop_word_ratio = 0
unique_word_ratio = 0.833
word_entropy = 2.254
line_count = 2
mean_line_length = 29
mean_split_line_length = 19.333
longest_line_length = 33
long_line_count = 0
short_line_ratio = 0.5
terminal_line_ratio = 0.5
unpunctuated_line_ratio = 0.5
endmark_line_ratio = 0.5
newlines_per_word = 0.25
bullet_line_ratio = 0
star_bullet_line_ratio = 0.5
split_dash_bullet_line_ratio = 0.333
ellipsis_line_ratio = 0
marked_ellipsis_line_ratio = 0
split_ellipsis_line_ratio = 0
duplicate_line_ratio = 0
duplicate_line_character_ratio = 0
duplicate_line_text_ratio = 0
duplicate_run_line_ratio = 0
duplicate_run_line_text_ratio = 0
piece_star_bullet_ratio = 1
piece_ellipsis_ratio = 1
copied_piece_ratio = 1
copied_piece_character_ratio = 0.104
characters_per_line = 20.333
duplicate_paragraph_ratio = 0
duplicate_paragraph_text_ratio = 0
duplicate_paragraph_character_ratio = 0
policy_paragraph_ratio = 0
policy_phrase_count = 0
lorem_ipsum_count = 0
javascript_count = 0
top_2_gram_ratio = 0.23
top_3_gram_ratio = 0
top_4_gram_ratio = 0
top_2_gram_length_ratio = 0.23
top_3_gram_length_ratio = 0.197
top_4_gram_length_ratio = 0.262
duplicate_5_gram_ratio = 0
duplicate_6_gram_ratio = 0
duplicate_7_gram_ratio = 0
duplicate_8_gram_ratio = 0
duplicate_9_gram_ratio = 0
duplicate_10_gram_ratio = 0
covered_5_gram_ratio = 0
covered_6_gram_ratio = 0
covered_7_gram_ratio = 0
covered_8_gram_ratio = 0
covered_9_gram_ratio = 0
covered_10_gram_ratio = 0
top_2_gram_letter_ratio = 0.25
top_3_gram_letter_ratio = 0.208
top_4_gram_letter_ratio = 0.271
repeated_5_gram_ratio = 0
repeated_6_gram_ratio = 0
repeated_7_gram_ratio = 0
repeated_8_gram_ratio = 0
repeated_9_gram_ratio = 0
repeated_10_gram_ratio = 0
word_repetition_ratio = 1
complete_ending = 0
sentence_count = 3
code_line_count = 4
xml_header = 0
comment_ratio = 0.082
html_text_length = 5
html_text_ratio = 0.082
token_count = 5
characters_per_token = 12.2
unicode_alphanumeric_ratio = 0.082
bad_word_ratio = 0.417
mean_word_log_probability = 0
perplexity = 1
translation_length_ratio = 1
substring_count = 5
bad_word_count = 5
pattern_count = 5
"""
