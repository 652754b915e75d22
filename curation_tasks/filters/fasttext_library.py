"""fastText itself, where a user prefers it to the kernel; and what the kernel is tested against."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from curation_tasks.kernels.fasttext_inference import Predictions, plain_lines
from curation_tasks.kernels.fasttext_tables import LABEL_PREFIX, FastTextModel


def predict_with_library(model: FastTextModel, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, *, k: int = 1) -> Predictions:
    """What ``fasttext_inference.predict`` gives, asked of fastText; ``features`` is only 0 or 1.

    fastText names a label also for a text of which it knows nothing, by the end of the line alone: such a text gets none here.

    Args:
        model: Its file is opened once more, by fastText.
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.
        k: Number of labels wanted.
    """
    k = min(k, len(model.labels))
    library, numbers = _open(model.path), {label: number for number, label in enumerate(model.labels)}
    labels = np.full((len(starts), k), -1, np.int32)
    scores = np.zeros((len(starts), k), np.float32)
    of_nothing = library.f.predict("\n", k, 0.0, "strict")
    for row, line in enumerate(plain_lines(data, starts, ends).to_pylist()):
        # The wrapper's own `predict` fails with NumPy 2.
        found = library.f.predict(line + "\n", k, 0.0, "strict")
        if line and found != of_nothing:
            for place, (score, label) in enumerate(found):
                labels[row, place], scores[row, place] = numbers[label.removeprefix(LABEL_PREFIX)], min(score, 1)
    return Predictions(labels, scores, (labels[:, 0] >= 0).astype(np.int64))


@lru_cache(maxsize=2)
def _open(path: str) -> Any:
    import fasttext

    return fasttext.FastText._FastText(model_path=path)
