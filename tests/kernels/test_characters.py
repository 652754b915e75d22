"""The classes of characters are Python's own, as far as its version of Unicode goes."""

import unicodedata
from itertools import pairwise

from curation_tasks.kernels.characters import (
    ALPHANUMERIC,
    CODE_POINTS,
    LETTER,
    LOWER,
    MARK,
    MARKS,
    PUNCTUATION,
    SPACE,
    TERMINAL,
    UPPER,
    character_classes,
    properties,
    unicode_version,
)


def classes_of(character):
    category = unicodedata.category(character)
    return (
        SPACE * character.isspace()
        | LETTER * character.isalpha()
        | ALPHANUMERIC * character.isalnum()
        | UPPER * (category in ("Lu", "Lt"))
        | LOWER * (category == "Ll")
        | MARK * (category[0] == "M")
    )


def test_classes_are_those_of_python():
    known = [code for code in range(CODE_POINTS) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    classes = character_classes()
    assert [code for code in known if int(classes[code]) & ~(TERMINAL | PUNCTUATION) != classes_of(chr(code))] == []


def test_sentences_end_in_many_scripts():
    classes = character_classes()
    for mark in ".!?\u3002\u061f\u0964\u1362\uff0e":
        assert classes[ord(mark)] & TERMINAL
    for mark in "\u2026,;:\"')":
        assert not classes[ord(mark)] & TERMINAL


def test_the_file_covers_all_code_points_once():
    rows = properties()
    assert rows[0].first == 0
    assert rows[-1].last == CODE_POINTS - 1
    assert all(before.last + 1 == row.first for before, row in pairwise(rows))
    assert unicode_version() == "16.0.0"


def test_punctuation_is_what_makes_no_word():
    classes = character_classes()
    for character in f"#$%-_{MARKS}\x00\x7f\u3002\u0964":
        assert classes[ord(character)] & PUNCTUATION, character
    for character in "a1\u00e9\u2022\u00a9\u2192\U0001f600\u4eca":
        assert not classes[ord(character)] & PUNCTUATION, character
