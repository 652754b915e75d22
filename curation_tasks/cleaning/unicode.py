"""ftfy at the price of a scan: only lines that it could change are given to it.

ftfy mends a text line by line at 2–5 MB/s, and nearly all lines need no mending. ``unicode_gate`` proves that of most of
them while scanning the Arrow buffer, first for whole documents, then for the lines of those that are left. The result is
that of ``ftfy.fix_text`` for every input.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.cleaning.parameters import UnicodeParameters
from curation_tasks.cleaning.unicode_gate import suspicion_of
from curation_tasks.context import RunContext
from curation_tasks.kernels.suspects import Suspicion
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.schema import with_columns

_LINE_FEED = 10
#: Options of ftfy that ``fix_text`` passes on only when it explains what it does.
_EXPLAINED = ("restore_byte_a0", "replace_lossy_sequences", "decode_inconsistent_utf8", "fix_c1_controls")


def unicode(batch: pa.RecordBatch, parameters: UnicodeParameters, context: RunContext) -> pa.RecordBatch:
    """Applies ``ftfy.fix_text``.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.unicode.changed`` (documents), ``cleaning.unicode.suspected``
    (documents that the scan could not rule out).

    Source: ``UnicodeReformatter`` of NeMo Curator, whose settings are the defaults; ftfy 6.3.
    """
    texts = batch.column("text")
    suspicion = suspicion_of(parameters)
    offsets, data = text_buffers(texts)
    suspects = np.flatnonzero(suspicion.find(data, offsets[:-1], offsets[1:]))
    if not len(suspects):
        return batch
    context.count("cleaning.unicode.suspected", len(suspects))
    fixed = dict(_fixed_rows(data, offsets, suspects, suspicion, _config(parameters)))
    if not fixed:
        return batch
    context.count("cleaning.unicode.changed", len(fixed))
    return with_columns(batch, {"text": _replaced(texts, fixed)})


def _config(parameters: UnicodeParameters) -> ftfy.TextFixerConfig:
    # Without `explain`, ftfy forgets four of its options and goes by their defaults; explaining costs time.
    options = parameters.model_dump()
    return ftfy.TextFixerConfig(**options, explain=not all(options[name] for name in _EXPLAINED))


def _fixed_rows(
    data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, suspicion: Suspicion, config: ftfy.TextFixerConfig
) -> Iterator[tuple[int, bytes]]:
    """The new UTF-8 of those of the given rows that change."""
    row_of, starts, ends = _lines(data, offsets, rows)
    lines = np.flatnonzero(suspicion.find(data, starts, ends))
    found = zip(row_of[lines].tolist(), starts[lines].tolist(), ends[lines].tolist(), strict=True)
    for row, spans in groupby(found, key=itemgetter(0)):
        text = data[offsets[row] : offsets[row + 1]].tobytes()
        begin = int(offsets[row])
        fixed = _fixed_text(text, [(start - begin, end - begin) for _, start, end in spans], config)
        if fixed != text:
            yield row, fixed


def _lines(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lines of some rows, each with its line feed, as ``(row, start, end)``: int64, shape (lines,) each."""
    starts, ends, counts = [], [], []
    for row in rows.tolist():
        begin, end = offsets[row], offsets[row + 1]
        breaks = np.flatnonzero(data[begin:end] == _LINE_FEED) + begin + 1
        cuts = np.concatenate([[begin], breaks, [end]])
        starts.append(cuts[:-1])
        ends.append(cuts[1:])
        counts.append(len(cuts) - 1)
    return np.repeat(rows, counts), np.concatenate(starts), np.concatenate(ends)


def _fixed_text(text: bytes, spans: list[tuple[int, int]], config: ftfy.TextFixerConfig) -> bytes:
    """A text with some of its lines given to ftfy.

    ftfy treats lines one by one, but for one thing: with ``auto``, entities stay as they are from the first line on that
    has a ``<``.
    """
    pieces = []
    done = 0
    for start, end in spans:
        if config.unescape_html == "auto" and b"<" in text[done:start]:
            config = config._replace(unescape_html=False)
        line = text[start:end]
        pieces += [text[done:start], ftfy.fix_text(line.decode(), config).encode()]
        if config.unescape_html == "auto" and b"<" in line:
            config = config._replace(unescape_html=False)
        done = end
    return b"".join([*pieces, text[done:]])


def _replaced(texts: pa.Array, fixed: dict[int, bytes]) -> pa.Array:
    """The texts with some rows exchanged."""
    mask = np.zeros(len(texts), bool)
    mask[list(fixed)] = True
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = texts.cast(pa.large_string())
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(list(fixed.values()), texts.type))
