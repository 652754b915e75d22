"""Lines that are in a list or match a pattern: RE2 and hash lookups on an Arrow array of lines."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.cleaning.line_parameters import LinePatternsParameters
from curation_tasks.cleaning.removal import removed
from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError
from curation_tasks.kernels.line_arrays import join_lines, split_lines
from curation_tasks.kernels.line_scan import count_words

_GZIP = b"\x1f\x8b"


def line_patterns(batch: pa.RecordBatch, parameters: LinePatternsParameters, context: RunContext) -> pa.RecordBatch:
    """Removes lines, each with the line feed behind it. Lines stand between line feeds.

    Reads: ``text``. Rewrites: ``text`` (of documents that it keeps). Adds: ``line_patterns_removed_line_count``,
    ``line_patterns_removed_word_ratio``. Rejects: ``line_patterns.removed_word_ratio.max``. Counters:
    ``cleaning.line_patterns.changed`` (documents).

    Source: ``LineRemover`` of NeMo Curator, which compares whole lines, white space included.
    """
    texts = batch.column("text")
    lines, first_lines = split_lines(texts)
    failed = np.zeros(len(lines), bool)
    if exact := _entries(parameters.exact, parameters.exact_file, context):
        wanted = pa.array(sorted({entry.strip() for entry in exact}), lines.type)
        failed |= pc.is_in(pc.utf8_trim_whitespace(lines), value_set=wanted).to_numpy(zero_copy_only=False)
    for pattern in _entries(parameters.patterns, parameters.patterns_file, context):
        try:
            failed |= pc.match_substring_regex(lines, pattern).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise ConfigError(
                f"{pattern!r} is no expression that RE2 knows: {error}", where="cleaning.line_patterns", remedy="RE2 has no look-around"
            ) from None
    new_texts = join_lines(texts, lines, first_lines, ~failed)
    removed_lines = np.add.reduceat(np.append(failed, False), first_lines[:-1]) if len(batch) else np.zeros(0, np.int64)
    words = count_words(texts)
    ratio = (words - count_words(new_texts)) / np.maximum(words, 1)
    columns = {"line_patterns_removed_line_count": removed_lines.astype(np.int64), "line_patterns_removed_word_ratio": ratio}
    judgements = {reason: (ratio > bound, ratio, bound) for reason, (_, bound) in parameters.thresholds().items()}
    return removed(batch, new_texts, columns, judgements, context, "cleaning.line_patterns.changed")


def _entries(given: tuple[str, ...], file: str | None, context: RunContext) -> tuple[str, ...]:
    return given + (_read(context.local_path(file)) if file else ())


@lru_cache(maxsize=16)
def _read(path: str) -> tuple[str, ...]:
    """The entries of a file.

    Raises:
        ConfigError: It is not UTF-8 text.
    """
    data = Path(path).read_bytes()
    try:
        text = (gzip.decompress(data) if data[:2] == _GZIP else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError("the list cannot be read", where=path, expected="UTF-8 text, one entry a line, or that in gzip") from error
    return tuple(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
