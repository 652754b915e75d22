"""Signals and rules: one compiled pass over the text, then NumPy.

For a signal that no formula on counts can give, write an operation of your own: one that adds a column and rejects by it.

>>> import numpy as np, pyarrow.compute as pc
>>> from curation_tasks.parts import operation
>>> from curation_tasks.schema import reject, with_columns
>>> @operation("house.shouting", adds={"shouting_ratio": "double"}, rejects=["house.shouting_ratio.max"])
... def shouting(batch, parameters, context):
...     '''Rejects texts of which more than half is in capitals.'''
...     text = pc.fill_null(batch.column("text"), "")
...     capitals = pc.utf8_length(pc.replace_substring_regex(text, "[^A-Z]", "")).to_numpy()
...     ratio = capitals / np.maximum(pc.utf8_length(text).to_numpy(), 1)
...     batch = with_columns(batch, {"shouting_ratio": ratio})
...     return reject(batch, ratio > 0.5, "house.shouting_ratio.max", value=ratio, threshold=0.5)
>>> from curation_tasks.testing import check_operation
>>> check_operation(shouting)
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.filters.catalog import QualityParameters
from curation_tasks.filters.signals import SIGNALS
from curation_tasks.kernels.text_counts import LONGEST_GRAM, text_counts
from curation_tasks.schema import arrow_type, reject_by_rules, with_columns


def quality(batch: pa.RecordBatch, parameters: QualityParameters, context: RunContext) -> pa.RecordBatch:
    """Measures the signals that the rules need and rejects documents that miss a bound; the first one missed is the reason.

    Reads: ``text`` (a null counts as the empty text). Adds: a column for each signal. Rejects: the reasons of
    ``parameters.bounds``.

    Source: of each signal in ``curation_tasks.filters.signals``, of each threshold in the file of rules.
    """
    names = parameters.signal_names()
    counts = text_counts(batch.column("text"), longest_gram=_longest_gram(names))
    values = {name: SIGNALS[name].formula(counts) for name in names}
    batch = with_columns(batch, {name: pa.array(values[name], arrow_type(SIGNALS[name].kind)) for name in names})
    if not parameters.bounds:
        return batch
    judged = np.array([values[bound.signal] for bound in parameters.bounds], np.float64)
    limits = np.array([bound.value for bound in parameters.bounds])
    below = np.array([bound.side == "min" for bound in parameters.bounds])[:, None]
    missed = np.where(below, judged < limits[:, None], judged > limits[:, None])
    return reject_by_rules(batch, [bound.reason for bound in parameters.bounds], missed, judged, limits)


def _longest_gram(names: tuple[str, ...]) -> int:
    """How far n-grams are to be counted."""
    needed = {count for name in names for count in SIGNALS[name].formula.reads}
    return max((n for n in range(2, LONGEST_GRAM + 1) if f"top_{n}_gram_characters" in needed), default=0)
