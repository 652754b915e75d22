"""The counts that the kernels take: names, meanings, and which column of the matrix each has.

A *word* is what the word mode makes one; by default a run of characters between white space. An *n-gram* is n words in a
row, whatever stands between them. A *line* is, if nothing else is said, a piece between newlines that is not blank.
"""

from __future__ import annotations

from collections.abc import Iterator

#: Lines of at most so many characters are short (FineWeb, arXiv:2406.17557), of at least so many are long (mC4).
SHORT_LINE, LONG_LINE = 30, 200
#: n-grams whose most frequent one is looked for, and those of which every repetition is (Gopher, table A1).
TOP_GRAMS, REPEATED_GRAMS = (2, 3, 4), (5, 6, 7, 8, 9, 10)

#: Groups of counts that are taken together, so that what no signal needs costs no time.
GROUPS = (
    "characters",
    "words",
    "word_lengths",
    "word_scores",
    "vocabulary",
    "lines",
    "paragraphs",
    "grams",
    "phrases",
    "urls",
    "ending",
    "sentences",
)


def _gram_rows() -> Iterator[tuple[str, str, str]]:
    for n in TOP_GRAMS:
        yield (
            "grams",
            f"top_{n}_gram_characters",
            f"Characters in occurrences of the most frequent {n}-gram, the white space inside them included, each counted once where they "
            "overlap; 0 when none occurs twice. Of equally frequent ones the first in the text counts.",
        )
        yield (
            "grams",
            f"top_{n}_gram_length",
            f"Length of the most frequent {n}-gram, its words joined by one space, times its occurrences.",
        )
        yield "grams", f"top_{n}_gram_letters", f"Characters of the words of the most frequent {n}-gram, times its occurrences."
    for n in REPEATED_GRAMS:
        yield (
            "grams",
            f"duplicate_{n}_gram_characters",
            f"Characters of the words in {n}-grams that occurred before. After one that did, the next is looked for behind it; "
            "an n-gram that was passed over in this way has not occurred.",
        )
        yield (
            "grams",
            f"covered_{n}_gram_characters",
            f"Characters in {n}-grams that occurred before, each counted once where they overlap, with one character for the white space "
            "before each of their words but the first of a run.",
        )
        yield "grams", f"repeated_{n}_gram_letters", f"Characters of the words of all {n}-grams that occur more than once."
        yield "grams", f"all_{n}_gram_letters", f"Characters of the words of all {n}-grams, each counted for every {n}-gram that it is in."
    longest = REPEATED_GRAMS[-1]
    yield "grams", f"repeated_{longest}_grams", f"All {longest}-grams that occur more than once, their first occurrence too."
    yield "grams", f"all_{longest}_grams", f"All {longest}-grams."


