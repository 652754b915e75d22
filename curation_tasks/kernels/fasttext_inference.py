"""What a fastText model says of texts, straight from Arrow buffers: the labels of fastText itself, several times as fast.

A text becomes *features*, each a row of the input matrix: every word that the model knows, the n-grams of characters of
``<word>``, n-grams of words, and the end of the line. Their mean is the *hidden* vector; the classifier makes scores of it.
Sums are taken in fastText's order, in 32 bits as there, so that labels are equal but where two scores differ in their last
bits.

Where the time goes, and what is done about it:

- An n-gram's bucket is a hash modulo the number of buckets. The division is two multiplications (``bucket_of``).
- A pruned model knows few of its buckets. Whether it does is a bit of a table that fits the cache, and the answer, which no
  processor can foretell, moves the end of a list instead of deciding a branch.
- Rows are added only when many features are there, in a loop of its own that the compiler turns into vector instructions.
- Of hierarchical softmax, branches worse than the best labels so far are given up, as fastText does.
- Of a softmax over thousands of labels the classifier lies transposed: a step adds one dimension to the scores of all labels,
  which vector instructions do, while each label's sum keeps its order. Label by label, every addition waits for the one before.

Unlike fastText, which reads one line and stops at a word ``</s>``, white space is white space here, line breaks included,
and the words ``</s>`` and ``__label__…`` are left out: a text cannot hide its rest or name its own label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

from curation_tasks.errors import InputError
from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.fasttext_features import hidden_vector, next_word
from curation_tasks.kernels.fasttext_tables import HIERARCHICAL, SOFTMAX, Codes, FastTextModel, Grams, Output, Vocabulary

#: Features gathered before their rows are added.
_GATHERED = 16_384
#: fastText gives up a branch whose logarithm is below this: log(0 + 1e-5).
_LEAST_LOGARITHM = np.float32(math.log(1e-5))
_SIGMOID_STEPS, _SIGMOID_BOUND = 512, 8


@dataclass(frozen=True)
class Predictions:
    """What a model says of some texts.

    Attributes:
        labels: int32, shape (texts, k): indices into the model's labels, best first; −1 behind the last one.
        scores: float32, shape (texts, k): their probabilities, 0 to 1; 0 behind the last one.
        features: int64, shape (texts,): how many features the text has, its end not counted. 0: the model knows nothing of it.
    """

    labels: np.ndarray
    scores: np.ndarray
    features: np.ndarray


def predict(model: FastTextModel, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, *, k: int = 1) -> Predictions:
    """The best labels of texts that lie in a buffer.

    A text without features gets no label. Of equal scores the label comes first that the model's file has last (of
    hierarchical softmax: that stands last in its tree), as with fastText when it is asked for one label.

    Args:
        model: Of ``fasttext_model.load_model``.
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins in ``data``.
        ends: int64, shape (texts,): where it ends.
        k: Number of labels wanted.

    Raises:
        InputError: The model yields numbers that are none.
    """
    k = min(k, len(model.labels))
    labels = np.full((len(starts), k), -1, np.int32)
    scores = np.zeros((len(starts), k), np.float32)
    features = np.zeros(len(starts), np.int64)
    starts, ends = (positions(array) for array in (starts, ends))
    _predict(
        data, starts, ends, model.data, model.vocabulary, model.grams, model.codes, model.matrix, model.output, labels, scores, features
    )
    if np.isnan(scores).any():
        raise InputError("the fastText model yields NaN", where=model.path, remedy="its training went wrong; train it anew")
    return Predictions(labels, scores, features)


def scores_of(found: Predictions, label: int) -> np.ndarray:
    """The probability of one label, float32, shape (texts,); 0 for a text without features.

    Args:
        found: Predictions of all labels.
        label: Index of the label.
    """
    return np.where(found.labels == label, found.scores, np.float32(0)).sum(axis=1, dtype=np.float32)


def plain_lines(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Texts as one line each, as the model sees them: words joined by single spaces, without the words that are left out.

    What fastText is given where it is trained or asked itself.

    Args:
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.

    Returns:
        large_string, shape (texts,).
    """
    lines = np.empty(int((ends - starts).sum()), np.uint8)
    offsets = np.zeros(len(starts) + 1, np.int64)
    _write_lines(data, *(positions(array) for array in (starts, ends)), lines, offsets)
    return pa.Array.from_buffers(pa.large_string(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(lines[: offsets[-1]])])


