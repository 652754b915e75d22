"""Snapshots compared with earlier ones: any order of runs ends in the same data, and `status` says what is to be run again."""

import itertools
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from curation_tasks.cli.verify import verify as verify_command
from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.index import erase, read_index
from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.published import published_entries
from curation_tasks.lineage.verify import verify
from curation_tasks.manifest import read_list, read_manifest
from curation_tasks.runner import StageRequest, Surroundings, run_stage
from curation_tasks.runner import lease as leases
from curation_tasks.runner.erasure import erase_from_indexes
from curation_tasks.runner.freshness import freshness, indexed_documents, states
from curation_tasks.runner.housekeeping import keep_house
from curation_tasks.runner.publish import named_manifest
from curation_tasks.runner.retention import expired_folders, published_indexes, snapshots

MONTHS = ("2026-01", "2026-02", "2026-03")
TEXTS = {
    "2026-01": ["a", "b", "b", "c"],
    "2026-02": ["a", "d", "e", "e"],
    "2026-03": ["d", "b", "f", "e"],
}
PIPELINE = """
name: monthly
partitions: month
stages:
  - id: dated
    source: curation_test_parts:DATED
    parameters: {texts: TEXTS}
  - id: exact
    reduction: dedup.exact
    against: earlier
  - id: text
    export: curation_test_parts:TEXT
  - id: publish
    publish: {gates: {min_documents: 0}}
"""


@pytest.fixture
def curate(tmp_path, own_parts, run):
    """``curate(snapshot, root=…, until=…, **replacements in the pipeline)``: the results of the stages."""

    def runner(snapshot, root="data", until=None, name="monthly", texts=TEXTS, document=PIPELINE, **replacements):
        document = document.replace("TEXTS", json.dumps(texts)).replace("name: monthly", f"name: {name}")
        for old, new in replacements.items():
            assert old in document
            document = document.replace(old, new)
        path = tmp_path / f"{name}.yaml"
        path.write_text(document, encoding="utf-8")
        return run(path, root, until=until, snapshot=snapshot)

    return runner


def published_text(root: Path, snapshot):
    """The texts that consumers of a snapshot read."""
    entry = published_entries(f"{root}/monthly/{snapshot}/published")[-1]
    dataset = read_manifest(f"{root}/{entry['datasets']['text']['path']}").dataset()
    return [line for shard in dataset.shards for line in Path(dataset.uri(shard)).read_text(encoding="utf-8").splitlines()]


def state(root, snapshot):
    return states(freshness(str(root), "monthly", snapshot))


EXPECTED = {"2026-01": ["a", "b", "c"], "2026-02": ["d", "e"], "2026-03": ["f"]}


def versions(letter, snapshot):
    """Forty words of a letter's own, and one of the snapshot: similar to the letter's text in another one, not the same."""
    return " ".join([*(f"{letter}{number}" for number in range(40)), f"in{snapshot[-2:]}"])


def link(first):
    """A hundred words. Neighbours of the chain 0, 5, 15 share 95 and 90 of them (similarity .90 and .82), its ends 85 (.74)."""
    return " ".join(f"word{number}" for number in range(first, first + 100))


CHAIN = dict(zip(MONTHS, map(link, (0, 5, 15)), strict=True))
#: Reduction → replacements in the pipeline, texts of each snapshot, what of them is published, and what the last snapshot is
#: once the second, which was run first of all, has been run again. The middle of the chain stays only in a snapshot that knows
#: nothing of the first, and there removes the chain's end.
ORDERED = {
    "exact": ({}, TEXTS, EXPECTED, "incomplete"),
    "fuzzy": (
        {"reduction: dedup.exact": "reduction: dedup.fuzzy\n    parameters: {width: 1}"},
        {month: [*(versions(letter, month) for letter in letters), CHAIN[month]] for month, letters in TEXTS.items()},
        {
            month: [*(versions(letter, month) for letter in letters), *([] if month == "2026-02" else [CHAIN[month]])]
            for month, letters in EXPECTED.items()
        },
        "unsupported: 1",
    ),
}


