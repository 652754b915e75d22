"""Signals: one number a document, each a formula on counts that are taken together.

To add a signal, add a row to ``SIGNALS``; when its counts do not exist yet, add them to ``curation_tasks.kernels.counts``
or to ``curation_tasks.filters.measures``. Nothing here imports an engine: formulas get NumPy arrays and only divide them.

Where peers define a thing differently, README.md beside this file says which definition has which name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Counts that are not taken by ``kernels.text_counts`` but by a measure of ``filters.measures``, name → meaning.
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


@dataclass(frozen=True)
class Count:
    """A count as it is, with a number added, or in another unit.

    Attributes:
        count: The count.
        plus: What is added.
        unit: What it is divided by.
    """

    count: str
    plus: int = 0
    unit: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.count,)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        counted = counts[self.count] + self.plus
        return counted / self.unit if self.unit != 1 else counted

    def __str__(self) -> str:
        text = f"{self.count} + {self.plus}" if self.plus else self.count
        return f"{text} / {self.unit:,}" if self.unit != 1 else text


@dataclass(frozen=True)
class Ratio:
    """A count over another; 0 where the other is 0.

    Attributes:
        count: What is divided.
        over: What it is divided by.
        less: A count that is taken off ``over``.
        without: A count that is taken off ``count``.
        rest: Divides what is left of ``over`` when ``count`` is taken off.
        at_most_one: Cuts at 1.
        one_where: A count: where it is not 0, the ratio is 1.
        unit: What the ratio is divided by.
    """

    count: str
    over: str
    less: str | None = None
    without: str | None = None
    rest: bool = False
    at_most_one: bool = False
    one_where: str | None = None
    unit: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(name for name in (self.count, self.over, self.less, self.without, self.one_where) if name is not None)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        whole = counts[self.over] - counts[self.less] if self.less else counts[self.over]
        count = counts[self.count] - counts[self.without] if self.without else counts[self.count]
        part = whole - count if self.rest else count
        ratio = part / (whole + (whole == 0)) * (whole != 0)
        if self.at_most_one:
            ratio = ratio.clip(max=1.0)
        if self.one_where:
            present = counts[self.one_where] != 0
            ratio = ratio * ~present + present
        return ratio / self.unit if self.unit != 1 else ratio

    def __str__(self) -> str:
        whole = f"({self.over} − {self.less})" if self.less else self.over
        count = f"({self.count} − {self.without})" if self.without else self.count
        text = f"({self.over} − {count}) / {whole}" if self.rest else f"{count} / {whole}"
        text = f"min(1, {text})" if self.at_most_one else text
        text = f"{text} / {self.unit:,}" if self.unit != 1 else text
        return f"{text}, 1 where {self.one_where}" if self.one_where else text


@dataclass(frozen=True)
class Perplexity:
    """10 to the power of millionths a word, to one decimal; 0 without words.

    Attributes:
        count: Millionths.
        over: Words.
    """

    count: str
    over: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.count, self.over)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        words = counts[self.over]
        return ((10.0 ** (counts[self.count] / (words + (words == 0)) / 1e6)) * (words != 0)).round(1)

    def __str__(self) -> str:
        return f"10 ^ ({self.count} / {self.over} / 1,000,000)"


@dataclass(frozen=True)
class Signal:
    """One number a document.

    Attributes:
        name: Name of its column.
        kind: Type of its column (``curation_tasks.schema``).
        formula: On the counts of ``curation_tasks.kernels.counts.COUNTS`` and ``MEASURED_COUNTS``.
        meaning: What it says, in one sentence.
        source: Where it is defined.
    """

    name: str
    kind: str
    formula: Count | Ratio | Perplexity
    meaning: str
    source: str


_GOPHER = "Gopher, arXiv:2112.11446, section A1.1 and table A1"
_FINEWEB = "FineWeb, arXiv:2406.17557, section 3.6"
_C4 = "C4, arXiv:1910.10683, section 2.2"
_NEMO = "NeMo Curator, heuristic filters"
_CODE = "StarCoder, arXiv:2305.06161, section 3; NeMo Curator, code filters"
_REDPAJAMA = "RedPajama-Data-V2, quality annotations"
_DOLMA = "dolma, tagger gopher_v1"
_DATA_JUICER = "Data-Juicer, filters of its default configuration"
_TUTORIAL = "NeMo Curator, TinyStories tutorial"


def _count(name: str, count: str, meaning: str, source: str, kind: str = "int64", plus: int = 0) -> Signal:
    return Signal(name, kind, Count(count, plus), meaning, source)


def _ratio(name: str, count: str, over: str, meaning: str, source: str, **options: Any) -> Signal:
    return Signal(name, "double", Ratio(count, over, **options), meaning, source)


def _repetition() -> Iterator[Signal]:
    for n in (2, 3, 4):
        yield _ratio(
            f"top_{n}_gram_ratio",
            f"top_{n}_gram_characters",
            "characters",
            f"Share of the characters that lie in occurrences of the most frequent run of {n} words; 0 when none occurs twice. White space "
            "between the words may be any. Of equally frequent runs the first in the text counts.",
            _GOPHER,
        )
    for n in (2, 3, 4):
        yield _ratio(
            f"top_{n}_gram_length_ratio",
            f"top_{n}_gram_length",
            "characters",
            f"Length of the most frequent run of {n} words times its occurrences, over the characters, as in datatrove; at most 1.",
            _GOPHER,
            at_most_one=True,
        )
    for n in range(5, 11):
        yield _ratio(
            f"duplicate_{n}_gram_ratio",
            f"duplicate_{n}_gram_characters",
            "characters",
            f"Share of the characters in words of runs of {n} words that occurred before, taken one behind the other, as in datatrove.",
            _GOPHER,
        )
    for n in range(5, 11):
        yield _ratio(
            f"covered_{n}_gram_ratio",
            f"covered_{n}_gram_characters",
            "characters",
            f"Share of the characters in runs of {n} words that occurred before, overlapping ones included, as in NeMo Curator.",
            _GOPHER,
        )
    for n in (2, 3, 4):
        yield _ratio(
            f"top_{n}_gram_letter_ratio",
            f"top_{n}_gram_letters",
            "word_characters",
            f"Words of the most frequent run of {n} words times its occurrences, over all words, in characters; at most 1.",
            _DOLMA,
            at_most_one=True,
        )
    for n in range(5, 11):
        yield _ratio(
            f"repeated_{n}_gram_ratio",
            f"repeated_{n}_gram_letters",
            f"all_{n}_gram_letters",
            f"Share of runs of {n} words that occur more than once in all runs, all copies counted, by the words' characters.",
            _DOLMA,
        )
    yield _ratio(
        "word_repetition_ratio",
        "repeated_word_runs",
        "word_runs",
        "Share of runs of ten words that occur more than once in all runs, all copies counted; words in lower case, without special "
        "characters at their ends.",
        f"{_DATA_JUICER}, WordRepetitionFilter",
    )


_ROWS = (
    # Characters
    _count("character_count", "characters", "Code points, white space included.", "Gopher, arXiv:2112.11446"),
    _ratio("letter_ratio", "letters", "characters", "Share of letters (category L) in the characters.", _CODE),
    _ratio("uppercase_ratio", "upper_letters", "letters", "Share of capitals in the letters.", _REDPAJAMA),
    _ratio("digit_ratio", "digits", "characters", "Share of ASCII digits in the characters.", _NEMO),
    _ratio(
        "alphanumeric_ratio",
        "basic_characters",
        "characters",
        "Share of ASCII letters, digits, newlines and ? ! , . in the characters.",
        _CODE,
    ),
    _ratio(
        "non_alphanumeric_ratio",
        "basic_characters",
        "characters",
        "Share of characters other than ASCII letters, digits, newlines and ? ! , . in the text. A space is one of them.",
        _NEMO,
        rest=True,
    ),
    _ratio("white_space_ratio", "blanks", "characters", "Share of spaces, tabs, newlines, returns and backspaces.", _NEMO),
    _ratio("bracket_ratio", "brackets", "characters", "Share of round, square, curly and mathematical angle brackets.", _NEMO),
    _ratio("curly_bracket_ratio", "curly_brackets", "characters", "Share of curly brackets in the characters.", _REDPAJAMA),
    _count("curly_bracket_count", "curly_brackets", "Curly brackets, opening and closing.", _C4),
    _ratio("url_ratio", "url_characters", "characters", "Share of the characters that lie in http and https URLs.", _NEMO),
    _count("adult_url_count", "adult_urls", "URLs in which `porn` occurs.", _NEMO),
    _ratio(
        "special_character_ratio",
        "special_characters",
        "characters",
        "Share of white space, numbers, punctuation and symbols in the characters.",
        f"{_DATA_JUICER}, SpecialCharactersFilter",
    ),
    _ratio(
        "character_repetition_ratio",
        "frequent_character_runs",
        "character_runs",
        "Share of the most frequent runs of ten characters in all runs: of d different ones the first √d that occur more than once.",
        f"{_DATA_JUICER}, CharacterRepetitionFilter; ROOTS, arXiv:2303.03915, section 3.1.2",
    ),
    # Words
    _count("word_count", "words", "Words, as the word mode makes them; by default what stands between white space.", _GOPHER),
    _count("plain_word_count", "plain_words", "Words that are not made of punctuation alone.", f"{_GOPHER}, as in datatrove"),
    _ratio("mean_word_length", "word_characters", "words", "Mean characters of a word.", _GOPHER),
    _ratio(
        "mean_plain_word_length",
        "plain_word_characters",
        "plain_words",
        "Mean characters of a word that is not made of punctuation alone.",
        f"{_GOPHER}, as in datatrove",
    ),
    Signal("median_word_length", "double", Count("twice_median_word_length", unit=2), "Median characters of a word.", _DOLMA),
    _count("longest_word_length", "longest_word", "Characters of the longest word.", _C4),
    _ratio("alphabetic_word_ratio", "letter_words", "words", "Share of the words that have a letter.", _GOPHER),
    _ratio("non_alphabetic_word_ratio", "letter_words", "words", "Share of the words that have no letter.", _REDPAJAMA, rest=True),
    _ratio("uppercase_word_ratio", "capital_words", "words", "Share of the words with capitals and no small letters.", _REDPAJAMA),
    _ratio("symbol_word_ratio", "symbol_words", "words", "Share of the words that are # or an ellipsis.", _NEMO),
    _ratio(
        "marked_word_ratio",
        "marked_words",
        "words",
        "Share of the words in which # or … occurs, words being what stands between white space.",
        _DOLMA,
        at_most_one=True,
    ),
    _ratio("hashes_per_word", "hashes", "words", "Characters # a word.", f"{_GOPHER}, as in datatrove"),
    _ratio(
        "ellipses_per_word", "ellipses", "words", "Ellipses a word, as three full stops or one character.", f"{_GOPHER}, as in datatrove"
    ),
    _count("stop_word_count", "stop_words", "Stop words, each occurrence counted.", _GOPHER),
    _count("distinct_stop_word_count", "distinct_stop_words", "Different stop words.", f"{_GOPHER}, as in datatrove"),
    _ratio("stop_word_ratio", "stop_words", "words", "Share of stop words in the words.", _REDPAJAMA),
    _ratio("unique_word_ratio", "unique_words", "words", "Different words over words.", _REDPAJAMA),
    Signal(
        "word_entropy",
        "double",
        Count("word_entropy", unit=1_000_000),
        "Entropy of the words' frequencies in nats, to six decimals.",
        _REDPAJAMA,
    ),
    # Lines
    _count("line_count", "lines", "Lines that are not blank.", _FINEWEB),
    _ratio("mean_line_length", "line_characters", "lines", "Mean characters of a line that is not blank.", _CODE),
    _ratio(
        "mean_split_line_length",
        "characters",
        "split_lines",
        "Mean characters of a line, blank ones included, newlines aside.",
        "BigCode, preprocessing; NeMo Curator, PerExtensionFilter",
        without="newlines",
    ),
    _count("longest_line_length", "longest_line", "Characters of the longest line.", _CODE),
    _count("long_line_count", "long_lines", "Lines of at least 200 characters.", "mC4, arXiv:2010.11934, section 3.1"),
    _ratio("short_line_ratio", "short_lines", "lines", "Share of lines of at most 30 characters.", _FINEWEB),
    _ratio("terminal_line_ratio", "terminal_lines", "lines", "Share of lines whose last character ends a sentence.", _FINEWEB),
    _ratio("unpunctuated_line_ratio", "endmark_lines", "lines", "Share of lines that end with none of . ? ! \" '.", _NEMO, rest=True),
    _ratio("endmark_line_ratio", "endmark_lines", "lines", "Share of lines that end with one of . ? ! \" '.", _REDPAJAMA),
    _ratio("newlines_per_word", "newlines", "words", "Newlines a word.", _FINEWEB),
    _ratio("bullet_line_ratio", "bullet_lines", "lines", "Share of lines that begin with one of twelve Unicode bullets.", _NEMO),
    _ratio("star_bullet_line_ratio", "star_bullet_lines", "lines", "Share of lines that begin with * or -.", "dolma, gopher tagger"),
    _ratio(
        "split_dash_bullet_line_ratio",
        "split_dash_bullet_lines",
        "split_lines",
        "Share of lines, blank ones included, that begin with • or -.",
        f"{_GOPHER}, as in datatrove",
    ),
    _ratio("ellipsis_line_ratio", "ellipsis_lines", "lines", "Share of lines that end with an ellipsis.", _REDPAJAMA),
    _ratio(
        "marked_ellipsis_line_ratio",
        "marked_ellipsis_lines",
        "lines",
        "Share of lines that end with an ellipsis, one in brackets, -», `read more` or `read more..`.",
        _NEMO,
    ),
    _ratio(
        "split_ellipsis_line_ratio",
        "split_ellipsis_lines",
        "split_lines",
        "Share of lines, blank ones included, that end with an ellipsis.",
        f"{_GOPHER}, as in datatrove",
    ),
    _ratio("duplicate_line_ratio", "duplicate_lines", "lines", "Share of lines that are equal to an earlier one.", _NEMO),
    _ratio(
        "duplicate_line_character_ratio",
        "duplicate_line_characters",
        "line_characters",
        "Share of lines that are equal to an earlier one, by characters.",
        _NEMO,
    ),
    _ratio(
        "duplicate_line_text_ratio",
        "duplicate_line_characters",
        "characters",
        "Characters of lines that are equal to an earlier one, over all characters but newlines.",
        _FINEWEB,
        less="newlines",
    ),
    _ratio(
        "duplicate_run_line_ratio",
        "duplicate_run_lines",
        "run_lines",
        "Share of pieces between runs of newlines that are equal to an earlier one.",
        f"{_GOPHER}, as in datatrove",
    ),
    _ratio(
        "duplicate_run_line_text_ratio",
        "duplicate_run_line_characters",
        "characters",
        "Characters of pieces between runs of newlines that are equal to an earlier one, over all characters.",
        f"{_GOPHER}, as in datatrove",
    ),
    _ratio("piece_star_bullet_ratio", "star_bullet_pieces", "pieces", "Share of pieces between newlines that begin with * or -.", _DOLMA),
    _ratio("piece_ellipsis_ratio", "ellipsis_pieces", "pieces", "Share of pieces between newlines that end with ….", _DOLMA),
    _ratio("copied_piece_ratio", "copied_pieces", "pieces", "Share of pieces between newlines that are equal to another one.", _DOLMA),
    _ratio(
        "copied_piece_character_ratio",
        "copied_piece_characters",
        "word_characters",
        "Characters of pieces between newlines that are equal to another one, over the characters of words; at most 1.",
        _DOLMA,
        at_most_one=True,
    ),
    _ratio(
        "characters_per_line",
        "characters",
        "split_lines",
        "Characters, newlines too, a line, blank ones included.",
        f"{_DATA_JUICER}, AverageLineLengthFilter",
    ),
    # Paragraphs and phrases
    _ratio(
        "duplicate_paragraph_ratio", "duplicate_paragraphs", "paragraphs", "Share of paragraphs that are equal to an earlier one.", _GOPHER
    ),
    _ratio(
        "duplicate_paragraph_text_ratio",
        "duplicate_paragraph_characters",
        "characters",
        "Characters of paragraphs that are equal to an earlier one, over all characters.",
        _GOPHER,
    ),
    _ratio(
        "duplicate_paragraph_character_ratio",
        "duplicate_paragraph_characters",
        "paragraph_characters",
        "Share of paragraphs that are equal to an earlier one, by characters.",
        _NEMO,
    ),
    _ratio(
        "policy_paragraph_ratio",
        "policy_paragraphs",
        "paragraphs",
        "Share of paragraphs with a phrase such as `privacy policy`; 1 when the text has `lorem ipsum`.",
        _NEMO,
        one_where="lorem_ipsum",
    ),
    _count("policy_phrase_count", "policy_phrases", "Phrases such as `privacy policy` or `uses cookies`.", _C4),
    _count("lorem_ipsum_count", "lorem_ipsum", "Occurrences of `lorem ipsum`.", _C4),
    _count("javascript_count", "javascript", "Occurrences of `javascript`.", _C4),
    *_repetition(),
    Signal(
        "complete_ending",
        "int8",
        Count("complete_ending"),
        "1 when the text ends with a terminator (. ! ? … and those of other scripts), with a mark that ends direct speech, or with "
        "quotes and brackets behind a terminator; else 0.",
        f"{_TUTORIAL}, IncompleteStoryFilter, which looks for . ! ? and double quotes",
    ),
    _count("sentence_count", "sentences", "Sentences by the rules of Unicode (UAX #29); a newline ends one.", _C4),
    # Code
    _count("code_line_count", "newlines", "Newlines and one more.", _CODE, plus=1),
    _count("xml_header", "xml_header", "1 when `<?xml version=` stands in the first 100 characters.", _CODE, kind="int8"),
    _ratio("comment_ratio", "comment_characters", "characters", "Share of comments in the characters; needs `code`.", _CODE),
    _count("html_text_length", "html_text_characters", "Characters of the text of an HTML page.", _CODE),
    _ratio("html_text_ratio", "html_text_characters", "characters", "Share of an HTML page that is text.", _CODE, at_most_one=True),
    # What needs a file
    _count("token_count", "tokens", "Tokens; needs `tokenizer`.", f"{_NEMO}, TokenCountFilter"),
    _ratio("characters_per_token", "characters", "tokens", "Characters a token; needs `tokenizer`.", f"{_CODE}, TokenizerFertilityFilter"),
    _ratio(
        "unicode_alphanumeric_ratio",
        "alphanumerics",
        "characters",
        "Share of letters and numbers in the characters.",
        "BigCode, preprocessing; NeMo Curator, PerExtensionFilter; Data-Juicer, AlphanumericFilter",
    ),
    _ratio(
        "bad_word_ratio",
        "bad_words",
        "words",
        "Words of a list over words, at most 1; needs `bad_words`.",
        "Data-Juicer, FlaggedWordFilter",
        at_most_one=True,
    ),
    _ratio(
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
    _ratio(
        "translation_length_ratio",
        "shorter_words",
        "longer_words",
        "Words of the shorter of the text and its translation over words of the longer; needs `translation_column`.",
        "NeMo Curator, LengthRatioFilter",
    ),
    _count(
        "substring_count",
        "substring_matches",
        "Occurrences of a substring, anywhere or as the beginning or the end of the text; needs `substring`.",
        f"{_NEMO}, SubstringFilter",
    ),
    _count("bad_word_count", "bad_words", "Occurrences of words of a list; needs `bad_words`.", _C4),
    _count("pattern_count", "pattern_matches", "Places at which a pattern matches; needs `pattern`.", "datatrove, RegexFilter"),
)

#: What signals of users are called, so that a file of rules may name them.
USER_PREFIX = "user_"

#: All signals by name.
SIGNALS: Mapping[str, Signal] = {signal.name: signal for signal in _ROWS}


def is_signal_name(name: str) -> bool:
    """Whether a rule may name it: one of ours, or the name of a user's signal."""
    return name in SIGNALS or (name.startswith(USER_PREFIX) and name.isidentifier())
