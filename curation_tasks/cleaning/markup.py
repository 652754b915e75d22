"""Markdown, on whole Arrow arrays."""

from __future__ import annotations

import pyarrow as pa

from curation_tasks.cleaning.parameters import MarkdownParameters
from curation_tasks.context import RunContext
from curation_tasks.kernels.markdown import remove_markdown
from curation_tasks.schema import with_columns


def markdown(batch: pa.RecordBatch, parameters: MarkdownParameters, context: RunContext) -> pa.RecordBatch:
    """Removes marks of Markdown and leaves the text that they stand for.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.markdown.changed`` (documents).

    Source: ``MarkdownRemover`` of NeMo Curator, which knows emphasis and links only, and takes the underscores of ``snake_case_names`` for
    emphasis. What may stand around emphasis is that of CommonMark 0.31, section 6.2, for ``_``.
    """
    texts, changed = remove_markdown(batch.column("text"), parameters.kinds())
    if not changed:
        return batch
    context.count("cleaning.markdown.changed", changed)
    return with_columns(batch, {"text": texts})
