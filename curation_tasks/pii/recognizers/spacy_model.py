"""Names of people by a spaCy model: an installed package, or a saved model in a folder.

Loads spaCy only here, and each model once per process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.errors import ConfigError
from curation_tasks.pii.spans import spans_from

#: Labels that models give to people, and the score of what they find (Presidio's for spaCy entities).
PERSON_LABELS = ("PERSON", "PER")
MODEL_SCORE = 0.85

#: Characters of text that a model is given at once: memory grows with it, by about 1 GB per 100,000 characters at worst.
_PIECE = 50_000


def find_names(texts: pa.Array, offsets: np.ndarray, model: str) -> np.ndarray:
    """Names of people, as the model finds them.

    Args:
        texts: string or large_string, shape (rows,).
        offsets: Its offsets, shape (rows + 1,).
        model: Name of an installed package, or path of a saved model.

    Returns:
        ``SPAN``, in order of rows and positions.

    Raises:
        ConfigError: The model is missing, cannot be loaded, or knows no people.
    """
    found = []
    for document, (row, start) in _load(model).pipe(_pieces(texts), as_tuples=True):
        people = [entity for entity in document.ents if entity.label_ in PERSON_LABELS]
        if not people:
            continue
        text, base = document.text, int(offsets[row]) + start
        for entity in people:
            first = base + len(text[: entity.start_char].encode())
            found.append((row, first, first + len(entity.text.encode())))
    return spans_from(np.array(found, np.int64).reshape(-1, 3), "PERSON", MODEL_SCORE)


def _pieces(texts: pa.Array) -> Iterator[tuple[str, tuple[int, int]]]:
    """Texts in pieces that a model can take, cut at white space where there is any: ``(piece, (row, byte in the row))``."""
    for row, scalar in enumerate(texts):
        text, position = scalar.as_py() or "", 0
        while text:
            cut = len(text) if len(text) <= _PIECE else _last_blank(text[:_PIECE])
            piece, text = text[:cut], text[cut:]
            yield piece, (row, position)
            position += len(piece.encode())


def _last_blank(text: str) -> int:
    blank = re.search(r"\s\S*\Z", text)
    return blank.start() + 1 if blank else len(text)


@cache
def _load(model: str) -> Any:
    import spacy

    try:
        pipeline = spacy.load(model)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"the spaCy model {model!r} cannot be loaded: {str(error).splitlines()[0]}",
            where="pii.redact",
            expected="an installed model package (spacy_model) or a folder written by nlp.to_disk (spacy_path)",
            remedy="install the package in the worker image, or mend the path",
        ) from error
    labels = sorted({label for _, component in pipeline.pipeline for label in getattr(component, "labels", ())})
    if not set(PERSON_LABELS) & set(labels):
        raise ConfigError(
            f"the spaCy model {model!r} has no label for people",
            where="pii.redact",
            expected=f"a component with the label {' or '.join(PERSON_LABELS)}; its labels: {', '.join(labels) or 'none'}",
            remedy="choose a model with named entities, or set person_engine: gazetteer",
        )
    return pipeline
