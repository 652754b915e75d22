"""Every rule of the peers has a rule, a signal or an operation here: the table of which is which."""

import pytest

from curation_tasks.catalog import load_catalog
from curation_tasks.filters.rule_files import load_shipped
from curation_tasks.filters.signals import SIGNALS

#: Rule of a peer → (rule set, signal, side, bound of ours). "1 −" rules of NeMo Curator are bounded from the other side.
RULES = {
    "NeMo NonAlphaNumericFilter": ("nemo_english", "non_alphanumeric_ratio", "max", 0.25),
    "NeMo SymbolsToWordsFilter": ("nemo_multilingual", "symbol_word_ratio", "max", 0.1),
    "NeMo NumbersFilter": ("nemo_multilingual", "digit_ratio", "max", 0.15),
    "NeMo UrlsFilter": ("nemo_multilingual", "url_ratio", "max", 0.2),
    "NeMo WhiteSpaceFilter": ("nemo_multilingual", "white_space_ratio", "max", 0.25),
    "NeMo ParenthesesFilter": ("nemo_multilingual", "bracket_ratio", "max", 0.1),
    "NeMo BoilerPlateStringFilter": ("nemo_multilingual", "policy_paragraph_ratio", "max", 0.4),
    "NeMo RepeatedLinesFilter": ("nemo_multilingual", "duplicate_line_ratio", "max", 0.3),
    "NeMo RepeatedParagraphsFilter": ("nemo_multilingual", "duplicate_paragraph_ratio", "max", 0.3),
    "NeMo RepeatedLinesByCharFilter": ("nemo_multilingual", "duplicate_line_character_ratio", "max", 0.2),
    "NeMo RepeatedParagraphsByCharFilter": ("nemo_multilingual", "duplicate_paragraph_character_ratio", "max", 0.2),
    "NeMo WordCountFilter, least": ("nemo_multilingual", "word_count", "min", 50),
    "NeMo WordCountFilter, most": ("nemo_multilingual", "word_count", "max", 100_000),
    "NeMo PunctuationFilter": ("nemo_multilingual", "unpunctuated_line_ratio", "max", 0.85),
    "NeMo WordsWithoutAlphabetsFilter": ("nemo_english", "alphabetic_word_ratio", "min", 0.8),
    "NeMo CommonEnglishWordsFilter": ("nemo_english", "stop_word_count", "min", 2),
    "NeMo MeanWordLengthFilter, least": ("nemo_multilingual", "mean_word_length", "min", 3),
    "NeMo MeanWordLengthFilter, most": ("nemo_multilingual", "mean_word_length", "max", 10),
    "NeMo LongWordFilter": ("nemo_multilingual", "longest_word_length", "max", 1000),
    "NeMo EllipsisFilter": ("nemo_multilingual", "marked_ellipsis_line_ratio", "max", 0.3),
    **{
        f"NeMo RepeatingTopNGramsFilter {n}": ("nemo_english", f"top_{n}_gram_ratio", "max", bound)
        for n, bound in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"NeMo RepeatingDuplicateNGramsFilter {n}": ("nemo_english", f"covered_{n}_gram_ratio", "max", (20 - n) / 100) for n in range(5, 11)
    },
    "NeMo BulletsFilter": ("nemo_multilingual", "bullet_line_ratio", "max", 0.9),
    "NeMo comments to code, least": ("code_comments", "comment_ratio", "min", 0.001),
    "NeMo comments to code, most": ("code_comments", "comment_ratio", "max", 0.85),
    "NeMo NumberOfLinesOfCodeFilter, least": ("code", "code_line_count", "min", 5),
    "NeMo NumberOfLinesOfCodeFilter, most": ("code", "code_line_count", "max", 20_000),
    "NeMo TokenizerFertilityFilter": ("code_tokens", "characters_per_token", "min", 2),
    "NeMo XMLHeaderFilter": ("code", "xml_header", "max", 0),
    "NeMo AlphaFilter": ("code", "letter_ratio", "min", 0.25),
    "NeMo HTMLBoilerplateFilter, ratio": ("code_html", "html_text_ratio", "min", 0.2),
    "NeMo HTMLBoilerplateFilter, length": ("code_html", "html_text_length", "min", 100),
    "datatrove and DCLM, words, least": ("gopher_quality", "plain_word_count", "min", 50),
    "datatrove and DCLM, words, most": ("gopher_quality", "plain_word_count", "max", 100_000),
    "datatrove and DCLM, word length, least": ("gopher_quality", "mean_plain_word_length", "min", 3),
    "datatrove and DCLM, word length, most": ("gopher_quality", "mean_plain_word_length", "max", 10),
    "datatrove, # a word": ("gopher_quality", "hashes_per_word", "max", 0.1),
    "datatrove, ellipses a word": ("gopher_quality", "ellipses_per_word", "max", 0.1),
    "datatrove, bullets": ("gopher_quality", "split_dash_bullet_line_ratio", "max", 0.9),
    "datatrove, ellipsis lines": ("gopher_quality", "split_ellipsis_line_ratio", "max", 0.3),
    "datatrove, words with letters": ("gopher_quality", "alphabetic_word_ratio", "min", 0.8),
    "datatrove, stop words": ("gopher_quality", "distinct_stop_word_count", "min", 2),
    "datatrove, duplicate lines": ("gopher_repetition", "duplicate_run_line_ratio", "max", 0.3),
    "datatrove, duplicate lines by characters": ("gopher_repetition", "duplicate_run_line_text_ratio", "max", 0.2),
    "datatrove, duplicate paragraphs": ("gopher_repetition", "duplicate_paragraph_ratio", "max", 0.3),
    "datatrove, duplicate paragraphs by characters": ("gopher_repetition", "duplicate_paragraph_text_ratio", "max", 0.2),
    **{
        f"datatrove, top {n}-gram": ("gopher_repetition", f"top_{n}_gram_length_ratio", "max", bound)
        for n, bound in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{f"datatrove, duplicate {n}-grams": ("gopher_repetition", f"duplicate_{n}_gram_ratio", "max", (20 - n) / 100) for n in range(5, 11)},
    "C4, lorem ipsum": ("c4", "lorem_ipsum_count", "max", 0),
    "C4, curly bracket": ("c4", "curly_bracket_count", "max", 0),
    "C4, sentences": ("c4", "sentence_count", "min", 5),
    "C4, bad words": ("c4_bad_words", "bad_word_count", "max", 0),
    "C4Paragraph, three of 200 characters": ("mc4", "long_line_count", "min", 3),
    "NeMo LengthRatioFilter": ("translation_pairs", "translation_length_ratio", "min", 0.3333334),
    "datatrove UnigramLogProbFilter": ("word_frequencies", "mean_word_log_probability", "min", -10),
    "Data-Juicer text_length": ("data_juicer", "character_count", "min", 10),
    "Data-Juicer words_num": ("data_juicer", "word_count", "min", 10),
    "Data-Juicer average_line_length": ("data_juicer", "characters_per_line", "min", 10),
    "Data-Juicer maximum_line_length": ("data_juicer", "longest_line_length", "min", 10),
    "Data-Juicer alphanumeric": ("data_juicer", "unicode_alphanumeric_ratio", "min", 0.25),
    "Data-Juicer special_characters": ("data_juicer", "special_character_ratio", "max", 0.25),
    "Data-Juicer character_repetition": ("data_juicer", "character_repetition_ratio", "max", 0.5),
    "Data-Juicer word_repetition": ("data_juicer", "word_repetition_ratio", "max", 0.5),
    "Data-Juicer stopwords": ("data_juicer_words", "stop_word_ratio", "min", 0.3),
    "Data-Juicer flagged_words": ("data_juicer_words", "bad_word_ratio", "max", 0.045),
    "Data-Juicer perplexity; KenLM of datatrove and DCLM": ("data_juicer_perplexity", "perplexity", "max", 1500),
    "FineWeb, line ends": ("fineweb", "terminal_line_ratio", "min", 0.12),
    "FineWeb, short lines": ("fineweb", "short_line_ratio", "max", 0.67),
    "FineWeb, duplicate lines": ("fineweb", "duplicate_line_text_ratio", "max", 0.01),
    "FineWeb, newlines a word": ("fineweb", "newlines_per_word", "max", 0.3),
}
#: Rule of a peer without a threshold in a shipped set → signal of ours, for `extra_rules`.
SIGNALS_ALONE = {
    "NeMo PornographicUrlsFilter": "adult_url_count",
    "NeMo SubstringFilter": "substring_count",
    "NeMo TokenCountFilter": "token_count",
    "datatrove RegexFilter": "pattern_count",
    "dolma, words": "word_count",
    "dolma, median word length": "median_word_length",
    "dolma, share of words with # or …": "marked_word_ratio",
    "dolma, bullets * and -": "piece_star_bullet_ratio",
    "dolma, lines that end with …": "piece_ellipsis_ratio",
    "dolma, share of words with letters": "alphabetic_word_ratio",
    "dolma, required words": "stop_word_count",
    "dolma, duplicate lines, all copies": "copied_piece_ratio",
    "dolma, duplicate lines by characters": "copied_piece_character_ratio",
    **{f"dolma, most common {n}-gram without spaces": f"top_{n}_gram_letter_ratio" for n in (2, 3, 4)},
    **{f"dolma, duplicate {n}-grams, all copies": f"repeated_{n}_gram_ratio" for n in range(5, 11)},
    "DCLM, words without letters": "non_alphabetic_word_ratio",
    "DCLM, stop words with each occurrence": "stop_word_count",
}
#: Rule or modifier of a peer → operation of ours.
OPERATIONS = {
    "NeMo HistogramFilter": "filters.character_histogram",
    "NeMo PerExtensionFilter": "filters.extension",
    "NeMo FastTextQualityFilter": "filters.fasttext_quality",
    "NeMo FastTextLangId; datatrove LanguageFilter": "filters.language",
    "datatrove URLFilter; dolma URL taggers": "filters.url",
    "C4 and RefinedWeb, lines": "cleaning.lines",
    "NeMo UnicodeReformatter": "cleaning.unicode",
    "NeMo NewlineNormalizer": "cleaning.newlines",
    "NeMo UrlRemover": "cleaning.urls",
    "NeMo LineRemover": "cleaning.line_patterns",
    "NeMo MarkdownRemover": "cleaning.markdown",
    "NeMo QuotationRemover": "cleaning.enclosing_quotes",
    "NeMo QuotationUnifier": "cleaning.quotes",
    "NeMo Slicer": "cleaning.slice",
    "NeMo BoilerPlateStringModifier": "cleaning.boilerplate",
    "NeMo DocumentSplitter": "cleaning.split",
    "NeMo DocumentJoiner": "cleaning.join",
    "NeMo PiiModifier; datatrove PIIFormatter": "pii.redact",
}
#: Modifier of a peer → export of ours.
EXPORTS = {"NeMo FastTextLabelModifier": "fasttext"}
#: What the peers have and this project has not, and why.
MISSING = {
    "NeMo QualityEstimationFilter": "judged by a transformer model",
    "NeMo EasinessFilter": "judged by a transformer model",
    "NeMo AnswerabilityFilter": "judged by a transformer model",
}


@pytest.mark.parametrize(("peer", "ours"), RULES.items())
def test_a_rule_has_the_published_bound(peer, ours):
    rule_set, signal, side, bound = ours
    bounds = [getattr(rule, side) for rule in load_shipped(rule_set).rules if rule.signal == signal]
    assert [value for value in bounds if value is not None] == [pytest.approx(bound)]


def test_what_is_no_shipped_rule_is_a_signal_or_an_operation():
    assert set(SIGNALS_ALONE.values()) <= set(SIGNALS)
    assert set(OPERATIONS.values()) <= set(load_catalog().operations)
    assert set(EXPORTS.values()) <= set(load_catalog().exports)
    assert not MISSING.keys() & {*RULES, *SIGNALS_ALONE, *OPERATIONS, *EXPORTS}


def test_no_shipped_rule_is_of_nobody():
    named = {(rule_set, signal) for rule_set, signal, *_ in RULES.values()}
    assert {signal for rule_set, signal in named if rule_set == "nemo_multilingual"} | {
        "alphabetic_word_ratio", "stop_word_count", "non_alphanumeric_ratio", *(name for _, name in named if "_gram_" in name)
    } >= {rule.signal for rule in load_shipped("nemo_english").rules}  # fmt: skip
