"""The pipelines of Common Crawl from end to end, on a snapshot made for it: what was planted is found by its stage."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation_tasks.manifest import read_list, read_manifest

CRAWL = "CC-MAIN-2025-33"


@pytest.fixture(scope="module")
def snapshot(laid_out, tmp_path_factory) -> Path:
    from made_origins import common_crawl

    return laid_out(common_crawl(), tmp_path_factory.mktemp("snapshot"))


def run(name: str, snapshot: Path, root: Path, config: pytest.Config, *more: str) -> dict[str, dict]:
    argv = [
        sys.executable, "-m", "curation_tasks.cli", "run", f"dags/pipelines/{name}.yaml", "--root", str(root), "--json",
        "--set", f"base_url={snapshot}", *more,
    ]  # fmt: skip
    process = subprocess.run(argv, cwd=config.rootpath, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return {outcome["stage"]: outcome for outcome in json.loads(process.stdout)["stages"]}


@pytest.fixture(scope="module")
def english(snapshot, tmp_path_factory, request):
    return run("common_crawl_en", snapshot, tmp_path_factory.mktemp("data"), request.config, "--snapshot", CRAWL)


def rows(outcome: dict, *names: str) -> list[dict]:
    manifest = read_manifest(outcome["manifest"])
    tables = [pq.read_table(f"{manifest.folder}/{shard['path']}", columns=list(names)) for shard in read_list(manifest, "shards")]
    return [row for table in tables for row in table.to_pylist()]


def content(outcome: dict) -> dict:
    return read_manifest(outcome["manifest"]).content


def test_every_record_of_the_archives_is_accounted_for(english):
    pages = content(english["pages"])
    counted = sum(number for name, number in pages["counters"].items() if name.startswith("skipped."))
    assert pages["counters"]["records.in_archives"] == pages["counts"]["documents"] + pages["counts"]["rejected"] + counted
    # Three records a page, and the two that stand alone.
    assert pages["counters"]["records.in_archives"] == 2 + 3 * (20 + 3 + 1 + 20 + 2 + 4 + 3) + 2
    assert {name: pages["counters"][name] for name in ("skipped.status", "skipped.content_type", "skipped.language")} == {
        "skipped.status": 1, "skipped.content_type": 1, "skipped.language": 1,
    }  # fmt: skip
    assert pages["reasons"] == {"empty_text": 1}
    assert pages["counts"]["documents"] == 20 + 3 + 20 + 2 + 3 + 3


def test_each_stage_finds_what_was_planted_for_it(english):
    assert content(english["clean"])["reasons"] == {"url.substring": 1}
    assert sum(content(english["english"])["reasons"].values()) == 1
    assert sum(content(english["quality"])["reasons"].values()) == 1
    assert content(english["exact"])["reasons"] == {"exact_duplicate": 3}
    assert content(english["fuzzy"])["reasons"] == {"fuzzy_duplicate": 2}
    assert content(english["sentences"])["counts"]["cut_documents"] == 1
    assert english["export-parquet"]["counts"]["documents"] == english["export-jsonl"]["counts"]["documents"] == 43


def test_what_is_published_has_the_columns_of_its_pages_and_no_address_of_a_person(english):
    found = {row["url"]: row for row in rows(english["export-parquet"], "url", "text", "title", "language", "crawled")}
    assert {"http://first.example/0", "http://second.example/39", "http://contact.example/"} <= set(found)
    assert not any("near.example" in url and url.replace("near", "second") in found for url in found)
    contact = found["http://contact.example/"]
    assert "jane.roe" not in contact["text"]
    assert "<EMAIL_ADDRESS>" in contact["text"]
    assert (contact["title"], contact["language"], contact["crawled"].year) == ("Page 99", "en", 2025)
    assert "published" in english["publish"]


def test_a_limited_run_of_all_languages_is_a_trial(snapshot, tmp_path, request):
    outcomes = run("common_crawl_multilingual", snapshot, tmp_path, request.config, "--snapshot", f"{CRAWL}+trial", "--limit", "10")
    assert outcomes["pages"]["counts"]["records"] == 10
    assert outcomes["export"]["counts"]["documents"] == 10
    assert "published" in outcomes["publish"]
