"""Several rule sets at once, and rules by language."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.filters.catalog import PARTS, QualityParameters, stop_word_lists
from curation_tasks.filters.quality import quality
from curation_tasks.filters.rule_files import load_shipped, shipped_rule_sets
from curation_tasks.testing import check_operation, context_for, documents

PART = next(part for part in PARTS if part.name == "filters.quality")
NEEDS_MORE = {
    "c4_bad_words": "bad_words", "code_comments": "code", "code_tokens": "tokenizer", "data_juicer_perplexity": "language_model",
    "data_juicer_words": "bad_words", "translation_pairs": "translation_column", "word_frequencies": "word_frequencies",
}  # fmt: skip


def judge(texts, parameters, languages=None):
    columns = {"text": pa.array(texts, pa.string())}
    if languages is not None:
        columns[parameters.language_column] = pa.array(languages, pa.string())
    return quality(pa.record_batch(columns), parameters, context_for(parameters)).to_pylist()


@pytest.mark.parametrize("name", [name for name in shipped_rule_sets() if name not in NEEDS_MORE])
def test_each_rule_set_keeps_the_contract(name):
    check_operation(PART, {"rules": name}, huge=name in ("gopher_repetition", "nemo_english"))


@pytest.mark.parametrize("words", ["wordpunct", "unicode"])
def test_each_word_mode_keeps_the_contract(words):
    check_operation(PART, {"rules": ["gopher_quality", "gopher_repetition"], "words": words}, huge=False)


@pytest.mark.parametrize(("name", "needed"), NEEDS_MORE.items())
def test_what_needs_a_file_says_so(name, needed):
    with pytest.raises(ValidationError, match=f"needs `{needed}`"):
        QualityParameters(rules=name)


def test_rule_sets_are_tried_in_the_order_given():
    both = QualityParameters(rules=["fineweb", "gopher_quality"])
    assert [reason.split(".")[0] for reason in PART.rejects_of(both)] == ["fineweb"] * 5 + ["gopher_quality"] * 10
    row = judge(["no end\n" * 3], both)[0]
    assert row["reject_reason"] == "fineweb.terminal_line_ratio.min"
    assert "gopher_quality.plain_word_count.min" in row["failed_rules"]
    assert (
        judge(["no end\n" * 3], QualityParameters(rules=["gopher_quality", "fineweb"]))[0]["reject_reason"]
        == "gopher_quality.plain_word_count.min"
    )


def test_an_extra_rule_takes_the_place_of_that_bound_in_all_rule_sets():
    parameters = QualityParameters(rules=["tinystories", "nemo_english"], extra_rules=[{"signal": "word_count", "min": 7}])
    assert [reason for reason in PART.rejects_of(parameters) if "word_count.min" in reason and "stop" not in reason] == [
        "extra.word_count.min"
    ]
    assert PART.rejects_of(parameters)[0] == "extra.word_count.min"


@given(batch=documents(), rule_set=st.sampled_from(["gopher_quality", "gopher_repetition", "fineweb", "nemo_english"]), data=st.data())
def test_a_looser_rule_never_keeps_fewer(batch, rule_set, data):
    rule = data.draw(st.sampled_from(load_shipped(rule_set).rules))
    slack = data.draw(st.floats(0, 5))
    looser = {"signal": rule.signal}
    if rule.min is not None:
        looser["min"] = rule.min - slack
    if rule.max is not None:
        looser["max"] = rule.max + slack
    strict, loose = (
        {row for row, reason in enumerate(reasons(batch, QualityParameters(rules=rule_set, extra_rules=extra))) if reason is None}
        for extra in ([], [looser])
    )
    assert strict <= loose


def reasons(batch, parameters):
    result = quality(batch, parameters, context_for(parameters))
    return result.column("reject_reason").to_pylist() if "reject_reason" in result.schema.names else [None] * len(batch)


GERMAN = "Der Hund und die Katze sind mit dem Ball in den Garten gelaufen."


def test_documents_are_judged_by_the_rules_of_their_language():
    parameters = QualityParameters(
        extra_rules=[{"signal": "word_count", "min": 3}],
        by_language={
            "de": {"extra_rules": [{"signal": "distinct_stop_word_count", "min": 3}]},
            "ja": {"extra_rules": [{"signal": "word_count", "min": 2}]},
        },
    )
    rows = judge([GERMAN, GERMAN, "Hund Katze", "one two", "one", "one two", None], parameters, ["de", "en", "de", "en", "ja", None, "ja"])
    assert [row["reject_reason"] for row in rows] == [
        None,
        None,
        "de.extra.distinct_stop_word_count.min",
        "extra.word_count.min",
        "ja.extra.word_count.min",
        "extra.word_count.min",
        "ja.extra.word_count.min",
    ]
    # Each language has its own list of stop words; what is not routed is counted by the English one.
    assert [row["distinct_stop_word_count"] for row in rows[:2]] == [5, 0]
    assert PART.reads_of(parameters) == ("text", "language")
    check_operation(PART, parameters, huge=False)


def test_rules_and_stop_words_are_found_by_the_labels_of_every_model():
    rules = {"extra_rules": [{"signal": "distinct_stop_word_count", "min": 3}]}
    for named in ("de", "deu", "deu_Latn"):
        parameters = QualityParameters(extra_rules=[{"signal": "word_count", "min": 99}], by_language={named: rules})
        rows = judge([GERMAN] * 5, parameters, ["de", "deu_Latn", "deu", "eng_Latn", "deu_Cyrl"])
        assert [row["distinct_stop_word_count"] for row in rows][:4] == [5, 5, 5, 0]
        others = "extra.word_count.min"
        in_cyrillic = others if named == "deu_Latn" else None
        assert [row["reject_reason"] for row in rows] == [None, None, None, others, in_cyrillic]


@pytest.mark.parametrize("language", ["ta", "tam_Taml", "srp_Latn"])
def test_stop_words_of_another_language_are_not_taken_unasked(language):
    with pytest.raises(ValidationError, match=f"a rule for '{language}' counts stop words, of which none are shipped"):
        QualityParameters(by_language={language: {"rules": "gopher_quality"}})
    for given_parameters in ({"rules": "nemo_multilingual"}, {"rules": "gopher_quality", "stop_words": "en"}):
        QualityParameters(by_language={language: given_parameters})


def test_any_column_may_choose_the_rules():
    parameters = QualityParameters(language_column="extension", by_language={"py": {"rules": "code"}, "md": {"rules": "gopher_quality"}})
    rows = judge(["name = 1\n" * 9, "name = 1", "name = 1", "name = 1"], parameters, ["py", "py", "md", "rs"])
    assert [row["reject_reason"] for row in rows] == [None, "py.code.code_line_count.min", "md.gopher_quality.plain_word_count.min", None]


def test_stop_words_may_be_those_of_another_language_or_of_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("Hund\n\n Katze \n")
    for given_parameters, count in (({}, 0), ({"stop_words": "de"}, 5), ({"stop_words_file": str(path)}, 2)):
        parameters = QualityParameters(signals=["stop_word_count"], **given_parameters)
        assert judge([GERMAN], parameters)[0]["stop_word_count"] == count
    with pytest.raises(ValidationError, match="no stop words are shipped for 'xx'"):
        QualityParameters(signals=["stop_word_count"], stop_words="xx")


def test_the_shipped_lists_of_stop_words_are_lists_of_words():
    assert stop_word_lists()["en"] == ("the", "be", "to", "of", "and", "that", "have", "with")
    for language, words in stop_word_lists().items():
        assert len(words) == len(set(words)) >= 8, language
        assert all(isinstance(word, str) and word and "True" not in word and "False" not in word for word in words), language


def test_routing_survives_the_way_through_a_plan():
    parameters = QualityParameters(by_language={"de": {"rules": "nemo_multilingual", "words": "unicode"}}, rules="nemo_english")
    assert QualityParameters.model_validate(parameters.model_dump(mode="json")) == parameters
    assert PART.library_names(parameters) == ("babel", "budoux", "icu4py")
