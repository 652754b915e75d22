"""The second pass of ``survivors``: which documents stay, once it is known which pairs are similar."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import kernel
from curation_tasks.kernels.survivors import Edges
from curation_tasks.kernels.union_find import link_roots, root_of


def decide(
    count: int, decided: np.ndarray, edges: Edges, similar: np.ndarray, linking: np.ndarray, by_sketch: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The survivors, once it is known which edges are similar.

    Args:
        count: Number of documents.
        decided: bool, shape (documents,): kept whatever happens.
        edges: By ascending ``later``.
        similar: bool, shape (edges,).
        linking: bool, shape (edges,): those of ``edges.links`` that do.
        by_sketch: bool, shape (edges,): by its sketch, which names the survivor before a text does.

    Returns:
        ``(survivor, edge, cluster)``: int64, shape (documents,): the document kept instead, −1 where the document itself
        stays; the edge that says so; and the smallest position in the document's cluster, which joins similar documents of which
        one is kept and one is not. Of pairs that only their texts tell to be similar it joins those that name a survivor, or
        that share a bucket that is not hot. So clusters hang on the documents alone, and not on what had to be compared.
    """
    survivor, edge, cluster = np.full(count, -1, np.int64), np.full(count, -1, np.int64), np.arange(count)
    _decide(decided, edges.later, edges.earlier, edges.listed, edges.links, linking, similar, by_sketch, survivor, edge, cluster)
    return survivor, edge, cluster


@kernel(
    "void(bool_[::1], int32[::1], int32[::1], bool_[::1], bool_[::1], bool_[::1], bool_[::1], bool_[::1], "
    "int64[::1], int64[::1], int64[::1])"
)
def _decide(decided, later, earlier, listed, links, linking, similar, by_sketch, survivor, edge, cluster):
    start = 0
    count = later.shape[0]
    while start < count:
        document = later[start]
        end = start
        best = -1
        while end < count and later[end] == document:
            if similar[end] and not listed[end] and survivor[earlier[end]] < 0:
                better = best < 0 or (by_sketch[end] and not by_sketch[best])
                if better or (by_sketch[end] == by_sketch[best] and earlier[end] < earlier[best]):
                    best = end
            end += 1
        removed = best >= 0 and not decided[document]
        if removed:
            survivor[document], edge[document] = earlier[best], best
        for k in range(start, end):
            stays = survivor[earlier[k]] < 0
            if removed:
                linked = stays and similar[k] and (by_sketch[k] or links[k] or not by_sketch[best])
            else:
                linked = linking[k] and not stays
            if linked:
                link_roots(cluster, np.int64(document), np.int64(earlier[k]))
        start = end
    for document in range(cluster.shape[0]):
        cluster[document] = root_of(cluster, document)
