"""Files of rules: mistakes are named with file and line."""

from pathlib import Path

import pytest

from curation_tasks.errors import ConfigError
from curation_tasks.filters import rule_files
from curation_tasks.filters.rule_files import load_rules, load_shipped, shipped_rule_sets


@pytest.mark.parametrize("name", shipped_rule_sets())
def test_shipped_rules_are_valid_and_name_their_sources(name):
    rule_set = load_shipped(name)
    assert rule_set.name == name
    assert all(rule.source for rule in rule_set.rules)


def test_tinystories_has_the_thresholds_of_the_tutorial():
    assert [(rule.signal, rule.min, rule.max) for rule in load_shipped("tinystories").rules] == [
        ("word_count", 80, None),
        ("complete_ending", 1, None),
        ("top_2_gram_ratio", None, 0.20),
        ("top_3_gram_ratio", None, 0.18),
        ("top_4_gram_ratio", None, 0.16),
    ]


def test_the_name_of_a_rule_set_is_its_own_or_that_of_its_file(tmp_path):
    path = tmp_path / "house.yaml"
    path.write_text("rules: [{signal: word_count, min: 3}]")
    assert load_rules(path).name == "house"
    path.write_text("name: strict\nrules: [{signal: word_count, min: 3}]")
    assert load_rules(str(path)).name == "strict"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("rules:\n  - signal: word_cuont\n    min: 3\n", 2, "did you mean 'word_count'"),
        ("rules:\n  - signal: word_count\n    mni: 3\n", 3, "did you mean 'min'"),
        ("rules:\n  - signal: word_count\n", 2, "neither `min` nor `max`"),
        ("rules:\n  - signal: word_count\n    min: 9\n    max: 3\n", 2, "lets nothing pass"),
        ("rules:\n  - signal: word_count\n    min: many\n", 3, "valid number"),
        ("rule:\n  - signal: word_count\n", 1, "did you mean 'rules'"),
        ("rules:\n  - gopher_quality\n", 2, r"a mapping is expected \(signal, min, max, source\), got 'gopher_quality'"),
        ("rules: []\n", 1, "at least 1"),
        ("rules:\n  - signal: [\n", 3, "YAML"),
        ("rules: []\nrules: []\n", 2, "YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, text, line, what):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=what) as raised:
        load_rules(path)
    problems = [problem for problem in str(raised.value).splitlines() if "is missing" not in problem]
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("text", ["", "- a\n", "word"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match="is a mapping"):
        load_rules(tmp_path / "mine.yaml")


def test_a_missing_file_gets_the_nearest_name(tmp_path):
    (tmp_path / "house.yaml").write_text("rules: []")
    with pytest.raises(ConfigError, match=r"did you mean 'house\.yaml'"):
        load_rules(tmp_path / "hause.yaml")


def test_a_missing_file_without_neighbours_says_where_none_is(tmp_path):
    with pytest.raises(ConfigError, match=f"give the path of a YAML file; there is none in {tmp_path}"):
        load_rules(tmp_path / "house.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rules(tmp_path / "mine.yaml")


def test_the_cascade_of_nemo_curator_has_28_filters_for_english_and_25_for_other_languages():
    english, others = load_shipped("nemo_english").rules, load_shipped("nemo_multilingual").rules
    assert (len(english), len(others)) == (28, 25)
    assert [rule.signal for rule in english][:3] == ["non_alphanumeric_ratio", "symbol_word_ratio", "digit_ratio"]
    left_out = {rule.signal for rule in english} - {rule.signal for rule in others}
    assert left_out == {"non_alphanumeric_ratio", "alphabetic_word_ratio", "stop_word_count"}


def test_a_rule_set_may_only_record(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("signals: [word_entropy]")
    assert load_rules(path).signals == ("word_entropy",)
    path.write_text("signals: [word_entrpy]")
    with pytest.raises(ConfigError, match="did you mean 'word_entropy'"):
        load_rules(path)


def test_the_readme_of_the_room_names_every_rule_set():
    text = Path(rule_files.__file__).with_name("README.md").read_text("utf-8")
    assert [name for name in shipped_rule_sets() if f"`{name}`" not in text] == []
