"""Compaction: rows of erased documents leave the files; nobody who reads an index notices, before, meanwhile or after."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup import compaction
from curation_tasks.dedup.catalog import ExactParameters, ParagraphsParameters
from curation_tasks.dedup.compaction import compact, superseded_files
from curation_tasks.dedup.exact import exact
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.dedup.repeated import paragraphs
from curation_tasks.index import ERASED, GENERATIONS, erase, hash_file, read_index, write_generation

LINES = ("first line of a text", "line two which is another", "line at the end")
TEXTS = [
    ["\n".join(" ".join(f"{word}{n}" for word in line.split()) for line in LINES) for n in range(start, start + 20)] for start in (0, 20)
]
REDUCTIONS = {
    "exact": (exact, ExactParameters()),
    "fuzzy": (fuzzy, FuzzyParameters(width=1)),
    "paragraphs": (paragraphs, ParagraphsParameters(normalization=[], min_document_characters=0)),
}
GONE = ["doc-0-3", "doc-1-7"]


@pytest.fixture(params=sorted(REDUCTIONS))
def indexed(request, make_dataset, make_context, tmp_path):
    """``(uri of an index of 40 documents, compare)``; ``compare()`` decides on the same 40 against it."""
    run, parameters = REDUCTIONS[request.param]
    uri = str(tmp_path / "index")
    run(make_dataset(tmp_path / "first", TEXTS), parameters, dataclasses.replace(make_context(tmp_path / "work"), index=uri))
    later = make_dataset(tmp_path / "later", TEXTS)

    def compare():
        earlier = (EarlierIndex("first", uri, read_index(uri).digest),)
        compare.runs += 1
        context = dataclasses.replace(make_context(tmp_path / f"work-{compare.runs}"), earlier=earlier)
        decisions = run(later, parameters, context)
        return [Path(found).read_bytes() if found else b"" for found in (*decisions.uris, *decisions.cuts)]

    compare.runs = 0
    return uri, compare


def mentions(uri, doc_ids):
    """Rows of an index's present files that carry one of some identities."""
    found = 0
    for file in read_index(uri).files:
        table = pq.read_table(f"{uri}/{file['path']}")
        if "doc_id" in table.schema.names:
            found += sum(doc_id in doc_ids for doc_id in table["doc_id"].to_pylist())
    return found


def test_the_rows_go_and_nothing_else_changes(indexed):
    uri, compare = indexed
    whole, everything = read_index(uri), compare()
    marked = erase(uri, GONE)
    with_tombstones = compare()
    assert with_tombstones != everything
    assert mentions(uri, GONE) >= 2

    compacted = compact(uri)

    assert mentions(uri, GONE) == 0
    assert compare() == with_tombstones
    assert (compacted.tombstones, compacted.erased, compacted.digest) == ((), marked.erased, marked.digest)
    assert (compacted.content_digest, compacted.written_digest) == (whole.content_digest, whole.digest)
    assert compacted.documents < whole.documents
    for file in compacted.files:
        assert (file["rows"], file["hash"]) == hash_file(f"{uri}/{file['path']}") or not file["rows"]
        assert file["bytes"] == Path(f"{uri}/{file['path']}").stat().st_size
    assert compact(uri) == compacted


def test_later_erasures_compact_again_and_old_files_go_only_after_retention(indexed):
    uri, compare = indexed
    erase(uri, GONE[:1])
    first = compact(uri)
    erase(uri, GONE[1:])
    second = compact(uri)
    assert (second.generation, second.tombstones) == (2, ())
    assert mentions(uri, GONE) == 0
    expected, now = compare(), datetime.now(UTC)
    assert superseded_files(uri, now - timedelta(days=1)) == []
    old = {file.uri for file in superseded_files(uri, now + timedelta(days=1))}
    assert {f"{uri}/{file['path']}" for file in first.files} - {f"{uri}/{file['path']}" for file in second.files} <= old
    for name in old:
        Path(name).unlink()
    assert compare() == expected


def test_a_killed_compaction_is_done_again_and_one_that_lost_reads_again(indexed, monkeypatch):
    uri, compare = indexed
    erase(uri, GONE)
    expected = compare()
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "write_generation", lambda *everything: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            compact(uri)
    assert read_index(uri).generation == 0
    assert compare() == expected

    lost = []

    def late(index, *what):
        if not lost:  # another one commits first, and more is erased
            lost.append(write_generation(index, *what))
            erase(uri, ["doc-0-9"])
        return write_generation(index, *what)

    monkeypatch.setattr(compaction, "write_generation", late)
    found = compact(uri)
    assert (found.generation, found.tombstones) == (2, ())
    assert mentions(uri, [*GONE, "doc-0-9"]) == 0
    assert sorted(path.name for path in Path(uri, GENERATIONS).glob("*.json")) == ["000001.json", "000002.json"]


def test_two_that_erase_at_once_forget_nothing(indexed, monkeypatch):
    uri, _ = indexed
    from curation_tasks import index as module

    create, raced = module.create_if_absent, []

    def slower(place, data):
        if not raced:
            raced.append(True)
            erase(uri, ["doc-0-1"])
        return create(place, data)

    monkeypatch.setattr(module, "create_if_absent", slower)
    assert erase(uri, GONE).erased == ("doc-0-1", *GONE)
    assert pa.array(read_index(uri).erased).to_pylist() == ["doc-0-1", *GONE]


def test_tombstones_of_the_first_versions_still_count_and_are_compacted(indexed):
    uri, compare = indexed
    whole = read_index(uri)
    erased = erase(uri, GONE)
    expected = compare()
    [newer] = Path(uri, ERASED).glob("*.json")
    newer.unlink()
    newer.parent.rmdir()
    assert read_index(uri) == whole
    Path(uri, "erased.json").write_text(json.dumps(GONE), encoding="utf-8")

    assert (read_index(uri).tombstones, read_index(uri).digest) == (tuple(GONE), erased.digest)
    assert compare() == expected
    assert erase(uri, GONE[:1]).digest == erased.digest
    assert erase(uri, ["doc-0-1"]).erased == ("doc-0-1", *GONE)
    assert compact(uri).tombstones == ()
    assert mentions(uri, ["doc-0-1", *GONE]) == 0
