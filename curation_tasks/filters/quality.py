"""Signals and rules: compiled counts of the text, then NumPy.

For a signal that no formula on counts can give, write a function and name it under ``user_signals``::

    user_signals: {user_shouting_ratio: my_package.signals:shouting_ratio}
    extra_rules: [{signal: user_shouting_ratio, max: 0.5}]

NaN, null and infinity are errors and not verdicts, whether or not a rule bounds the signal: say what an empty text is worth.

>>> import numpy as np, pyarrow.compute as pc
>>> def shouting_ratio(texts):
...     '''Share of capitals: an Arrow array of strings in, one float64 a text out.'''
...     capitals = pc.utf8_length(pc.replace_substring_regex(texts, "[^A-Z]", "")).to_numpy()
...     return capitals / np.maximum(pc.utf8_length(texts).to_numpy(), 1)
>>> import pyarrow as pa
>>> shouting_ratio(pa.array(["Mia", "NO!", ""])).tolist()
[0.3333333333333333, 0.6666666666666666, 0.0]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import QualityParameters
from curation_tasks.filters.measures import measured_counts, stop_words_of
from curation_tasks.filters.routing import routes_of
from curation_tasks.filters.signals import MEASURED_COUNTS, SIGNALS
from curation_tasks.filters.user_signals import user_signal
from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.schema import arrow_type, reject_by_rules, with_columns


def quality(batch: pa.RecordBatch, parameters: QualityParameters, context: RunContext) -> pa.RecordBatch:
    """Measures the signals that the rules need and rejects documents that miss a bound; the first one missed is the reason.

    Reads: ``text`` (a null counts as the empty text); with ``by_language`` the column that names the language; the
    ``translation_column``. Adds: a column for each signal. Rejects: the reasons of ``parameters.judged_by()``.

    Source: of each signal in ``curation_tasks.filters.signals``, of each threshold in the file of rules.
    """
    names = parameters.signal_names()
    values = {name: np.zeros(len(batch), _dtype(name)) for name in names}
    for language, rows in _rows_by_language(batch, parameters):
        read = batch.select([*parameters.columns_read(), *(name for name in ("doc_id",) if name in batch.schema.names)])
        chosen = read if len(rows) == len(batch) else read.take(pa.array(rows))
        for name, found in _signals(chosen, names, language, parameters, context).items():
            values[name][rows] = found
    return judge(with_columns(batch, {name: pa.array(values[name]) for name in names}), parameters, context)


def judge(batch: pa.RecordBatch, parameters: QualityParameters, context: RunContext) -> pa.RecordBatch:
    """The rejections of ``quality`` from the signals that it measured before; reads no text.

    Raises:
        ConfigError: A stored signal is null or NaN, of which a bound says nothing.
    """
    judged_by = parameters.judged_by()
    if not judged_by:
        return batch
    rows_of = judged_rows(batch, parameters)
    judged = np.array([batch.column(bound.signal).to_numpy(zero_copy_only=False) for _, bound in judged_by], np.float64)
    limits = np.array([bound.value for _, bound in judged_by])
    below = np.array([bound.side == "min" for _, bound in judged_by])[:, None]
    concerned = np.array([rows_of[bound.reason] for _, bound in judged_by])
    if (nothing := np.isnan(judged) & concerned).any():
        rule = int(np.flatnonzero(nothing.any(axis=1))[0])
        raise ConfigError(
            f"the signal {judged_by[rule][1].signal} is null or NaN for {nothing[rule].sum():,} of {len(batch):,} documents",
            where=context.stage,
            expected="a number for every document that a rule is for",
            remedy="run the stage again: a function of yours that gives no number is refused there, with the documents named",
        )
    missed = np.where(below, judged < limits[:, None], judged > limits[:, None])
    missed &= concerned
    return reject_by_rules(batch, [bound.reason for _, bound in judged_by], missed, judged, limits)


def judged_rows(batch: pa.RecordBatch, parameters: QualityParameters) -> dict[str, np.ndarray]:
    """Reason → bool, shape (rows,): true for documents of the language that its rule is for."""
    masks = {}
    for language, rows in _rows_by_language(batch, parameters):
        masks[language] = np.zeros(len(batch), bool)
        masks[language][rows] = True
    return {bound.reason: masks[language] for language, bound in parameters.judged_by()}


def _dtype(name: str) -> np.dtype:
    return arrow_type(SIGNALS[name].kind if name in SIGNALS else "double").to_pandas_dtype()


def _rows_by_language(batch: pa.RecordBatch, parameters: QualityParameters) -> Iterator[tuple[str | None, np.ndarray]]:
    """The rows of each language that has rules of its own, then, under None, all others."""
    languages = tuple(parameters.by_language)
    if not languages:
        yield None, np.arange(len(batch))
        return
    routes = routes_of(batch.column(parameters.language_column), languages)
    for number, language in enumerate(languages):
        yield language, np.flatnonzero(routes == number)
    yield None, np.flatnonzero(routes < 0)


def _signals(
    batch: pa.RecordBatch, names: tuple[str, ...], language: str | None, parameters: QualityParameters, context: RunContext
) -> dict[str, np.ndarray]:
    texts, choice = batch.column("text"), parameters.choices()[language]
    reads = {count for name in names if name in SIGNALS for count in SIGNALS[name].formula.reads}
    counts = text_counts(
        texts, sorted(reads - set(MEASURED_COUNTS)), words=choice.words, stop_words=stop_words_of(choice, language, context)
    )
    counts |= measured_counts(batch, reads & set(MEASURED_COUNTS), choice, parameters, context)
    own = parameters.user_signals
    return {name: SIGNALS[name].formula(counts) if name in SIGNALS else user_signal(name, own[name], batch) for name in names}
