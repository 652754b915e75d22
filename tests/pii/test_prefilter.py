"""The prefilter misses nothing: windows give what Presidio finds in the whole text."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.pii import prefilter
from curation_tasks.pii.recognizers import patterns

SEEDS = {
    "EMAIL_ADDRESS": [
        "ben@example.com", "a.b+c@mail.example.co.uk", "o'hara@xn--80ak6aa92e.com", "x@y", "@", "ü.ß@bücher.de", "a@b.c@d.org",
        "-", ".", "'", "é", "{|}~@a-b.museum", "_@_.com", "名@例.com", "@@", "/", "=", "(", ">", "\u00a0", "\u0301", "com",
        ".com",
    ],
    "URL": [
        "http://", "HTTPS://", "www.example.com", "www12.x.de/path?q=1#f", "end.The", "e.g.", '"', "'", "a.b.co.uk/(x)", "/",
        "..", ".", "ſite.ſh", "a.İt", "x.Kr", "é.com", "com", "-.no", "a" * 260 + ".com", "\u00a0", "\u3000", "<", ")",
        "例.cn/é", '"http://a.io"', "'b.io'", "1.2.3.4", "x.bl", "x.black",
    ],
    "PHONE_NUMBER": [
        "+1 212-555-5555", "(212) 555-5555", "0301234567", "+49 30 123456", "030 12 34 56 78", "1690", "01690", "16 99",
        "11000", "399994", "+43 1 2", "12", "5", "0", " ", "  ", "     ", "      ", "-", "/", ".", "x", "xx", "X 12", "ext",
        "ext. 5", ";ext=", "#", "anexo", "int", "доб", "~", "～", "：", "(", ")", "[", "+", "＋", "２１２５５５", "٠١٢", "1-800-555-",
        "2001-02-03 08:00", "3/10/2011", "211-227 (2003)", "%", "€", "é", "a", "K", "\n", "\u00ad", "\u2060", ",",
        "011 44 20 7946 0958", "00 49 30", "44", "x" * 5, "972-3-", "91 98765 43210", "ⅹ", "\u0301",
    ],
}  # fmt: skip


def texts_like(entity: str) -> st.SearchStrategy[str]:
    """Texts of pieces that make, break and join hits, among any Unicode text."""
    pieces = st.one_of(
        st.sampled_from(SEEDS[entity]), st.sampled_from(SEEDS[entity]), st.sampled_from("0123456789 abcXx.-@/"), st.text(max_size=4)
    )
    return st.lists(pieces, max_size=14).map("".join)


@pytest.mark.parametrize("entity", SEEDS)
def test_windows_give_the_hits_of_the_whole_text(entity, plain_presidio, ours):
    @settings(max_examples=250)
    @given(st.lists(texts_like(entity), min_size=1, max_size=4))
    def check(texts):
        assert ours(entity, texts) == [plain_presidio(entity, text) for text in texts]

    check()


@settings(max_examples=400)
@given(text=st.text(alphabet="0123456789 x~-+(./#,", max_size=24))
@example(text="3     ~83279")
@example(text="3       ～ 34908")
@example(text="(415) - 826 - 9486")
@example(text="3       x 30000")
@example(text="1      x 555123456")
@example(text="+xxx12345678")
@example(text="1x2x3x45 678")
@example(text="12 ext 2125551234")
@example(text="12      3456#")
@example(text="2012-01-02 08:00 2125555555")
def test_digits_and_signs_alone_are_searched_as_the_whole_text(text, plain_presidio, ours):
    assert ours("PHONE_NUMBER", [text, f"a{text}b"]) == [plain_presidio("PHONE_NUMBER", each) for each in (text, f"a{text}b")]


def test_all_short_numbers_of_the_regions_are_found(plain_presidio, ours):
    texts = [f"{number:04}" for number in range(1500, 1800)] + [f"{number:05}" for number in range(0, 99_999, 331)]
    assert ours("PHONE_NUMBER", texts) == [plain_presidio("PHONE_NUMBER", text) for text in texts]


@pytest.mark.parametrize("text", ["3     ~83279", "3       ～ 34908", "(415) - 826 - 9486", "1690"])
def test_numbers_at_the_edge_of_the_filter_are_numbers_to_presidio(text, plain_presidio):
    # Else the comparisons above would prove nothing about them.
    assert plain_presidio("PHONE_NUMBER", text)


def test_neighbouring_quotations_are_searched_together(plain_presidio, ours):
    text = "\"a.com\"b.com\" 'c.org''d.org'"
    assert ours("URL", [text]) == [plain_presidio("URL", text)]


def test_scores_are_those_of_the_analyzer_engine(plain_presidio, ours):
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_analyzer.predefined_recognizers import EmailRecognizer, PhoneRecognizer, UrlRecognizer

    registry = RecognizerRegistry(recognizers=[EmailRecognizer(), PhoneRecognizer(), UrlRecognizer()], supported_languages=["en"])
    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": ""}])
    nlp.load()
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
    text = 'Phone number: 212-555-5555, website "http://example.com", e-mail ben@example.com or ben@nothing.invalid'
    expected = sorted((hit.entity_type, hit.start, hit.end, hit.score) for hit in engine.analyze(text, language="en"))
    assert expected == sorted((entity, *hit) for entity in SEEDS for hit in ours(entity, [text])[0])
    assert {entity for entity, *_ in expected} == set(SEEDS)


def test_top_level_domains_are_those_of_the_recognizer():
    from presidio_analyzer.predefined_recognizers import UrlRecognizer

    domains = re.findall(r"\(\?:([a-z]+)\)", UrlRecognizer.BASE_URL_REGEX)
    assert {domain[:2] for domain in domains} == set(prefilter.TOP_LEVEL_DOMAIN_STARTS.split())


def test_the_phone_alphabet_holds_every_character_of_the_pattern():
    from phonenumbers import phonenumberutil

    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    extension = phonenumberutil._EXTN_PATTERNS_FOR_MATCHING
    literal = "".join(re.findall(r"[^\W\d_]|[;=#~～＃:．,\- \xa0]", extension.replace(r"\d", "").replace(r"\t", "")))
    members = re.findall(
        f"[{phonenumberutil._VALID_PUNCTUATION}{phonenumberutil._PLUS_CHARS}{re.escape(literal)}\\t\\d\\[(（［]", everything, re.IGNORECASE
    )
    missing = [hex(ord(character)) for character in members if prefilter.phone_alphabet()[ord(character)] == 0]
    assert missing == []


def test_between_digits_stands_what_counts_as_punctuation():
    from phonenumbers import phonenumberutil

    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    punctuation = re.findall(f"[{phonenumberutil._VALID_PUNCTUATION}]", everything, re.IGNORECASE)
    assert {int(prefilter.phone_alphabet()[ord(character)]) for character in punctuation} == {2, 3, 4}


def test_numbers_with_a_country_code_are_never_shorter_than_assumed():
    import phonenumbers

    countries = [phonenumbers.PhoneMetadata.metadata_for_region(region) for region in phonenumbers.SUPPORTED_REGIONS]
    shortest = min(len(str(country.country_code)) + min(country.general_desc.possible_length) for country in countries)
    assert shortest == prefilter.INTERNATIONAL_DIGITS


def test_what_is_not_parsed_could_not_have_been_a_number():
    import phonenumbers

    for digits in [f"{number:08}" for number in range(0, 10**8, 999_983)] + [
        "011442079460958",
        "442079460958",
        "4930123456",
        "18005550123",
    ]:
        for region in ("US", "GB", "DE", "IL"):
            try:
                valid = phonenumbers.is_valid_number(phonenumbers.parse(digits, region))
            except phonenumbers.NumberParseException:
                valid = False
            assert patterns._can_be_number(digits, region) or not valid


def test_windows_do_not_overlap_and_more_than_expected_are_all_there():
    texts = ["a@b.co " * 5000, "+1 212-555-5555, q " * 2000]
    offsets, data = text_buffers(pa.array(texts))
    for windows in (
        prefilter.email_windows(offsets, data),
        prefilter.url_windows(offsets, data),
    ):
        assert len(windows) == 5000
        assert (windows[1:, 1] >= windows[:-1, 2]).all()
    assert len(prefilter.phone_windows(offsets, data, 6, np.zeros(100, np.bool_))) == 2000


def test_a_text_without_a_candidate_has_no_window():
    offsets, data = text_buffers(pa.array(["Once upon a time. There was 1 girl, 12 cats and 3 dogs.", None, ""]))
    assert len(prefilter.email_windows(offsets, data)) == 0
    assert len(prefilter.url_windows(offsets, data)) == 0
    assert len(prefilter.phone_windows(offsets, data, 6, np.zeros(100, np.bool_))) == 0