_ROWS: tuple[tuple[str, str, str], ...] = (
    ("characters", "characters", "Code points, white space included."),
    ("characters", "letters", "Letters (category L)."),
    ("characters", "upper_letters", "Capital and title-case letters."),
    ("characters", "digits", "ASCII digits."),
    ("characters", "basic_characters", "ASCII letters and digits, newlines and the marks ? ! , and full stop."),
    ("characters", "blanks", "Spaces, tabs, newlines, carriage returns and backspaces."),
    ("characters", "brackets", "Round, square, curly and mathematical angle brackets."),
    ("characters", "curly_brackets", "Curly brackets, opening and closing."),
    ("characters", "hashes", "Characters #."),
    ("characters", "ellipses", "Three full stops in a row (four are one ellipsis, six are two) or the character …"),
    ("characters", "newlines", "Characters U+000A."),
    ("words", "words", "Words."),
    ("words", "word_characters", "Characters of the words."),
    ("words", "longest_word", "Characters of the longest word."),
    ("words", "plain_words", "Words that are not made of marks alone: ASCII marks, controls, ends of sentences and `characters.MARKS`."),
    ("words", "plain_word_characters", "Characters of these words."),
    ("words", "letter_words", "Words with a letter."),
    ("words", "capital_words", "Words with a capital letter and without a small one."),
    ("words", "symbol_words", "Words that are #, an ellipsis, an ellipsis in brackets, or -»."),
    ("words", "stop_words", "Words of the list of stop words, as they are written there."),
    ("words", "distinct_stop_words", "How many of the stop words occur."),
    ("word_lengths", "twice_median_word_length", "Twice the median of the words' characters; between two words in the middle, their sum."),
    (
        "word_scores",
        "word_scores",
        "Sum of the scores of the words by a table that is given; of the log probabilities, in millionths of a nat.",
    ),
    ("vocabulary", "unique_words", "Different words."),
    ("vocabulary", "word_entropy", "Entropy of the words' frequencies, in millionths of a nat."),
    ("lines", "lines", "Lines that are not blank."),
    ("lines", "line_characters", "Characters of these lines."),
    ("lines", "short_lines", f"Lines of at most {SHORT_LINE} characters."),
    ("lines", "terminal_lines", "Lines whose last character, white space included, ends a sentence (property Sentence_Terminal)."),
    ("lines", "endmark_lines", "Lines that end, white space aside, with . ? ! or a straight quote."),
    ("lines", "ellipsis_lines", "Lines that end, white space aside, with an ellipsis."),
    ("lines", "marked_ellipsis_lines", "Lines that end with an ellipsis, one in brackets, -», `read more` or `read more..`."),
    ("lines", "bullet_lines", "Lines that begin with one of • ‣ ⁃ ⁌ ⁍ ∙ ○ ● ◘ ◦ ⦾ ⦿."),
    ("lines", "dash_bullet_lines", "Lines that begin with • or -."),
    ("lines", "star_bullet_lines", "Lines that begin with * or -."),
    ("lines", "duplicate_lines", "Lines that are equal to an earlier one."),
    ("lines", "duplicate_line_characters", "Characters of these."),
    ("lines", "longest_line", "Characters of the longest piece between newlines."),
    ("lines", "long_lines", f"Pieces between newlines of at least {LONG_LINE} characters."),
    ("lines", "split_lines", "Lines of `str.splitlines`, blank ones included."),
    ("lines", "split_bullet_lines", "Of these, those that begin with one of the twelve bullets."),
    ("lines", "split_dash_bullet_lines", "Of these, those that begin with • or -."),
    ("lines", "split_star_bullet_lines", "Of these, those that begin with * or -."),
    ("lines", "split_ellipsis_lines", "Of these, those that end, white space aside, with an ellipsis."),
    ("lines", "run_lines", "Pieces between runs of newlines; an empty one at either end counts."),
    ("lines", "duplicate_run_lines", "Of these, those that are equal to an earlier one."),
    ("lines", "duplicate_run_line_characters", "Characters of these."),
    ("paragraphs", "paragraphs", "Pieces between two or more newlines, white space at the ends of the text aside."),
    ("paragraphs", "paragraph_characters", "Characters of the paragraphs."),
    ("paragraphs", "duplicate_paragraphs", "Paragraphs that are equal to an earlier one."),
    ("paragraphs", "duplicate_paragraph_characters", "Characters of these."),
    ("phrases", "policy_paragraphs", "Paragraphs with a policy phrase."),
    ("phrases", "policy_phrases", "Policy phrases, capitals or not."),
    ("phrases", "lorem_ipsum", "Occurrences of `lorem ipsum`, capitals or not."),
    ("phrases", "javascript", "Occurrences of `javascript`, capitals or not."),
    ("phrases", "xml_header", "1 when `<?xml version=` stands in the first 100 characters."),
    ("urls", "url_characters", "Characters of URLs that begin with http:// or https://."),
    ("urls", "adult_urls", "URLs in which `porn` occurs."),
    ("ending", "complete_ending", "1 when the text ends as a sentence does."),
    ("sentences", "sentences", "Sentences by the rules of UAX #29 that hold a letter or a digit; a newline ends one."),
    *_gram_rows(),
)

#: The counts in the order of the matrix, name → meaning.
COUNTS: dict[str, str] = {name: meaning for _, name, meaning in _ROWS}
#: Count → its group.
GROUP_OF: dict[str, str] = {name: group for group, name, _ in _ROWS}
_COLUMNS = {name: column for column, name in enumerate(COUNTS)}


def column(name: str) -> int:
    """The column of a count in the matrix."""
    return _COLUMNS[name]
