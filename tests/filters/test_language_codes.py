"""Codes of one language are one language, whoever wrote them."""

import pytest

from curation_tasks.filters.language_codes import labels_of, language_of, list_for, require_label, route_of
from curation_tasks.filters.language_parameters import LID176_LANGUAGES

GLOTLID = (
    *("eng_Latn", "srp_Latn", "srp_Cyrl", "cmn_Hani", "yue_Hani", "jpn_Jpan", "kor_Hang", "nob_Latn", "nno_Latn", "als_Latn", "gsw_Latn"),
    *("arb_Arab", "arz_Arab", "zho_Hant", "zho_Hans"),
)


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        ("eng_Latn", ["en"]), ("eng", ["en"]), ("EN", ["en"]), ("en-US", ["en"]), ("cmn_Hani", ["zh"]), ("zho_Hans", ["zh"]),
        ("arb_Arab", ["ar"]), ("arz_Arab", ["arz"]), ("nob_Latn", ["no"]), ("nno_Latn", ["nn"]), ("jpn_Jpan", ["ja"]),
        ("kor_Hang", ["ko"]), ("pes_Arab", ["fa"]), ("swh_Latn", ["sw"]), ("tgl_Latn", ["tl"]), ("bho_Deva", ["bh"]),
        # lid.176's als is the Alemannic Wikipedia, ISO's als is Albanian.
        ("als", ["als"]), ("als_Latn", ["sq"]), ("gsw_Latn", ["als"]),
        # lid.176's sr is written in Cyrillic, its sh in Latin letters.
        ("srp_Cyrl", ["sr"]), ("srp_Latn", ["sh"]), ("zho_Hant", []), ("deu_Cyrl", []), ("xyz_Latn", []),
    ],
)  # fmt: skip
def test_labels_of_lid176(wanted, labels):
    assert list(labels_of(wanted, LID176_LANGUAGES)) == labels


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        ("en", ["eng_Latn"]), ("sr", ["srp_Latn", "srp_Cyrl"]), ("srp_Latn", ["srp_Latn"]), ("sq", ["als_Latn"]), ("no", ["nob_Latn"]),
        ("zh", ["cmn_Hani", "zho_Hant", "zho_Hans"]), ("zh_Hani", ["cmn_Hani", "zho_Hant", "zho_Hans"]),
        ("cmn_Hans", ["cmn_Hani", "zho_Hans"]), ("yue", ["yue_Hani"]), ("ja", ["jpn_Jpan"]), ("ko_Kore", ["kor_Hang"]), ("de", []),
    ],
)  # fmt: skip
def test_labels_of_a_model_with_scripts(wanted, labels):
    assert list(labels_of(wanted, GLOTLID)) == labels


def test_lid176_means_another_language_by_each_label():
    assert len({language_of({"als": "gsw"}.get(label, label)) for label in LID176_LANGUAGES}) == len(LID176_LANGUAGES)
    for label in LID176_LANGUAGES:
        assert labels_of(label, LID176_LANGUAGES) == (label,)


def test_routes_prefer_what_is_written_so_then_the_script():
    assert [route_of(label, ("sr", "srp_Latn", "en")) for label in ("srp_Latn", "srp_Cyrl", "sr", "sh", "eng_Latn", "de", None)] == [
        1, 0, 0, 1, 2, -1, -1,
    ]  # fmt: skip
    assert route_of("py", ("c", "py")) == 1


def test_lists_of_words_are_in_the_language_and_the_script():
    lists = ("en", "no", "sr", "zh", "ja")
    names = ("eng_Latn", "nob_Latn", "srp_Cyrl", "srp_Latn", "zho_Hant", "jpn_Jpan", "ta", "py")
    assert [list_for(name, lists) for name in names] == ["en", "no", "sr", None, "zh", "ja", None, None]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("deu_Cyrl", "it knows de, which"),
        ("zho_Hant", "it knows zh"),
        ("srp_Arab", "sh, sr"),
        ("jaa", "did you mean 'ja'"),
        ("xy", "known: "),
    ],
)
def test_the_nearest_label_is_named(wanted, message):
    with pytest.raises(ValueError, match=message):
        require_label(wanted, LID176_LANGUAGES)
