"""A run from end to end over parts of the tests' own: digests, resume, ledgers, quarantine, publish."""

import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from curation_tasks.cli.run import run_pipeline
from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, CurationError, InputError, TransientError
from curation_tasks.manifest import read_list, read_manifest
from curation_tasks.runner import StageRequest, run_stage
from curation_tasks.runner.retention import expired_folders, snapshots
from curation_tasks.runner.source_stage import _limited
from curation_tasks.storage.shard import read_shard


def digests(outcomes):
    return {name: (outcome["key"], outcome["digest"]) for name, outcome in outcomes.items()}


def ledger_rows(outcome):
    manifest = read_manifest(outcome["manifest"])
    return [
        row
        for shard in read_list(manifest, "ledger")
        for batch in read_shard(f"{manifest.folder}/{shard['path']}")
        for row in batch.to_pylist()
    ]


def documents(outcome):
    dataset = read_manifest(outcome["manifest"]).dataset()
    return [row for shard in dataset.shards for batch in dataset.read(shard) for row in batch.to_pylist()]


def test_every_record_is_kept_or_in_a_ledger(pipeline, run):
    outcomes = run(pipeline())
    assert outcomes["lines"]["counts"]["records"] == outcomes["lines"]["counts"]["documents"] == 240
    kept = {row["doc_id"] for row in documents(outcomes["compact"])}
    rejected = [row["doc_id"] for stage in ("refine", "exact") for row in ledger_rows(outcomes[stage])]
    assert len(kept) + len(rejected) == 240
    assert kept | set(rejected) == {row["doc_id"] for row in documents(outcomes["lines"])}
    texts = [row["text"] for row in documents(outcomes["exact"])]
    assert len(texts) == len(set(texts)) == outcomes["text"]["counts"]["documents"]


def test_a_ledger_tells_reason_value_threshold_signal_and_survivor(pipeline, run):
    outcomes = run(pipeline())
    short = ledger_rows(outcomes["refine"])[0]
    assert short["reason"] == "too_short"
    assert short["failed_rules"] == ["too_short"]
    assert (short["value"], short["threshold"], short["characters"]) == (len(short["text"]), 25.0, len(short["text"]))
    assert short["url"].startswith("http://example.org/")
    survivors = {row["doc_id"]: row["text"] for row in documents(outcomes["exact"])}
    removed = ledger_rows(outcomes["exact"])
    assert removed
    for row in removed:
        assert survivors[row["evidence"]["survivor"]] == row["text"]
        assert row["evidence"]["similarity"] == 1.0


def test_order_of_units_and_root_do_not_change_digests(pipeline, run):
    shuffled = random.Random(3)
    first = digests(run(pipeline(), "one"))
    assert digests(run(pipeline(), "two", order=lambda units: units[::-1])) == first
    assert digests(run(pipeline(), "three", order=lambda units: shuffled.sample(units, len(units)))) == first


def test_a_second_run_does_nothing_and_publishes_nothing_new(pipeline, run):
    first = run(pipeline())
    again = run(pipeline())
    assert all(outcome["reused"] for outcome in again.values())
    assert digests(again) == digests(first)
    assert again["publish"]["published"] == first["publish"]["published"]
    assert again["publish"]["published"].endswith("/published/000001.json")


def test_a_changed_threshold_recomputes_only_what_follows_it(pipeline, run):
    run(pipeline())
    changed = run(pipeline(**{"min_characters: 25": "min_characters: 40"}))
    assert [name for name, outcome in changed.items() if not outcome["reused"]] == [
        "resolve",
        "refine",
        "exact",
        "compact",
        "text",
        "publish",
    ]
    assert changed["publish"]["published"].endswith("000002.json")


def test_a_change_without_effect_stops_at_the_stage_that_shows_it(pipeline, run):
    run(pipeline())
    changed = run(pipeline(**{"min_characters: 25": "min_characters: 26"}))
    assert not changed["refine"]["reused"]
    assert changed["compact"]["reused"]
    assert changed["text"]["reused"]


def test_a_superseded_specification_is_published_again_only_when_told(pipeline, run, cluster):
    run(pipeline())
    run(pipeline(**{"min_characters: 25": "min_characters: 40"}))
    old = run(pipeline(), until="text")
    shutil.rmtree(Path(run(pipeline(), until="text")["text"]["manifest"]).parents[2] / "publish")
    request = StageRequest("publish", resolved=old["resolve"]["manifest"], inputs={"text": old["text"]["manifest"]})
    with pytest.raises(ConfigError, match="superseded by version 2"):
        run_stage(request)
    outcome = run_stage(StageRequest(request.stage, resolved=request.resolved, inputs=request.inputs, republish=True))
    assert outcome["published"].endswith("000003.json")


