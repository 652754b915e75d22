"""How well a classifier tells two sets apart."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Of the Pareto rule, as ``filters.fasttext_quality`` has it by default.
PARETO_ALPHA = 3
#: Bounds for which the table of precision and recall has a row.
BOUNDS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def precision_recall_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall for each bound that changes them.

    Args:
        scores: float32, shape (documents,).
        positive: bool, shape (documents,): true for some, false for others.

    Returns:
        ``(bounds, precision, recall)``, float64, by falling bound: what is kept has a score of at least the bound.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    right = np.cumsum(positive[order])[last_of_score]
    return scores[order][last_of_score].astype(np.float64), right / (last_of_score + 1), right / positive.sum()


def measure(scores: np.ndarray, positive: np.ndarray) -> dict[str, Any]:
    """Figures of a classifier: areas, a table by bound, and what keeping by chance would keep.

    ``average_precision`` is the step-wise area below precision over recall, ``roc_area`` the probability that a positive document
    has the higher score (an equal one counts half).

    Args:
        scores: float32, shape (documents,).
        positive: bool, shape (documents,).
    """
    _, precision, recall = precision_recall_curve(scores, positive)
    good, bad = np.sort(scores[positive]), np.sort(scores[~positive])
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    kept_by_chance = (2 - scores.astype(np.float64)) ** -PARETO_ALPHA
    return {
        "documents": len(scores),
        "positive": int(positive.sum()),
        "average_precision": _rounded(np.sum(np.diff(recall, prepend=0) * precision)),
        "roc_area": _rounded(below.sum() / 2 / len(good) / len(bad)),
        "by_bound": [_at(bound, scores, positive) for bound in BOUNDS],
        "pareto": {
            "alpha": PARETO_ALPHA,
            "kept_positive_ratio": _rounded(kept_by_chance[positive].mean()),
            "kept_negative_ratio": _rounded(kept_by_chance[~positive].mean()),
        },
    }


def _at(bound: float, scores: np.ndarray, positive: np.ndarray) -> dict[str, float | None]:
    kept = scores >= np.float32(bound)
    right = int((kept & positive).sum())
    precision = right / int(kept.sum()) if kept.any() else None
    recall = right / int(positive.sum())
    return {
        "min_score": bound,
        "precision": None if precision is None else _rounded(precision),
        "recall": _rounded(recall),
        "f1": _rounded(2 * precision * recall / (precision + recall)) if precision and recall else 0.0,
        "kept_ratio": _rounded(kept.mean()),
        "kept_negative_ratio": _rounded(kept[~positive].mean()),
    }


def _rounded(value: float) -> float:
    return round(float(value), 6)
