"""Curly quotation marks to straight ones, on whole Arrow buffers."""

from __future__ import annotations

import pyarrow as pa

from curation_tasks.cleaning.catalog import QuotesParameters
from curation_tasks.context import RunContext
from curation_tasks.kernels.replacement import replace_characters
from curation_tasks.schema import with_columns


def quotes(batch: pa.RecordBatch, parameters: QuotesParameters, context: RunContext) -> pa.RecordBatch:
    """Replaces quotation marks one for one.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.quotes.changed`` (documents).

    Source: ``QuotationUnifier`` of NeMo Curator's TinyStories tutorial: U+2018 and U+2019 become ``'``, U+201C and U+201D ``"``.
    """
    replacements = dict.fromkeys(parameters.single, "'") | dict.fromkeys(parameters.double, '"')
    texts, changed = replace_characters(batch.column("text"), replacements)
    if not changed:
        return batch
    context.count("cleaning.quotes.changed", changed)
    return with_columns(batch, {"text": texts})
