"""Parts of texts, on whole Arrow buffers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.cleaning.parameters import SliceParameters
from curation_tasks.cleaning.removal import removed, rewritten
from curation_tasks.context import RunContext
from curation_tasks.kernels.slices import Edge, slice_texts


def sliced(batch: pa.RecordBatch, parameters: SliceParameters, context: RunContext) -> pa.RecordBatch:
    """Cuts a part out of each text; a text without a marker stays, becomes empty or is rejected, as ``missing`` says.

    Reads: ``text``. Rewrites: ``text``. Rejects: ``slice.marker_missing``. Counters: ``cleaning.slice.changed``,
    ``cleaning.slice.marker_missing`` (documents).

    Source: ``Slicer`` of NeMo Curator.
    """
    left, right = Edge(parameters.left, parameters.include_left), Edge(parameters.right, parameters.include_right)
    texts, missing = slice_texts(batch.column("text"), left, right, stripped=parameters.strip)
    if count := int(np.count_nonzero(missing)):
        context.count("cleaning.slice.marker_missing", count)
    if parameters.missing == "reject":
        judgements = {"slice.marker_missing": (missing, np.full(len(batch), np.nan), np.nan)}
        return removed(batch, texts, {}, judgements, context, "cleaning.slice.changed")
    if parameters.missing == "empty":
        texts = pc.if_else(pa.array(missing), pa.scalar("", texts.type), texts)
    return rewritten(batch, texts, context, "cleaning.slice.changed")
