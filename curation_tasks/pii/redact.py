"""``pii.redact``: finds personal data and replaces, removes or marks it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.pii.catalog import RedactParameters
from curation_tasks.pii.spans import ENTITIES, SPAN, resolve_overlaps, rewrite, span_column, span_counts
from curation_tasks.schema import with_columns

#: Stages that were told, in this process, that names are looked for without a model.
_told: set[str] = set()


def redact(batch: pa.RecordBatch, parameters: RedactParameters, context: RunContext) -> pa.RecordBatch:
    """Replaces, removes or marks names, e-mail addresses, phone numbers and URLs.

    Overlapping hits become one span that covers all of them, named after the best of them
    (``curation_tasks.pii.spans.resolve_overlaps``). A document without a candidate costs no more than the scan for one,
    and without any hit in the batch the text column is handed on as it is.

    Reads:
        The text column.

    Adds:
        pii_count: int64, number of spans in the document (0 for a null).
        pii_spans: with ``annotate``, ``list<span>`` of start, end, entity and score; start and end are characters (Unicode code
            points) of the document, end exclusive.

    Rejects:
        Nothing.

    Counters:
        ``pii.{entity}`` spans; ``pii.person_without_model`` documents in which names were looked for by the list of given
        names only.

    Source:
        E-mail, phone and URL: the recognizers of Presidio (https://microsoft.github.io/presidio). Names:
        ``curation_tasks.pii.recognizers``.
    """
    column = batch.column(parameters.column)
    offsets, data = text_buffers(column)
    _tell_without_model(len(batch), parameters, context)
    spans = resolve_overlaps(_find(column, offsets, data, parameters, context))
    _count(spans, context)
    added = {"pii_count": pa.array(span_counts(len(batch), spans), pa.int64())}
    if parameters.action == "annotate":
        return with_columns(batch, added | {"pii_spans": span_column(offsets, data, spans)})
    rewritten = rewrite(column, offsets, data, spans, [_replacement(entity, parameters) for entity in ENTITIES])
    return with_columns(batch, {parameters.column: rewritten} | added)


def _find(texts: pa.Array, offsets: np.ndarray, data: np.ndarray, parameters: RedactParameters, context: RunContext) -> np.ndarray:
    found = [np.zeros(0, SPAN)]
    if "PERSON" in parameters.entities:
        found.append(_find_people(texts, offsets, data, parameters, context))
    if len(parameters.entities) > ("PERSON" in parameters.entities):
        found += _find_patterns(offsets, data, parameters)
    spans = np.concatenate(found)
    return spans[spans["score"] >= parameters.score_threshold]


def _find_people(texts: pa.Array, offsets: np.ndarray, data: np.ndarray, parameters: RedactParameters, context: RunContext) -> np.ndarray:
    if parameters.person_engine == "spacy":
        from curation_tasks.pii.recognizers import spacy_model

        model = parameters.spacy_model or context.local_path(parameters.spacy_path)
        return spacy_model.find_names(texts, offsets, model)
    from curation_tasks.pii.recognizers import gazetteer

    return gazetteer.find_names(offsets, data, parameters.language)


def _find_patterns(offsets: np.ndarray, data: np.ndarray, parameters: RedactParameters) -> list[np.ndarray]:
    from curation_tasks.pii.recognizers import patterns

    found = []
    if "EMAIL_ADDRESS" in parameters.entities:
        found.append(patterns.find_emails(offsets, data))
    if "PHONE_NUMBER" in parameters.entities:
        found.append(patterns.find_phones(offsets, data, parameters.phone_regions))
    if "URL" in parameters.entities:
        found.append(patterns.find_urls(offsets, data))
    return found


def _replacement(entity: str, parameters: RedactParameters) -> str:
    return "" if parameters.action == "redact" else parameters.replacements.get(entity, f"<{entity}>")


def _count(spans: np.ndarray, context: RunContext) -> None:
    for index, amount in enumerate(np.bincount(spans["entity"], minlength=len(ENTITIES)).tolist()):
        if amount:
            context.count(f"pii.{ENTITIES[index]}", amount)


def _tell_without_model(rows: int, parameters: RedactParameters, context: RunContext) -> None:
    """Says loudly that names are looked for without a model: once per stage and process, and in the stage's counters."""
    if "PERSON" not in parameters.entities or parameters.person_engine != "gazetteer":
        return
    context.count("pii.person_without_model", rows)
    if context.folder in _told:
        return
    _told.add(context.folder)
    context.logger.warning(
        "NAMES ARE LOOKED FOR WITHOUT A LANGUAGE MODEL: a list of given names finds many, but misses most rare names, surnames "
        "alone and names in other scripts. Text that must hold no names needs a model.",
        operation="pii.redact",
        entity="PERSON",
        remedy="set person_engine: spacy with spacy_model or spacy_path",
    )
