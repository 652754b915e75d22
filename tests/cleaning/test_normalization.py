"""Normal forms are those of Python's Unicode functions."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.testing import documents

STEPS = ("diacritics", "punctuation", "digits", "lower", "whitespace")
TEXTS = st.text(alphabet="Aa\u00c9e\u0301 \t\n1\u0663.,!$\u20ac\u201c_-\u00a0\u0130\u1e9e", max_size=20)


def expected(text, steps):
    if "diacritics" in steps:
        kept = [character for character in unicodedata.normalize("NFD", text) if unicodedata.category(character) != "Mn"]
        text = unicodedata.normalize("NFC", "".join(kept))
    if "punctuation" in steps:
        text = "".join(character for character in text if unicodedata.category(character)[0] not in "PS")
    if "digits" in steps:
        text = "".join("0" if unicodedata.category(character) == "Nd" else character for character in text)
    if "whitespace" in steps:
        text = re.sub(r"[\t-\r \u0085\u00a0]+", " ", text).strip(" ")
    if "lower" in steps:
        text = "".join(character.lower() if len(character.lower()) == 1 else "i" for character in text)  # simple, not full, mapping
    return text


@given(batch=documents(st.none() | TEXTS), steps=st.sets(st.sampled_from(STEPS), min_size=1))
def test_forms_are_those_of_unicode(clean, batch, steps):
    result, _ = clean("normalize", batch, steps=list(steps))
    assert result.column("normalized_text").to_pylist() == [text and expected(text, steps) for text in batch.column("text").to_pylist()]
    assert result.column("text").equals(batch.column("text"))


def test_the_text_itself_can_be_rewritten(text_of):
    assert text_of("normalize", "  Caf\u00e9 42! ", into="text") == "cafe 00"