@inlined
def _dot(matrix, row, hidden):
    product = np.float32(0)
    for column in range(hidden.shape[0]):
        product += matrix[row, column] * hidden[column]
    return product


@inlined
def _exponential(value):
    """Taken in 64 bits: libraries of mathematics differ in the last bit, and not in the last of 32."""
    return np.float32(math.exp(np.float64(value)))


@inlined
def _logarithm(value):
    return np.float32(math.log(np.float64(value) + 1e-5))


@inlined
def _insert(label, score, labels, scores):
    """Puts a label into its place among the best, before those of equal score."""
    place = labels.shape[0] - 1
    if labels[place] >= 0 and scores[place] > score:
        return
    while place > 0 and (labels[place - 1] < 0 or scores[place - 1] <= score):
        labels[place], scores[place] = labels[place - 1], scores[place - 1]
        place -= 1
    labels[place], scores[place] = label, score


@inlined
def _best_of_tree(hidden, matrix, left, right, nodes, node_scores, labels, scores):
    """Hierarchical softmax: the best leaves, as logarithms. Depth first; a branch worse than the worst wanted is given up."""
    leaves = matrix.shape[0]
    last = labels.shape[0] - 1
    nodes[0], node_scores[0] = 2 * leaves - 2, np.float32(0)
    depth = 1
    while depth > 0:
        depth -= 1
        node, score = nodes[depth], node_scores[depth]
        if score < _LEAST_LOGARITHM or (labels[last] >= 0 and score < scores[last]):
            continue
        if left[node] < 0:
            _insert(node, score, labels, scores)
            continue
        product = _dot(matrix, node - leaves, hidden)
        if product != product:
            labels[0], scores[0] = 0, product
            return
        chance = np.float32(1.0 / np.float64(np.float32(1) + _exponential(-product)))
        nodes[depth], node_scores[depth] = right[node], score + _logarithm(chance)
        nodes[depth + 1], node_scores[depth + 1] = left[node], score + _logarithm(np.float32(1) - chance)
        depth += 2


@inlined
def _sigmoid(value):
    """fastText's sigmoid, a table of 512 steps."""
    if value != value:
        return value
    if value < -_SIGMOID_BOUND:
        return np.float32(0)
    if value > _SIGMOID_BOUND:
        return np.float32(1)
    step = np.int64((value + np.float32(_SIGMOID_BOUND)) * np.float32(_SIGMOID_STEPS) / np.float32(_SIGMOID_BOUND) / np.float32(2))
    place = np.float32(np.float32(step * 2 * _SIGMOID_BOUND) / np.float32(_SIGMOID_STEPS) - np.float32(_SIGMOID_BOUND))
    return np.float32(1.0 / (1.0 + np.float64(_exponential(-place))))


@inlined
def _best_of_rows(hidden, matrix, softmax, values, labels, scores):
    """Softmax, or independent labels: the best ones, as logarithms. ``matrix`` has shape (dimensions, labels)."""
    count = matrix.shape[1]
    values[:] = np.float32(0)
    for column in range(matrix.shape[0]):
        weight = hidden[column]
        for label in range(count):
            values[label] += matrix[column, label] * weight
    highest = np.float32(-np.inf)
    for label in range(count):
        highest = max(highest, values[label])
    if softmax:
        total = np.float32(0)
        for label in range(count):
            values[label] = _exponential(values[label] - highest)
            total += values[label]
        for label in range(count):
            values[label] /= total
    else:
        for label in range(count):
            values[label] = _sigmoid(values[label])
    for label in range(count):
        _insert(label, _logarithm(values[label]), labels, scores)


