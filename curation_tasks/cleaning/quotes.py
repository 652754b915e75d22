"""Quotation marks: curly ones to straight ones, and those around a whole text away, on whole Arrow buffers."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.cleaning.parameters import EnclosingQuotesParameters, QuotesParameters
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


def enclosing_quotes(batch: pa.RecordBatch, parameters: EnclosingQuotesParameters, context: RunContext) -> pa.RecordBatch:
    """Takes one pair of quotation marks off a text that, white space around it aside, begins and ends with it.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.enclosing_quotes.changed`` (documents).

    A text stays as it is when one of the marks stands within it too: then the outer ones need not belong together
    (``"Hi," he said. "Bye."``). Source: ``QuotationRemover`` of NeMo Curator, which takes the marks off such a text if it has one line.
    """
    texts = batch.column("text")
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = texts.cast(pa.large_string())
    changed = 0
    for opening, closing in parameters.pairs:
        stripped = pc.utf8_trim_whitespace(texts)
        enclosed = pc.and_(pc.starts_with(stripped, opening), pc.ends_with(stripped, closing))
        if not enclosed.true_count:
            continue
        inside = pc.utf8_slice_codeunits(stripped, 1, -1)
        both = pc.or_(pc.match_substring(inside, opening), pc.match_substring(inside, closing))
        alone = pc.and_(pc.greater(pc.binary_length(stripped), len(opening.encode())), pc.invert(both))
        mask = pc.fill_null(pc.and_(enclosed, alone), False)
        changed += mask.true_count
        texts = pc.if_else(mask, inside, texts)
    if not changed:
        return batch
    context.count("cleaning.enclosing_quotes.changed", changed)
    return with_columns(batch, {"text": texts})
