"""A fastText model as tables, as ``fasttext_model`` reads them from its file and ``fasttext_inference`` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

#: Losses by which a model may have been trained.
HIERARCHICAL, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
#: fastText's prefix of labels. It is no part of the file: every program that reads models assumes it.
LABEL_PREFIX = "__label__"


class Vocabulary(NamedTuple):
    """Words and labels of the model, for look-up by hash. Entries are numbered as in the file: words first, then labels.

    Attributes:
        starts, lengths: int64 and int32, shape (entries,): where each stands in the file.
        hashes: uint32, shape (entries,): its FNV-1a hash, fastText's form.
        slots: int32, shape (a power of two,): entry of each slot of the hash table, −1 where there is none.
        words: Number of words.
        end_of_line: Entry of ``</s>``, which fastText adds to every text; −1 when the model does not know it.
    """

    starts: np.ndarray
    lengths: np.ndarray
    hashes: np.ndarray
    slots: np.ndarray
    words: int
    end_of_line: int


class Grams(NamedTuple):
    """How n-grams of characters and words become rows of the input matrix.

    Attributes:
        shortest, longest: Lengths in characters; ``longest`` 0 means none.
        word_grams: Longest n-gram of words; 1 means none.
        buckets: Number of hash buckets.
        reciprocal, shift: For the division by ``buckets``, see ``fasttext_inference.bucket_of``.
        pruned: 1 when only some buckets have a row.
        known: uint64, shape (buckets / 64 rounded up,): bit of each bucket that has one.
        rows: int32, shape (words + buckets,): row of each word and bucket of a pruned model.
    """

    shortest: int
    longest: int
    word_grams: int
    buckets: int
    reciprocal: int
    shift: int
    pruned: int
    known: np.ndarray
    rows: np.ndarray


class Codes(NamedTuple):
    """A quantized matrix that is not decoded: row r is the centroids that its codes name, times its norm.

    Attributes:
        codes: uint8, shape (rows, parts); no rows when the matrix is dense.
        centroids: float32, shape (parts, 256, widest part).
        norms: float32, shape (256,).
        norm_codes: uint8, shape (rows,).
        last_width: Columns of the last part.
    """

    codes: np.ndarray
    centroids: np.ndarray
    norms: np.ndarray
    norm_codes: np.ndarray
    last_width: int


class Output(NamedTuple):
    """The classifier.

    Attributes:
        matrix: float32, shape (nodes, dimensions) for hierarchical softmax, else (dimensions, labels).
        loss: ``HIERARCHICAL``, ``SOFTMAX``, or one of those that judge each label by itself.
        left, right: int32, shape (2 · labels − 1,): children in the Huffman tree of hierarchical softmax, −1 for a leaf. Leaf i
            is label i, the last node is the root.
    """

    matrix: np.ndarray
    loss: int
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, eq=False)
class FastTextModel:
    """A model, ready for ``fasttext_inference``.

    Attributes:
        path: Its file.
        labels: Without fastText's prefix.
        dimensions: Length of an embedding.
        data: uint8: the bytes of the file.
        matrix: float32, shape (rows, dimensions): the embeddings; no rows when they stay in ``codes``.
    """

    path: str
    labels: tuple[str, ...]
    dimensions: int
    data: np.ndarray
    vocabulary: Vocabulary
    grams: Grams
    codes: Codes
    matrix: np.ndarray
    output: Output
