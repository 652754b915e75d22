"""Characters without a glyph go; those that a script needs stay."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.testing import documents

INVISIBLE = "\u200b\u2060\ufeff\u00ad"
TEXTS = st.text(
    alphabet=st.sampled_from("ab \n\t\r\x00\x07\x1c\x85\x9f\ufffe\u00e9\u201c" + INVISIBLE) | st.characters(codec="utf-8"), max_size=60
)


@given(batch=documents(st.none() | TEXTS))
@settings(max_examples=200)
def test_controls_and_zero_width_characters_go(clean, batch):
    result, counters = clean("characters", batch, joiners="keep")

    def expected(text):
        kept = []
        for character in text:
            code = ord(character)
            control = unicodedata.category(character) == "Cc" and character not in "\t\n\x0b\x0c\r\x85"
            noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
            zero_width = character in INVISIBLE + "\u180e" or 0x2060 <= code <= 0x2065 or 0x206A <= code <= 0x206F
            if 0x1C <= code <= 0x1F:
                kept.append(" ")
            elif not (control or noncharacter or zero_width or 0xFFF9 <= code <= 0xFFFB):
                kept.append(character)
        return "".join(kept)

    old = batch.column("text").to_pylist()
    new = [text and expected(text) for text in old]
    assert result.column("text").to_pylist() == new
    assert counters["cleaning.characters.changed"] == sum(a != b for a, b in zip(old, new, strict=True))


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SKIN_AND_HEART = "\U0001f9d1\U0001f3fb\u200d\u2764\ufe0f\u200d\U0001f9d1"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
HINDI = "\u0915\u094d\u200d\u0937"


@pytest.mark.parametrize("text", [FAMILY, SKIN_AND_HEART, PERSIAN, HINDI])
def test_joiners_stay_where_they_are_needed(text_of, text):
    assert text_of("characters", text) == text
    assert text_of("characters", text, joiners="remove") == text.replace("\u200c", "").replace("\u200d", "")


@pytest.mark.parametrize("text", ["pass\u200dword", "\u200dx", "a\n\u200cb", "\u4eca\u200d\u5929", "\u0301\u200d"])
def test_joiners_that_join_nothing_go(text_of, text):
    assert text_of("characters", text) == text.replace("\u200c", "").replace("\u200d", "")
    assert text_of("characters", text, joiners="keep") == text


def test_further_kinds_go_only_when_asked_for(text_of):
    text = "\u202eabc\u202c \ue000 \ufffd x"
    assert text_of("characters", text) == text
    assert text_of("characters", text, directions=True) == "abc \ue000 \ufffd x"
    assert text_of("characters", text, private_use=True) == "\u202eabc\u202c  \ufffd x"
    assert text_of("characters", text, replacement_characters=True) == "\u202eabc\u202c \ue000  x"
