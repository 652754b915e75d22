"""Housekeeping deletes what nothing published was made from, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from curation_tasks.cli.run import run_pipeline
from curation_tasks.errors import ConfigError
from curation_tasks.lineage.verify import verify
from curation_tasks.runner.housekeeping import keep_house
from curation_tasks.runner.publish import named_manifest


@pytest.fixture
def root(pipeline, tmp_path) -> Path:
    """A root with two published versions of a dataset, and a stage that was killed before its commit."""
    root = tmp_path / "data"
    run_pipeline(pipeline(), "all", str(root))
    run_pipeline(pipeline(**{"min_characters: 25": "min_characters: 40"}), "all", str(root))
    unfinished = root / "demo" / "all" / "refine" / ("0" * 32) / "units"
    unfinished.mkdir(parents=True)
    (unfinished / "unit-000000.json").write_text("{}")
    return root


def later(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def test_within_retention_nothing_goes(root):
    assert keep_house(str(root), 7, delete=True, now=later(6)) == []


def test_what_a_newer_version_superseded_goes_and_the_newest_stays_whole(root):
    rows = keep_house(str(root), 7, delete=True, now=later(8))
    stages = sorted(Path(row["folder"]).parent.name for row in rows)
    # Of the first version all that follows the changed threshold; the source, which names its resolve, is shared.
    assert stages == ["compact", "exact", "publish", "refine", "refine", "text"]
    assert [row["finished"] for row in rows].count(False) == 1
    assert all(row["files"] > 0 and row["bytes"] > 0 for row in rows)
    assert not any(Path(row["folder"]).exists() for row in rows)
    assert verify(named_manifest(str(root / "demo" / "all" / "published" / "000002.json"))) == []


def test_it_only_lists_unless_told_to_delete(root):
    rows = keep_house(str(root), 7, now=later(8))
    assert rows
    assert all(Path(row["folder"]).exists() for row in rows)
    assert keep_house(str(root), 7, now=later(8)) == rows


def test_no_retention_at_all_is_refused(root):
    with pytest.raises(ConfigError, match="at least 1"):
        keep_house(str(root), 0)


def test_the_manifest_goes_first(root, monkeypatch):
    from curation_tasks.storage import filesystem

    deleted: list[str] = []
    original = filesystem.delete
    monkeypatch.setattr(filesystem, "delete", lambda uri, **more: (deleted.append(uri), original(uri, **more)))
    [first, *_] = keep_house(str(root), 7, delete=True, now=later(8))
    assert deleted[:2] == [f"{first['folder']}/manifest.json", first["folder"]]


def test_intermediate_files_of_a_stage_killed_after_its_commit_go_at_once(root, pipeline):
    published = str(root / "demo" / "all" / "published" / "000002.json")
    [manifest] = [Path(uri) for uri in root.glob("demo/all/exact/*/manifest.json")][-1:]
    work = manifest.parent / "work"
    unfinished = root / "demo" / "all" / "exact" / ("1" * 32) / "work" / "hashes.parquet"
    for file in (work / "texts" / "00000.parquet", unfinished):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"a text")

    rows = [{"folder": str(work), "finished": True, "bytes": 6, "files": 1}]
    assert keep_house(str(root), 7) == rows
    assert work.exists()
    assert keep_house(str(root), 7, delete=True) == rows
    assert not work.exists()
    assert unfinished.exists()  # of a run that may still be going on
    assert verify(named_manifest(published)) == []


def test_a_stage_taken_as_done_deletes_the_intermediate_files_that_it_left(root, pipeline):
    works = [uri.parent / "work" for uri in root.glob("demo/all/exact/*/manifest.json")]
    for work in works:
        work.mkdir()
        (work / "texts.parquet").write_bytes(b"a text")
    run_pipeline(pipeline(**{"min_characters: 25": "min_characters: 40"}), "all", str(root))
    assert sorted(work.exists() for work in works) == [False, True]  # the other is of a version that was not run again
