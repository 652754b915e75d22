"""Counts that need a file, a library or another column, or a pass of their own over the text."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import QualityParameters, RuleChoice, stop_word_lists
from curation_tasks.filters.language_codes import list_for
from curation_tasks.filters.perplexity import line_scores
from curation_tasks.kernels.character_repetition import character_runs
from curation_tasks.kernels.character_sets import characters_of_set
from curation_tasks.kernels.characters import letters_and_numbers, special_characters
from curation_tasks.kernels.comments import comment_characters
from curation_tasks.kernels.newline_pieces import piece_counts
from curation_tasks.kernels.text_counts import WordScores, text_counts

#: Texts that a tokenizer is given at a time: what it makes of them is many times larger than they are.
_TOKENIZED_TEXTS = 256
#: From the first mark to the end of the word, so that a word is found once.
_MARKED_WORD = r"[#\x{2026}][^\s\x0B\x1C-\x1F\x{85}\pZ]*"
#: What stands between two words for Data-Juicer: white space with the special characters beside it.
_BETWEEN_WORDS = r"[\pN\pP\pS]*[\s\x0B\x1C-\x1F\x{85}\pZ][\s\x0B\x1C-\x1F\x{85}\pZ\pN\pP\pS]*"
#: What the table of frequencies does not list is taken for so rare (datatrove).
_UNLISTED_PROBABILITY = 1e-9
_MEND_TABLE = "mend the file that `word_frequencies` names, or name another"


def measured_counts(
    batch: pa.RecordBatch, names: Collection[str], choice: RuleChoice, parameters: QualityParameters, context: RunContext
) -> dict[str, np.ndarray]:
    """The counts of ``filters.signals.MEASURED_COUNTS`` that are wanted.

    Args:
        batch: With the columns of ``parameters.columns_read()``; a null counts as the empty text.
        names: Those that are wanted.
        choice: Rules of the language of the texts.
        parameters: Of the operation.
        context: Of the run, for the files.

    Returns:
        Name → int64, shape (rows,).
    """
    texts = pc.fill_null(batch.column("text"), "")
    # Names that are counted together → what counts them.
    measures: Mapping[tuple[str, ...], Callable[[], Sequence[np.ndarray]]] = {
        ("tokens",): lambda: [_tokens(texts, context.local_path(str(parameters.tokenizer)))],
        ("bad_words",): lambda: [
            _bad_words(texts, context.local_path(str(choice.bad_words)), choice.bad_words_inside)
            if choice.bad_words
            else np.zeros(len(texts), np.int64)
        ],
        ("pattern_matches",): lambda: [_matches(texts, str(parameters.pattern))],
        ("comment_characters",): lambda: [comment_characters(texts, str(parameters.code))],
        ("substring_matches",): lambda: [_substring(texts, str(parameters.substring), parameters.substring_position)],
        ("alphanumerics",): lambda: [alphanumerics(texts)],
        ("special_characters",): lambda: [characters_of_set(texts, special_characters())],
        ("character_runs", "frequent_character_runs"): lambda: character_runs(texts),
        ("word_runs", "repeated_word_runs"): lambda: _word_runs(texts),
        ("pieces", "star_bullet_pieces", "ellipsis_pieces", "copied_pieces", "copied_piece_characters"): lambda: piece_counts(texts),
        ("marked_words",): lambda: [_matches(texts, _MARKED_WORD)],
        ("word_log_probabilities",): lambda: [
            _log_probabilities(texts, context.local_path(str(parameters.word_frequencies)), choice.words)
        ],
        ("shorter_words", "longer_words"): lambda: _words_of_both(texts, batch.column(str(parameters.translation_column)), choice.words),
        ("negative_log_scores", "scored_words"): lambda: line_scores(
            texts,
            context.local_path(str(parameters.language_model)),
            tokenizer_of(context.local_path(parameters.tokenizer)) if parameters.tokenizer else None,
        ),
        ("html_text_characters",): lambda: [_html_text(texts)],
    }
    found: dict[str, np.ndarray] = {}
    for together, measure in measures.items():
        if not set(together).isdisjoint(names):
            found |= dict(zip(together, measure(), strict=True))
    return found


def stop_words_of(choice: RuleChoice, language: str | None, context: RunContext) -> tuple[str, ...]:
    """The stop words to count: those of the file, of the language that is named, of the language routed by, or English ones."""
    if choice.stop_words_file:
        return _lines(context.local_path(choice.stop_words_file))
    lists = stop_word_lists()
    return lists[list_for(choice.stop_words or language or "en", tuple(lists)) or "en"]


@lru_cache(maxsize=64)
def _lines(path: str) -> tuple[str, ...]:
    """The lines of a file, without blank ones and white space at their ends."""
    try:
        return tuple(line.strip() for line in Path(path).read_text("utf-8").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise ConfigError(f"a list of words cannot be read: {error}", where=path, expected="UTF-8 text, one word a line") from error


@lru_cache(maxsize=4)
def tokenizer_of(path: str) -> Any:
    # The workers of the stage are the parallelism.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:
        raise ConfigError(f"not a tokenizer: {error}", where=path, expected="a tokenizer.json of Hugging Face") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _tokens(texts: pa.Array, path: str) -> np.ndarray:
    tokenizer = tokenizer_of(path)
    counts: list[int] = []
    for start in range(0, len(texts), _TOKENIZED_TEXTS):
        encoded = tokenizer.encode_batch_fast(texts.slice(start, _TOKENIZED_TEXTS).to_pylist(), add_special_tokens=False)
        counts += [len(encoding) for encoding in encoded]
    return np.array(counts, np.int64)


@lru_cache(maxsize=64)
def _bad_words_pattern(path: str, inside: bool) -> str | None:
    words = sorted({re.escape(word.lower()).replace("\\-", "-") for word in _lines(path)}, key=lambda word: (-len(word), word))
    if not words:
        return None
    # RE2's \W and \b know only ASCII.
    border = r"[^\pL\pM\pN_]"
    return "|".join(words) if inside else f"(?:^|{border})(?:{'|'.join(words)})(?:{border}|$)"


def _bad_words(texts: pa.Array, path: str, inside: bool) -> np.ndarray:
    pattern = _bad_words_pattern(path, inside)
    return _matches(pc.utf8_lower(texts), pattern, path) if pattern else np.zeros(len(texts), np.int64)


def _matches(texts: pa.Array, pattern: str, where: str | None = None) -> np.ndarray:
    try:
        return pc.count_substring_regex(texts, pattern).to_numpy().astype(np.int64)
    except pa.ArrowInvalid as error:
        raise ConfigError(
            f"not a pattern of RE2: {str(error)[:200]}",
            where=where or f"pattern {pattern!r}",
            remedy="mend it; RE2 knows neither look-around nor back-references",
        ) from error


def _substring(texts: pa.Array, wanted: str, position: str) -> np.ndarray:
    count = {"any": pc.count_substring, "prefix": pc.starts_with, "suffix": pc.ends_with}[position]
    return count(texts, wanted).cast(pa.int64()).to_numpy()


def alphanumerics(texts: pa.Array) -> np.ndarray:
    """Letters and numbers of each text, int64, shape (rows,)."""
    return characters_of_set(texts, letters_and_numbers())


@lru_cache(maxsize=4)
def _word_probabilities(path: str) -> WordScores:
    """The words of a table with their log probabilities in millionths of a nat."""
    expected = "a CSV file with the columns word and count, each word once and with a count above 0"
    try:
        types = {"word": pa.string(), "count": pa.int64()}
        options = csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=False)
        table = csv.read_csv(path, convert_options=options)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ConfigError(
            f"a table of word frequencies cannot be read: {str(error)[:200]}", where=path, expected=expected, remedy=_MEND_TABLE
        ) from error
    words, counts = table["word"].to_pylist(), table["count"].to_numpy()
    if not words or "" in words or len(set(words)) < len(words) or table["count"].null_count or counts.min() < 1:
        raise ConfigError(
            "a table of word frequencies has no rows, or one without a word of its own or a count", where=path, expected=expected,
            remedy=_MEND_TABLE,
        )  # fmt: skip
    scores = np.round(1e6 * np.log(counts / counts.sum()))
    return WordScores.of(words, scores, round(1e6 * math.log(_UNLISTED_PROBABILITY)))


def _log_probabilities(texts: pa.Array, path: str, words: str) -> np.ndarray:
    scores = _word_probabilities(path)
    return text_counts(pc.utf8_lower(texts), ["word_scores"], words=words, word_scores=scores)["word_scores"]


def _word_runs(texts: pa.Array) -> Sequence[np.ndarray]:
    # White space at both ends, so that the special characters there are beside some too.
    space, nothing = (pa.scalar(text, texts.type) for text in (" ", ""))
    padded = pc.binary_join_element_wise(space, pc.utf8_lower(texts), space, nothing)
    counts = text_counts(pc.replace_substring_regex(padded, _BETWEEN_WORDS, " "), ["all_10_grams", "repeated_10_grams"])
    return counts["all_10_grams"], counts["repeated_10_grams"]


def _words_of_both(texts: pa.Array, translations: pa.Array, words: str) -> Sequence[np.ndarray]:
    counts = [text_counts(array, ["words"], words=words)["words"] for array in (texts, translations)]
    return np.minimum(*counts), np.maximum(*counts)


def _html_text(texts: pa.Array) -> np.ndarray:
    from resiliparse.extract.html2text import extract_plain_text

    lengths = [len(extract_plain_text(text, main_content=False, links=False)) if text else 0 for text in texts.to_pylist()]
    return np.array(lengths, np.int64)
