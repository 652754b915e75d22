"""A pipeline handed over as text: the same plan there as here, or a refusal that says what differs."""

import json
import os
import subprocess
import sys

import pytest

from curation_tasks import handover
from curation_tasks.errors import ConfigError
from curation_tasks.handover import pack, unpack
from curation_tasks.plan import plan
from curation_tasks.spec import load_pipeline

RULES = "description: Longer texts — überall\nrules: [{signal: word_count, min: 3, source: a test}]\n"
PIPELINE = """
name: handed
description: "{{ not a template }} — ünïcode"
stages:
  - id: stories
    source: story_generator
    parameters: {stories: 60, units: 2}
  - id: refine
    resources: {pool: cpu-large, memory: 2GiB}
    operations:
      - filters.quality: {rules_file: rules/mine.yaml}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "here" / "rules").mkdir(parents=True)
    (tmp_path / "here" / "rules" / "mine.yaml").write_text(RULES, encoding="utf-8")
    path = tmp_path / "here" / "handed.yaml"
    path.write_text(PIPELINE, encoding="utf-8")
    return path


def packed(path) -> str:
    return pack(plan(load_pipeline(path)), path)


def changed(text: str, **values) -> str:
    return json.dumps(json.loads(text) | values)


def test_what_is_unpacked_is_planned_the_same(file, tmp_path):
    there = unpack(packed(file), tmp_path / "there")
    assert plan(load_pipeline(there)).described() == plan(load_pipeline(file)).described()
    assert load_pipeline(there).model_dump() == load_pipeline(file).model_dump()
    assert (tmp_path / "there" / "rules" / "mine.yaml").read_text(encoding="utf-8") == RULES


def test_equal_pipelines_are_equal_texts(file):
    text = packed(file)
    file.write_text(f"# a comment\n{PIPELINE}", encoding="utf-8")
    assert packed(file) == text


def test_resolve_freezes_the_same_from_a_file_and_from_a_text(file, tmp_path):
    command = [sys.executable, "-m", "curation_tasks.cli", "stage", "resolve", "--json", "--root"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    from_file = subprocess.run([*command, "a", "--pipeline", str(file)], cwd=elsewhere, capture_output=True, text=True, check=True)
    environment = os.environ | {handover.PIPELINE_VARIABLE: packed(file)}
    from_text = subprocess.run([*command, "b"], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(from_text.stdout)["digest"] == json.loads(from_file.stdout)["digest"]


def test_other_versions_of_a_part_are_refused(file, tmp_path):
    document = json.loads(packed(file))
    document["versions"]["parts"]["filters.quality"] = [99, None]
    with pytest.raises(ConfigError, match=r"filters\.quality: \[99, None\] there.*(?s:.)*one commit"):
        unpack(json.dumps(document), tmp_path / "there")


def test_another_version_of_the_package_is_refused(file, tmp_path, monkeypatch):
    text = packed(file)
    monkeypatch.setattr(handover, "__version__", "9.9")
    with pytest.raises(ConfigError, match=r"curation-tasks: .* there, 9\.9 here"):
        unpack(text, tmp_path / "there")


def test_other_defaults_are_refused(file, tmp_path):
    with pytest.raises(ConfigError, match="defaults of parameters"):
        unpack(changed(packed(file), digest="0" * 64), tmp_path / "there")


def test_a_part_that_is_missing_there_is_a_difference_of_the_installations(file, tmp_path):
    spec = json.loads(packed(file))["spec"]
    spec["stages"][0]["source"] = "my_source"
    with pytest.raises(ConfigError, match=r"cannot be planned here(?s:.)*my_source(?s:.)*packages of your own"):
        unpack(changed(packed(file), spec=spec), tmp_path / "there")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", '{"v": 2}', '{"v": 1}', '{"v": 1, "name": "../x", "files": {}}', '{"v": 1, "name": "x", "files": {"/etc/x": ""}}'],
)
def test_what_is_no_pipeline_is_refused(text, tmp_path):
    with pytest.raises(ConfigError, match="is no pipeline"):
        unpack(text, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_pipeline_too_large_to_travel_is_refused(file):
    (file.parent / "rules" / "mine.yaml").write_text(RULES + "#" * 40_000, encoding="utf-8")
    file.write_text(PIPELINE.replace("ünïcode", "x" * 30_000), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected: at most 65,536(?s:.)*object storage"):
        packed(file)


def test_a_file_that_is_no_text_does_not_travel(file):
    binary = file.parent / "names.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    text = PIPELINE + "      - pii.redact: {entities: [PERSON], person_engine: spacy, spacy_path: names.bin}\n"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'names\.bin' is no text"):
        packed(file)