def _readonly(kind: numba.types.Type, dimensions: int = 1, *, aligned: bool = True) -> numba.types.Array:
    return numba.types.Array(kind, dimensions, "C", readonly=True, aligned=aligned)


_INT32, _INT64, _BYTE, _FLOAT = numba.types.int32, numba.types.int64, numba.types.uint8, numba.types.float32
_VOCABULARY = numba.types.NamedTuple(
    [_readonly(_INT64), _readonly(_INT32), _readonly(numba.types.uint32), _readonly(_INT32), _INT64, _INT64], Vocabulary
)
_GRAMS = numba.types.NamedTuple([*[_INT64] * 7, _readonly(numba.types.uint64), _readonly(_INT32)], Grams)
_CODES = numba.types.NamedTuple([_readonly(_BYTE, 2), _readonly(_FLOAT, 3), _readonly(_FLOAT), _readonly(_BYTE), _INT64], Codes)
_OUTPUT = numba.types.NamedTuple([_readonly(_FLOAT, 2), _INT64, _readonly(_INT32), _readonly(_INT32)], Output)
#: The embeddings lie in the file wherever its dictionary ends.
_MATRIX = _readonly(_FLOAT, 2, aligned=False)


@kernel(
    numba.types.void(
        _readonly(_BYTE), _readonly(_INT64), _readonly(_INT64), _readonly(_BYTE), _VOCABULARY, _GRAMS, _CODES, _MATRIX, _OUTPUT,
        _INT32[:, ::1], _FLOAT[:, ::1], _INT64[::1],
    )
)  # fmt: skip
def _predict(data, starts, ends, file, vocabulary, grams, codes, matrix, output, labels, scores, features):
    longest = np.int64(0)
    for row in range(starts.shape[0]):
        longest = max(longest, ends[row] - starts[row])
    # Memory that is not written to is not taken, so the bounds cost nothing.
    word = np.empty(longest + 2, np.uint8)
    word_hashes = np.empty(longest // 2 + 2 if grams.word_grams > 1 else 0, np.int32)
    gathered = np.empty(_GATHERED + grams.longest + 1, np.int64)
    classifier, left, right = output.matrix, output.left, output.right
    tree = output.loss == HIERARCHICAL
    count = classifier.shape[0] if tree else classifier.shape[1]
    hidden, values = np.empty(classifier.shape[1] if tree else classifier.shape[0], np.float32), np.empty(count, np.float32)
    nodes, node_scores = np.empty(count + 1, np.int32), np.empty(count + 1, np.float32)
    for row in range(starts.shape[0]):
        features[row] = hidden_vector(
            data, starts[row], ends[row], file, vocabulary, grams, codes, matrix, gathered, word, word_hashes, hidden
        )
        if features[row] == 0:
            continue
        if tree:
            _best_of_tree(hidden, classifier, left, right, nodes, node_scores, labels[row], scores[row])
        else:
            _best_of_rows(hidden, classifier, output.loss == SOFTMAX, values, labels[row], scores[row])
        for k in range(labels.shape[1]):
            if labels[row, k] >= 0:
                scores[row, k] = min(_exponential(scores[row, k]), np.float32(1))


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, uint8[::1], int64[::1])")
def _write_lines(data, starts, ends, lines, offsets):
    out = 0
    for row in range(starts.shape[0]):
        at, first = starts[row], True
        while True:
            start, at = next_word(data, at, ends[row])
            if start == at:
                break
            if not first:
                lines[out] = 32
                out += 1
            first = False
            for k in range(start, at):
                lines[out] = data[k]
                out += 1
        offsets[row + 1] = out
