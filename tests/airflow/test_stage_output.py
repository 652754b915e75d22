"""A stage's output in a task's log."""

from __future__ import annotations

import json
import logging

import pytest

from curation_airflow.stage_output import StageOutput


@pytest.fixture
def output() -> StageOutput:
    return StageOutput(logging.getLogger("a task"))


def test_log_entries_keep_their_level_and_values(output, caplog):
    caplog.set_level(logging.DEBUG)
    for entry in (
        {"event": "stage starts", "level": "info", "key": "0f", "timestamp": "2026-11-24"},
        {"event": "shard is slow", "level": "warning", "shard": "part-1", "seconds": 9.5},
        {"event": "no such level", "level": "loud"},
        {"event": "stage done", "pipeline": "fruit", "snapshot": "all", "stage": "sorted", "key": "0f", "digest": "1e", "documents": 7},
        {"key": "no event"},
    ):
        output.line(json.dumps(entry) + "\n")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "stage starts  key=0f"),
        ("WARNING", "shard is slow  shard=part-1 seconds=9.5"),
        ("INFO", "no such level"),
        ("INFO", "stage done  documents=7 key=0f digest=1e"),
        ("INFO", "  key=no event"),
    ]


@pytest.mark.parametrize("line", ["plain %s text", '{"half": ', "{}}", '["a list"]', "12"])
def test_other_lines_pass_unchanged(line, output, caplog):
    caplog.set_level(logging.DEBUG)
    output.line(line)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("INFO", line.rstrip())]


def test_the_error_is_what_follows_its_last_mark(output):
    for line in ("error: an old one", "progress", "error: fruit.yaml:3: unknown key", '{"event": "bye"}', "  what to do: mend it", ""):
        output.line(line)
    assert output.error() == "error: fruit.yaml:3: unknown key\n  what to do: mend it"


def test_without_a_mark_the_error_is_the_end_of_the_output(output):
    for number in range(40):
        output.line(f"line {number}")
    assert output.error().splitlines() == [f"line {number}" for number in range(35, 40)]


def test_without_output_there_is_no_error_text(output):
    assert output.error() == ""
