"""Signals of a text's words, as the word mode makes them."""

from __future__ import annotations

from curation_tasks.filters.signals.declaration import C4, DOLMA, GOPHER, NEMO, REDPAJAMA, Signal, count, ratio
from curation_tasks.filters.signals.formulas import Count

WORDS = (
    count("word_count", "words", "Words, as the word mode makes them; by default what stands between white space.", GOPHER),
    count("plain_word_count", "plain_words", "Words that are not made of punctuation alone.", f"{GOPHER}, as in datatrove"),
    ratio("mean_word_length", "word_characters", "words", "Mean characters of a word.", GOPHER),
    ratio(
        "mean_plain_word_length",
        "plain_word_characters",
        "plain_words",
        "Mean characters of a word that is not made of punctuation alone.",
        f"{GOPHER}, as in datatrove",
    ),
    Signal("median_word_length", "double", Count("twice_median_word_length", unit=2), "Median characters of a word.", DOLMA),
    count("longest_word_length", "longest_word", "Characters of the longest word.", C4),
    ratio("alphabetic_word_ratio", "letter_words", "words", "Share of the words that have a letter.", GOPHER),
    ratio("non_alphabetic_word_ratio", "letter_words", "words", "Share of the words that have no letter.", REDPAJAMA, rest=True),
    ratio("uppercase_word_ratio", "capital_words", "words", "Share of the words with capitals and no small letters.", REDPAJAMA),
    ratio("symbol_word_ratio", "symbol_words", "words", "Share of the words that are # or an ellipsis.", NEMO),
    ratio(
        "marked_word_ratio",
        "marked_words",
        "words",
        "Share of the words in which # or … occurs, words being what stands between white space.",
        DOLMA,
        at_most_one=True,
    ),
    ratio("hashes_per_word", "hashes", "words", "Characters # a word.", f"{GOPHER}, as in datatrove"),
    ratio("ellipses_per_word", "ellipses", "words", "Ellipses a word, as three full stops or one character.", f"{GOPHER}, as in datatrove"),
    count("stop_word_count", "stop_words", "Stop words, each occurrence counted.", GOPHER),
    count("distinct_stop_word_count", "distinct_stop_words", "Different stop words.", f"{GOPHER}, as in datatrove"),
    ratio("stop_word_ratio", "stop_words", "words", "Share of stop words in the words.", REDPAJAMA),
    ratio("unique_word_ratio", "unique_words", "words", "Different words over words.", REDPAJAMA),
    Signal(
        "word_entropy",
        "double",
        Count("word_entropy", unit=1_000_000),
        "Entropy of the words' frequencies in nats, to six decimals.",
        REDPAJAMA,
    ),
)
