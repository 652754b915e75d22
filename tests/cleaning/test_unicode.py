"""``cleaning.unicode`` is ``ftfy.fix_text`` for every input and every choice of options."""

import ftfy
import pyarrow as pa
import pytest
from ftfy.chardata import HTML_ENTITIES, LIGATURES, WIDTH_MAP
from hypothesis import example, given
from hypothesis import strategies as st

from curation_tasks.cleaning import unicode as module
from curation_tasks.cleaning.catalog import UnicodeParameters
from curation_tasks.cleaning.unicode import unicode
from curation_tasks.testing import context_for

ENCODINGS = ["latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253", "macroman", "cp437"]


def mojibake(text, encoding):
    return text.encode().decode(encoding, "replace")


PLAIN = st.text(alphabet="aeiou sSt.,<&;\n", max_size=30)
FOREIGN = st.text(
    alphabet="\u00e9\u00c3\u00c2\u0153\u0152\u00a0\u201c\u2019\u2026\u20ac\u00b0\u0448\u0413\u0421\u03bb\u65e5\u0e01\u00bb\u00d8\u00b2 ",
    max_size=12,
)
MOJIBAKE = st.builds(mojibake, FOREIGN | st.text(max_size=8), st.sampled_from(ENCODINGS))
TWICE = st.builds(mojibake, MOJIBAKE, st.sampled_from(ENCODINGS))
ENTITIES = st.sampled_from(
    [*sorted(HTML_ENTITIES)[::40], "&amp;", "&lt;", "&AMP;", "&#233;", "&#xe9;", "&#xD83D;", "&#1;", "&nonsense;", "&amp;amp;"]
)
CONTROLS = st.sampled_from(
    ["\x00", "\x07", "\x7f", "\x1b[31m", "\x1b[", "\x1b", "\ufeff", "\u206a", "\r", "\r\n", "\x85", "\x92", "\u2028", "\ufffc"]
)
SPECIAL = st.sampled_from(
    [chr(code) for code in (*LIGATURES, *list(WIDTH_MAP)[::16])] + ["\u2018", "\u201f", "\u02bc", "e\u0301", "\u212b", "\u1100\u1161"]
)
PIECES = st.one_of(PLAIN, FOREIGN, MOJIBAKE, TWICE, ENTITIES, CONTROLS, SPECIAL, st.text(max_size=10))
TEXTS = st.lists(PIECES, max_size=8).map("".join)

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "unescape_html": st.sampled_from(["auto", True, False]),
        "normalization": st.sampled_from([None, "NFC", "NFD", "NFKC", "NFKD"]),
        "max_decode_length": st.sampled_from([1, 7, 1_000_000]),
        **{name: st.booleans() for name, field in UnicodeParameters.model_fields.items() if field.annotation is bool},
    },
)


def clean(texts, parameters, kind=None):
    context = context_for(parameters)
    batch = pa.record_batch({"text": pa.array(texts, kind or pa.string())})
    return unicode(batch, parameters, context).column("text").to_pylist(), context.counters


def fixed(text, parameters):
    return ftfy.fix_text(text, ftfy.TextFixerConfig(**parameters.model_dump()))


@given(texts=st.lists(st.none() | TEXTS, min_size=1, max_size=5), kind=st.sampled_from([pa.string(), pa.large_string()]))
@example(texts=["\u00c3 la mode", "a\n\u00c2 x", "<\n&amp;", "&amp;\n<b> &lt;\n&gt;"], kind=pa.string())
def test_result_is_that_of_ftfy_with_the_defaults(texts, kind):
    parameters = UnicodeParameters()
    result, counters = clean(texts, parameters, kind)
    assert result == [None if text is None else fixed(text, parameters) for text in texts]
    assert counters["cleaning.unicode.changed"] == sum(a != b for a, b in zip(texts, result, strict=True))


@given(text=TEXTS, options=OPTIONS)
def test_result_is_that_of_ftfy_with_any_options(text, options):
    parameters = UnicodeParameters(**options)
    assert clean([text], parameters)[0] == [fixed(text, parameters)]


def test_every_pair_of_characters_that_ftfy_knows_is_treated_as_by_ftfy():
    # All characters of the mojibake tables beside each other, with a letter and a space around.
    known = sorted(
        {character for encoding in ENCODINGS for character in bytes(range(0x80, 0x100)).decode(encoding, "replace")} | set("aZ .")
    )
    texts = [f"x{first}{second} {first}" for first in known for second in known[::7]]
    parameters = UnicodeParameters()
    assert clean(texts, parameters)[0] == [fixed(text, parameters) for text in texts]


def test_the_defaults_are_those_of_the_tutorial():
    tutorial = {
        "normalization": None,
        "uncurl_quotes": False,
        "fix_line_breaks": False,
        "fix_character_width": False,
        "fix_latin_ligatures": False,
    }
    expected = ftfy.TextFixerConfig(**tutorial)._asdict()
    expected.pop("explain")
    assert UnicodeParameters().model_dump() == expected


def test_only_suspect_lines_are_given_to_ftfy(monkeypatch):
    seen = []
    original = ftfy.fix_text
    monkeypatch.setattr(module.ftfy, "fix_text", lambda text, config: seen.append(text) or original(text, config))
    clean_line = "Caf\u00e9 \u201cd\u00e9j\u00e0 vu\u201d \u2014 \u0441\u043b\u043e\u0432\u043e \u4eca\u5929 R&D a && b; <p> \U0001f436\n"
    result, counters = clean([clean_line * 50, clean_line * 50 + "caf\u00c3\u00a9\n" + clean_line], UnicodeParameters())
    assert seen == ["caf\u00c3\u00a9\n"]
    assert result == [clean_line * 50, clean_line * 50 + "caf\u00e9\n" + clean_line]
    assert counters == {"cleaning.unicode.suspected": 1, "cleaning.unicode.changed": 1}


def test_a_batch_without_suspects_is_handed_on():
    parameters = UnicodeParameters()
    batch = pa.record_batch({"text": ["Once upon a time.", None, ""]})
    assert unicode(batch, parameters, context_for(parameters)) is batch


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_keep_their_rows(kind):
    parameters = UnicodeParameters()
    batch = pa.record_batch({"text": pa.array(["a", "caf\u00c3\u00a9", None, "b\x00", "c"], kind)}).slice(1, 3)
    result = unicode(batch, parameters, context_for(parameters)).column("text")
    assert result.type == kind
    assert result.to_pylist() == ["caf\u00e9", None, "b"]
