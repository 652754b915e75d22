"""Sentences and paragraphs as spans that tile a text, and what of them is compared."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.text_units import cut, paragraphs, sentences
from curation_tasks.kernels.text_units import pieces as cut_out
from curation_tasks.kernels.unit_comparison import span_hashes, unit_hashes

PIECES = ["One. ", "two", "! ", "\n", " ", "\u3000", "好。", "Né", "3.1 "]
TEXTS = st.lists(st.none() | st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
LETTERS = st.sampled_from("aÀéǄẞİ٣5.,¿「 \t\u3000한\u0301\U0001d7d8\U0001f600-'")
STEPS = ["accents", "digits", "lower", "punctuation", "whitespace"]


def pieces(divide, *texts):
    units = divide(pa.array(texts, pa.string()))
    return [texts[row].encode()[start:end].decode() for row, start, end in zip(units.row, units.start, units.end, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two. Three?  Four!", ["One two. ", "Three?  ", "Four!"]),
        ("The U.S. is at 3.14 etc. and so on. “Quoted.” End", ["The U.S. is at 3.14 etc. and so on. ", "“Quoted.” ", "End"]),
        ("Title\n\nText here. More", ["Title\n\n", "Text here. ", "More"]),
        ("\n \nBegin. End.\r\n\r\n", ["\n \nBegin. ", "End.\r\n\r\n"]),
        ("中文。好的！", ["中文。", "好的！"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_sentences_by_the_rules_of_unicode(text, expected):
    assert pieces(sentences, text) == expected


def test_paragraphs_are_lines_and_take_blank_ones_with_them():
    assert pieces(paragraphs, "a\n\nb\n c", "\n\nd", "", "e\n") == ["a\n\n", "b\n", " c", "\n\nd", "e\n"]


def test_texts_of_many_tiny_units_are_split_too():
    texts = pa.array(["a\n" * 5000, "b\n\n" * 900])
    assert len(paragraphs(texts).row) == len(sentences(texts).row) == 5900


@given(TEXTS, st.sampled_from([sentences, paragraphs]))
def test_pieces_are_what_stands_at_their_places(texts, divide):
    array = pa.array(["Cut. Off", *texts], pa.large_string()).slice(1)
    units = divide(array)
    expected = [texts[row].encode()[a:b].decode() for row, a, b in zip(units.row, units.start, units.end, strict=True)]
    assert cut_out(array, units.row, units.start, units.end).to_pylist() == expected


@given(TEXTS, st.sampled_from([sentences, paragraphs]))
def test_units_tile_each_text_whatever_is_beside_it(texts, divide):
    array = pa.array(["Cut. Off", *texts], pa.string()).slice(1)
    units = divide(array)
    for row, text in enumerate(texts):
        mine = units.row == row
        alone = divide(pa.array([text], pa.string()))
        assert [column[mine].tolist() for column in units[1:]] == [column.tolist() for column in alone[1:]]
        if text is None or not text.strip():
            assert not mine.any()
            continue
        data = text.encode()
        spans = list(zip(units.start[mine], units.end[mine], strict=True))
        assert b"".join(data[start:end] for start, end in spans) == data
        assert [len(data[start:end].decode()) for start, end in spans] == units.characters[mine].tolist()
        contents = [data[a:b].decode() for a, b in zip(units.content_start[mine], units.content_end[mine], strict=True)]
        assert contents == [data[start:end].decode().strip() for start, end in spans]


def plainly(text, steps):
    """The steps over Python strings."""
    if "accents" in steps:
        spelled = [(c, unicodedata.normalize("NFD", c)) for c in text if unicodedata.category(c) != "Mn"]
        plain = [c.isalpha() and all(unicodedata.category(mark) == "Mn" for mark in parts[1:]) for c, parts in spelled]
        text = "".join(parts[0] if base else c for (c, parts), base in zip(spelled, plain, strict=True))
    if "punctuation" in steps:
        text = "".join(c for c in text if unicodedata.category(c)[0] != "P")
    if "digits" in steps:
        text = "".join("0" if unicodedata.category(c) == "Nd" else c for c in text)
    if "lower" in steps:
        text = "".join(c.lower()[0] if unicodedata.category(c)[0] == "L" else c for c in text)
    return re.sub(r"\s+", " ", text).strip() if "whitespace" in steps else text


@given(TEXTS, st.sampled_from([sentences, paragraphs]))
def test_units_are_hashed_without_white_space_at_their_ends(texts, divide):
    array = pa.array(["Cut. Off", *texts], pa.string()).slice(1)
    units = divide(array)
    ends = zip(units.row, units.content_start, units.content_end, strict=True)
    expected = [texts[row].encode()[start:end] for row, start, end in ends]
    hashes, characters = unit_hashes(array, units, [])
    assert joined(hashes) == [xxhash.xxh3_128_intdigest(unit) for unit in expected]
    assert characters.tolist() == [len(unit.decode()) for unit in expected]
    first = np.arange(max(0, len(expected) - 2))
    runs = [b"".join(map(xxhash.xxh3_128_digest, expected[at : at + 3])) for at in first]
    assert joined(span_hashes(hashes, first, 3)) == [xxhash.xxh3_128_intdigest(run) for run in runs]


@given(st.lists(st.text(LETTERS, min_size=1), max_size=4), st.lists(st.sampled_from(STEPS)))
def test_what_is_compared(texts, steps):
    array = pa.array(texts)
    units = paragraphs(array)
    expected = [plainly(texts[row].strip(), steps) for row in units.row]
    hashes, characters = unit_hashes(array, units, steps)
    assert joined(hashes) == [xxhash.xxh3_128_intdigest(unit.encode()) for unit in expected]
    assert characters.tolist() == list(map(len, expected))


def joined(hashes):
    """128-bit integers of their halves."""
    return [high << 64 | low for high, low in hashes.tolist()]


@given(st.lists(st.tuples(st.text(), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3)) | st.none(), max_size=5))
def test_cuts_leave_the_rest(rows):
    texts, rows_of, starts, ends, expected = [], [], [], [], []
    for row, given_row in enumerate(rows):
        if given_row is None:
            texts.append(None)
            expected.append(None)
            continue
        text, spans = given_row
        marks = sorted({min(mark, len(text)) for span in spans for mark in span})
        chosen = list(zip(marks[::2], marks[1::2], strict=False))
        keep = set(range(len(text))) - {at for start, end in chosen for at in range(start, end)}
        texts.append(text)
        expected.append("".join(text[at] for at in sorted(keep)))
        for start, end in chosen:
            rows_of.append(row)
            starts.append(len(text[:start].encode()))
            ends.append(len(text[:end].encode()))
    array = pa.array(["x", *texts], pa.string()).slice(1)
    arguments = [np.array(values, np.int64) for values in (rows_of, starts, ends)]
    assert cut(array, *arguments).to_pylist() == expected
