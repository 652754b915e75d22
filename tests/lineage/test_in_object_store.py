"""The lineage of a dataset whose storage root and sources are in an S3 store."""

from __future__ import annotations

from typing import Any

from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.report import write_report
from curation_tasks.lineage.verify import verify
from curation_tasks.storage import filesystem


def test_an_s3_dataset_is_verified_explained_and_reported(bucket: str, trees: Any) -> None:
    published = trees.build_tree(f"{bucket}/root", stories=30)

    assert verify(published) == []
    assert explain(published, "stories:11")[-2]["file"].startswith(f"{bucket}/root/tales/all/export/")
    write_report(published, f"{bucket}/report.html")
    assert b"</html>" in filesystem.read_bytes(f"{bucket}/report.html")


def test_a_replaced_a_grown_and_a_deleted_source_object_are_found(bucket: str, trees: Any) -> None:
    published = trees.build_tree(f"{bucket}/root", stories=30)
    essays = filesystem.read_bytes(f"{bucket}/input/essays.jsonl")
    filesystem.write_bytes(f"{bucket}/input/essays.jsonl", essays.replace(b"1", b"2"))
    filesystem.write_bytes(f"{bucket}/input/stories-0.jsonl", b"more" * 100)
    filesystem.delete(f"{bucket}/input/stories-2.jsonl")

    assert [(item.stage, item.where.rsplit("/", 1)[1], item.what) for item in verify(published)] == [
        ("stories", "stories-0.jsonl", "the source file has another size"),
        ("stories", "stories-2.jsonl", "the source file is gone"),
        ("essays", "essays.jsonl", "the source file was replaced"),
    ]
