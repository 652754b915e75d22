"""Boilerplate paragraphs, on whole Arrow buffers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.cleaning.parameters import BoilerplateParameters
from curation_tasks.cleaning.removal import removed
from curation_tasks.context import RunContext
from curation_tasks.kernels.paragraphs import remove_paragraphs


def boilerplate(batch: pa.RecordBatch, parameters: BoilerplateParameters, context: RunContext) -> pa.RecordBatch:
    """Removes paragraphs with a policy phrase.

    Reads: ``text``. Rewrites: ``text`` (of documents that it keeps). Adds: ``boilerplate_removed_paragraph_count``,
    ``boilerplate_removed_word_ratio``. Rejects: ``boilerplate.lorem_ipsum``, ``boilerplate.removed_word_ratio.max``. Counters:
    ``cleaning.boilerplate.changed`` (documents).

    Source: ``BoilerPlateStringModifier`` of NeMo Curator. There a paragraph ends at exactly two line feeds, and a text with *lorem ipsum*
    becomes empty instead of being rejected.
    """
    texts, counts = remove_paragraphs(batch.column("text"), parameters.phrases, only_edges=parameters.where == "edges")
    ratio = counts["removed_words"] / np.maximum(counts["words"], 1)
    columns = {"boilerplate_removed_paragraph_count": counts["removed_paragraphs"], "boilerplate_removed_word_ratio": ratio}
    judgements = {}
    if parameters.lorem_ipsum == "reject":
        found = pc.fill_null(pc.match_substring(batch.column("text"), "lorem ipsum", ignore_case=True), False)
        judgements["boilerplate.lorem_ipsum"] = (found.to_numpy(zero_copy_only=False), np.full(len(batch), np.nan), np.nan)
    for reason, (_, bound) in parameters.thresholds().items():
        judgements[reason] = (ratio > bound, ratio, bound)
    return removed(batch, texts, columns, judgements, context, "cleaning.boilerplate.changed")
