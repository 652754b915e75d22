"""fastText's model files as tables for the kernels: `.bin` and quantized `.ftz`, supervised models only.

The file is mapped into memory, not read: the embeddings of a model of several gigabytes stay in the page cache, shared by
all workers of a node, and only the rows that texts need are ever loaded. Tables made here take about 12 bytes a word, 4
bytes a bucket for a pruned model, and at most ``DECODED_BYTES`` for quantized embeddings.

Layout of the file, little-endian: magic, version, settings, dictionary (entries, then pruned n-grams), flag and input
matrix (embeddings), flag and output matrix (classifier). A quantized matrix is one byte for each pair (or more) of columns
that names one of 256 centroids, and where the norm is separate, one more byte for it.

Source: Joulin et al., arXiv:1607.01759 and arXiv:1612.03651; the format as of fastText 0.9.3.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from curation_tasks.errors import InputError
from curation_tasks.kernels.compilation import BYTES, inlined, kernel
from curation_tasks.kernels.fasttext_tables import (
    HIERARCHICAL,
    LABEL_PREFIX,
    NEGATIVE_SAMPLING,
    ONE_VS_ALL,
    SOFTMAX,
    Codes,
    FastTextModel,
    Grams,
    Output,
    Vocabulary,
)

#: Quantized embeddings are decoded once when they come to no more than this; larger ones row by row, as they are needed.
DECODED_BYTES = 64 * 2**20

_MAGIC, _NEWEST_VERSION = 793712314, 12
_SUPERVISED = 3
_END_OF_LINE = b"</s>"
_CENTROIDS = 256
_LONGEST_GRAM = 64
#: fastText's weight of a node of the Huffman tree that is not there yet.
_HEAVIEST = 10**15


@lru_cache(maxsize=8)
def load_model(path: str) -> FastTextModel:
    """Opens a model; one copy a process.

    Raises:
        InputError: The file is missing, is no supervised fastText model, or is cut off.
    """
    try:
        with Path(path).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the fastText model cannot be opened: {error}",
            where=path,
            remedy="check that the file is there, is not empty, and may be read",
        ) from error
    try:
        return _read(path, np.frombuffer(mapped, np.uint8))
    except _FormatError as error:
        raise InputError(
            str(error), where=path, expected="a supervised fastText model, .bin or .ftz", remedy="get the file again, or train it anew"
        ) from None


class _FormatError(Exception):
    pass


class _Reader:
    """Walks over the file; every step is checked against its end."""

    def __init__(self, data: np.ndarray):
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple:
        return struct.unpack("<" + form, self.array(np.uint8, struct.calcsize("<" + form)).tobytes())

    def array(self, kind: type, count: int) -> np.ndarray:
        size = np.dtype(kind).itemsize * count
        if count < 0 or self.at + size > len(self.data):
            raise _FormatError("the fastText model ends before its end")
        found = self.data[self.at : self.at + size].view(np.dtype(kind).newbyteorder("<"))
        self.at += size
        return found


def _read(path: str, data: np.ndarray) -> FastTextModel:
    reader = _Reader(data)
    magic, version = reader.values("2i") if len(data) >= 8 else (0, 0)
    if magic != _MAGIC or not 11 <= version <= _NEWEST_VERSION:
        raise _FormatError("this is no fastText model, or one of a version that is not known")
    settings = dict(zip(_SETTINGS, reader.values("12i"), strict=True))
    reader.values("d")
    if settings["model"] != _SUPERVISED or settings["loss"] not in (HIERARCHICAL, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL):
        raise _FormatError("this fastText model holds word vectors, not a classifier")
    longest = 0 if version == 11 else max(0, settings["longest"])
    dimensions, buckets = settings["dimensions"], settings["buckets"]
    vocabulary, label_starts, label_counts, pruned = _read_dictionary(reader)
    if (
        max(longest, settings["word_grams"]) > _LONGEST_GRAM
        or dimensions < 1
        or buckets < 0
        or (buckets == 0 and (longest > 0 or settings["word_grams"] > 1))
    ):
        raise _FormatError("the settings in the fastText model are out of bounds or contradict each other")

    (quantized,) = reader.values("?")
    rows, codes, matrix = _read_matrix(reader, quantized, dimensions, DECODED_BYTES)
    grams = _grams(settings["shortest"], longest, settings["word_grams"], buckets, pruned, vocabulary.words, rows)
    (output_quantized,) = reader.values("?")
    output_rows, _, output_matrix = _read_matrix(reader, quantized and output_quantized, dimensions, decoded_bytes=2**62)
    labels = [bytes(data[start : start + length]).decode("utf-8", "replace").removeprefix(LABEL_PREFIX) for start, length in label_starts]
    if output_rows != len(labels):
        raise _FormatError(f"the fastText model has {len(labels)} labels and a classifier of {output_rows} rows")
    hierarchical = settings["loss"] == HIERARCHICAL
    left, right = _huffman_tree(label_counts) if hierarchical else (_frozen(np.zeros(0, np.int32)),) * 2
    output = Output(
        _frozen(np.array(output_matrix if hierarchical else output_matrix.T, np.float32, order="C")), settings["loss"], left, right
    )
    return FastTextModel(path, tuple(labels), dimensions, data, vocabulary, grams, codes, matrix, output)


_SETTINGS = (
    "dimensions", "window", "epochs", "min_count", "negatives", "word_grams", "loss", "model", "buckets", "shortest", "longest", "rate",
)  # fmt: skip


def _read_dictionary(reader: _Reader) -> tuple[Vocabulary, list[tuple[int, int]], list[int], np.ndarray | None]:
    """The vocabulary, place and count of each label, and the pruned n-grams ``(bucket, row)``, None when nothing is pruned."""
    entries, words, labels = reader.values("3i")
    _, pruned_count = reader.values("2q")
    if min(entries, words) < 0 or labels < 1 or words + labels != entries or entries > len(reader.data):
        raise _FormatError("the dictionary of the fastText model contradicts itself")
    starts, lengths, hashes, counts = (np.zeros(entries, kind) for kind in (np.int64, np.int32, np.uint32, np.int64))
    kinds = np.zeros(entries, np.int8)
    end = _scan_entries(reader.data, reader.at, starts, lengths, hashes, counts, kinds)
    if end < 0 or (kinds[:words] != 0).any() or (kinds[words:] != 1).any():
        raise _FormatError("the dictionary of the fastText model is cut off or out of order")
    reader.at = end
    size = 8
    while size < 2 * entries:
        size *= 2
    slots = np.full(size, -1, np.int32)
    _fill_slots(hashes, slots)
    pruned = None if pruned_count < 0 else reader.array(np.int32, 2 * pruned_count).reshape(-1, 2)
    candidates = np.flatnonzero(lengths[:words] == len(_END_OF_LINE))
    end_of_line = next((entry for entry in candidates if bytes(reader.data[starts[entry] :][:4]) == _END_OF_LINE), -1)
    vocabulary = Vocabulary(*map(_frozen, (starts, lengths, hashes, slots)), words, int(end_of_line))
    return vocabulary, list(zip(starts[words:].tolist(), lengths[words:].tolist(), strict=True)), counts[words:].tolist(), pruned


@inlined
def next_hash(value, byte):
    """One step of FNV-1a in fastText's form: bytes are signed, so those above 127 also flip the upper bits."""
    return np.uint32((value ^ np.uint32(np.int8(byte))) * np.uint32(16777619))


