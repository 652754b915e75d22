"""Counts that need a file or a library: tokens, words of a list, matches of a pattern, comments, the text of HTML."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import QualityParameters, RuleChoice, stop_word_lists
from curation_tasks.filters.language_codes import list_for
from curation_tasks.functions import load_function
from curation_tasks.kernels.comments import comment_characters

#: Texts that a tokenizer is given at a time: what it makes of them is many times larger than they are.
_TOKENIZED_TEXTS = 256


def measured_counts(
    texts: pa.Array, names: Collection[str], choice: RuleChoice, parameters: QualityParameters, context: RunContext
) -> dict[str, np.ndarray]:
    """The counts of ``filters.signals.MEASURED_COUNTS`` that are wanted.

    Args:
        texts: string or large_string, shape (rows,); a null counts as the empty text.
        names: Those that are wanted.
        choice: Rules of the language of the texts.
        parameters: Of the operation.
        context: Of the run, for the files.

    Returns:
        Name → int64, shape (rows,).
    """
    measures: Mapping[str, Callable[[pa.Array], np.ndarray]] = {
        "tokens": lambda texts: _tokens(texts, context.local_path(str(parameters.tokenizer))),
        "bad_words": lambda texts: (
            _bad_words(texts, context.local_path(str(choice.bad_words)), choice.bad_words_inside)
            if choice.bad_words
            else np.zeros(len(texts), np.int64)
        ),
        "pattern_matches": lambda texts: _matches(texts, str(parameters.pattern)),
        "comment_characters": lambda texts: comment_characters(texts, str(parameters.code)),
        "substring_matches": lambda texts: _substring(texts, str(parameters.substring), parameters.substring_position),
        "alphanumerics": alphanumerics,
        "html_text_characters": _html_text,
    }
    texts = pc.fill_null(texts, "")
    return {name: measures[name](texts) for name in sorted(names)}


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
def _tokenizer(path: str) -> Any:
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
    tokenizer = _tokenizer(path)
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
        raise ConfigError(f"not a pattern of RE2: {str(error)[:200]}", where=where or f"pattern {pattern!r}") from error


def _substring(texts: pa.Array, wanted: str, position: str) -> np.ndarray:
    count = {"any": pc.count_substring, "prefix": pc.starts_with, "suffix": pc.ends_with}[position]
    return count(texts, wanted).cast(pa.int64()).to_numpy()


def alphanumerics(texts: pa.Array) -> np.ndarray:
    """Letters and numbers of each text, int64, shape (rows,)."""
    return _matches(texts, r"[\pL\pN]")


def _html_text(texts: pa.Array) -> np.ndarray:
    from resiliparse.extract.html2text import extract_plain_text

    lengths = [len(extract_plain_text(text, main_content=False, links=False)) if text else 0 for text in texts.to_pylist()]
    return np.array(lengths, np.int64)


def user_signal(place: str, texts: pa.Array) -> np.ndarray:
    """What a user's function says of the texts.

    Raises:
        ConfigError: It is not there, or does not give one number a text.
    """
    values = np.asarray(load_function(place)(pc.fill_null(texts, "")), np.float64)
    if values.shape != (len(texts),):
        raise ConfigError(f"the signal {place} gave an array of shape {values.shape}", expected=f"({len(texts)},): one number a text")
    return values
