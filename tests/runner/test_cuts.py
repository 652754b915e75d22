"""A reduction that cuts spans: the texts, the list of what was cut, and what the commands say of it."""

import json
import shutil
from pathlib import Path

import pytest

from curation_tasks.cli.run import run_pipeline
from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.funnel import funnel, imbalances
from curation_tasks.lineage.report import write_report
from curation_tasks.lineage.verify import verify
from curation_tasks.manifest import read_list, read_manifest
from curation_tasks.storage.shard import ShardWriter, read_shard

PIPELINE = """
name: lines
stages:
  - id: lines
    source: jsonl
    parameters: {files: [FOLDER/*.jsonl], columns: {id: id, url: link}}
  - id: paragraphs
    reduction: dedup.paragraphs
    parameters: {min_document_characters: 12}
  - id: text
    export: jsonl
"""
FILES = {
    "a": ["Welcome to our site!\nThe first story is about a dog.", "A text of its own."],
    "b": ["WELCOME to our site\nThe second story.\n\nWelcome, to our site.", "the first story is about a dog\nshort", "The second story."],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results by stage, and the root."""
    folder = tmp_path_factory.mktemp("cuts")
    for name, texts in FILES.items():
        rows = [{"id": f"{name}{row}", "text": text, "link": f"http://example.org/{name}{row}"} for row, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "lines.yaml").write_text(PIPELINE.replace("FOLDER", str(folder)), encoding="utf-8")
    outcomes = run_pipeline(folder / "lines.yaml", "all", str(folder / "data"), workers=2)
    return {outcome["stage"]: outcome for outcome in outcomes}, folder


def rows(manifest, name):
    uris = [f"{manifest.folder}/{file['path']}" for file in read_list(manifest, name)]
    return [row for uri in uris for batch in read_shard(uri) for row in batch.to_pylist()]


def test_texts_lose_what_stays_elsewhere_and_short_ones_go(finished):
    manifest = read_manifest(finished[0]["paragraphs"]["manifest"])
    dataset = manifest.dataset()
    kept = {row["doc_id"]: row["text"] for shard in dataset.shards for batch in dataset.read(shard) for row in batch.to_pylist()}
    assert kept == {"lines:a0": FILES["a"][0], "lines:a1": FILES["a"][1], "lines:b0": "The second story."}
    [short, empty] = rows(manifest, "ledger")
    assert (short["doc_id"], short["reason"], short["value"], short["threshold"]) == ("lines:b1", "too_short_after_cuts", 5.0, 12.0)
    assert short["text"] == FILES["b"][1]
    assert (empty["doc_id"], empty["value"]) == ("lines:b2", 0.0)


def test_what_was_cut_is_listed_with_where_it_stays(finished):
    manifest = read_manifest(finished[0]["paragraphs"]["manifest"])
    cuts = rows(manifest, "cuts")
    assert [(cut["doc_id"], cut["start"], cut["end"], cut["text"], cut["survivor"]) for cut in cuts] == [
        ("lines:b0", 0, 20, "WELCOME to our site\n", "lines:a0"),
        ("lines:b0", 37, 60, "\n\nWelcome, to our site.", "lines:a0"),
        ("lines:b1", 0, 31, None, "lines:a0"),
        ("lines:b2", 0, 17, None, "lines:b0"),
    ]
    assert cuts[0] | {"text": ""} == {
        "doc_id": "lines:b0", "url": "http://example.org/b0", "stage": "paragraphs", "operation": "dedup.paragraphs",
        "reason": "repeated_paragraph", "start": 0, "end": 20, "characters": 20, "survivor": "lines:a0", "text": "",
    }  # fmt: skip
    assert {name: count for name, count in manifest.counts.items() if name.startswith("cut_")} == {
        "cut_documents": 1, "cut_spans": 2, "cut_characters": 43, "cut_spans_of_rejected": 2,
    }  # fmt: skip


def test_the_commands_tell_of_it(finished, tmp_path):
    last = read_manifest(finished[0]["text"]["manifest"])
    assert verify(last) == []
    figures = funnel(last)
    assert imbalances(figures) == []
    assert [row["cut_characters"] for row in figures] == [0, 43, 0]
    [step] = [step for step in explain(last, "http://example.org/b0") if step["stage"] == "paragraphs"]
    assert step["outcome"] == "kept"
    assert step["text_changed"]
    assert [(cut["start"], cut["characters"], cut["survivor"]) for cut in step["cuts"]] == [(0, 20, "lines:a0"), (37, 23, "lines:a0")]
    [short] = [step for step in explain(last, "lines:b1") if step["stage"] == "paragraphs"]
    assert (short["outcome"], short["reason"]) == ("rejected", "too_short_after_cuts")
    assert [(cut["reason"], cut["characters"], cut["survivor"]) for cut in short["cuts"]] == [("repeated_paragraph", 31, "lines:a0")]
    [untouched] = [step for step in explain(last, "lines:a0") if step["stage"] == "paragraphs"]
    assert "cuts" not in untouched
    write_report(last, str(tmp_path / "report.html"))
    assert "43 characters cut from 1 documents" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_changed_list_of_cuts_is_found(finished, tmp_path):
    outcomes, folder = finished
    shutil.copytree(folder, tmp_path / "copy")
    here = outcomes["paragraphs"]["manifest"].replace(str(folder), str(tmp_path / "copy"))
    manifest = read_manifest(here)
    [listed] = read_list(manifest, "cuts")
    columns = {"doc_id": "string", "text": "string"}
    with ShardWriter(manifest.folder, listed["path"], columns) as writer:
        for batch in read_shard(f"{outcomes['paragraphs']['manifest'].rsplit('/', 1)[0]}/{listed['path']}", columns):
            writer.write(batch)
    [finding] = [found for found in verify(manifest) if found.severity == "error"]
    assert finding.where.endswith(listed["path"])
    assert finding.what == "the file holds other values"
    (Path(manifest.folder) / listed["path"]).unlink()
    assert "missing" in next(found for found in verify(manifest) if found.severity == "error").what


def test_without_text_in_the_ledger_the_places_stay(finished):
    _, folder = finished
    path = folder / "plain.yaml"
    plain = PIPELINE.replace("FOLDER", str(folder)).replace("dedup.paragraphs", "dedup.paragraphs\n    ledger_text: false")
    path.write_text(plain, encoding="utf-8")
    [outcome] = [o for o in run_pipeline(path, "all", str(folder / "plain"), workers=1, until="paragraphs") if o["stage"] == "paragraphs"]
    cuts = rows(read_manifest(outcome["manifest"]), "cuts")
    assert [(cut["start"], cut["characters"], cut["survivor"]) for cut in cuts] == [
        (0, 20, "lines:a0"), (37, 23, "lines:a0"), (0, 31, "lines:a0"), (0, 17, "lines:b0"),
    ]  # fmt: skip
    assert "text" not in cuts[0]


def test_one_worker_gives_the_digests_of_two(finished):
    outcomes, folder = finished
    again = run_pipeline(folder / "lines.yaml", "all", str(folder / "one"), workers=1)
    assert {o["stage"]: (o["key"], o["digest"]) for o in again} == {name: (o["key"], o["digest"]) for name, o in outcomes.items()}
