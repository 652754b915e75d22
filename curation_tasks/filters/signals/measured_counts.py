"""Counts that a measure of their own takes and no pass of the kernels."""

from __future__ import annotations

from collections.abc import Mapping

#: Counts that ``filters.measures`` takes and ``kernels.text_counts`` does not, name → meaning.
MEASURED_COUNTS: Mapping[str, str] = {
    "tokens": "Tokens of the given tokenizer, without the special ones that it may add.",
    "bad_words": "Occurrences of words of the given list.",
    "pattern_matches": "Places at which the given pattern matches.",
    "comment_characters": "Characters of comments, and for Python of strings that stand alone, in the given kind of code.",
    "alphanumerics": "Letters and numbers (categories L and N).",
    "substring_matches": "Occurrences of the given substring; at most 1 for a position other than any.",
    "html_text_characters": "Characters of the text of an HTML page, scripts and styles left out.",
    "special_characters": "White space, numbers, punctuation and symbols.",
    "character_runs": "Runs of ten characters: one for each character but the last nine.",
    "frequent_character_runs": "Of these the first √d of d different ones, the most frequent first, that occur more than once.",
    "word_runs": "Runs of ten words in lower case, of which special characters at both ends are cut off; what is nothing else is no word.",
    "repeated_word_runs": "Of these, those that occur more than once, all copies.",
    "pieces": "Pieces between newlines, blank ones too.",
    "star_bullet_pieces": "Of these, those that begin with * or -, no white space before it.",
    "ellipsis_pieces": "Of these, those that end with the character ….",
    "copied_pieces": "Of these, those that are equal to another one.",
    "copied_piece_characters": "Characters of these.",
    "marked_words": "Words between white space in which # or … occurs.",
    "word_log_probabilities": "Log probabilities of the words, in lower case, by a table of frequencies; millionths of a nat.",
    "shorter_words": "Words of the text or of its translation, whichever has fewer.",
    "longer_words": "Words of the text or of its translation, whichever has more.",
    "negative_log_scores": "Log probability of all lines by a language model, to the base of 10, with the other sign; in millionths.",
    "scored_words": "Words of these lines, and one for the end of each.",
}