@pytest.mark.parametrize("order", [*itertools.permutations(MONTHS)], ids="".join)
@pytest.mark.parametrize("reduction", ORDERED)
def test_any_order_of_runs_ends_in_the_same_data(curate, tmp_path, reduction, order):
    replacements, texts, expected, third = ORDERED[reduction]
    root = tmp_path / "data"
    for done, snapshot in enumerate(order, 1):
        curate(snapshot, texts=texts, **replacements)
        # Stale is who ran before an earlier one.
        late = {order[place] for place in range(done) if any(other < order[place] for other in order[place:done])}
        assert {other for other in order[:done] if state(root, other) != "fresh"} == late
    # Whoever is stale is run again, the earliest first; that may make later ones stale, never earlier ones.
    again = {}
    for snapshot in MONTHS:
        if (found := state(root, snapshot)) != "fresh":
            again[snapshot] = found
            curate(snapshot, texts=texts, **replacements)
    assert bool(again) == (order != MONTHS)
    if order[0] == MONTHS[1]:
        assert again == {MONTHS[1]: "incomplete", MONTHS[2]: third}
    assert {snapshot: published_text(root, snapshot) for snapshot in MONTHS} == expected
    assert [state(root, snapshot) for snapshot in MONTHS] == ["fresh"] * 3


def alone(letter, snapshot):
    return f"{letter} stands alone"


#: Reduction → its parameters, and the text of a letter in a snapshot.
COMPARED = {
    "dedup.exact": ("{}", alone),
    "dedup.fuzzy": ("{width: 1}", versions),
    "dedup.simhash": ("{}", alone),
    "dedup.sentences": ("{span: 1, min_characters: 1, min_document_characters: 0}", alone),
    "dedup.paragraphs": ("{min_document_characters: 0}", alone),
}


def in_words(letters, text_of):
    return {snapshot: [text_of(letter, snapshot) for letter in listed] for snapshot, listed in letters.items()}


@pytest.fixture(params=COMPARED)
def reduction(request):
    """A reduction's replacement in the pipeline, and the function from letter and snapshot to text."""
    parameters, text_of = COMPARED[request.param]
    return {"reduction: dedup.exact": f"reduction: {request.param}\n    parameters: {parameters}"}, text_of


def test_every_reduction_is_compared_with_earlier_snapshots(curate, tmp_path, reduction):
    changed, text_of = reduction
    texts = in_words(TEXTS, text_of)
    for snapshot in ("2026-01", "2026-03", "2026-02"):
        curate(snapshot, texts=texts, **changed)
    assert [state(tmp_path / "data", snapshot) for snapshot in MONTHS] == ["fresh", "fresh", "incomplete"]
    curate("2026-03", texts=texts, **changed)
    assert {snapshot: published_text(tmp_path / "data", snapshot) for snapshot in MONTHS} == in_words(EXPECTED, text_of)
    assert state(tmp_path / "data", "2026-03") == "fresh"


def test_what_is_stale_and_why(curate, tmp_path):
    root = tmp_path / "data"
    curate("2026-03")
    assert published_text(root, "2026-03") == ["d", "b", "f", "e"]
    curate("2026-01")
    assert state(root, "2026-03") == "incomplete"
    curate("2026-03")
    assert published_text(root, "2026-03") == ["d", "f", "e"]
    curate("2026-01", texts=TEXTS | {"2026-01": ["a"]})
    assert state(root, "2026-03") == "unsupported: 1"
    [row] = freshness(str(root), "monthly", "2026-03")
    assert row == {"stage": "exact", "state": "unsupported", "changed": ["2026-01"], "unsupported_documents": 1}
    assert [row["earlier"] for row in snapshots(str(root))][1] == [row]


def test_an_earlier_snapshot_run_again_with_the_same_outcome_leaves_later_ones_fresh(curate, tmp_path):
    curate("2026-01")
    first = curate("2026-02")
    again = curate("2026-01", **{"against: earlier": "against: earlier\n    ledger_text: false"})
    assert not again["exact"]["reused"]
    assert state(tmp_path / "data", "2026-02") == "fresh"
    assert curate("2026-02")["exact"]["key"] == first["exact"]["key"]


def test_a_stale_snapshot_whose_documents_stay_the_same_is_fresh_after_it(curate, tmp_path):
    texts = {"2026-01": ["x"], "2026-02": ["y"]}
    curate("2026-02", texts=texts)
    curate("2026-01", texts=texts)
    assert state(tmp_path / "data", "2026-02") == "incomplete"
    outcomes = curate("2026-02", texts=texts)
    assert outcomes["text"]["reused"]
    assert outcomes["publish"]["published"].endswith("000002.json")
    assert state(tmp_path / "data", "2026-02") == "fresh"


