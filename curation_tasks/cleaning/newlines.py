"""Line breaks in one spelling, on whole Arrow buffers."""

from __future__ import annotations

import pyarrow as pa

from curation_tasks.cleaning.parameters import NewlinesParameters
from curation_tasks.cleaning.removal import rewritten
from curation_tasks.context import RunContext
from curation_tasks.kernels.newlines import normalize_newlines


def newlines(batch: pa.RecordBatch, parameters: NewlinesParameters, context: RunContext) -> pa.RecordBatch:
    """Makes line breaks alike and shortens runs of them.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.newlines.changed`` (documents).

    Source: ``NewlineNormalizer`` of NeMo Curator, which leaves CR LF as it is and shortens runs of it likewise.
    """
    texts = normalize_newlines(
        batch.column("text"),
        parameters.max_consecutive,
        carriage_returns=parameters.carriage_returns,
        separators=parameters.line_separators,
    )
    return rewritten(batch, texts, context, "cleaning.newlines.changed")
