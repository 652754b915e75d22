"""Signals that hold a text against what is given: a list, a table, a model, a pattern, another column."""

from __future__ import annotations

from curation_tasks.filters.signals.declaration import C4, NEMO, Signal, count, ratio
from curation_tasks.filters.signals.formulas import Perplexity

REFERENCES = (
    ratio(
        "bad_word_ratio",
        "bad_words",
        "words",
        "Words of a list over words, at most 1; needs `bad_words`.",
        "Data-Juicer, FlaggedWordFilter",
        at_most_one=True,
    ),
    ratio(
        "mean_word_log_probability",
        "word_log_probabilities",
        "words",
        "Mean log probability of a word in nats by a table of frequencies; needs `word_frequencies`.",
        "datatrove, UnigramLogProbFilter; peS2o, arXiv:2306.01116",
        unit=1_000_000,
    ),
    Signal(
        "perplexity",
        "double",
        Perplexity("negative_log_scores", "scored_words"),
        "Perplexity of the lines by an n-gram model, to one decimal; needs `language_model`.",
        "CCNet, arXiv:1911.00359, section 3.3; Data-Juicer, PerplexityFilter; datatrove, CCNetPerplexityStats",
    ),
    ratio(
        "translation_length_ratio",
        "shorter_words",
        "longer_words",
        "Words of the shorter of the text and its translation over words of the longer; needs `translation_column`.",
        "NeMo Curator, LengthRatioFilter",
    ),
    count(
        "substring_count",
        "substring_matches",
        "Occurrences of a substring, anywhere or as the beginning or the end of the text; needs `substring`.",
        f"{NEMO}, SubstringFilter",
    ),
    count("bad_word_count", "bad_words", "Occurrences of words of a list; needs `bad_words`.", C4),
    count("pattern_count", "pattern_matches", "Places at which a pattern matches; needs `pattern`.", "datatrove, RegexFilter"),
)
