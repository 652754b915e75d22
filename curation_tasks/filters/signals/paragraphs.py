"""Signals of a text's paragraphs, and of phrases that policies and placeholders are made of."""

from __future__ import annotations

from curation_tasks.filters.signals.declaration import C4, GOPHER, NEMO, count, ratio

PARAGRAPHS = (
    ratio(
        "duplicate_paragraph_ratio", "duplicate_paragraphs", "paragraphs", "Share of paragraphs that are equal to an earlier one.", GOPHER
    ),
    ratio(
        "duplicate_paragraph_text_ratio",
        "duplicate_paragraph_characters",
        "characters",
        "Characters of paragraphs that are equal to an earlier one, over all characters.",
        GOPHER,
    ),
    ratio(
        "duplicate_paragraph_character_ratio",
        "duplicate_paragraph_characters",
        "paragraph_characters",
        "Share of paragraphs that are equal to an earlier one, by characters.",
        NEMO,
    ),
    ratio(
        "policy_paragraph_ratio",
        "policy_paragraphs",
        "paragraphs",
        "Share of paragraphs with a phrase such as `privacy policy`; 1 when the text has `lorem ipsum`.",
        NEMO,
        one_where="lorem_ipsum",
    ),
    count("policy_phrase_count", "policy_phrases", "Phrases such as `privacy policy` or `uses cookies`.", C4),
    count("lorem_ipsum_count", "lorem_ipsum", "Occurrences of `lorem ipsum`.", C4),
    count("javascript_count", "javascript", "Occurrences of `javascript`.", C4),
)
