"""Places of units: where the sentences or paragraphs of a shard's documents begin and end."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.storage.filesystem import open_input, storage_errors

UNITS = pa.schema([(name, pa.uint32()) for name in ("row", "start", "content_end", "end", "characters")])


def units_uri(work: str, shard: int) -> str:
    return f"{work}/units/{shard:06}.parquet"


class Places:
    """The units of one shard, document by document; int64, shape (units,).

    Attributes:
        row: The document of each.
        start: First byte in the text.
        content_end: Behind the last byte that is not white space.
        end: Begin of the next unit, or the end of the text.
        characters: Code points from ``start`` to ``end``.
    """

    def __init__(self, table: pa.Table):
        columns = (table[name].to_numpy().astype(np.int64) for name in UNITS.names)
        self.row, self.start, self.content_end, self.end, self.characters = columns

    def covered(self, row: np.ndarray, unit: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
        """The units that items consist of.

        Args:
            row: int64, shape (items,): document of each.
            unit: int64, shape (items,): place of its first unit in the document.
            span: Units in an item.

        Returns:
            ``(units, items)``: int64, ascending: positions of the units, each once; and of the first item that has it.
        """
        first = np.searchsorted(self.row, row) + unit
        order = np.argsort(first, kind="stable")
        units = (first[order][:, None] + np.arange(span)).ravel()
        found, at = np.unique(units, return_index=True)
        return found, order[at // span]

    def left(self, row: np.ndarray, unit: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
        """The characters that cutting some items leaves.

        Returns:
            ``(rows, characters)``: int64: the documents that lose something, ascending, and what is left of each.
        """
        units, _ = self.covered(row, unit, span)
        rows, of_row = np.unique(self.row[units], return_inverse=True)
        lost = np.bincount(of_row, weights=self.characters[units], minlength=len(rows)).astype(np.int64)
        total = np.concatenate([[0], np.cumsum(self.characters)])
        begin, end = np.searchsorted(self.row, rows), np.searchsorted(self.row, rows, side="right")
        return rows, total[end] - total[begin] - lost


def read_places(work: str, shard: int) -> Places:
    uri = units_uri(work, shard)
    with storage_errors(uri), open_input(uri) as file:
        return Places(pq.read_table(file))
