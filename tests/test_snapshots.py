"""The catalogue of snapshots: found by discovery, kept in storage, read by schedulers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from curation_tasks.cli.snapshots import snapshots
from curation_tasks.errors import ConfigError, InputError
from curation_tasks.parts import Snapshot
from curation_tasks.plan import override, plan, run_parameters
from curation_tasks.snapshots import catalogue_uri, discover, read_catalogue, require_known
from curation_tasks.spec import parse_pipeline
from curation_tasks.storage import filesystem

pytestmark = pytest.mark.usefixtures("own_parts")

PIPELINE = """
name: demo
partitions: snapshot
stages:
  - id: lines
    source: curation_test_parts:CRAWLS
    parameters: {listed: [CC-MAIN-2026-08 2026-02-09, CC-MAIN-2026-21 2026-05-18]}
"""
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def found(root, text=PIPELINE):
    return discover(plan(parse_pipeline(text)), str(root), NOW)


def test_discovery_writes_what_the_origin_lists(tmp_path):
    first = found(tmp_path)
    assert first.found == ("CC-MAIN-2026-08", "CC-MAIN-2026-21")
    assert read_catalogue(first.uri) == first.snapshots
    assert first.snapshots[0] == Snapshot("CC-MAIN-2026-08", "2026-02-09", "2026-06-01T00:00:00+00:00")


def test_what_the_origin_no_longer_lists_stays_known(tmp_path):
    found(tmp_path)
    later = found(tmp_path, PIPELINE.replace("CC-MAIN-2026-08 2026-02-09, ", "").replace("]", ", CC-MAIN-2026-30 2026-07-20]"))
    assert (later.found, later.missing) == (("CC-MAIN-2026-30",), ("CC-MAIN-2026-08",))
    assert [item.id for item in later.snapshots] == ["CC-MAIN-2026-08", "CC-MAIN-2026-21", "CC-MAIN-2026-30"]


def test_a_second_discovery_changes_nothing(tmp_path):
    uri = found(tmp_path).uri
    before = filesystem.read_bytes(uri)
    assert found(tmp_path).found == ()
    assert filesystem.read_bytes(uri) == before


@pytest.mark.parametrize(
    ("listed", "said"), [("[]", "lists no snapshots"), ("[a 2026-02-30]", "no valid date"), ("[a 2026-02-01 soon]", "no valid date")]
)
def test_an_origin_that_lists_nonsense_is_refused(tmp_path, listed, said):
    text = PIPELINE[: PIPELINE.index("[CC-MAIN")] + listed + "}\n"
    with pytest.raises(InputError, match=said):
        found(tmp_path, text)
    assert not filesystem.exists(catalogue_uri(str(tmp_path), "demo"))


def test_a_damaged_catalogue_says_so(tmp_path):
    uri = catalogue_uri(str(tmp_path), "demo")
    filesystem.write_bytes(uri, b'{"format": "something else"}')
    with pytest.raises(InputError, match="not a catalogue"):
        read_catalogue(uri)


def test_an_unknown_snapshot_is_refused_with_the_nearest():
    known = ["CC-MAIN-2026-08", "CC-MAIN-2026-21"]
    with pytest.raises(ConfigError, match="did you mean 'CC-MAIN-2026-21'"):
        require_known("CC-MAIN-2026-22", known, "params.snapshot")
    require_known("CC-MAIN-2026-21+trial", known, "params.snapshot")
    require_known("anything", [], "params.snapshot")


@pytest.mark.parametrize(("by", "right", "wrong"), [("day", "2026-01-31", "2026-01"), ("month", "2026-01", "2026-13")])
def test_date_partitions_take_only_dates(by, right, wrong):
    spec = parse_pipeline(PIPELINE.replace("partitions: snapshot", f"partitions: {by}"))
    assert spec.check_snapshot(f"{right}+trial") == f"{right}+trial"
    with pytest.raises(ConfigError, match=f"is no {by}"):
        spec.check_snapshot(wrong)


def test_partitions_must_name_a_source_that_publishes_snapshots():
    with pytest.raises(ConfigError, match="did you mean 'lines'"):
        plan(parse_pipeline(PIPELINE.replace("partitions: snapshot", "partitions: {by: snapshot, source: line}"), "p.yaml"))
    text = PIPELINE.replace("partitions: snapshot", "partitions: {by: snapshot, source: lines}").replace(":CRAWLS", ":LINES")
    with pytest.raises(ConfigError, match=r"p\.yaml:3: .*publishes no snapshots"):
        plan(parse_pipeline(text[: text.index("    parameters")], "p.yaml"))


def test_declared_parameters_have_the_type_and_the_value_of_what_they_set(pipeline_text):
    text = pipeline_text.replace("name: demo", "name: demo\nparameters: {shortest: refine.curation_test_parts:short.min_characters}")
    spec = parse_pipeline(text)
    declared = run_parameters(plan(spec))["shortest"]
    assert (declared.default, declared.schema["type"]) == (25, "integer")
    assert plan(override(spec, {"shortest": 3})).by_id["refine"].calls[0].parameters.min_characters == 3
    with pytest.raises(ConfigError, match="did you mean 'shortest'"):
        override(spec, {"shortes": 3})


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("refine.curation_test_parts:short.min_character", "did you mean 'min_characters'"),
        ("refin.x.y", "did you mean 'refine'"),
        ("lines", "names no parameter"),
        ("publish.gates", "names no parameter"),
    ],
)
def test_a_declared_parameter_that_sets_nothing_is_refused(pipeline_text, target, said):
    text = pipeline_text.replace("name: demo", f"name: demo\nparameters:\n  wrong: {target}")
    with pytest.raises(ConfigError, match=said):
        plan(parse_pipeline(text))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("partitions: snapshot\nschedule: 0 6 * * 1", "without partitions"),
        ("schedule: weekly", "five cron fields"),
        ("schedule: inputs", "no source reads any"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(line, said):
    with pytest.raises(ConfigError, match=said):
        plan(parse_pipeline(PIPELINE.replace("partitions: snapshot", line)))


def test_following_inputs_takes_a_named_dataset():
    text = "name: mix\nschedule: inputs\nstages:\n  - {id: a, source: published, parameters: {pipeline: one%s}}"
    assert plan(parse_pipeline(text % ", dataset: text")).published_inputs() == [("one", "text")]
    with pytest.raises(ConfigError, match="which dataset of 'one'"):
        plan(parse_pipeline(text % ""))


def test_the_command_lists_what_is_known_and_what_is_new(tmp_path, capsys):
    path = tmp_path / "demo.yaml"
    path.write_text(PIPELINE, encoding="utf-8")
    snapshots(path, root=str(tmp_path / "data"))
    assert "Nothing is known yet" in capsys.readouterr().out
    snapshots(path, root=str(tmp_path / "data"), refresh=True, result=tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["new"] == ["CC-MAIN-2026-08", "CC-MAIN-2026-21"]
    snapshots(path, root=str(tmp_path / "data"), json_=True)
    rows = json.loads(capsys.readouterr().out)["snapshots"]
    assert [(row["snapshot"], row["published"], row["new"]) for row in rows] == [
        ("CC-MAIN-2026-08", None, False),
        ("CC-MAIN-2026-21", None, False),
    ]
