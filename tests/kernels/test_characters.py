"""The classes of characters are Python's own, as far as its version of Unicode goes."""

import unicodedata
from itertools import pairwise

from curation_tasks.kernels.characters import (
    ALPHANUMERIC,
    BREAK,
    BREAKS,
    CODE_POINTS,
    LETTER,
    LOWER,
    MARK,
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
        | BREAK * (len(f"{character}x".splitlines()) == 2)
    )


def test_classes_are_those_of_python():
    known = [code for code in range(CODE_POINTS) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    classes = character_classes()
    assert [code for code in known if int(classes[code]) & ~TERMINAL != classes_of(chr(code))] == []


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
    assert set(BREAKS) == {chr(code) for code in range(CODE_POINTS) if character_classes()[code] & BREAK}
