"""``filters.fasttext_quality``: the probability that a document is like the good examples of a classifier."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.filters.classifier_parameters import FastTextQualityParameters
from curation_tasks.kernels.fasttext_inference import predict, scores_of
from curation_tasks.kernels.fasttext_model import load_model
from curation_tasks.kernels.identity import hashed_uniform
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.schema import reject, with_columns

_DECIMALS = 6


def fasttext_quality(batch: pa.RecordBatch, parameters: FastTextQualityParameters, context: RunContext) -> pa.RecordBatch:
    """Adds the probability of a label, and rejects by it.

    With ``keep: pareto`` a document stays if a draw from a Pareto (Lomax) distribution exceeds 1 - score: always at score 1,
    and with the probability (2 - score)^-alpha below it. The draw is a hash of seed and doc_id, so a document's fate does
    not depend on batches, workers or retries.

    Reads: ``text`` (a null counts as the empty text, which has score 0); with ``keep: pareto`` ``doc_id``.
    Adds: quality_score: double, 0 to 1. Rejects: quality_score.min, quality_score.pareto.

    Raises:
        ConfigError: The model has no such label.

    Source:
        Brown et al., "Language Models are Few-Shot Learners", arXiv:2005.14165, appendix A.
    """
    model = load_model(context.local_path(parameters.model))
    if parameters.label not in model.labels:
        raise ConfigError(
            f"the model has no label {parameters.label!r}; {did_you_mean(parameters.label, model.labels)}", where=parameters.model
        )
    offsets, data = text_buffers(batch.column("text"))
    if parameters.engine == "fasttext":
        from curation_tasks.filters.fasttext_library import predict_with_library as ask
    else:
        ask = predict
    found = ask(model, data, offsets[:-1], offsets[1:], k=len(model.labels))
    score = np.round(scores_of(found, model.labels.index(parameters.label)).astype(np.float64), _DECIMALS)
    return judge(with_columns(batch, {parameters.column: pa.array(score)}), parameters, context)


def judge(batch: pa.RecordBatch, parameters: FastTextQualityParameters, context: RunContext) -> pa.RecordBatch:
    """The rejections of ``fasttext_quality`` from the scores that it gave before; reads no text."""
    score = batch.column(parameters.column).to_numpy()
    if parameters.keep == "min_score":
        bound = parameters.min_score
        return reject(batch, score < bound, f"{parameters.column}.min", value=score, threshold=bound)
    if parameters.keep == "pareto":
        chance = hashed_uniform(batch.column("doc_id"), parameters.seed)
        draw = (1 - chance) ** (-1 / parameters.alpha) - 1
        return reject(batch, draw <= 1 - score, f"{parameters.column}.pareto", value=score)
    return batch
