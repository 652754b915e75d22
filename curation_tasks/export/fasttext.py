"""Training files of fastText: one document a line, behind its label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.errors import InputError
from curation_tasks.export.catalog import FastTextExportParameters
from curation_tasks.kernels.fasttext_inference import plain_lines
from curation_tasks.kernels.fasttext_tables import LABEL_PREFIX
from curation_tasks.kernels.utf8 import text_buffers


def write_fasttext(batches: Iterator[pa.RecordBatch], destination: IO[bytes], parameters: FastTextExportParameters) -> None:
    """Writes each text as the line ``__label__NAME text``, as fastText reads it: words joined by single spaces.

    Words that fastText would take for a label or for the end of the line are left out; a null is an empty text.

    Args:
        batches: Of one schema; one of them is held at a time.
        destination: Open for writing, left open. It need not be seekable.
        parameters: The label, or the column that holds it.

    Raises:
        InputError: A document has no label.
    """
    for batch in batches:
        offsets, data = text_buffers(batch.column("text"))
        prefix, space, newline, nothing = (pa.scalar(text, pa.large_string()) for text in (LABEL_PREFIX, " ", "\n", ""))
        lines = plain_lines(data, offsets[:-1], offsets[1:])
        written = pc.binary_join_element_wise(prefix, _labels(batch, parameters), space, lines, newline, nothing)
        destination.write(text_buffers(written)[1])


def _labels(batch: pa.RecordBatch, parameters: FastTextExportParameters) -> pa.Array | pa.Scalar:
    """The label of each document, in which white space, where fastText would cut it off, is ``_``."""
    if parameters.label is not None:
        return pa.scalar(parameters.label, pa.large_string())
    labels = batch.column(str(parameters.label_column)).cast(pa.large_string())
    missing = pc.sum(pc.or_kleene(pc.is_null(labels), pc.equal(labels, ""))).as_py()
    if missing:
        raise InputError(
            f"{missing} of {len(batch)} documents have no label in column {parameters.label_column!r}",
            where="export fasttext",
            expected="a label for each document",
            remedy="reject documents without one before the export, or give `label`",
        )
    return pc.replace_substring_regex(labels, r"[\s\x0b\pZ]+", "_")
