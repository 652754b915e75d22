"""Sentences are those of Unicode's rules, written as patterns."""

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.characters import ALPHANUMERIC, character_classes, properties
from curation_tasks.kernels.text_counts import text_counts

_specification = importlib.util.spec_from_file_location("plain_counts", Path(__file__).with_name("plain_counts.py"))
plain = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(plain)

CLASSES = character_classes()
SAMPLES = {}
for row in properties():
    if row.category != "Cs":
        SAMPLES.setdefault(row.sentence_break, []).append(chr(row.first))
CHARACTERS = st.sampled_from(sorted(SAMPLES)).flatmap(lambda key: st.sampled_from(SAMPLES[key]))
PIECES = st.sampled_from(
    ["He went.", " ", "etc. and", "3.14", "U.S.A. ", "(Yes!) ", "No?\u201d", "\r\n", "\n\n", "a", "B", "\u3002", "e\u0301.", "..."]
)


def counted(text):
    return text_counts(pa.array([text]), ["sentences"])["sentences"][0]


@given(text=st.lists(CHARACTERS | PIECES, max_size=40).map("".join), shift=st.integers(0, 70))
def test_sentences_are_those_of_the_rules(text, shift):
    text = "x" * shift + text
    expected = [sentence for sentence in plain.sentences(text) if any(CLASSES[ord(character)] & ALPHANUMERIC for character in sentence)]
    assert counted(text) == len(expected)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("no end", 1),
        ("One. Two! Three? Four", 4),
        ("It costs 3.14 in the U.S. and more.", 1),
        ("\u201cGo!\u201d he said. \u201cNo.\u201d", 3),
        ("\u4eca\u5929\u5f88\u597d\u3002\u6211\u4eec\u53bb\u5427\uff01", 2),
        ("\u0907\u0928\u0915\u093e\u0964 \u0928\u0939\u0940\u0902\u0964", 2),
        ("a title\n\nand a line", 2),
    ],
)
def test_sentences(text, count):
    assert counted(text) == count