def test_manifests_record_every_earlier_snapshot_and_an_unpublished_one_decides_nothing(curate, tmp_path):
    curate("2026-01", until="exact")
    (tmp_path / "data" / "monthly" / "2026-01" / "lease.json").unlink()
    outcomes = curate("2026-02")
    [row] = read_list(read_manifest(outcomes["exact"]["manifest"]), "earlier")
    assert row == {"snapshot": "2026-01", "path": None, "digest": None, "content": None}
    assert outcomes["exact"]["counts"]["documents"] == 3
    curate("2026-01")
    outcomes = curate("2026-02")
    manifest = read_manifest(outcomes["exact"]["manifest"])
    [row] = read_list(manifest, "earlier")
    assert row["digest"] == read_manifest(curate("2026-01")["exact"]["manifest"]).content["index"]["digest"]
    assert manifest.content["counters"]["removed_by_earlier"] == 1
    assert verify(named_manifest(outcomes["publish"]["published"])) == []


def test_an_erasure_is_seen_at_once_and_matters_only_where_somebody_was_removed_for_it(curate, tmp_path):
    root = tmp_path / "data"
    index = read_manifest(curate("2026-01")["exact"]["manifest"]).index
    curate("2026-02")
    assert {name for names in indexed_documents(index) for name in names.to_pylist()} == {f"dated:2026-01-{n}" for n in (0, 1, 3)}
    erase(index, ["dated:2026-01-3"])
    assert state(root, "2026-02") == "fresh"
    erase(index, ["dated:2026-01-0"])
    assert state(root, "2026-02") == "unsupported: 1"
    curate("2026-02")
    assert state(root, "2026-02") == "fresh"
    assert published_text(root, "2026-02") == ["a", "d", "e"]


SAME_IDS = """
name: monthly
partitions: month
stages:
  - id: read
    source: jsonl
    parameters: {files: ["FOLDER/SNAPSHOT.jsonl"], columns: {id: id}}
  - id: exact
    REDUCTION
    against: earlier
  - id: text
    export: curation_test_parts:TEXT
  - id: publish
    publish: {gates: {min_documents: 0}}
"""
REDUCTIONS = {
    "exact": "reduction: dedup.exact",
    "fuzzy": "reduction: dedup.fuzzy",
    "paragraphs": "reduction: dedup.paragraphs\n    parameters: {min_document_characters: 0}",
}


def test_what_was_cut_from_a_document_that_became_too_short_needs_its_survivor(curate, tmp_path):
    changed = {"reduction: dedup.exact": "reduction: dedup.paragraphs"}
    texts = {"2026-01": ["one line", "another line"], "2026-02": ["one line", "a third line"]}
    first, _ = (curate(snapshot, texts=texts, **changed) for snapshot in texts)
    assert published_text(tmp_path / "data", "2026-02") == ["a third line"]  # nothing is left of the other
    erase(read_manifest(first["exact"]["manifest"]).index, ["dated:2026-01-1"])
    assert state(tmp_path / "data", "2026-02") == "fresh"  # nothing was cut because of it
    erase(read_manifest(first["exact"]["manifest"]).index, ["dated:2026-01-0"])
    assert state(tmp_path / "data", "2026-02") == "unsupported: 1"


