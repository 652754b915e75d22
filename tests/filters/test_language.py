"""``filters.language``: what is added, what is rejected, and the traps of web pages."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import PARTS
from curation_tasks.filters.language import language
from curation_tasks.filters.language_parameters import LanguageParameters
from curation_tasks.testing import check_operation, context_for

PART = next(part for part in PARTS if part.name == "filters.language")

ENGLISH = "The committee will meet again next week to talk about the new rules for public schools."
GERMAN = "Die Kommission wird sich in der nächsten Woche wieder treffen, um über die neuen Regeln zu sprechen."
FRENCH = "La commission se réunira de nouveau la semaine prochaine pour parler des nouvelles règles."
RUSSIAN = "Комиссия снова соберётся на следующей неделе, чтобы обсудить новые правила для школ."
CHROME = "Home | About us | Contact | Privacy policy | Terms of use | Log in | Sign up | Search this site\n" * 3


def run(texts: list[str | None], **given: object) -> dict[str, list]:
    parameters = LanguageParameters(**given)
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    return language(batch, parameters, context_for(parameters)).to_pydict()


def test_annotate():
    found = run([ENGLISH, GERMAN, RUSSIAN, "", None, "\n \n"])
    assert found["language"] == ["en", "de", "ru", "unknown", "unknown", "unknown"]
    assert min(found["language_score"][:3]) > 0.8
    assert found["language_score"][3:] == [0, 0, 0]
    assert list(found) == ["text", "language", "language_score", "language_best"]
    assert found["language_best"][3:] == [None] * 3


def test_all_lines_are_read():
    assert run(["OK\n" + GERMAN.replace(" ", "\n")])["language"] == ["de"]
    assert run(["</s> __label__fr " + GERMAN])["language"] == ["de"]


def test_keep():
    found = run([ENGLISH, GERMAN, FRENCH, ""], mode="keep", languages=["en", "fr"], min_score=0.5)
    assert found["reject_reason"] == [None, "language.unwanted", None, "language.score.min"]
    assert found["reject_value"][3] == 0
    assert found["reject_threshold"][1:4] == [None, None, 0.5]


def test_keep_whatever_is_known():
    assert run([ENGLISH, GERMAN, ""], mode="keep")["reject_reason"] == [None, None, "language.score.min"]


def test_keep_unknown_too():
    assert run([ENGLISH, GERMAN, ""], mode="keep", languages=["de", "unknown"])["reject_reason"] == ["language.unwanted", None, None]


def test_drop():
    assert run([ENGLISH, GERMAN, ""], mode="drop", languages=["de"])["reject_reason"] == [None, "language.unwanted", None]
    found = run([ENGLISH, GERMAN, ""], mode="drop", languages=["de", "unknown"])
    assert found["reject_reason"] == [None, "language.unwanted", "language.score.min"]


def test_bounds_of_single_languages():
    scores = run([ENGLISH, GERMAN])["language_score"]
    bounds = {"en": (scores[0] + 1) / 2, "de": scores[1]}
    found = run([ENGLISH, GERMAN], mode="keep", min_scores=bounds)
    assert found["language"] == ["unknown", "de"]
    assert found["language_score"] == scores
    assert found["reject_reason"] == ["language.score.min", None]
    assert found["reject_threshold"][0] == bounds["en"]


def test_best_labels():
    found = run([ENGLISH, ""], top=3)
    assert found["language_top"][0][0] == "en"
    assert found["language_top_scores"][0] == sorted(found["language_top_scores"][0], reverse=True)
    assert [len(labels) for labels in found["language_top"]] == [3, 0]


def test_paragraphs():
    mixed = f"{GERMAN}\n\n{ENGLISH}\nOK\n{GERMAN}\n"
    found = run([mixed, ENGLISH, ""], by="paragraph", min_paragraph_characters=10, mode="keep", min_language_ratio=0.8)
    assert found["language"] == ["de", "en", "unknown"]
    assert found["language_paragraphs"] == [["de", "en", "unknown", "de"], ["en"], []]
    german, whole = 2 * len(GERMAN), 2 * len(GERMAN) + len(ENGLISH) + 2
    assert found["language_ratio"] == [german / whole, 1, 0]
    assert found["reject_reason"] == ["language.ratio.min", None, "language.score.min"]
    assert found["failed_rules"][2] == ["language.score.min", "language.ratio.min"]
    assert found["language_score"][0] == found["language_paragraph_scores"][0][0]


def test_equal_shares_go_to_the_first():
    text = "Das ist ein Haus und das ist der Garten.\nThis is a house and the garden is here."
    lines = text.split("\n")
    longest = max(map(len, lines))
    padded = "\n".join(line + "!" * (longest - len(line)) for line in lines)
    assert run([padded, "\n".join(reversed(padded.split("\n")))], by="paragraph")["language"] == ["de", "en"]


def test_page_chrome_at_the_head():
    page = CHROME + "\n".join([RUSSIAN, RUSSIAN.lower(), RUSSIAN] * 4)
    assert run([page], window="head", characters=200)["language"] == ["en"]
    assert run([page], window="middle", characters=400)["language"] == ["ru"]
    assert run([page])["language"] == ["ru"]


def test_scripts():
    found = run([ENGLISH, RUSSIAN, "123 !?", ENGLISH + RUSSIAN[:60]], scripts=["Latn", "Zzzz"], min_script_ratio=0.6)
    assert found["language_script"][:3] == ["Latn", "Cyrl", "Zzzz"]
    assert found["language_script_ratio"][:3] == [1, 1, 0]
    assert found["reject_reason"] == [None, "language.script.unwanted", "language.script_ratio.min", "language.script_ratio.min"]


def test_column_of_another_name():
    found = run([GERMAN], column="second_language", mode="keep", languages=["en"])
    assert found["second_language"] == ["de"]
    assert found["reject_reason"] == ["second_language.unwanted"]


@pytest.mark.parametrize("given", [{"top": 2}, {"window": "middle"}, {"by": "paragraph", "script": True, "scripts": ["Latn"]}])
def test_library_says_the_same(given):
    texts = [ENGLISH, GERMAN, None, "", "\U0001f436", f"{RUSSIAN}\n{FRENCH}\n</s> x", "ok " * 2000]
    ours, theirs = run(texts, **given), run(texts, engine="fasttext", **given)
    for name, values in ours.items():
        if name.endswith(("scores", "score")):
            assert [pytest.approx(value, abs=1e-4) for value in values] == theirs[name]
        else:
            assert values == theirs[name], name


def test_languages_may_be_written_as_another_model_would():
    texts = [ENGLISH, GERMAN, RUSSIAN]
    short, long = (["en", "ru"], {"de": 1}), (["eng_Latn", "rus_Cyrl"], {"deu_Latn": 1})
    found, other = (run(texts, mode="keep", languages=languages, min_scores=bounds) for languages, bounds in (short, long))
    assert found == other
    assert found["reject_reason"] == [None, "language.score.min", None]


def test_a_model_with_scripts_in_its_labels(fasttext_models):
    rows, model = (fasttext_models / "languages.txt").read_text("utf-8").splitlines()[:600], str(fasttext_models / "languages.bin")
    texts = [row.partition(" ")[2] for row in rows]
    labels = run(texts, model=model, min_score=0)["language"]
    code, script = labels[0].split("_")
    found = run(texts, model=model, mode="keep", languages=[f"{code}-{script.lower()}"], min_score=0)
    assert [reason is None for reason in found["reject_reason"]] == [label == labels[0] for label in labels]
    dropped = run(texts, model=model, mode="drop", languages=[code], min_score=0)["reject_reason"]
    assert [reason is not None for reason in dropped] == [label.startswith(f"{code}_") for label in labels]
    with pytest.raises(ConfigError, match=r"knows no language 'qaa_Arib'; it knows qaa_Arab, qaa_Cyrl"):
        run([""], model=model, mode="keep", languages=["qaa_Arib"])


def test_scripts_that_consist_of_several():
    texts = ["\u3053\u3093\u306b\u3061\u306f", "\u4eca\u5929\u5929\u6c17", "\uc548\ub155", "hello"]
    for scripts, kept in ((["Jpan"], [0, 1]), (["Kore"], [1, 2]), (["Hans", "Latn"], [1, 3])):
        reasons = run(texts, scripts=scripts, min_score=0)["reject_reason"]
        assert [row for row, reason in enumerate(reasons) if reason is None] == kept, scripts
    with pytest.raises(ConfigError, match="no character has the script 'Latm'"):
        run(texts, scripts=["Latm"])


def test_model_of_ones_own(fasttext_models):
    model = str(fasttext_models / "tree.bin")
    texts = ["\u4eca\u65e5\u5929\u6c17 \u3042\u3044\u3046\u3048\u304a", "\u03b1\u03b2\u03b3\u03b4 \u03b5\u03b6\u03b7"]
    found = run(texts, model=model, mode="keep", languages=["ja"], min_score=0)
    assert found["language"] == ["ja", "el"]
    assert found["reject_reason"] == [None, "language.unwanted"]
    with pytest.raises(ConfigError, match=r"knows no language 'jp'; known: el, em, ja, la"):
        run([""], model=model, mode="keep", languages=["jp"])


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "drop", "languages": ["fr", "unknown"], "window": "middle", "characters": 20},
        {"by": "paragraph", "mode": "keep", "min_language_ratio": 0.5, "min_paragraph_characters": 5, "scripts": ["Latn"]},
    ],
)
def test_keeps_the_contract(given):
    check_operation(PART, given, huge=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "keep", "languages": ["jaa"]}, "no language 'jaa'; did you mean 'ja'"),
        ({"mode": "keep", "languages": ["deu_Cyrl"]}, "no language 'deu_Cyrl'; it knows de"),
        ({"languages": ["en"]}, "no effect with mode annotate"),
        ({"mode": "drop"}, "needs languages"),
        ({"min_scores": {"en": 2}}, "between 0 and 1"),
        ({"min_language_ratio": 0.5}, "need by: paragraph"),
        ({"by": "paragraph", "top": 2}, "go with by: document"),
        ({"scripts": ["latin"]}, "four letters"),
    ],
)
def test_mistakes_are_found_when_planning(given, message):
    with pytest.raises(ValidationError, match=message):
        LanguageParameters(**given)
