"""Places of units: where the sentences or paragraphs of a shard's documents begin and end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.kernels.unit_cuts import covering, lost_characters
from curation_tasks.storage.filesystem import open_input, storage_errors

#: What is needed to tell how much of a document is left.
LENGTHS = ("row", "characters")
UNITS = pa.schema([(name, pa.uint32()) for name in ("row", "start", "content_end", "end", "characters")])


#: Places that follow each other differ by little: their differences take half of what compression makes of them.
UNIT_OPTIONS = {"compression": "none", "use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}


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

    row: np.ndarray
    start: np.ndarray
    content_end: np.ndarray
    end: np.ndarray
    characters: np.ndarray

    def __init__(self, table: pa.Table):
        for name in table.schema.names:
            setattr(self, name, table[name].to_numpy().astype(np.int64))
        #: Documents up to the last one that has a unit.
        self.rows = int(self.row[-1]) + 1 if len(self.row) else 0
        self._begin = np.concatenate([[0], np.cumsum(np.bincount(self.row, minlength=self.rows))]).astype(np.int64)

    def covered(self, row: np.ndarray, unit: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
        """The units that items consist of.

        Args:
            row: int64, shape (items,): document of each.
            unit: int64, shape (items,): place of its first unit in the document.
            span: Units in an item.

        Returns:
            ``(units, items)``: int64, ascending: positions of the units, each once; and of the first item that has it.
        """
        owner = covering(len(self.row), self._begin[row] + unit, span)
        units = np.flatnonzero(owner >= 0)
        return units, owner[units]

    def left(self, row: np.ndarray, unit: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
        """The characters that cutting some items leaves.

        Returns:
            ``(rows, characters)``: int64: the documents that lose something, ascending, and what is left of each.
        """
        owner = covering(len(self.row), self._begin[row] + unit, span)
        total, lost = lost_characters(self.row, self.characters, owner >= 0, self.rows)
        rows = np.flatnonzero(lost)  # no unit is empty
        return rows, (total - lost)[rows]


def read_places(work: str, shard: int, columns: Sequence[str] = UNITS.names) -> Places:
    """The places of a shard's units; only some of the attributes where not all are wanted."""
    uri = units_uri(work, shard)
    with storage_errors(uri), open_input(uri) as file:
        return Places(pq.read_table(file, columns=list(columns)))
