from __future__ import annotations

from typing import Any

import pytest

from curation_tasks.errors import InputError
from curation_tasks.lineage.explain import explain
from curation_tasks.manifest import Manifest
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import read_shard


def outcomes(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["stage"], row["outcome"]) for row in rows]


@pytest.mark.parametrize("name", ["stories:61", "https://stories.example/61"])
def test_a_published_document_is_followed_by_id_or_url_into_its_exported_row(published: Manifest, name: str) -> None:
    rows = explain(published, name)

    kept = [(stage, "kept") for stage in ("stories", "refine", "unique", "private")]
    assert outcomes(rows) == [*kept, ("export", "exported"), ("publish", "published")]
    exported = rows[-2]
    line = filesystem.read_bytes(exported["file"]).splitlines()[exported["row"]]
    assert b'"doc_id": "stories:61"' in line
    assert rows[-1]["file"].endswith("published/000001.json")


def test_only_the_stage_that_changed_the_text_says_so(published: Manifest) -> None:
    changed = {row["stage"]: row["text_changed"] for row in explain(published, "stories:61") if row["outcome"] == "kept"}

    assert changed == {"stories": None, "refine": False, "unique": False, "private": True}


def test_signals_are_told_where_they_are_added(published: Manifest) -> None:
    rows = {row["stage"]: row for row in explain(published, "stories:61")}

    assert rows["refine"]["signals"]["word_count"] == 60 + 21 + 5
    assert rows["refine"]["signals"]["has_title"] is False
    assert rows["unique"]["signals"] == {}


def test_a_rejected_document_ends_with_the_reason_the_value_and_all_failed_rules(published: Manifest) -> None:
    rows = explain(published, "essays:20")

    assert outcomes(rows) == [("essays", "kept"), ("refine", "rejected")]
    rejected = rows[-1]
    assert {name: rejected[name] for name in ("operation", "reason", "value", "threshold", "failed_rules")} == {
        "operation": "filters.words", "reason": "words.min", "value": 17.0, "threshold": 40.0, "failed_rules": ["words.min", "symbols.max"],
    }  # fmt: skip
    assert rejected["signals"]["word_count"] == 17
    [ledger] = read_shard(rejected["file"])
    assert ledger.column("doc_id")[rejected["row"]].as_py() == "essays:20"


def test_a_duplicate_names_its_survivor(published: Manifest) -> None:
    rejected = explain(published, "https://stories.example/35")[-1]

    assert (rejected["stage"], rejected["reason"], rejected["evidence"]["survivor"]) == ("unique", "exact_duplicate", "stories:34")


def test_text_is_told_only_when_asked_for(published: Manifest) -> None:
    for document in ("stories:61", "stories:60"):
        assert "Anna" not in str(explain(published, document))
    told = {row["stage"]: row.get("text") for row in explain(published, "stories:61", show_text=True)}
    assert told["unique"].startswith("stories 61: Anna met Paul word")
    assert told["private"].startswith("stories 61: [PERSON] met [PERSON] word")
    assert explain(published, "stories:60", show_text=True)[-1]["text"].startswith("stories 60: Anna")


def test_a_document_that_a_stage_lost_is_told_as_missing(manifests: dict[str, Manifest], trees: Any) -> None:
    unique = manifests["unique"]
    shard = unique.dataset().shards[0]
    [batch] = unique.dataset().read(shard)
    trees.write_file(unique.folder, shard.path, batch.slice(1), trees.REFINED)

    rows = explain(manifests["publish"], "stories:1")

    assert outcomes(rows) == [("stories", "kept"), ("refine", "kept"), ("unique", "missing")]


def test_an_unknown_document_is_an_error_that_names_the_nearest(published: Manifest) -> None:
    with pytest.raises(InputError, match="did you mean 'stories:61'"):
        explain(published, "storys:61")
    with pytest.raises(InputError, match="identities look like 'stories:0'"):
        explain(published, "###")