@pytest.mark.parametrize("reduction", sorted(REDUCTIONS))
def test_the_same_doc_id_in_another_snapshot_supports_nobody(curate, tmp_path, reduction):
    root = tmp_path / "data"
    pages = {
        "2026-01": {"7": "an old text that says something", "8": "another page stands here"},
        "2026-02": {"7": "a new text of the very same page", "9": "an old text that says something"},
    }
    if reduction == "paragraphs":
        pages["2026-02"]["9"] += "\nand a line of its own"
    for snapshot, texts in pages.items():
        lines = [json.dumps({"id": name, "text": text}) for name, text in texts.items()]
        (tmp_path / f"{snapshot}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    document = SAME_IDS.replace("FOLDER", str(tmp_path)).replace("REDUCTION", REDUCTIONS[reduction])
    first, second = (curate(snapshot, document=document.replace("SNAPSHOT", snapshot)) for snapshot in pages)
    doc_id = next(name for names in indexed_documents(read_manifest(first["exact"]["manifest"]).index) for name in names.to_pylist())
    assert doc_id.endswith(":7")
    manifest = read_manifest(second["exact"]["manifest"])
    told = explain(manifest, doc_id.replace(":7", ":9"))[-1]
    told = told["cuts"][0] if reduction == "paragraphs" else told["evidence"]
    assert (told["survivor"], told["survivor_snapshot"]) == (doc_id, "2026-01")
    found = {name for names in indexed_documents(manifest.index) for name in names.to_pylist()}
    assert doc_id in found  # the page is there again, with another text
    erase_from_indexes(str(root), "monthly", [doc_id.replace(":7", ":8")])
    assert state(root, "2026-02") == "fresh"

    erase(read_manifest(first["exact"]["manifest"]).index, [doc_id])

    assert state(root, "2026-02") == "unsupported: 1"
    curate("2026-02", document=document.replace("SNAPSHOT", "2026-02"))
    assert state(root, "2026-02") == "fresh"


def test_unindexed_documents_stop_removing_others_and_the_command_says_whom_that_concerns(curate, tmp_path):
    root = str(tmp_path / "data")
    for snapshot in MONTHS:
        curate(snapshot)
    with pytest.raises(InputError, match="no index lists such a document"):
        erase_from_indexes(root, "monthly", ["dated:2026-01-2"])  # it was removed itself
    assert erase_from_indexes(root, "monthly", ["dated:2026-02-1", "dated:2026-01-3"]) == [
        {"snapshot": "2026-01", "stage": "exact", "documents": 1, "state": "fresh"},
        {"snapshot": "2026-02", "stage": "exact", "documents": 1, "state": "fresh"},
        {"snapshot": "2026-03", "stage": "exact", "documents": 0, "state": "unsupported: 1"},
    ]
    curate("2026-03")
    assert published_text(root, "2026-03") == ["d", "f"]


def test_housekeeping_takes_the_rows_of_unindexed_documents_out_of_the_files(curate, tmp_path):
    root = str(tmp_path / "data")
    curate("2026-01")
    last = curate("2026-02")
    [uri] = published_indexes(root)[:1]
    erase_from_indexes(root, "monthly", ["dated:2026-01-0", "dated:2026-01-3"])
    before = freshness(root, "monthly", "2026-02")
    assert [row["state"] for row in before] == ["unsupported"]
    assert keep_house(root, 7) == []  # lists, and does nothing
    assert read_index(uri).generation == 0
    assert keep_house(root, 7, delete=True) == []
    assert read_index(uri).generation == 1
    assert [name for names in indexed_documents(uri) for name in names.to_pylist()] == ["dated:2026-01-1"]
    assert freshness(root, "monthly", "2026-02") == before
    assert verify(read_manifest(last["publish"]["manifest"])) == []
    late = datetime.now(UTC) + timedelta(days=8)
    [row] = [row for row in keep_house(root, 7, delete=True, now=late) if row["folder"] == uri]
    assert row["files"] == 1
    assert not (Path(uri) / "hashes-00000.parquet").exists()
    assert verify(read_manifest(last["publish"]["manifest"])) == []


def test_verify_names_the_file_of_an_index_that_was_damaged(curate):
    manifests = [read_manifest(curate(snapshot)["publish"]["manifest"]) for snapshot in MONTHS[:2]]
    index = read_manifest(curate("2026-01")["exact"]["manifest"]).index
    path = Path(index) / "hashes-00000.parquet"
    whole, other = path.read_bytes(), pq.read_table(path).slice(1)
    pq.write_table(other, path)
    assert [(f.severity, f.where, f.what) for f in verify(manifests[0])] == [("error", str(path), "a file of the index holds other values")]
    assert [(f.severity, f.where) for f in verify(manifests[1])] == [("error", str(path))]  # was compared with it
    with pytest.raises(typer.Exit) as ended:
        verify_command(manifests[0].uri)
    assert ended.value.exit_code == 65
    path.write_bytes(whole[:-30])
    assert [f.where for f in verify(manifests[0])] == [str(path)]
    path.write_bytes(whole)
    assert verify(manifests[0]) == verify(manifests[1]) == []
    described = Path(index) / "index.json"
    described.write_text(described.read_text().replace('"documents":3', '"documents":4'), encoding="utf-8")
    assert "the index is not the one that was committed" in [f.what for f in verify(manifests[0])]


def test_an_index_that_changes_after_resolve_stops_the_run(curate, tmp_path, cluster):
    index = read_manifest(curate("2026-01")["exact"]["manifest"]).index
    before = curate("2026-02", until="dated")
    erase(index, ["dated:2026-01-0"])
    request = StageRequest("exact", resolved=before["resolve"]["manifest"], inputs={"dated": before["dated"]["manifest"]})
    with pytest.raises(InputError, match="no longer the one that resolve froze"):
        run_stage(request, Surroundings(client=lambda settings: nullcontext(cluster)))


def test_other_datasets_rank_before_all_snapshots(curate, tmp_path, reduction):
    changed, text_of = reduction
    with pytest.raises(ConfigError, match="'books/2026-01'"):
        curate("2026-01", **changed, **{"against: earlier": "against: [books/2026-01]"})
    curate("2026-01", name="books", texts=in_words({"2026-01": ["b", "f"]}, text_of), **changed, **{"against: earlier": "index: true"})
    both = {"texts": in_words(TEXTS, text_of), "against: earlier": "against: [earlier, books]"}
    manifests = [curate(snapshot, **changed, **both)["exact"]["manifest"] for snapshot in MONTHS]
    left = {"2026-01": ["a", "c"], "2026-02": ["d", "e"], "2026-03": []}
    assert {snapshot: published_text(tmp_path / "data", snapshot) for snapshot in MONTHS} == in_words(left, text_of)
    assert [row["snapshot"] for row in read_list(read_manifest(manifests[1]), "earlier")] == ["books/2026-01", "2026-01"]
    told = explain(read_manifest(manifests[2]), "dated:2026-03-2")[-1]
    told = told["cuts"][0] if "cuts" in told else told["evidence"]
    assert (told["survivor"], told["survivor_snapshot"]) == ("dated:2026-01-1", "books/2026-01")


def test_other_parameters_and_missing_files_are_never_an_empty_match(curate):
    index = read_manifest(curate("2026-01")["exact"]["manifest"]).index
    with pytest.raises(
        ConfigError, match=r"the index of 2026-01 was made with other parameters \(normalization: \[\] there, \['lower'\] here\)"
    ):
        curate("2026-02", **{"reduction: dedup.exact": "reduction: dedup.exact\n    parameters: {normalization: [lower]}"})
    (Path(index) / "hashes-00000.parquet").unlink()
    with pytest.raises(InputError, match="a file of the index of 2026-01 is missing"):
        curate("2026-02")


def test_a_run_waits_only_for_a_live_lease_on_an_earlier_snapshot(curate, tmp_path):
    now = datetime.now(UTC)
    curate("2026-02", until="dated")  # leaves its lease, as a run between two stages does
    lease = tmp_path / "data" / "monthly" / "2026-02" / "lease.json"
    until = leases.live_until(str(tmp_path / "data"), "monthly", "2026-02")
    assert timedelta(minutes=9) < until - now < timedelta(minutes=11)
    curate("2026-01")
    with pytest.raises(TransientError, match="'2026-02' is being curated"):
        curate("2026-03")
    lease.write_text(json.dumps({"stage": "exact", "until": (now - timedelta(seconds=1)).isoformat()}))
    curate("2026-03")
    curate("2026-02")
    assert not lease.exists()


def test_a_lease_is_renewed_while_a_stage_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "RENEWED_EVERY", timedelta(milliseconds=20))
    written = []
    monkeypatch.setattr(leases.filesystem, "write_bytes", lambda uri, data: written.append(json.loads(data)["until"]))
    with leases.Lease(str(tmp_path), "monthly", "2026-01", "exact") as lease:
        while len(written) < 4:
            lease._over.wait(0.01)
    assert len(written) >= 4


def test_indexes_of_published_entries_are_kept_and_others_expire(curate, tmp_path):
    old = read_manifest(curate("2026-01")["exact"]["manifest"]).index
    new = read_manifest(curate("2026-01", texts=TEXTS | {"2026-01": ["z"]})["exact"]["manifest"]).index
    expired = expired_folders(str(tmp_path / "data"), days=7, now=datetime.now(UTC) + timedelta(days=8))
    assert old in expired
    assert new not in expired


@pytest.mark.parametrize(
    ("replacements", "message"),
    [
        ({"partitions: month": "partitions: none"}, "no snapshot is earlier"),
        ({"against: earlier": "against: monthly"}, "is this pipeline itself"),
        ({"against: earlier": "against: ../x"}, "is neither"),
        ({"export: curation_test_parts:TEXT": "export: curation_test_parts:TEXT\n    against: earlier"}, "belongs to a reduction"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_the_plan(curate, replacements, message):
    with pytest.raises(ConfigError, match=message):
        curate("2026-01", **replacements)
