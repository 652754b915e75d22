"""Signals by which source code is judged, its tokens and BigCode's share of letters and numbers among them."""

from __future__ import annotations

from curation_tasks.filters.signals.declaration import CODE, NEMO, count, ratio

SOURCE_CODE = (
    count("code_line_count", "newlines", "Newlines and one more.", CODE, plus=1),
    count("xml_header", "xml_header", "1 when `<?xml version=` stands in the first 100 characters.", CODE, kind="int8"),
    ratio("comment_ratio", "comment_characters", "characters", "Share of comments in the characters; needs `code`.", CODE),
    count("html_text_length", "html_text_characters", "Characters of the text of an HTML page.", CODE),
    ratio("html_text_ratio", "html_text_characters", "characters", "Share of an HTML page that is text.", CODE, at_most_one=True),
    count("token_count", "tokens", "Tokens; needs `tokenizer`.", f"{NEMO}, TokenCountFilter"),
    ratio("characters_per_token", "characters", "tokens", "Characters a token; needs `tokenizer`.", f"{CODE}, TokenizerFertilityFilter"),
    ratio(
        "unicode_alphanumeric_ratio",
        "alphanumerics",
        "characters",
        "Share of letters and numbers in the characters.",
        "BigCode, preprocessing; NeMo Curator, PerExtensionFilter; Data-Juicer, AlphanumericFilter",
    ),
)
