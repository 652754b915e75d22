"""A function that a pipeline names: its code is part of the key, and only allowed code is named."""

import json

import pytest

from curation_tasks.errors import ConfigError
from curation_tasks.plan import plan
from curation_tasks.runner.fingerprint import differences, stage_fingerprint
from curation_tasks.spec import load_pipeline

KEYED = {"reduction: dedup.exact": "reduction: dedup.exact\n    parameters: {key: 'keys_of_mine:key'}"}


@pytest.fixture
def keys_of_mine(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "curation_test_parts,keys_of_mine")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "keys_of_mine.py"
    module.write_text("def key(batch):\n    return batch.column(0)\n", encoding="utf-8")
    return module


def fingerprint(path):
    described = plan(load_pipeline(path)).by_id["exact"].described()
    return stage_fingerprint(json.loads(json.dumps(described)), "all", {}, {})


def test_an_edit_of_the_function_makes_another_key(pipeline, keys_of_mine):
    path = pipeline(**KEYED)
    before = fingerprint(path)
    keys_of_mine.write_text("def key(batch):\n    return batch.column(0).slice(0)\n", encoding="utf-8")
    [line] = differences(before, fingerprint(path))
    assert line.startswith("calls[0].functions.keys_of_mine:key: ")


def test_stages_without_functions_keep_their_keys(pipeline):
    assert "functions" not in fingerprint(pipeline())["calls"][0]


def test_a_plan_refuses_what_is_not_allowed_and_names_the_line(pipeline, keys_of_mine, monkeypatch):
    path = pipeline(**KEYED)
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "curation_test_parts")
    with pytest.raises(ConfigError, match="package 'keys_of_mine' may not be named") as failure:
        plan(load_pipeline(path))
    line = 1 + path.read_text(encoding="utf-8").split("\n").index("    reduction: dedup.exact")
    assert failure.value.where.endswith(f"demo.yaml:{line}")


def test_a_plan_does_not_import_the_function(pipeline, keys_of_mine):
    keys_of_mine.write_text("raise AssertionError('imported')\n", encoding="utf-8")
    assert plan(load_pipeline(pipeline(**KEYED))).by_id["exact"].calls[0].parameters.key == "keys_of_mine:key"
