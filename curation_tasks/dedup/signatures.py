"""Signatures: what near-duplicate detection keeps of each document, one file a mapper, and the scheme that makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.dedup.keep import Keep
from curation_tasks.dedup.partitions import PartitionWriter, partition_of, runs, split
from curation_tasks.dedup.rank import ROW_BITS, addresses, policy_keys, ties
from curation_tasks.kernels.shingles import Shingling
from curation_tasks.kernels.simhash import simhashes
from curation_tasks.kernels.sketch import Sketches, sketches
from curation_tasks.kernels.survivors import Measure
from curation_tasks.storage.filesystem import open_input, open_output, storage_errors
from curation_tasks.storage.shard import abandon, read_shard

#: Raised when a signature changes for the same text and scheme: indexes of another version cannot be compared.
SIGNATURE_VERSION = 1


@dataclass(frozen=True)
class Scheme:
    """What tells one kind of near-duplicate detection from another; all steps are the same.

    Attributes:
        reason: Of the decisions.
        column: Column that is compared.
        keep: Which of several stays.
        shingling: What a text is taken to be.
        method: ``sketch`` (Jaccard similarity of sets of shingles) or ``simhash`` (angle of their sums).
        size: Bytes of the verification sketch.
        bands: Number of band hashes.
        rows: For ``sketch``: numbers in a band. For ``simhash``: blocks that a band leaves out.
        measure: What a comparison of two sketches means.
        threshold: Similarity from which on two documents are the same.
        list_pairs: Also report all pairs, for evaluation.
    """

    reason: str
    column: str
    keep: Keep
    shingling: Shingling
    method: str
    size: int
    bands: int
    rows: int
    measure: Measure
    threshold: float
    list_pairs: bool = False

    def signatures(self, texts: pa.Array, engine: str = "cpu") -> Sketches:
        """Of a batch of texts; every engine gives the same bits."""
        if engine == "gpu" and self.method == "sketch":
            from curation_tasks.kernels.sketch_cuda import sketches_on_gpu  # needs a GPU

            return sketches_on_gpu(texts, self.shingling, self.size, self.bands, self.rows)
        if self.method == "simhash":
            return simhashes(texts, self.shingling, self.bands, self.rows)
        return sketches(texts, self.shingling, self.size, self.bands, self.rows)

    def similarity(self, equal: np.ndarray) -> np.ndarray:
        """Similarity by the sketches alone, 0 to 1.

        Args:
            equal: Equal bytes (``sketch``) or bits (``simhash``).
        """
        if self.method == "simhash":
            return equal / (8 * self.size)
        return np.clip((equal / self.size - 1 / 256) / (1 - 1 / 256), 0.0, 1.0)

    def identity(self) -> dict[str, Any]:
        """Everything that decides whether two signatures can be compared."""
        shingling = {name: getattr(self.shingling, name) for name in ("unit", "width", "lower", "whitespace", "words", "seed")}
        return {
            "method": self.method, "version": SIGNATURE_VERSION, **shingling, "size": self.size, "bands": self.bands, "rows": self.rows,
        }  # fmt: skip


def band_names(bands: int) -> list[str]:
    return [f"band_{band:02}" for band in range(bands)]


def signature_schema(scheme: Scheme) -> pa.Schema:
    """Columns of a file of signatures, rows in the order of nodes."""
    return pa.schema([
        ("node", pa.uint64()), ("key", pa.uint64()), ("tie", pa.uint64()), ("high", pa.uint64()), ("low", pa.uint64()),
        ("shingles", pa.int64()), ("sketch", pa.binary(scheme.size)), *((name, pa.uint64()) for name in band_names(scheme.bands)),
        ("doc_id", pa.string()),
    ])  # fmt: skip


FINGERPRINTS = pa.schema([(name, pa.uint64()) for name in ("high", "low", "key", "tie", "node")] + [("shingles", pa.int64())])


def signatures_uri(work: str, mapper: Mapping[str, Any]) -> str:
    """The file of a mapper: of this run, or of an earlier index."""
    return mapper.get("signatures") or f"{work}/signatures/{mapper['mapper']:05}.parquet"


def fingerprints_uri(work: str, mapper: int) -> str:
    return f"{work}/fingerprints/{mapper:05}.parquet"


def write_signatures(mapper: Mapping[str, Any], work: str, scheme: Scheme, partitions: int, run_bytes: int, engine: str) -> dict[str, Any]:
    """Makes the signatures of a mapper's shards, and its rows of the shuffle by fingerprint.

    A text without shingles, a null among them, gets a row in the file and takes part in nothing else.
    """
    rows = empty = 0
    columns = list(dict.fromkeys(("doc_id", scheme.column, *scheme.keep.reads)))

    def fingerprints() -> Iterator[pa.Table]:
        """Writes the signatures, and gives what the shuffle needs of them."""
        nonlocal rows, empty
        for shard in mapper["shards"]:
            first_row = 0
            for batch in read_shard(shard["uri"], columns):
                table = _signatures(batch, shard["ordinal"], first_row, scheme, engine)
                if len(table):
                    writer.write_table(table, row_group_size=len(table))
                used = table.select(FINGERPRINTS.names).filter(pa.array(table["shingles"].to_numpy() > 0))
                rows, empty, first_row = rows + len(batch), empty + len(batch) - len(used), first_row + len(batch)
                yield used

    with (
        signature_writer(signatures_uri(work, mapper), scheme) as writer,
        PartitionWriter(fingerprints_uri(work, mapper["mapper"]), FINGERPRINTS, compress=False) as shuffle,
    ):
        for run in runs(fingerprints(), run_bytes):
            for partition, chosen in split(partition_of(run["high"].to_numpy(), partitions)):
                shuffle.write(partition, run.take(pa.array(chosen)))
    return {"rows": rows, "empty": empty}


def _signatures(batch: pa.RecordBatch, shard: int, first_row: int, scheme: Scheme, engine: str) -> pa.Table:
    found = scheme.signatures(batch.column(scheme.column), engine)
    nodes = addresses(shard, first_row, len(batch))
    sketch = pa.FixedSizeBinaryArray.from_buffers(pa.binary(scheme.size), len(batch), [None, pa.py_buffer(found.bytes)])
    columns = [nodes, policy_keys(batch, scheme.keep, nodes), ties(batch.column("doc_id")), *found.fingerprints, found.shingles]
    return pa.table([*columns, sketch, *found.bands, batch.column("doc_id")], schema=signature_schema(scheme))


@contextmanager
def signature_writer(uri: str, scheme: Scheme) -> Iterator[pq.ParquetWriter]:
    """Opens a file of signatures; it appears under its name when the block ends without an exception."""
    with open_output(uri) as file:
        # Hashes get no smaller by compression or a dictionary; identities do.
        compression = {name: "zstd" if name == "doc_id" else "none" for name in signature_schema(scheme).names}
        writer = pq.ParquetWriter(file, signature_schema(scheme), compression=compression, use_dictionary=False, write_statistics=["node"])
        try:
            yield writer
            writer.close()
        except BaseException:
            abandon(writer)
            raise


def read_signatures(work: str, mapper: Mapping[str, Any], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The row groups of a mapper's signatures, nodes numbered as in the placement.

    Args:
        work: Of the run.
        mapper: Of the placement.
        columns: Wanted; ``node`` comes first whether wanted or not.
    """
    uri = signatures_uri(work, mapper)
    names = list(dict.fromkeys(("node", *columns)))
    with storage_errors(uri), open_input(uri) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=names).select(names)
            if base := mapper.get("base", 0):
                nodes = table["node"].to_numpy() + (np.uint64(base) << ROW_BITS)
                table = table.set_column(0, "node", pa.array(nodes))
            yield table


def sketch_words(column: pa.ChunkedArray, size: int) -> np.ndarray:
    """The verification sketches of a column as uint64, shape (rows, size ÷ 8)."""
    words = size // 8
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint64)[chunk.offset * words : (chunk.offset + len(chunk)) * words].reshape(-1, words)
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, words), np.uint64)
