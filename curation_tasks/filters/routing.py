"""Which of several languages each document belongs to, by a column of labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.filters.language_codes import route_of


def routes_of(labels: pa.Array, languages: tuple[str, ...]) -> np.ndarray:
    """The number of each row's language among those given, by ``language_codes.route_of``; int64, −1 for another one or null.

    Args:
        labels: string, shape (rows,): of whatever model.
        languages: As a user writes them.
    """
    encoded = pc.dictionary_encode(labels)
    routes = np.array([*(route_of(label, languages) for label in encoded.dictionary.to_pylist()), -1])
    return routes[pc.fill_null(encoded.indices, len(routes) - 1).to_numpy()]
