"""``filters.character_histogram``: the share of characters that a language uses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.filters.histogram_parameters import CharacterHistogramParameters
from curation_tasks.filters.routing import routes_of
from curation_tasks.kernels.character_sets import CODE_POINTS, add_character_counts, member_counts
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.schema import reject, with_columns


def character_histogram(batch: pa.RecordBatch, parameters: CharacterHistogramParameters, context: RunContext) -> pa.RecordBatch:
    """Adds the share of a document's characters that are in its histogram, and rejects where it is too small.

    White space counts on neither side. A document without other characters has the share 0; one of a language without a
    histogram has none (null) and is kept.

    Reads: ``text`` (a null counts as the empty text); with ``histograms`` the language column. Adds:
    character_histogram_ratio: double, 0 to 1. Rejects: character_histogram_ratio.min.

    Source:
        The histogram filter of NeMo Curator, after the cleaning of m2m-100 (Fan et al., arXiv:2010.11125). There white space
        counts, and a document of exactly the bound is dropped.
    """
    offsets, data = text_buffers(batch.column("text"))
    chosen = np.zeros(len(batch), np.int64)
    files = (parameters.histogram,)
    if parameters.histograms:
        files = tuple(parameters.histograms.values())
        chosen = routes_of(batch.column(parameters.language_column), tuple(parameters.histograms))
    sets = _sets(tuple(context.local_path(file) for file in files))
    members, characters = member_counts(data, offsets[:-1], offsets[1:], sets, chosen)
    judged = chosen >= 0
    ratio = members / np.maximum(characters, 1)
    return judge(with_columns(batch, {parameters.column: pa.array(ratio, mask=~judged)}), parameters, context)


def judge(batch: pa.RecordBatch, parameters: CharacterHistogramParameters, context: RunContext) -> pa.RecordBatch:
    """The rejections of ``character_histogram`` from the share that it found before; reads no text."""
    if parameters.min_ratio is None:
        return batch
    ratio = batch.column(parameters.column).to_numpy(zero_copy_only=False)  # NaN where null: not judged
    missed = ratio < parameters.min_ratio
    return reject(batch, missed, f"{parameters.column}.min", value=ratio, threshold=parameters.min_ratio)


@lru_cache(maxsize=4)
def _sets(paths: tuple[str, ...]) -> np.ndarray:
    """uint8, shape (files, 0x110000): 1 for the members of each."""
    sets = np.zeros((len(paths), CODE_POINTS), np.uint8)
    for row, path in enumerate(paths):
        sets[row, [ord(character) for character in read_histogram(path)]] = 1
    return sets


def read_histogram(path: str) -> list[str]:
    """The characters of a file: the first one of each line that is not empty.

    Raises:
        InputError: It cannot be read or holds no character.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the histogram of characters cannot be read: {error}", where=path, expected="UTF-8 text") from error
    found = [line[0] for line in text.split("\n") if line]
    if not found:
        raise InputError("the histogram of characters is empty", where=path, expected="one character a line, then a tab and its count")
    return found


def count_characters(texts: Iterable[pa.Array], coverage: float) -> list[tuple[str, int]]:
    """The most frequent characters of texts, white space aside, with their counts; most frequent first, then by code point.

    Args:
        texts: string or large_string arrays.
        coverage: Share of all characters that those returned must make up, 0 to 1. The rest are mostly slips and quotations
            from other languages.
    """
    counts = np.zeros(CODE_POINTS, np.int64)
    for array in texts:
        offsets, data = text_buffers(array)
        add_character_counts(data, offsets[:-1], offsets[1:], counts)
    seen = np.flatnonzero(counts)
    order = seen[np.argsort(-counts[seen], kind="stable")]
    before = np.cumsum(counts[order]) - counts[order]
    wanted = order[before < coverage * counts.sum()]
    return [(chr(code), int(counts[code])) for code in wanted]
