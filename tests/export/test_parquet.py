"""The Parquet export: values and types survive, and row groups bound what a reader holds."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_tasks.export.catalog import ParquetExportParameters
from curation_tasks.export.parquet import write_parquet
from curation_tasks.schema import arrow_type


def written(*batches: pa.RecordBatch, **parameters: object) -> bytes:
    output = io.BytesIO()
    write_parquet(iter(batches), output, ParquetExportParameters(**parameters))
    return output.getvalue()


def documents(*texts: str | None) -> pa.RecordBatch:
    return pa.record_batch({"doc_id": pa.array([str(row) for row in range(len(texts))]), "text": pa.array(texts, pa.string())})


def test_values_and_types_survive():
    batch = pa.record_batch(
        {
            "doc_id": ["a", "b"],
            "text": pa.array(["\x00é\u2028", None]),
            "blob": pa.array([b"\xff", None]),
            "time": pa.array([1, None]).cast(arrow_type("timestamp[us]")),
            "names": pa.array([["x", None], None]),
        }
    )
    assert pq.read_table(io.BytesIO(written(batch))).to_batches() == [batch]


def test_row_groups_hold_the_wanted_amount_of_text_whatever_the_batches():
    batches = [documents(*["x" * 10_000] * 4) for _ in range(5)]
    file = pq.ParquetFile(io.BytesIO(written(*batches, row_group_bytes=80_000)))
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [8, 8, 4]


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "none"])
def test_the_compression_is_the_one_asked_for_and_bytes_are_reproducible(compression: str):
    data = written(documents("a", "b"), compression=compression)
    column = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    assert column.compression == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
    assert written(documents("a", "b"), compression=compression) == data


def test_columns_are_those_asked_for_in_their_order():
    assert pq.read_table(io.BytesIO(written(documents("a"), columns=["text", "doc_id"]))).column_names == ["text", "doc_id"]


def test_an_empty_batch_still_carries_the_schema():
    table = pq.read_table(io.BytesIO(written(documents())))
    assert table.num_rows == 0
    assert table.column_names == ["doc_id", "text"]
