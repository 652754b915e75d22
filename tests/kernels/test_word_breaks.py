"""Words by Unicode's rules are those of another implementation, and words of scripts without spaces those of BudouX and ICU."""

import json
import re
from pathlib import Path

import budoux
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icu4py.breakers import WordBreaker
from uniseg.wordbreak import words as uniseg_words

from curation_tasks.kernels.characters import ALPHANUMERIC, character_classes, properties
from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.kernels.word_breaks import unicode_words

CLASSES = character_classes()
#: Characters of each value of Word_Break, but of scripts that a model cuts.
SAMPLES = {}
for row in properties():
    if row.script == "-" and row.word_break != "Katakana" and row.category != "Cs":
        SAMPLES.setdefault((row.word_break, row.pictographic), []).append(chr(row.first))
CHARACTERS = st.sampled_from(sorted(SAMPLES)).flatmap(lambda key: st.sampled_from(SAMPLES[key]))
SENTENCES = st.sampled_from(
    ["can't stop", "3.14 km/h", "a.b.c", "\u05d0\u05f4\u05d1", "e\u0301a", "\U0001f468\u200d\U0001f469", "x_y", "\r\n", "\u1f1e\u1f1e"]
)


@given(text=st.lists(CHARACTERS | SENTENCES, max_size=30).map("".join))
def test_words_are_those_of_another_implementation(text):
    expected = [word for word in uniseg_words(text) if any(CLASSES[ord(character)] & ALPHANUMERIC for character in word)]
    assert unicode_words(text) == expected


def parser(name):
    return budoux.Parser(json.loads((Path(budoux.__file__).parent / "models" / f"{name}.json").read_text("utf-8")))


MODELS = {name: parser(name) for name in ("ja_word", "zh-hans", "zh-hant", "th")}
HAN = "".join(
    sorted({text for group in MODELS["zh-hans"].model.values() for text in group if len(text) == 1 and "\u4e00" <= text <= "\u9fff"})
)
KANA = "\u3042\u3044\u3046\u306e\u306f\u3092\u3067\u3059\u30a2\u30a4\u30fc\u30c6\u30b9\u30c8"
THAI = "".join(chr(code) for code in range(0x0E01, 0x0E3B)) + "\u0e40\u0e41\u0e44\u0e48\u0e49"


@given(text=st.text(THAI, min_size=1, max_size=30))
@example(text="\u0e03\u0e2d\u0e30")  # The model has the last two characters as a feature of three, which BudouX never finds.
def test_thai_is_cut_as_by_budoux(text):
    assert unicode_words(text) == MODELS["th"].parse(text)


@given(text=st.text(KANA + HAN[:40], min_size=1, max_size=30), kana=st.sampled_from(KANA))
def test_japanese_is_cut_as_by_budoux(text, kana):
    assert unicode_words(text + kana) == MODELS["ja_word"].parse(text + kana)


@given(text=st.text(HAN, min_size=1, max_size=30))
def test_chinese_is_cut_as_by_budoux(text):
    assert unicode_words(text) in (MODELS["zh-hans"].parse(text), MODELS["zh-hant"].parse(text))


#: The characters of which ICU cuts runs, and the sentences of the Universal Declaration of Human Rights.
BY_DICTIONARY = {
    script: "".join(
        chr(code) for row in properties() if row.script == script and row.category[0] in "LM" for code in range(row.first, row.last + 1)
    )
    for script in ("Laoo", "Khmr", "Mymr")
}
LAO = "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ"
KHMER = "មនុស្សទាំងអស់កើតមកមានសេរីភាព"
BURMESE = "လူတိုင်းသည်တူညီလွတ်လပ်သော"
MARKS = "́‌‍️͏"
#: Letters and marks of one script, with marks of no script behind them.
RUNS = re.compile("|".join(f"[{letters}][{letters}̀-ͯ‌︀-️]*" for letters in BY_DICTIONARY.values()))
LETTERS_BY_DICTIONARY = st.sampled_from(sorted(BY_DICTIONARY)).flatmap(
    lambda script: st.text(BY_DICTIONARY[script], min_size=1, max_size=8)
)
PIECES = st.sampled_from(
    (LAO, KHMER, BURMESE, LAO[:7], KHMER[:9], BURMESE[:5], "a", "2024", " ", "១២", "၁", "໑", "។", "။", "​",
     "\n", *MARKS, "󠄀", "😀", "ก", "Facebook", "."),
)  # fmt: skip
MIXED = st.lists(PIECES | LETTERS_BY_DICTIONARY, max_size=12).map("".join)


