"""The scan for suspects finds what a plain search finds."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.suspects import (
    CHARACTERS,
    ENTITIES_ALWAYS,
    ENTITIES_IGNORED,
    ENTITIES_WITHOUT_MARKUP,
    Suspicion,
)
from curation_tasks.kernels.utf8 import text_buffers


def characters(members):
    found = np.zeros(CHARACTERS, bool)
    found[[min(ord(member), CHARACTERS - 1) for member in members]] = True
    return found


def suspicion(entities=ENTITIES_IGNORED, escapes=False, alone="\x07\u2028"):
    windows = [["a \u00e9", "\u00e8", "xy\u00e8"], ["\u00e9", " b\u00e8"], ["\u4eca\u00e9", "\u5929"]]
    return Suspicion.of([list(map(characters, window)) for window in windows], map(ord, alone), entities=entities, escapes=escapes)


PATTERN = re.compile("[a \u00e9]\u00e8[xy\u00e8]|\u00e9[ b\u00e8]|[\u4eca\u00e9]\u5929|\x07|\u2028")


def find(suspicion, texts):
    offsets, data = text_buffers(pa.array(texts))
    return suspicion.find(data, offsets[:-1], offsets[1:]).tolist()


@given(texts=st.lists(st.text(alphabet="a bxyz.\u00e9\u00e8\u4eca\u5929\U0001f436\u2028\x07", max_size=90), min_size=1, max_size=8))
def test_windows_and_characters_are_found_wherever_they_stand(texts):
    assert find(suspicion(), texts) == [bool(PATTERN.search(text)) for text in texts]


ENTITY = re.compile("&#?[0-9A-Za-z]{1,24};")


@given(text=st.text(alphabet="&#;<aZ9 \u00e4", max_size=60))
def test_entities_are_found_everywhere_or_before_markup(text):
    entities = list(ENTITY.finditer(text))
    assert find(suspicion(ENTITIES_ALWAYS), [text]) == [bool(entities)]
    assert find(suspicion(ENTITIES_WITHOUT_MARKUP), [text]) == [any("<" not in text[: entity.start()] for entity in entities)]
    assert find(suspicion(ENTITIES_IGNORED), [text]) == [False]


@pytest.mark.parametrize(("name", "found"), [("a" * 24, True), ("a" * 25, False), ("", False)])
def test_entities_have_1_to_24_letters_or_digits(name, found):
    assert find(suspicion(ENTITIES_ALWAYS), [f"x &{name}; y", f"&#{name};"]) == [found, found]


def test_escapes_are_found_only_when_asked_for():
    texts = ["\x1b[0m", "\x1b]", "\x1b", "[0m"]
    assert find(suspicion(escapes=True), texts) == [True, False, False, False]
    assert find(suspicion(escapes=False), texts) == [False] * 4


def test_bytes_that_are_not_utf8_end_the_search():
    data = np.frombuffer(b"\x80\x80 a \xc3" + b"\xff" * 5, np.uint8)
    starts = np.arange(len(data))
    assert len(suspicion().find(data, starts, np.full(len(data), len(data)))) == len(data)


def test_a_window_of_ascii_is_refused():
    with pytest.raises(ValueError, match="ASCII"):
        Suspicion.of([[characters("a\u00e9"), characters("b")]], [], entities=ENTITIES_IGNORED, escapes=False)
