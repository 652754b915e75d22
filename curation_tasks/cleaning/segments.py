"""Texts split into segments that are documents of their own, and segments joined again, on whole Arrow arrays."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.cleaning.segment_parameters import JoinParameters, SplitParameters
from curation_tasks.context import RunContext
from curation_tasks.schema import with_columns


def split(batch: pa.RecordBatch, parameters: SplitParameters, context: RunContext) -> pa.RecordBatch:
    """Makes a document of each piece of text between separators.

    Reads: ``text``. Rows: split. Rewrites: ``doc_id`` (``{doc_id}#{segment}``), ``text``. Adds: ``segment`` (from 0), ``segment_of`` (the
    identity of the whole). All other columns are repeated. Pieces without anything but white space are left out, but a document keeps
    at least one.

    Source: ``DocumentSplitter`` of NeMo Curator.
    """
    texts = batch.column("text").cast(pa.large_string())
    lists = pc.split_pattern(pc.fill_null(texts, ""), parameters.separator)
    rows, pieces = pc.list_parent_indices(lists).to_numpy(), lists.flatten()
    taken = pc.greater(pc.binary_length(pc.utf8_trim_whitespace(pieces)), 0).to_numpy(zero_copy_only=False)
    first_pieces = np.searchsorted(rows, np.arange(len(batch)))
    taken[first_pieces[np.bincount(rows[taken], minlength=len(batch)) == 0]] = True
    rows, pieces = rows[taken], pieces.filter(pa.array(taken))
    segments = np.arange(len(rows)) - np.searchsorted(rows, rows)
    parts = batch.take(pa.array(rows))
    none = pc.is_null(texts).take(pa.array(rows))
    whole = parts.column("doc_id")
    kind = batch.schema.field("text").type
    return with_columns(
        parts,
        {
            "doc_id": pc.binary_join_element_wise(whole, pa.array(segments).cast(whole.type), "#"),
            "text": pc.if_else(none, pa.scalar(None, pa.large_string()), pieces).cast(kind),
            "segment": pa.array(segments, pa.int64()),
            "segment_of": whole,
        },
    )


def join(batch: pa.RecordBatch, parameters: JoinParameters, context: RunContext) -> pa.RecordBatch:
    """Makes one document of neighbouring segments of the same whole, or several, none longer than ``max_length`` unless it is one segment.

    Reads: ``text``, ``segment_of``. Rows: joined. Rewrites: ``doc_id`` (that of the whole; ``{whole}#{number}`` with ``max_length``),
    ``text``. Adds: ``segment`` (the number, 0 without ``max_length``). All other columns are those of the first segment. Segments that were
    rejected in between are missing.

    Source: ``DocumentJoiner`` of NeMo Curator.
    """
    if len(batch) == 0:
        return with_columns(batch, {"segment": pa.array([], pa.int64())})
    texts = pc.fill_null(batch.column("text").cast(pa.large_string()), "")
    wholes = batch.column("segment_of")
    begins = _group_begins(wholes)
    if parameters.max_length is not None:
        begins = _cut(begins, pc.utf8_length(texts).to_numpy(), len(parameters.separator), parameters.max_length)
    lists = pa.LargeListArray.from_arrays(pa.array(np.append(begins, len(batch)), pa.int64()), texts)
    joined = pc.binary_join(lists, pa.scalar(parameters.separator, pa.large_string()))
    first = batch.take(pa.array(begins))
    groups = np.flatnonzero(np.isin(begins, _group_begins(wholes)))
    numbers = np.arange(len(begins)) - groups[np.searchsorted(groups, np.arange(len(begins)), side="right") - 1]
    identities = pc.coalesce(first.column("segment_of"), first.column("doc_id"))
    if parameters.max_length is not None:
        identities = pc.binary_join_element_wise(identities, pa.array(numbers).cast(identities.type), "#")
    alone = np.diff(np.append(begins, len(batch))) == 1
    none = pc.and_(pa.array(alone), first.column("text").is_null())
    return with_columns(
        first,
        {
            "doc_id": identities,
            "text": pc.if_else(none, pa.scalar(None, pa.large_string()), joined).cast(batch.schema.field("text").type),
            "segment": pa.array(numbers, pa.int64()),
        },
    )


def _group_begins(wholes: pa.Array) -> np.ndarray:
    """Where runs of equal values begin; a null is equal to nothing. int64, shape (groups,)."""
    same = pc.fill_null(pc.equal(wholes[1:], wholes[:-1]), False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.concatenate([[True], ~same]))


def _cut(begins: np.ndarray, lengths: np.ndarray, separator: int, most: int) -> np.ndarray:
    """Begins of groups that are as long as they may be."""
    found = []
    for begin, end in pairwise([*begins.tolist(), len(lengths)]):
        size = -separator
        found.append(begin)
        for row, length in enumerate(lengths[begin:end].tolist(), begin):
            if row > begin and size + separator + length > most:
                found.append(row)
                size = -separator
            size += separator + length
    return np.unique(np.array(found, np.int64))
