"""Signals of a text's characters."""

from __future__ import annotations

from curation_tasks.filters.signals.declaration import C4, CODE, DATA_JUICER, NEMO, REDPAJAMA, count, ratio

CHARACTERS = (
    count("character_count", "characters", "Code points, white space included.", "Gopher, arXiv:2112.11446"),
    ratio("letter_ratio", "letters", "characters", "Share of letters (category L) in the characters.", CODE),
    ratio("uppercase_ratio", "upper_letters", "letters", "Share of capitals in the letters.", REDPAJAMA),
    ratio("digit_ratio", "digits", "characters", "Share of ASCII digits in the characters.", NEMO),
    ratio(
        "alphanumeric_ratio",
        "basic_characters",
        "characters",
        "Share of ASCII letters, digits, newlines and ? ! , . in the characters.",
        CODE,
    ),
    ratio(
        "non_alphanumeric_ratio",
        "basic_characters",
        "characters",
        "Share of characters other than ASCII letters, digits, newlines and ? ! , . in the text. A space is one of them.",
        NEMO,
        rest=True,
    ),
    ratio("white_space_ratio", "blanks", "characters", "Share of spaces, tabs, newlines, returns and backspaces.", NEMO),
    ratio("bracket_ratio", "brackets", "characters", "Share of round, square, curly and mathematical angle brackets.", NEMO),
    ratio("curly_bracket_ratio", "curly_brackets", "characters", "Share of curly brackets in the characters.", REDPAJAMA),
    count("curly_bracket_count", "curly_brackets", "Curly brackets, opening and closing.", C4),
    ratio("url_ratio", "url_characters", "characters", "Share of the characters that lie in http and https URLs.", NEMO),
    count("adult_url_count", "adult_urls", "URLs in which `porn` occurs.", NEMO),
    ratio(
        "special_character_ratio",
        "special_characters",
        "characters",
        "Share of white space, numbers, punctuation and symbols in the characters.",
        f"{DATA_JUICER}, SpecialCharactersFilter",
    ),
    ratio(
        "character_repetition_ratio",
        "frequent_character_runs",
        "character_runs",
        "Share of the most frequent runs of ten characters in all runs: of d different ones the first √d that occur more than once.",
        f"{DATA_JUICER}, CharacterRepetitionFilter; ROOTS, arXiv:2303.03915, section 3.1.2",
    ),
)