FIRST_HASH = np.uint32(2166136261)


@kernel(f"int64({BYTES}, int64, int64[::1], int32[::1], uint32[::1], int64[::1], int8[::1])")
def _scan_entries(data, at, starts, lengths, hashes, counts, kinds):
    """Finds the entries of the dictionary: text, 0, count, kind. Returns where they end, −1 when the file is cut off."""
    for entry in range(starts.shape[0]):
        starts[entry] = at
        value = FIRST_HASH
        while at < data.shape[0] and data[at] != 0:
            value = next_hash(value, data[at])
            at += 1
        if at + 10 > data.shape[0]:
            return np.int64(-1)
        lengths[entry], hashes[entry] = at - starts[entry], value
        count = np.int64(0)
        for k in range(8):
            count |= np.int64(data[at + 1 + k]) << (8 * k)
        counts[entry], kinds[entry] = count, np.int8(data[at + 9])
        at += 10
    return np.int64(at)


@kernel("void(uint32[::1], int32[::1])")
def _fill_slots(hashes, slots):
    for entry in range(hashes.shape[0]):
        slot = np.int64(hashes[entry]) & (slots.shape[0] - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (slots.shape[0] - 1)
        slots[slot] = entry


def _grams(shortest: int, longest: int, word_grams: int, buckets: int, pruned: np.ndarray | None, words: int, rows: int) -> Grams:
    """The way from a hash to a row of the input matrix; every row that it can name exists.

    For the division, ``shift`` is 31 + ⌈log2 buckets⌉, so that the reciprocal fits 32 bits.
    """
    shift = 31 + max(1, (max(buckets, 1) - 1).bit_length())
    reciprocal = (1 << shift) // max(buckets, 1)
    known, row_of = np.zeros(0, np.uint64), np.zeros(0, np.int32)
    if pruned is None:
        if rows < words + (buckets if longest > 0 or word_grams > 1 else 0):
            raise _FormatError("the fastText model has fewer embeddings than words and buckets")
    else:
        bucket, row = pruned[:, 0].astype(np.int64), pruned[:, 1].astype(np.int64)
        if rows < words or (len(bucket) and (min(bucket.min(), row.min()) < 0 or bucket.max() >= buckets or row.max() >= rows - words)):
            raise _FormatError("the pruned n-grams of the fastText model point outside of its embeddings")
        known = np.zeros(-(-max(buckets, 1) // 64), np.uint64)
        np.bitwise_or.at(known, bucket >> 6, np.uint64(1) << (bucket & 63).astype(np.uint64))
        row_of = np.full(words + buckets, -1, np.int32)
        row_of[:words] = np.arange(words)
        row_of[words + bucket] = words + row
    return Grams(max(shortest, 1), longest, max(word_grams, 1), buckets, reciprocal, shift, int(pruned is not None),
                 _frozen(known), _frozen(row_of))  # fmt: skip


def _read_matrix(reader: _Reader, quantized: bool, dimensions: int, decoded_bytes: int) -> tuple[int, Codes, np.ndarray]:
    """Number of rows, codes and dense values; either codes or values are empty."""
    if not quantized:
        rows, columns = reader.values("2q")
        _check_columns(rows, columns, dimensions)
        return rows, _no_codes(), reader.array(np.float32, rows * columns).reshape(rows, columns)
    (separate_norm,) = reader.values("?")
    rows, columns = reader.values("2q")
    _check_columns(rows, columns, dimensions)
    (size,) = reader.values("i")
    codes = reader.array(np.uint8, size)
    centroids, last_width = _read_centroids(reader, columns)
    parts = len(centroids)
    if size != rows * parts:
        raise _FormatError("the codes of the quantized fastText model do not fit its size")
    norms, norm_codes = np.ones(_CENTROIDS, np.float32), np.zeros(rows, np.uint8)
    if separate_norm:
        norm_codes = reader.array(np.uint8, rows)
        norms = _read_centroids(reader, 1)[0][0, :, 0]
    found = Codes(*map(_frozen, (codes.reshape(rows, parts), centroids, norms, norm_codes)), last_width)
    if 4 * rows * columns > decoded_bytes:
        return rows, found, _frozen(np.zeros((0, columns), np.float32))
    return rows, _no_codes(), _frozen(_decoded(found, columns))


def _check_columns(rows: int, columns: int, dimensions: int) -> None:
    if rows < 1 or columns != dimensions:
        raise _FormatError(f"a matrix of the fastText model has shape {rows} × {columns}; its embeddings have {dimensions} columns")


def _read_centroids(reader: _Reader, columns: int) -> tuple[np.ndarray, int]:
    """Centroids of each part, float32, shape (parts, 256, width), zeros behind those of a narrower last part; and its width."""
    dimensions, parts, width, last_width = reader.values("4i")
    if dimensions != columns or parts < 1 or width < 1 or not 1 <= last_width <= width or (parts - 1) * width + last_width != columns:
        raise _FormatError("the centroids of the quantized fastText model do not fit its size")
    values = reader.array(np.float32, dimensions * _CENTROIDS)
    centroids = np.zeros((parts, _CENTROIDS, width), np.float32)
    whole = (parts - 1) * _CENTROIDS * width
    centroids[:-1] = values[:whole].reshape(parts - 1, _CENTROIDS, width)
    centroids[-1, :, :last_width] = values[whole:].reshape(_CENTROIDS, last_width)
    return centroids, last_width


def _decoded(found: Codes, columns: int) -> np.ndarray:
    values = np.empty((len(found.codes), columns), np.float32)
    for part in range(found.codes.shape[1]):
        begin = part * found.centroids.shape[2]
        stop = min(begin + found.centroids.shape[2], columns)
        values[:, begin:stop] = found.centroids[part, :, : stop - begin][found.codes[:, part]]
    values *= found.norms[found.norm_codes][:, None]
    return values


def _no_codes() -> Codes:
    return Codes(
        _frozen(np.zeros((0, 0), np.uint8)), _frozen(np.zeros((0, 0, 0), np.float32)), _frozen(np.zeros(0, np.float32)),
        _frozen(np.zeros(0, np.uint8)), 0,
    )  # fmt: skip


def _huffman_tree(counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Children of each node of the tree over labels sorted by falling count, built as fastText does: ties take the newer node."""
    labels = len(counts)
    if min(counts) < 0 or max(counts) >= _HEAVIEST:
        raise _FormatError("the labels of the fastText model have impossible counts")
    weights = [*counts, *[_HEAVIEST] * (labels - 1)]
    left, right = np.full(2 * labels - 1, -1, np.int32), np.full(2 * labels - 1, -1, np.int32)
    leaf, node = labels - 1, labels
    for parent in range(labels, 2 * labels - 1):
        lightest = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                lightest.append(leaf)
                leaf -= 1
            else:
                lightest.append(node)
                node += 1
        left[parent], right[parent] = lightest
        weights[parent] = weights[lightest[0]] + weights[lightest[1]]
    return _frozen(left), _frozen(right)


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
