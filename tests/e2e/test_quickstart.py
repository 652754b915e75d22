"""The quickstart pipeline from end to end: every planted flaw is found, by the stage that is there for it, and no other."""

import json
import subprocess
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest

from curation_tasks.manifest import read_list, read_manifest
from curation_tasks.plan import plan
from curation_tasks.sources.catalog import planted_counts
from curation_tasks.spec import load_pipeline
from curation_tasks.storage.shard import read_shard


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, request):
    """Results of all stages, by `curate run` as a user calls it."""
    argv = [
        sys.executable,
        "-m",
        "curation_tasks.cli",
        "run",
        "dags/pipelines/quickstart.yaml",
        "--root",
        str(tmp_path_factory.mktemp("data")),
        "--json",
    ]
    process = subprocess.run(argv, cwd=request.config.rootpath, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return {outcome["stage"]: outcome for outcome in json.loads(process.stdout)["stages"]}


@pytest.fixture(scope="module")
def planted(request):
    stories = plan(load_pipeline(request.config.rootpath / "dags/pipelines/quickstart.yaml")).by_id["stories"]
    return planted_counts(stories.calls[0].parameters)


def column(outcome, *names):
    manifest = read_manifest(outcome["manifest"])
    tables = [pq.read_table(f"{manifest.folder}/{shard['path']}", columns=list(names)) for shard in read_list(manifest, "shards")]
    return [row for table in tables for row in table.to_pylist()]


def reasons(outcome):
    return read_manifest(outcome["manifest"]).content["reasons"]


def test_each_reason_has_the_planted_number(outcomes, planted):
    assert sum(planted.values()) == outcomes["stories"]["counts"]["records"] == 24_000
    assert reasons(outcomes["stories"]) == {"empty_story": planted["empty"]}
    assert reasons(outcomes["refine"]) == {
        "tinystories.word_count.min": planted["too_short"],
        "tinystories.complete_ending.min": planted["unfinished"],
        "tinystories.top_2_gram_ratio.max": planted["repetitive_2_grams"],
        "tinystories.top_3_gram_ratio.max": planted["repetitive_3_grams"],
        "tinystories.top_4_gram_ratio.max": planted["repetitive_4_grams"],
    }
    assert reasons(outcomes["exact"]) == {"exact_duplicate": planted["exact_duplicate"]}


def test_each_rejected_document_is_one_that_was_planted(outcomes):
    expected = {
        "tinystories.word_count.min": "too_short",
        "tinystories.complete_ending.min": "unfinished",
        "tinystories.top_2_gram_ratio.max": "repetitive_2_grams",
        "tinystories.top_3_gram_ratio.max": "repetitive_3_grams",
        "tinystories.top_4_gram_ratio.max": "repetitive_4_grams",
    }
    kinds = {row["doc_id"]: row["planted"] for row in column(outcomes["stories"], "doc_id", "planted")}
    manifest = read_manifest(outcomes["refine"]["manifest"])
    ledger = [
        row
        for shard in read_list(manifest, "ledger")
        for batch in read_shard(f"{manifest.folder}/{shard['path']}")
        for row in batch.to_pylist()
    ]
    assert Counter(kinds[row["doc_id"]] for row in ledger) == Counter(expected[row["reason"]] for row in ledger)
    assert all(kinds[row["doc_id"]] == expected[row["reason"]] for row in ledger)


def test_cleaning_changes_what_was_planted(outcomes, planted):
    before = {row["doc_id"]: row for row in column(outcomes["stories"], "doc_id", "text", "planted")}
    after = {row["doc_id"]: row["text"] for row in column(outcomes["clean"], "doc_id", "text")}
    changed = Counter(row["planted"] for name, row in before.items() if after[name] != row["text"])
    assert changed["curly_quotes"] == planted["curly_quotes"]
    assert changed["mojibake"] == planted["mojibake"]
    assert not any(mark in text for text in after.values() for mark in "‘’“”")


def test_personal_data_is_replaced(outcomes, planted):
    counters = read_manifest(outcomes["pii"]["manifest"]).content["counters"]
    assert counters["pii.EMAIL_ADDRESS"] == planted["email"]
    assert counters["pii.PHONE_NUMBER"] == planted["phone"]
    assert counters["pii.URL"] >= planted["url"]
    assert counters["pii.PERSON"] > 20_000
    texts = [row["text"] for row in column(outcomes["pii"], "text")]
    assert sum("<EMAIL_ADDRESS>" in text for text in texts) == planted["email"]
    assert not any("@" in text for text in texts)


def test_exports_are_read_by_datasets(outcomes, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    read = {}
    for stage, reader in (("export-jsonl", "json"), ("export-parquet", "parquet")):
        manifest = read_manifest(outcomes[stage]["manifest"])
        files = [f"{manifest.folder}/{shard['path']}" for shard in read_list(manifest, "shards")]
        read[stage] = datasets.load_dataset(reader, data_files=files, split="train", cache_dir=str(tmp_path / stage))
        assert read[stage].num_rows == manifest.counts["documents"]
    assert read["export-jsonl"]["text"][:] == read["export-parquet"]["text"][:]
    assert read["export-jsonl"]["doc_id"][:] == read["export-parquet"]["doc_id"][:]


def test_no_document_is_lost(outcomes):
    kept = outcomes["stories"]["counts"]["records"]
    for stage in ("stories", "clean", "refine", "exact", "pii", "compact"):
        kept -= outcomes[stage]["counts"]["rejected"]
        assert outcomes[stage]["counts"]["documents"] == kept
    identities = [row["doc_id"] for row in column(outcomes["compact"], "doc_id")]
    assert len(identities) == len(set(identities)) == kept
