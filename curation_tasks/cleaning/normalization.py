"""Forms of texts for comparison, on whole Arrow arrays."""

from __future__ import annotations

import pyarrow as pa

from curation_tasks.cleaning.parameters import NormalizeParameters
from curation_tasks.context import RunContext
from curation_tasks.kernels.normalization import normalize
from curation_tasks.schema import with_columns


def normalized(batch: pa.RecordBatch, parameters: NormalizeParameters, context: RunContext) -> pa.RecordBatch:
    """Writes the form of a text in which near-equal texts are equal, for hashing or for joins.

    Reads: ``text``. Adds: the column ``into``, null where the text is; or rewrites ``text``.
    """
    texts = batch.column("text")
    kind = pa.large_string() if pa.types.is_large_string(texts.type) else pa.string()
    return with_columns(batch, {parameters.into: normalize(texts.cast(kind), parameters.steps)})
