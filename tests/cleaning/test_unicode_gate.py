"""The windows that stand for an expression are in all of its matches."""

import re

import numpy as np
import pytest
from ftfy.badness import BADNESS_RE

from curation_tasks.cleaning.catalog import UnicodeParameters
from curation_tasks.cleaning.unicode_gate import mojibake_windows, suspicion_of


def members(window):
    return [{chr(code) for code in np.flatnonzero(place[:-1])} for place in window]


def test_a_window_is_the_longest_stretch_up_to_three_without_gaps():
    characters, windows = mojibake_windows(re.compile("\u00e9|^[\u00e0\u00e1]b|\u00e8x?\u00ea[yz]\u00eb[c-f]|\u00ef[^a]"))
    assert characters == {ord("\u00e9")}
    assert [members(window) for window in windows[:1]] == [[{"\u00e0", "\u00e1"}, {"b"}]]
    assert members(windows[1]) == [{"\u00ea"}, {"y", "z"}, {"\u00eb"}]
    assert windows[2][0][ord("\u00ef")]
    assert windows[2][1][[ord("a"), ord("b"), -1]].tolist() == [False, True, True]


@pytest.mark.parametrize("expression", ["(?:\u00e9|\u00e8)x(?=y)", "a.b|\u00e9", "[ab][cd]"])
def test_what_is_not_understood_makes_everything_beyond_ascii_suspect(expression):
    characters, windows = mojibake_windows(re.compile(expression))
    assert characters >= set(range(0x80, 0x110000))
    assert windows == []


def test_the_expression_of_the_installed_ftfy_is_understood():
    characters, windows = mojibake_windows(BADNESS_RE)
    assert characters == set(range(0x80, 0xA0))
    assert 30 < len(windows) <= 64


def test_normalization_makes_what_it_may_change_suspect():
    composed = suspicion_of(UnicodeParameters(normalization="NFC"))
    suspect = {character for character in "\u00e9\u0301\u1161\u11a8\u09be\u212b\u0344" if composed.alone[composed.classes[ord(character)]]}
    assert suspect == set("\u0301\u1161\u11a8\u09be\u212b\u0344")
    assert not suspicion_of(UnicodeParameters()).alone[suspicion_of(UnicodeParameters()).classes[0x301]]
