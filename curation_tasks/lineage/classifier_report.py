"""A page about a trained classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from curation_tasks.lineage import plots
from curation_tasks.lineage.report import page_environment


def render_classifier_report(
    metadata: Mapping[str, Any], scores: np.ndarray, positive: np.ndarray, curve: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> str:
    """The page as text; equal figures give equal bytes.

    Args:
        metadata: What is written beside the model.
        scores: float32, shape (documents,): of the held-out documents.
        positive: bool, shape (documents,).
        curve: Bounds, precision and recall, float64, by falling bound.
    """
    return (
        page_environment()
        .get_template("classifier.html.j2")
        .render(
            metadata=metadata,
            held_out=metadata["held_out"],
            curve=Markup(plots.precision_recall_plot(*curve)),
            distribution=Markup(plots.scores_plot(scores, positive)),
        )
    )
