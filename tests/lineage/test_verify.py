"""Each way to spoil a dataset gives findings that name it, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curation_tasks.lineage.verify import Finding, verify
from curation_tasks.manifest import Manifest, digest_of, read_list, write_list


def told(findings: list[Finding]) -> list[tuple[str, str, str, str]]:
    return [(item.severity, item.stage, Path(item.where).name, item.what) for item in findings]


def edit(path: str, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(Path(path).read_text())
    change(document)
    Path(path).write_text(json.dumps(document))


def flip_byte(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)


def shard_of(manifest: Manifest, index: int = 0) -> Path:
    return Path(manifest.folder, manifest.dataset().shards[index].path)


def test_an_untouched_dataset_has_no_findings_and_each_file_is_looked_at(published: Manifest) -> None:
    seen: list[tuple[int, int]] = []

    assert verify(published, lambda done, total, what: seen.append((done, total))) == []
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))
    # 8 manifests, each its key and its counts and lists; shards 3 + 1 + 4 × 4; ledgers 4 + 4; source files 4 + 1.
    assert len(seen) > 8 + 20 + 8 + 5


@pytest.mark.parametrize("stage", ["stories", "refine", "private"])
def test_a_flipped_byte_in_a_shard_is_found(spoilable: Manifest, manifests: Mapping[str, Manifest], stage: str) -> None:
    path = shard_of(manifests[stage])
    text = pq.ParquetFile(path).metadata.row_group(0).column(pq.read_schema(path).get_field_index("text"))
    flip_byte(path, text.data_page_offset + text.total_compressed_size - 40)

    [(severity, found, name, what)] = told(verify(spoilable))

    assert (severity, found, name) == ("error", stage, "part-000000-0.parquet")
    assert what.startswith(("the file is damaged", "the file holds other values"))


def test_other_values_in_a_whole_shard_are_found(spoilable: Manifest, manifests: Mapping[str, Manifest], trees: Any) -> None:
    refine = manifests["refine"]
    [batch] = refine.dataset().read(refine.dataset().shards[1])
    trees.write_file(refine.folder, "part-000001-0.parquet", batch.slice(1), trees.REFINED)

    [finding] = verify(spoilable)

    assert told([finding]) == [("error", "refine", "part-000001-0.parquet", "the file holds other values")]
    assert finding.expected.startswith("9 rows")
    assert finding.found.startswith("8 rows")


def test_equal_values_in_other_bytes_are_only_a_warning(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    path = shard_of(manifests["unique"])
    pq.write_table(pq.read_table(path), path, compression="snappy")

    [finding] = verify(spoilable)

    assert (finding.severity, finding.stage) == ("warning", "unique")
    assert finding.what.startswith("the values are the same")


def test_a_changed_exported_file_is_found(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    flip_byte(shard_of(manifests["export"]), 5)

    assert told(verify(spoilable)) == [("error", "export", "part-000000.jsonl", "the file was changed")]


def test_a_deleted_shard_and_a_deleted_ledger_are_found(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    shard_of(manifests["private"], 2).unlink()
    Path(manifests["refine"].folder, "ledger-000001.parquet").unlink()

    assert [item[:3] for item in told(verify(spoilable))] == [
        ("error", "refine", "ledger-000001.parquet"),
        ("error", "private", "part-000002-0.parquet"),
    ]


def test_a_changed_ledger_is_found(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    path = Path(manifests["unique"].folder, "ledger-000000.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 0), path)

    assert told(verify(spoilable)) == [("error", "unique", "ledger-000000.parquet", "the file holds other values")]


def test_edited_content_is_found_in_the_manifest_and_nowhere_below(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    edit(manifests["refine"].uri, lambda document: document["content"]["counts"].update(documents=1))

    found = told(verify(spoilable))

    assert ("error", "refine", "manifest.json", "the manifest's content was changed after its commit") in found
    assert ("error", "refine", "manifest.json", "the count 'documents' is not that of the files") in found
    assert ("error", "unique", "manifest.json", "the input 'refine' is no longer the one that was read") in found
    assert {stage for _, stage, _, _ in found} == {"refine", "unique"}


def test_content_edited_together_with_its_digest_is_found_by_the_child(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    def forge(document: dict[str, Any]) -> None:
        document["content"]["counters"]["replaced"] = 7
        document["digest"] = digest_of(document["content"])

    edit(manifests["unique"].uri, forge)

    assert told(verify(spoilable)) == [("error", "private", "manifest.json", "the input 'unique' is no longer the one that was read")]


def test_an_edited_fingerprint_is_found_by_the_key(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    edit(manifests["private"].uri, lambda document: document["lineage"]["fingerprint"]["calls"][0]["parameters"].update(x=1))

    assert told(verify(spoilable)) == [("error", "private", "manifest.json", "the key is not that of the fingerprint")]


def test_a_list_exchanged_together_with_its_hash_is_found_by_the_digest(
    spoilable: Manifest, manifests: Mapping[str, Manifest], trees: Any
) -> None:
    unique = manifests["unique"]
    [batch] = unique.dataset().read(unique.dataset().shards[0])
    row = trees.write_file(unique.folder, "part-000000-0.parquet", batch.slice(1), trees.REFINED)
    reference = write_list(unique.folder, "shards", [row, *read_list(unique, "shards")[1:]], trees.SHARDS)
    edit(unique.uri, lambda document: document["lineage"].update(shards=reference))

    assert told(verify(spoilable)) == [
        ("error", "unique", "manifest.json", "the lists of shards, ledgers and cuts are not those that the digest covers"),
        ("error", "unique", "manifest.json", "the count 'documents' is not that of the files"),
    ]


def test_a_changed_list_is_found(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    path = Path(manifests["stories"].folder, "shards.parquet")
    pq.write_table(pq.read_table(path).slice(1), path)

    assert told(verify(spoilable)) == [("error", "stories", "shards.parquet", "shards.parquet is not the file that the manifest names")]


def test_a_changed_listing_of_the_sources_is_found(spoilable: Manifest, manifests: Mapping[str, Manifest], trees: Any) -> None:
    resolve = manifests["resolve"]
    rows = [row | {"bytes": 1} for row in read_list(resolve, "units-essays")]
    reference = write_list(resolve.folder, "units-essays", rows, trees.UNITS)
    edit(resolve.uri, lambda document: document["lineage"].update({"units-essays": reference}))

    what = "the listing of the source 'essays' is not the one that the digest covers"
    assert told(verify(spoilable)) == [("error", "resolve", "units-essays.parquet", what)]


def test_a_deleted_and_a_changed_source_file_are_found(spoilable: Manifest, tmp_path: Path) -> None:
    (tmp_path / "input" / "stories-1.jsonl").unlink()
    flip_byte(tmp_path / "input" / "essays.jsonl", 3)

    assert told(verify(spoilable)) == [
        ("error", "stories", "stories-1.jsonl", "the source file is gone"),
        ("error", "essays", "essays.jsonl", "the source file was changed"),
    ]


def test_a_source_file_touched_without_change_is_no_finding(spoilable: Manifest, tmp_path: Path) -> None:
    (tmp_path / "input" / "essays.jsonl").touch()

    assert verify(spoilable) == []


def test_a_changed_and_a_missing_frozen_file_are_found(spoilable: Manifest, manifests: Mapping[str, Manifest]) -> None:
    resolve = manifests["resolve"]
    place = Path(resolve.folder, "files", resolve.content["files"]["model.bin"]["sha256"])
    place.write_bytes(b"another model")
    assert [item[3] for item in told(verify(spoilable))] == ["the frozen copy of 'model.bin' was changed"]

    place.unlink()
    assert [item[3] for item in told(verify(spoilable))] == ["the frozen copy of 'model.bin' is gone"]


def test_a_missing_manifest_is_found_and_what_can_be_reached_is_still_checked(
    spoilable: Manifest, manifests: Mapping[str, Manifest]
) -> None:
    Path(manifests["stories"].uri).unlink()
    shard_of(manifests["essays"]).unlink()

    found = told(verify(spoilable))

    assert [item[:3] for item in found] == [("error", "refine", "manifest.json"), ("error", "essays", "part-000000-0.parquet")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "curation-manifest/1"}', "\x00\xff"])
def test_what_is_no_manifest_is_a_finding_and_no_crash(spoilable: Manifest, manifests: Mapping[str, Manifest], text: str) -> None:
    Path(manifests["essays"].uri).write_text(text)

    [(severity, stage, _, what)] = told(verify(spoilable))

    assert (severity, stage) == ("error", "refine")
    assert what.startswith("not a manifest")
