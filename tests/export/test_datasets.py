"""``datasets.load_dataset`` reads what the exports write, without a network."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from curation_tasks.export.catalog import PARTS, ExportedColumns
from curation_tasks.parts import ExportPart
from curation_tasks.storage.shard import FileWriter

EXPORTS = [
    (part, {"compression": compression}) for part in PARTS if part.name in ("jsonl", "parquet") for compression in ("none", "gzip", "zstd")
]
ROWS = {
    "doc_id": ["s:1", "s:2", "s:3"],
    "text": ["Ein “Text”\nmit\u2028Zeilen\x00\t😀", "", "x" * 300_000],
    "source": ["s"] * 3,
    "score": [0.25, None, 1e-9],
    "words": [5, 0, None],
    "labels": [["a", "b"], [], ["c"]],
}


@pytest.mark.parametrize(
    ("part", "parameters"), EXPORTS, ids=lambda value: value.name if isinstance(value, ExportPart) else value["compression"]
)
def test_load_dataset_reads_equal_rows(part: ExportPart, parameters: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    if (part.name, parameters["compression"]) == ("jsonl", "zstd"):
        pytest.importorskip("zstandard", reason="datasets reads .zst files with the package zstandard")
    chosen: ExportedColumns = part.parameters(**parameters)
    batch = pa.RecordBatch.from_pydict(ROWS)
    place = f"{tmp_path}/part-00000{part.suffix_of(chosen)}"
    with FileWriter(place) as writer:
        part.load()(iter([batch.slice(0, 2), batch.slice(2)]), writer.file, chosen)
    assert writer.file.bytes == os.path.getsize(place)
    loaded = datasets.load_dataset(
        {"jsonl": "json"}.get(part.name, part.name), data_files=place, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.to_dict() == ROWS
