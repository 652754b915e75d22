"""Documents are judged by rules, and a rule by its bound."""

import doctest
import importlib

import pyarrow as pa
import pytest
from hypothesis import given
from pydantic import ValidationError

from curation_tasks.filters.catalog import PARTS, QualityParameters
from curation_tasks.filters.quality import quality
from curation_tasks.testing import context_for, documents

PART = next(part for part in PARTS if part.name == "filters.quality")
TINYSTORIES = QualityParameters(rules="tinystories")


def judge(texts, parameters=TINYSTORIES):
    return quality(pa.record_batch({"text": pa.array(texts, pa.string())}), parameters, context_for(parameters)).to_pylist()


def story(words, ending="."):
    return " ".join(f"word{number}" for number in range(words)) + ending


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (story(80), None),
        (story(79), "tinystories.word_count.min"),
        (story(80, ""), "tinystories.complete_ending.min"),
        (story(80, ".\u201d\n"), None),
        ("na " * 79 + "na.", "tinystories.top_2_gram_ratio.max"),
        ("", "tinystories.word_count.min"),
        (None, "tinystories.word_count.min"),
        (" \n\u3000", "tinystories.word_count.min"),
    ],
)
def test_reasons(text, reason):
    assert judge([text])[0]["reject_reason"] == reason


def test_all_failed_rules_are_recorded_with_value_and_threshold_of_the_first():
    row = judge(["Too short"])[0]
    assert row["failed_rules"] == ["tinystories.word_count.min", "tinystories.complete_ending.min"]
    assert (row["reject_value"], row["reject_threshold"], row["word_count"]) == (2.0, 80.0, 2)


@pytest.mark.parametrize(("ratio", "kept"), [(0.5, True), (0.49, False)])
def test_bounds_are_inclusive(ratio, kept):
    # The pair stands twice: 6 of 12 characters.
    parameters = QualityParameters(extra_rules=[{"signal": "top_2_gram_ratio", "max": ratio}])
    assert (judge(["a b a b xxxx"], parameters)[0].get("reject_reason") is None) == kept


@given(batch=documents())
def test_what_the_part_declares_is_what_is_there(batch):
    result = quality(batch, TINYSTORIES, context_for(TINYSTORIES))
    assert set(result.schema.names) - set(batch.schema.names) >= set(PART.adds_of(TINYSTORIES))
    if "reject_reason" in result.schema.names:
        assert set(result.column("reject_reason").to_pylist()) <= {None, *PART.rejects_of(TINYSTORIES)}


def test_signals_can_be_recorded_without_a_rule():
    parameters = QualityParameters(signals=["character_count"])
    assert judge(["caf\u00e9", None], parameters) == [{"text": "caf\u00e9", "character_count": 4}, {"text": None, "character_count": 0}]
    assert PART.rejects_of(parameters) == ()


def test_an_extra_rule_takes_the_place_of_the_bound_it_changes():
    parameters = QualityParameters(
        rules="tinystories", extra_rules=[{"signal": "word_count", "min": 2, "max": 5}, {"signal": "character_count", "max": 100}]
    )
    assert PART.rejects_of(parameters) == (
        "extra.word_count.min",
        *(
            f"tinystories.{rest}"
            for rest in ("complete_ending.min", "top_2_gram_ratio.max", "top_3_gram_ratio.max", "top_4_gram_ratio.max")
        ),
        "extra.word_count.max",
        "extra.character_count.max",
    )
    assert PART.thresholds_of(parameters)["extra.word_count.min"] == ("word_count", 2)
    assert judge(["So it was."], parameters)[0]["reject_reason"] is None


def test_a_planned_pipeline_is_judged_by_what_it_was_planned_with(tmp_path):
    path = tmp_path / "house.yaml"
    path.write_text("rules: [{signal: word_count, min: 3}]")
    planned = QualityParameters(rules_file=str(path))
    frozen = planned.model_dump(mode="json")
    path.unlink()
    assert QualityParameters.model_validate(frozen) == planned
    assert PART.rejects_of(planned) == ("house.word_count.min",)


def test_a_file_of_rules_is_looked_for_beside_the_pipeline(tmp_path):
    (tmp_path / "house.yaml").write_text("rules: [{signal: word_count, min: 3}]")
    for name in ("house.yaml", str(tmp_path / "house.yaml"), f"file://{tmp_path}/house.yaml"):
        parameters = QualityParameters.model_validate({"rules_file": name}, context={"folder": str(tmp_path)})
        assert PART.rejects_of(parameters) == ("house.word_count.min",)


@pytest.mark.parametrize(
    ("given_parameters", "what"),
    [
        ({}, "nothing to measure"),
        ({"rules": "tinystory"}, "did you mean 'tinystories'"),
        ({"rules": 3}, "valid string"),
        ({"rules": "tinystories", "rules_file": "x.yaml"}, "choose one"),
        ({"extra_rules": [{"signal": "word_cuont", "min": 1}]}, "did you mean 'word_count'"),
        ({"signals": ["word_cuont"]}, "did you mean 'word_count'"),
        ({"extra_rules": 3}, "tuple"),
    ],
)
def test_wrong_parameters_are_refused(given_parameters, what):
    with pytest.raises(ValidationError, match=what):
        QualityParameters.model_validate(given_parameters)


def test_the_recipe_for_a_signal_of_ones_own_works():
    results = doctest.testmod(importlib.import_module("curation_tasks.filters.quality"))
    assert results.attempted > 3
    assert results.failed == 0
