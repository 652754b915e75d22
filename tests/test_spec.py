"""Pipeline files: what is accepted, and that every error names file, line and the nearest valid name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.errors import ConfigError
from curation_tasks.spec import load_pipeline, parse_pipeline
from curation_tasks.yaml_files import plain, read_yaml


def line_of(text, part):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_pipeline_reads_its_stage_above_by_default(pipeline_text):
    spec = parse_pipeline(pipeline_text)
    assert [spec.needs(stage) for stage in spec.stages] == [(), ("lines",), ("refine",), ("exact",), ("compact",), ("text",)]
    assert [stage.kind for stage in spec.stages] == ["source", "operations", "reduction", "compact", "export", "publish"]


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("    compact: {shard", "    compct: {shard", "compct", "did you mean 'compact'?"),
        ("    export: cur", "    resources: cpuu\n    export: cur", "cpuu", "did you mean 'cpu'?"),
        ("    export: cur", "    needs: [exat]\n    export: cur", None, "did you mean 'exact'?"),
        ("    export: cur", "    needs: [publish]\n    export: cur", None, "move it up"),
        ("  - id: exact\n", "  - id: refine\n", None, "two stages are called 'refine'"),
        ("    reduction: dedup.exact", "    reduction: dedup.exact\n    source: jsonl", "id: exact", "exactly one of"),
        ("name: demo", "nme: demo", "nme", "did you mean 'name'?"),
        ("  - id: exact\n", "  - id: Exact!\n", "Exact!", "pattern"),
        ("  - id: exact\n", "  - id: exact\n    id: again\n", "again", "duplicate key"),
        ("shard_text_bytes: 4000", "shard_text_bytes: 4", "shard_text_bytes: 4", "greater than or equal"),
        ("    publish: {}", "    publish: {gates: {min_document: 3}}", "min_document", "did you mean 'min_documents'?"),
        ("  - id: lines", "  - id: resolve", "id: resolve", "every run begins with"),
    ],
)
def test_an_error_names_the_line_and_the_nearest_name(pipeline_text, old, new, at, said):
    assert old in pipeline_text
    text = pipeline_text.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        parse_pipeline(text, "p.yaml")
    assert said in str(caught.value)
    assert "p.yaml" in str(caught.value)
    if at:
        assert f"p.yaml:{line_of(text, at)}" in str(caught.value)


def test_all_problems_are_reported_at_once(pipeline_text):
    text = pipeline_text.replace("compact: {shard_text_bytes: 4000}", "compact: {shard_txt_bytes: 1, size: 2}")
    with pytest.raises(ConfigError) as caught:
        parse_pipeline(text, "p.yaml")
    assert "shard_txt_bytes" in str(caught.value)
    assert "'size'" in str(caught.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "news.yaml").write_text("name: news")
    with pytest.raises(ConfigError, match=r"did you mean 'news\.yaml'"):
        load_pipeline(tmp_path / "new.yaml")


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\x00", "stages: 3", "name: x\nstages: []"])
def test_what_is_no_pipeline_is_a_configuration_error(text):
    with pytest.raises(ConfigError):
        parse_pipeline(text)


def test_no_is_a_language_and_not_a_boolean():
    assert plain(read_yaml("languages: [no, en, on]", "p")) == {"languages": ["no", "en", "on"]}


@given(st.text(max_size=60))
def test_any_text_is_a_pipeline_or_a_configuration_error(text):
    with contextlib.suppress(ConfigError):
        parse_pipeline(text)


def test_the_snapshot_of_a_pipeline_without_partitions_is_all(pipeline_text):
    spec = parse_pipeline(pipeline_text)
    assert spec.check_snapshot("all") == "all"
    with pytest.raises(ConfigError, match="no partitions"):
        spec.check_snapshot("2026-01")
    partitioned = parse_pipeline(pipeline_text.replace("name: demo", "name: demo\npartitions: snapshot"))
    assert partitioned.check_snapshot("CC-MAIN-2025-33") == "CC-MAIN-2025-33"
    for bad in ("../up", "a/b", "", ".hidden"):
        with pytest.raises(ConfigError):
            partitioned.check_snapshot(bad)


def test_a_stage_that_is_misplaced_is_named_with_its_line(pipeline_text):
    with pytest.raises(ConfigError, match=r"^p\.yaml:3: the first stage, 'clean', must be a source"):
        parse_pipeline("name: p\nstages:\n  - id: clean\n    operations: [cleaning.quotes]\n", "p.yaml")
    twice = "name: p\nstages:\n  - {id: a, source: jsonl}\n  - {id: b, needs: [c], operations: [cleaning.quotes]}\n"
    with pytest.raises(ConfigError, match=r"^p\.yaml:4: stage 'b' needs 'c'"):
        parse_pipeline(twice, "p.yaml")
    with pytest.raises(ConfigError, match=r"^p\.yaml:4: two stages are called 'a'"):
        parse_pipeline(twice.replace("id: b, needs: [c]", "id: a"), "p.yaml")


def test_a_wrong_stage_is_not_said_to_be_missing():
    with pytest.raises(ConfigError) as caught:
        parse_pipeline("name: p\nstages:\n  - {id: ../a, source: jsonl}\n", "p.yaml")
    assert str(caught.value).count("\n") == 0


def test_tabs_are_named():
    with pytest.raises(ConfigError, match="indent by spaces"):
        parse_pipeline("name: p\nstages:\n\t- id: a\n", "p.yaml")
