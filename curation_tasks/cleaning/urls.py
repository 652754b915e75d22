"""URLs in running text, on whole Arrow buffers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.cleaning.parameters import UrlsParameters
from curation_tasks.context import RunContext
from curation_tasks.kernels.url_removal import remove_urls
from curation_tasks.schema import with_columns


def urls(batch: pa.RecordBatch, parameters: UrlsParameters, context: RunContext) -> pa.RecordBatch:
    """Removes URLs or puts a word in their place; what a URL is, ``curation_tasks.kernels.url_removal`` says.

    Reads: ``text``. Rewrites: ``text``. Counters: ``cleaning.urls.changed`` (documents), ``cleaning.urls.removed`` (URLs).

    Source: ``UrlRemover`` of NeMo Curator, whose URLs go on to the next white space: here quotes, angle brackets and the punctuation
    of the sentence stay, and so does ``www.`` within a word.
    """
    texts, removed = remove_urls(batch.column("text"), parameters.replacement)
    total = int(removed.sum())
    if not total:
        return batch
    context.count("cleaning.urls.changed", int(np.count_nonzero(removed)))
    context.count("cleaning.urls.removed", total)
    return with_columns(batch, {"text": texts})