def test_finished_units_are_not_done_again(pipeline, run, monkeypatch):
    path = pipeline()
    outcomes = run(path, until="refine")
    folder = Path(outcomes["refine"]["manifest"]).parent
    (folder / "manifest.json").unlink()
    (folder / "units" / "unit-000002.json").unlink()
    times = {marker.name: marker.stat().st_mtime_ns for marker in (folder / "units").iterdir()}
    again = run(path, until="refine")
    assert again["refine"]["digest"] == outcomes["refine"]["digest"]
    after = {marker.name: marker.stat().st_mtime_ns for marker in (folder / "units").iterdir()}
    assert set(after) - set(times) == {"unit-000002.json"}
    assert all(after[name] == time for name, time in times.items())


def test_a_bad_unit_is_quarantined_and_its_documents_do_not_leak(pipeline, run):
    outcomes = run(pipeline(**{"documents: 40}": "documents: 40, broken: [3]}"}))
    manifest = read_manifest(outcomes["lines"]["manifest"])
    assert manifest.counts["quarantined_units"] == 1
    assert manifest.counts["documents"] == 200
    [entry] = read_list(manifest, "quarantine")
    assert (entry["unit"], entry["path"]) == (3, "lines-3")
    assert "middle of a record" in entry["error"]
    assert not any(row["doc_id"].startswith("lines:3-") for row in documents(outcomes["lines"]))


def test_too_many_bad_units_fail_the_stage_by_name(pipeline, run):
    with pytest.raises(InputError, match=r"2 of 6 units cannot be read") as caught:
        run(pipeline(**{"documents: 40}": "documents: 40, broken: [1, 3]}"}))
    assert "lines-1" in str(caught.value)
    assert "max_quarantined_ratio" in str(caught.value)


