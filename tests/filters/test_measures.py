"""Signals that need a file, a library or a function of the user's."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers

from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import PARTS, QualityParameters
from curation_tasks.filters.quality import judge, quality
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
        "import numpy as np, pyarrow.compute as pc\ndef exclamations(texts): return pc.count_substring(texts, '!').to_numpy()\n"
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


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("np.zeros(len(texts) + 1)", "gave 4 values for 3 texts"),
        ("np.zeros((len(texts), 2))", r"gave an array of shape \(3, 2\) for 3 texts"),
        ("0.5", "gave one value for 3 texts"),
        ("None", "gave nothing for 3 texts"),
        ("['1', '2', '3']", "gave values of type <U1"),
        ("np.array([1, 2, 3]) + 1j", "gave values of type complex128"),
        ("[b'x', 1, 2]", "gave values of type"),
        ("[1.0, float('nan'), float('nan')]", "gave NaN or null for 2 of 3 documents of a batch, the first of them b, c"),
        ("[1, None, 2]", "gave NaN or null for 1 of 3 documents of a batch, the first of them b"),
        ("pa.array([1, None, 2])", "gave NaN or null for 1 of 3 documents of a batch, the first of them b"),
        ("pa.array([True, True, None])", "gave NaN or null for 1 of 3 documents of a batch, the first of them c"),
        ("[1.0, float('-inf'), float('nan')]", "gave NaN or null and infinity for 2 of 3 documents"),
        ("np.array([0, 0, 0]) / np.array([1, 0, 1])", "gave NaN or null for 1 of 3 documents of a batch, the first of them b"),
        ("1 / 0", r"failed with ZeroDivisionError at .*shop_signals.py:2"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("use", [{"extra_rules": [{"signal": "user_wrong", "max": 1}]}, {"signals": ["user_wrong"]}])
def test_a_users_signal_that_is_no_finite_number_stops_the_run_and_names_the_documents(module, code, what, use):
    module.write_text(f"import numpy as np, pyarrow as pa\ndef wrong(texts): return {code}\n")
    parameters = QualityParameters(user_signals={"user_wrong": "shop_signals:wrong"}, **use)
    batch = pa.record_batch({"doc_id": ["a", "b", "c"], "text": ["secret", "", None]})
    with pytest.raises(ConfigError, match=what) as caught:
        quality(batch, parameters, context_for(parameters))
    assert "user_wrong (shop_signals:wrong, " in str(caught.value)
    assert "shop_signals.py:2)" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("code", ["pa.array([1, 2, 3])", "pa.chunked_array([[1], [2, 3]])", "[1, 2, 3]", "np.array([1, 2, 3], np.uint8)"])
def test_a_users_signal_may_be_an_array_of_any_library(module, code):
    module.write_text(f"import numpy as np, pyarrow as pa\ndef right(texts): return {code}\n")
    assert values(["a", "b", None], user_signals={"user_right": "shop_signals:right"}, signals=["user_right"]) == [[1, 2, 3]]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_stored_signal_that_is_no_number_passes_no_rule(missing):
    parameters = QualityParameters(extra_rules=[{"signal": "word_count", "min": 1}])
    stored = pa.record_batch({"doc_id": ["a", "b"], "word_count": pa.array([5.0, missing], pa.float64())})
    with pytest.raises(ConfigError, match="word_count is null or NaN for 1 of 2 documents"):
        judge(stored, parameters, context_for(parameters))


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


def test_special_characters_are_white_space_numbers_marks_and_symbols():
    assert values(["a b.", "5\u00bd\U0001f436 ", "\u0431e\u0301", ""], signals=["special_character_ratio"]) == [[0.5, 1, 0, 0]]


def test_repetition_as_data_juicer_has_it():
    text = "ab" * 20
    # 31 runs, of which 16 and 15 are equal; of two different ones the first √2 counts, which is one.
    assert values([text, "abcdefghij", ""], signals=["character_repetition_ratio"]) == [[16 / 31, 0, 0]]
    words = "a b c d e f g h i j k a b c d e f g h i j"
    marked = "(A) b, c d e f 1 g h i j\nk - a b c d E f! g h i j"
    assert values([words, marked, "a b", ""], signals=["word_repetition_ratio"]) == [[2 / 12, 2 / 12, 0, 0]]


def test_the_rules_of_data_juicer_judge(tmp_path):
    parameters = QualityParameters(rules="data_juicer")
    texts = [
        "A dog and a cat went to the market and bought some food.",
        "Too short, this.",
        "$1 #2 %3 &4 *5 +6 =7 /8 ~9 $10 #11 %12",
        "ha " * 99,
    ]
    result = quality(pa.record_batch({"text": texts}), parameters, context_for(parameters))
    assert result.column("reject_reason").to_pylist() == [
        None,
        "data_juicer.word_count.min",
        "data_juicer.special_character_ratio.max",
        "data_juicer.special_character_ratio.max",
    ]
    assert result.column("failed_rules").to_pylist()[3] == [
        "data_juicer.special_character_ratio.max",
        "data_juicer.word_repetition_ratio.max",
    ]  # fmt: skip
    check_operation(PART, parameters)


def test_attributes_of_dolma():
    text = "- a\n\n- a\nbcd#e \u2026\n - x\u2026"
    found = dict(zip(QualityParameters(rules="dolma_gopher").signal_names(), values([text], rules="dolma_gopher"), strict=True))
    assert {name: [round(value, 6) for value in column] for name, column in found.items() if "gram" not in name} == {
        "character_count": [len(text)],
        "word_count": [8],
        "median_word_length": [1],
        "marked_word_ratio": [3 / 8],
        "alphabetic_word_ratio": [0.5],
        "stop_word_count": [0],
        "piece_star_bullet_ratio": [0.4],
        "piece_ellipsis_ratio": [0.4],
        "copied_piece_ratio": [0.4],
        "copied_piece_character_ratio": [round(6 / 13, 6)],
    }
    assert found["top_2_gram_letter_ratio"] == [4 / 13]
    check_operation(PART, QualityParameters(rules="dolma_gopher"))


@pytest.fixture
def frequencies(tmp_path):
    path = tmp_path / "frequencies.csv"
    path.write_text("word,count\nthe,60\ndog,39\n\u00e9t\u00e9,1\n", encoding="utf-8")
    return str(path)


def test_the_log_probability_of_words(frequencies):
    texts = ["The DOG", "the \u00c9T\u00c9 zebra", "", None]
    expected = [np.log([0.6, 0.39]).mean(), np.log([0.6, 0.01, 1e-9]).mean(), 0, 0]
    given = {"signals": ["mean_word_log_probability"], "word_frequencies": frequencies}
    assert values(texts, **given) == [pytest.approx(expected, abs=1e-6)]
    parameters = QualityParameters(rules="word_frequencies", word_frequencies=frequencies)
    assert list(file_parameters(parameters)) == [frequencies]
    batch = pa.record_batch({"text": ["the dog", "zebra", "zebra the the the"]})
    result = quality(batch, parameters, context_for(parameters))
    assert result.column("reject_reason").to_pylist() == [None, "word_frequencies.mean_word_log_probability.min", None]
    check_operation(PART, parameters, huge=False)


@pytest.mark.parametrize("content", ["word\na\n", "word,count\n", "word,count\na,0\n", "word,count\na,x\n", "word,count\na,1\na,2\n", ""])
def test_a_table_without_words_and_counts_is_named(tmp_path, content):
    path = tmp_path / "frequencies.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match="a table of word frequencies") as caught:
        values(["a"], signals=["mean_word_log_probability"], word_frequencies=str(path))
    assert str(path) in str(caught.value)


def test_lengths_of_translations_are_compared():
    parameters = QualityParameters(rules="translation_pairs", translation_column="german")
    texts = ["a b c", "a", "a b c", "", None, "a b"]
    german = ["x", "x y", "x y", "x", None, "x y"]
    batch = pa.record_batch({"text": pa.array(texts, pa.string()), "german": pa.array(german, pa.string())})
    result = quality(batch, parameters, context_for(parameters))
    assert result.column("translation_length_ratio").to_pylist() == [1 / 3, 0.5, 2 / 3, 0, 0, 1]
    reason = "translation_pairs.translation_length_ratio.min"
    assert result.column("reject_reason").to_pylist() == [reason, None, None, reason, reason, None]
    assert PART.reads(parameters) == ("text", "german")
    with pytest.raises(ValidationError, match="needs `translation_column`"):
        QualityParameters(rules="translation_pairs")
