"""Signals that need a file, a library or a function of the user's."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers

from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import PARTS, QualityParameters
from curation_tasks.filters.quality import quality
from curation_tasks.parts import file_parameters, function_parameters
from curation_tasks.testing import check_operation, context_for

PART = next(part for part in PARTS if part.name == "filters.quality")


def values(texts, **parameters):
    parameters = QualityParameters(**parameters)
    batch = quality(pa.record_batch({"text": pa.array(texts, pa.string())}), parameters, context_for(parameters))
    return [batch.column(name).to_pylist() for name in parameters.signal_names()]


@pytest.fixture
def tokenizer(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path / "tokenizer.json")


def test_tokens_are_counted_by_the_tokenizer_of_a_file(tokenizer):
    signals = ["token_count", "characters_per_token"]
    assert values(["a b, c", "", None, "aa " * 600], signals=signals, tokenizer=tokenizer) == [[4, 0, 0, 600], [1.5, 0, 0, 3.0]]
    parameters = QualityParameters(rules="code_tokens", tokenizer=tokenizer)
    assert list(file_parameters(parameters)) == [tokenizer]
    assert PART.library_names(parameters) == ("tokenizers",)
    check_operation(PART, parameters, huge=False)


def test_a_file_that_is_no_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a tokenizer"):
        values(["a"], signals=["token_count"], tokenizer=str(tmp_path / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "inside", "count"),
    [
        ("The badger is not bad.", False, 1),
        ("BAD! (bad) b\u00e4d-\u00c4RGER", False, 3),
        ("very bad idea: a bad-tempered dog", False, 2),
        ("badly", False, 0),
        ("\u0431ad", False, 0),
        ("badly bad", True, 2),
        ("", False, 0),
        (None, True, 0),
    ],
)
def test_bad_words_are_counted(tmp_path, text, inside, count):
    path = tmp_path / "words.txt"
    path.write_text("bad\nbad idea\n\u00c4rger\nc++\n", encoding="utf-8")
    assert values([text], signals=["bad_word_count"], bad_words=str(path), bad_words_inside=inside) == [[count]]


def test_bad_words_by_language(tmp_path):
    for language, word in (("de", "b\u00f6se"), ("en", "bad")):
        (tmp_path / language).write_text(word, encoding="utf-8")
    parameters = QualityParameters(
        by_language={language: {"rules": "c4_bad_words", "bad_words": str(tmp_path / language)} for language in ("de", "en")}
    )
    batch = pa.record_batch({"text": ["b\u00f6se", "bad", "bad", "bad"], "language": ["de", "de", "en", "fr"]})
    result = quality(batch, parameters, context_for(parameters))
    assert result.column("reject_reason").to_pylist() == [
        "de.c4_bad_words.bad_word_count.max", None, "en.c4_bad_words.bad_word_count.max", None
    ]  # fmt: skip
    assert sorted(file_parameters(parameters)) == [str(tmp_path / "de"), str(tmp_path / "en")]
    check_operation(PART, parameters, huge=False)


def test_patterns_are_counted():
    assert values(["a1 b22", "", None], signals=["pattern_count"], pattern=r"\d+") == [[2, 0, 0]]
    with pytest.raises(ConfigError, match="not a pattern"):
        values(["a"], signals=["pattern_count"], pattern="(")


@pytest.mark.parametrize(("position", "counts"), [("any", [2, 1, 1, 0, 0]), ("prefix", [1, 1, 0, 0, 0]), ("suffix", [1, 0, 1, 0, 0])])
def test_a_substring_is_counted_where_it_is_wanted(position, counts):
    texts = ["a.b and a.b", "a.b\n", "the a.b", "aXb", None]
    given = {"substring": "a.b", "substring_position": position}
    assert values(texts, signals=["substring_count"], **given) == [counts]


def test_the_text_of_a_page_is_measured():
    page = "<html><head><style>p {color: red}</style></head><body><p>Hello, Mia</p><script>var x = 1</script></body></html>"
    lengths, ratios = values([page, "", None], signals=["html_text_length", "html_text_ratio"])
    assert lengths == [10, 0, 0]
    assert ratios == [10 / len(page), 0, 0]


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "shop_signals.py").write_text(
        "import numpy as np, pyarrow.compute as pc\n"
        "def exclamations(texts): return pc.count_substring(texts, '!').to_numpy()\n"
        "def wrong(texts): return np.zeros(len(texts) + 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "shop_signals")
    yield tmp_path / "shop_signals.py"
    sys.modules.pop("shop_signals", None)


def test_a_users_signal_is_measured_and_judged(module):
    given = {
        "user_signals": {"user_exclamations": "shop_signals:exclamations"},
        "extra_rules": [{"signal": "user_exclamations", "max": 1}],
    }
    parameters = QualityParameters(**given)
    batch = pa.record_batch({"text": pa.array(["Hey!", "Hey!!", None])})
    result = quality(batch, parameters, context_for(parameters))
    assert result.column("user_exclamations").to_pylist() == [1.0, 2.0, 0.0]
    assert result.column("reject_reason").to_pylist() == [None, "extra.user_exclamations.max", None]
    check_operation(PART, parameters, huge=False)
    assert list(function_parameters(parameters)) == ["shop_signals:exclamations"]


def test_a_users_signal_must_give_one_number_a_text(module):
    with pytest.raises(ConfigError, match="one number a text"):
        values(["a"], user_signals={"user_wrong": "shop_signals:wrong"}, signals=["user_wrong"])


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"user_signals": {"x": "shop_signals:exclamations"}, "signals": ["word_count"]}, "begins with 'user_'"),
        ({"signals": ["user_x"]}, "does not say where it is"),
    ],
)
def test_wrong_user_signals_are_refused(module, given, what):
    with pytest.raises(ValidationError, match=what):
        QualityParameters(**given)


def test_comments_are_measured_in_the_way_of_the_language():
    assert values(["x = 1  # one\n"], signals=["comment_ratio"], code="python") == [[4 / 13]]
    assert np.array(values(["int x; // one\n"], signals=["comment_ratio"], code="hash")).tolist() == [[0.0]]