@pytest.mark.parametrize(("failing", "error"), [("transient", TransientError), ("config", ConfigError), ("crash", CurationError)])
def test_failures_keep_their_reaction(pipeline, run, failing, error, monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with pytest.raises(error) as caught:
        run(pipeline(**{"documents: 40}": f"documents: 40, failing: {failing}}}"}))
    assert type(caught.value) is error
    assert "secret" not in str(caught.value)


def test_an_operation_that_loses_rows_is_named(pipeline, run):
    with pytest.raises(CurationError, match=r"curation_test_parts:WRONG_ROWS returned 15 rows for 16|returned \d+ rows for \d+"):
        run(pipeline(**{"curation_test_parts:short: {min_characters: 25}": "curation_test_parts:WRONG_ROWS"}))


def test_a_limit_takes_the_first_records_in_the_order_of_the_units(pipeline, run):
    outcomes = run(pipeline(), limit=55, until="lines")
    rows = documents(outcomes["lines"])
    assert outcomes["lines"]["counts"]["records"] == 55
    assert read_manifest(outcomes["lines"]["manifest"]).content["counters"]["beyond_limit"] > 0  # of the batch that the limit cut
    assert [row["doc_id"] for row in rows] == [f"lines:0-{n}" for n in range(40)] + [f"lines:1-{n}" for n in range(15)]
    assert run(pipeline())["lines"]["key"] != outcomes["lines"]["key"]


def test_a_limit_beyond_any_number_of_rows_is_none():
    batch, context = pa.record_batch({"text": ["a", "b"]}), RunContext("demo", "all", "lines", "folder")
    assert [len(taken) for taken in _limited(iter([batch, batch]), 10**30, context)] == [2, 2]
    assert [len(taken) for taken in _limited(iter([batch, batch]), 3, context)] == [2, 1]


def test_a_limited_run_is_published_only_as_a_trial(pipeline, run):
    with pytest.raises(ConfigError, match=r"--snapshot all\+trial"):
        run(pipeline(), limit=55)
    outcomes = run(pipeline(), limit=55, snapshot="all+trial")
    assert outcomes["publish"]["published"].endswith("/demo/all+trial/published/000001.json")


def test_the_content_of_a_referenced_file_decides_the_key_and_is_frozen(pipeline, run, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("kind")
    path = pipeline(
        **{"{min_characters: 25}": "{min_characters: 25, word_list: words.txt}", "publish: {}": "publish: {gates: {min_documents: 0}}"}
    )
    first = run(path)
    assert first["refine"]["counts"]["documents"] == 0
    resolved = read_manifest(first["resolve"]["manifest"])
    frozen = Path(resolved.folder) / "files" / resolved.content["files"]["words.txt"]["sha256"]
    assert frozen.read_text() == "kind"
    words.write_text("unheard")
    second = run(path)
    assert second["refine"]["key"] != first["refine"]["key"]
    assert second["refine"]["counts"]["documents"] > 0
    assert second["lines"]["reused"]


def test_a_gate_keeps_a_dataset_unpublished(pipeline, run):
    with pytest.raises(InputError, match="min_documents: 1,000,000"):
        run(pipeline(**{"publish: {}": "publish: {gates: {min_documents: 1000000}}"}))


def test_stages_refuse_inputs_that_are_not_theirs(pipeline, run):
    outcomes = run(pipeline(), until="refine")
    resolved = outcomes["resolve"]["manifest"]
    with pytest.raises(ConfigError, match="reads 'lines'"):
        run_stage(StageRequest("refine", resolved=resolved))
    with pytest.raises(ConfigError, match="a manifest of stage 'refine'"):
        run_stage(StageRequest("refine", resolved=resolved, inputs={"lines": outcomes["refine"]["manifest"]}))
    with pytest.raises(ConfigError, match="did you mean 'refine'"):
        run_stage(StageRequest("refin", resolved=resolved))


def test_a_manifest_changed_by_hand_is_refused(pipeline, run):
    outcomes = run(pipeline(), until="lines")
    place = Path(outcomes["lines"]["manifest"])
    document = json.loads(place.read_text())
    document["content"]["counts"]["documents"] = 7
    place.write_text(json.dumps(document))
    with pytest.raises(InputError, match="does not match its digest"):
        run(pipeline(), until="refine")


def test_samples_are_redacted(pipeline, run, monkeypatch):
    outcomes = run(pipeline())
    samples = read_list(read_manifest(outcomes["refine"]["manifest"]), "samples")
    assert samples
    assert {sample["reason"] for sample in samples} == {"too_short"}
    assert len(samples) <= 5


def test_a_remote_root_must_have_passed_the_race_test(pipeline, run):
    with pytest.raises(ConfigError, match="cannot hold datasets"):
        run(pipeline(), "https://example.org/data")


def test_the_same_digests_on_s3(pipeline, run, bucket):
    assert digests(run(pipeline(), f"{bucket}/curation")) == digests(run(pipeline(), "local"))


@pytest.mark.parametrize("workers", [1, 4])
def test_one_and_four_workers_give_the_same_digests(pipeline, run, tmp_path, workers):
    outcomes = run_pipeline(pipeline(), "all", str(tmp_path / "other"), workers=workers)
    assert {o["stage"]: (o["key"], o["digest"]) for o in outcomes} == digests(run(pipeline()))


def test_threads_and_processes_give_the_same_digests(pipeline, tmp_path, monkeypatch):
    path = pipeline(**{"- curation_test_parts:short": "- curation_test_parts:SLOW\n      - curation_test_parts:short"})
    threads = run_pipeline(path, "all", str(tmp_path / "threads"), workers=2)
    monkeypatch.setattr("curation_tasks.runner.stage.PROCESSES_TEXT_BYTES", 0)
    processes = run_pipeline(path, "all", str(tmp_path / "processes"), workers=2)
    assert [(o["key"], o["digest"]) for o in processes] == [(o["key"], o["digest"]) for o in threads]
    [text] = {row["text"] for row in documents({o["stage"]: o for o in processes}["refine"]) if row["doc_id"] == "lines:0-4"}
    assert text.startswith("Story 4 of kind 0. ")


def test_retention_keeps_what_a_published_entry_reaches_and_lets_the_rest_expire(pipeline, run, tmp_path):
    first = run(pipeline())
    second = run(pipeline(**{"min_characters: 25": "min_characters: 40"}))
    folders = {name: {str(Path(outcomes[name]["manifest"]).parent) for outcomes in (first, second)} for name in first}
    # The second run found the source done, whose manifest names the first resolve: that stays with it.
    kept = {str(Path(outcome["manifest"]).parent) for outcome in (*second.values(), first["resolve"])}
    root = str(tmp_path / "data")
    assert expired_folders(root, days=7) == []
    later = datetime.now(UTC) + timedelta(days=8)
    expired = expired_folders(root, days=7, now=later)
    assert set(expired) == set().union(*folders.values()) - kept
    assert str(Path(first["refine"]["manifest"]).parent) in expired
    assert str(Path(first["lines"]["manifest"]).parent) not in expired
    abandoned = tmp_path / "data" / "demo" / "all" / "refine" / "unfinished"
    abandoned.mkdir()
    (abandoned / "part-000000-0.parquet").write_bytes(b"")
    assert str(abandoned) in expired_folders(root, days=7, now=later)
    assert snapshots(root)[0]["unfinished"] == ["refine"]
