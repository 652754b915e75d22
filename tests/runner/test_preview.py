"""A preview over what is committed, and over a trial run where nothing is."""

import json
from pathlib import Path

import numpy as np
import pytest

from curation_tasks.cli.preview import previewed
from curation_tasks.cli.run import run_pipeline
from curation_tasks.errors import ConfigError
from curation_tasks.manifest import read_manifest

PIPELINE = """
name: small
stages:
  - id: stories
    source: jsonl
    parameters: {files: [FILES], columns: {id: id}}
  - id: clean
    operations: [cleaning.quotes]
  - id: refine
    operations:
      - cleaning.lines: {rules: refinedweb}
      - filters.quality: {extra_rules: [{signal: word_count, min: 30, max: 90}]}
  - id: lines
    export: jsonl
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preview")
    for name in "ab":
        rows = [
            {"id": f"{name}{n}", "text": f"Write to jane.doe@example.org now.\n{'word ' * n}{chr(10) + '3 likes' if n % 10 == 0 else ''}"}
            for n in range(1, 101)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "small.yaml").write_text(PIPELINE.replace("FILES", str(folder / "*.jsonl")))
    return folder / "small.yaml"


@pytest.fixture(scope="module")
def root(pipeline):
    """Where the pipeline has run to its end."""
    root = pipeline.parent / "data"
    run_pipeline(pipeline, "all", str(root), workers=1)
    return str(root)


def of(pipeline, root, stage="refine", sample=5000, seed=0, overrides=None):
    return previewed(pipeline, stage, sample, seed, "all", root, overrides or {}, 1)


def test_a_preview_of_all_documents_is_what_the_stage_does(pipeline, root):
    preview = of(pipeline, root)
    [committed] = [read_manifest(str(uri)) for uri in Path(root).glob("small/all/refine/*/manifest.json")]
    assert preview.documents == preview.available == committed.counts["documents_in"]
    assert preview.kept == committed.counts["documents"]
    assert dict(preview.reasons) == dict(committed.content["reasons"])
    assert preview.origin == "The documents are those that clean committed."


def test_rules_are_told_with_what_they_reject(pipeline, root):
    lines, quality = of(pipeline, root).operations
    assert lines.documents == 200
    assert [rule.reason for rule in lines.rules] == ["refinedweb.removed_word_ratio.max"]
    lost = lines.rules[0].missed.sum()
    assert quality.documents == 200 - lost
    for rule in quality.rules:
        expected = rule.values < 30 if rule.side == "min" else rule.values > 90
        assert np.array_equal(rule.missed, expected)
        assert np.array_equal(rule.missed | ~rule.others_pass, ~quality.passed)
    assert [rule.side for rule in quality.rules] == ["min", "max"]


def test_examples_stand_nearest_to_the_bound_and_are_redacted(pipeline, root):
    rule = of(pipeline, root).operations[1].rules[0]
    assert [example.value for example in rule.kept] == [30, 30, 31, 31]
    assert [example.value for example in rule.rejected] == [29, 29, 28, 28]
    assert all("jane.doe" not in example.text and "<EMAIL_ADDRESS>" in example.text for example in (*rule.kept, *rule.rejected))


def test_samples_are_the_same_every_time_and_differ_by_seed(pipeline, root):
    values = [of(pipeline, root, sample=50, seed=seed).operations[0].signals["refinedweb_removed_word_ratio"] for seed in (0, 0, 1)]
    assert len(values[0]) == len(values[2]) == 50
    assert np.array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


def test_where_nothing_is_committed_a_trial_run_gives_the_documents(pipeline, tmp_path):
    preview = of(pipeline, str(tmp_path / "empty"), stage=None, sample=60)
    assert preview.stage == "refine"
    assert preview.documents == 60
    assert "first 60 records" in preview.origin
    assert [path.name for path in (tmp_path / "empty/small/all").iterdir()] == ["resolve"]


def test_another_threshold_needs_no_new_run_of_what_comes_before(pipeline, root):
    preview = of(pipeline, root, overrides={"refine.filters.quality.extra_rules": [{"signal": "word_count", "min": 10}]})
    assert [rule.bound for rule in preview.operations[1].rules] == [10]
    assert "committed" in preview.origin


def test_a_rule_for_one_language_tells_nothing_of_others(pipeline, root):
    rules = {
        "stories": {"extra_rules": [{"signal": "word_count", "min": 10}]},
        "none": {"extra_rules": [{"signal": "word_count", "min": 99}]},
    }
    names = {"by_language": rules, "language_column": "source"}
    preview = of(pipeline, root, overrides={f"refine.filters.quality.{name}": value for name, value in names.items()})
    known = {rule.reason: (bool(np.isfinite(rule.values).all()), bool(rule.missed.any())) for rule in preview.operations[1].rules}
    assert known == {
        "extra.word_count.min": (False, False),
        "extra.word_count.max": (False, False),
        "stories.extra.word_count.min": (True, True),
        "none.extra.word_count.min": (False, False),
    }


@pytest.mark.parametrize(("stage", "message"), [("stories", "one of: clean, refine"), ("refin", "did you mean 'refine'")])
def test_what_is_no_stage_of_operations_is_told(pipeline, root, stage, message):
    with pytest.raises(ConfigError, match=message):
        of(pipeline, root, stage=stage)