def has_letter(word):
    return any(CLASSES[ord(character)] & ALPHANUMERIC for character in word)


def words_by_icu(run):
    return [word for word in WordBreaker(run, "und") if has_letter(word)]


def words_in_plain_python(text):
    """Runs of the three scripts by ICU, one at a time; what stands between them by another implementation of Unicode's rules."""
    found, at = [], 0
    for run in RUNS.finditer(text):
        found += [word for word in uniseg_words(text[at : run.start()]) if has_letter(word)] + words_by_icu(run.group())
        at = run.end()
    return found + [word for word in uniseg_words(text[at:]) if has_letter(word)]


@given(run=st.sampled_from(sorted(BY_DICTIONARY)).flatmap(lambda script: st.text(BY_DICTIONARY[script], min_size=1, max_size=40)))
@example(run=LAO * 300)
@example(run=KHMER * 300)
@example(run=BURMESE * 300)
def test_a_run_of_lao_khmer_or_burmese_is_cut_as_by_icu(run):
    assert unicode_words(run) == words_by_icu(run)


@given(text=MIXED.filter(lambda text: "ก" not in text))
@example(text=KHMER + "Facebook" + LAO + "12" + BURMESE + "၁")
@example(text=KHMER + LAO + BURMESE)
@example(text=(LAO + " " + KHMER + "\n") * 500)
def test_words_of_mixed_texts_are_those_of_plain_python(text):
    assert unicode_words(text) == words_in_plain_python(text)


@given(texts=st.lists(st.none() | MIXED, min_size=1, max_size=8), start=st.integers(0, 2))
def test_words_are_counted_as_they_are_found_one_text_at_a_time(texts, start):
    counts = text_counts(pa.array(texts, pa.string()).slice(start), ["words", "word_characters"], words="unicode")
    expected = [unicode_words(text or "") for text in texts[start:]]
    assert counts["words"].tolist() == [len(words) for words in expected]
    assert counts["word_characters"].tolist() == [len("".join(words)) for words in expected]


def test_what_goes_to_icu_at_once_does_not_tell_in_the_words():
    texts = [LAO[:number] + KHMER[: number % 11] + " " + BURMESE * (number % 7) for number in range(2000)]
    together = text_counts(pa.array(texts), ["words"], words="unicode")["words"]
    alone = np.concatenate([text_counts(pa.array([text]), ["words"], words="unicode")["words"] for text in texts])
    assert together.tolist() == alone.tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("The dog's 3.5 km, e.g. U.S.A.", ["The", "dog's", "3.5", "km", "e.g", "U.S.A"]),
        ("na\u00efve cafe\u0301 \u2014 \u00abno\u00bb", ["na\u00efve", "cafe\u0301", "no"]),
        ("\u0928\u092e\u0938\u094d\u0924\u0947 \u092f\u093e", ["\u0928\u092e\u0938\u094d\u0924\u0947", "\u092f\u093e"]),
        ("\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4", ["\uc548\ub155\ud558\uc138\uc694", "\uc138\uacc4"]),
        ("iPhone\u3092\u8cb7\u3063\u305f\u3002", ["iPhone", "\u3092", "\u8cb7\u3063", "\u305f"]),
        ("\U0001f600!? ...", []),
        (
            "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ ແລະ ສິດທິ2024",
            ["ມະນຸດ", "ທຸກຄົນ", "ເກີດ", "ມາ", "ມີ", "ກຽດສັກສີ", "ແລະ", "ສິດທິ", "2024"],
        ),
        (
            "មនុស្សទាំងអស់កើតមកមានសេរីភាពនិងភាពស្មើគ្នា១២។Facebook",
            ["មនុស្ស", "ទាំងអស់", "កើតមក", "មាន", "សេរីភាព", "និង", "ភាពស្មើគ្នា", "១២", "Facebook"],
        ),
        (
            "လူတိုင်းသည်တူညီလွတ်လပ်သောဂုဏ်သိက္ခာဖြင့်မွေးဖွားလာသူများဖြစ်သည်။၁၂",
            ["လူ", "တိုင်း", "သည်", "တူညီ", "လွတ်လပ်", "သော", "ဂုဏ်သိက္ခာ", "ဖြင့်", "မွေး", "ဖွား", "လာ", "သူများ", "ဖြစ်သည်", "၁၂"],
        ),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", ["\u4eca\u5929", "\u5929\u6c14", "\u5f88", "\u597d"]),
    ],
)  # fmt: skip
def test_words(text, words):
    assert unicode_words(text) == words
