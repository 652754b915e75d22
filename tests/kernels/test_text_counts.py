"""The compiled counts are those of plain Python."""

import importlib.util
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.counts import COUNTS, GROUP_OF, GROUPS
from curation_tasks.kernels.known_phrases import POLICY_PHRASES
from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.testing import TRAPS

_specification = importlib.util.spec_from_file_location("plain_counts", Path(__file__).with_name("plain_counts.py"))
plain = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(plain)

_WORDS = [
    *("a", "b", "the", "of", "dog.", "DOG", "12", "#", "##", "-", "x-y", "don't", "said", '"no"', "averylongword" * 3, "{x}", "[1]", "(a)"),
    *(
        "\u00e9t\u00e9",
        "\u00c9T\u00c9",
        "\U0001f436",
        "\u4eca\u5929",
        "\u0928\u092e\u0938\u094d",
        "e\u0301",
        "\u0416\u0436",
        "\u27e8b\u27e9",
        "\u0e82\u0ead\u0e87\u0ea1\u0eb0\u0e99\u0eb8\u0e94",
        "\u1798\u1793\u17bb\u179f\u17d2\u179f\u1791\u17b6\u17c6\u1784\u17a2\u179f\u17cb",
        "\u101c\u1030\u101e\u102c\u1038\u1010\u102d\u102f\u1004\u103a\u1038",
    ),
    *("...", "....", "\u2026", "[...]", "(\u2026)", "-\u00bb", "Read more", "read more..", "End.", "Why?", "\u3002"),
    *("http://a.b/porn?x=%2f", "https://%zz", "Lorem ipsum", "JavaScript", "<?xml version=", *POLICY_PHRASES),
]
_SPACES = [
    *(" ", " ", " ", " ", "  ", "\n", "\n", "\n\n", "\n\n\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\t", "\x0b", ""),
    *("\n\u2022 ", "\n- ", "\n* ", "\n\u25cb "),
]
WORDS, SPACES = st.sampled_from(_WORDS), st.sampled_from(_SPACES)
STORIES = st.lists(st.tuples(WORDS, SPACES), max_size=60).map(lambda pairs: "".join(word + space for word, space in pairs))
#: Few words, so that n-grams of all lengths repeat.
ECHOES = st.lists(st.sampled_from(["a", "bc", "d\u00e9"]), max_size=80).map(" ".join)
#: Neighbours of 64 bytes, where one number of a bitmap ends and the next begins.
EDGES = st.tuples(st.integers(55, 70), STORIES).map(lambda pair: "x" * pair[0] + pair[1])
#: Python 3.11 knows Unicode 14: what was assigned since then it calls by another class.
CHARACTERS = st.characters(exclude_categories=("Cs", "Cn"))
TEXTS = st.none() | st.text(CHARACTERS, max_size=200) | STORIES | ECHOES | EDGES


def counted(array, names=tuple(COUNTS), **options):
    counts = text_counts(array, names, **options)
    return [dict(zip(counts, row, strict=True)) for row in zip(*(values.tolist() for values in counts.values()), strict=True)]


def differences(found, texts, mode="whitespace"):
    """``(text, count, found, expected)`` wherever the kernel counts otherwise than plain Python."""
    return [
        (text, name, counts[name], value)
        for text, counts in zip(texts, found, strict=True)
        for name, value in plain.plain_counts(text or "", mode).items()
        if counts[name] != value
    ]


@given(texts=st.lists(TEXTS, max_size=6), kind=st.sampled_from([pa.string(), pa.large_string()]), start=st.integers(0, 3))
def test_counts_are_those_of_plain_python(texts, kind, start):
    assert differences(counted(pa.array(texts, kind).slice(start)), texts[start:]) == []


@given(texts=st.lists(TEXTS, max_size=4))
def test_words_and_marks_are_those_of_plain_python(texts):
    assert differences(counted(pa.array(texts, pa.string()), words="wordpunct"), texts, "wordpunct") == []


def test_counts_of_texts_that_caused_trouble():
    for mode in ("whitespace", "wordpunct"):
        assert differences(counted(pa.array(TRAPS), words=mode), TRAPS, mode) == []


@given(texts=st.lists(TEXTS, min_size=1, max_size=6), mode=st.sampled_from(["whitespace", "wordpunct", "unicode"]))
def test_a_text_counts_the_same_alone_among_others_and_in_chunks(texts, mode):
    together = counted(pa.array(texts, pa.string()), words=mode)
    assert together == [counted(pa.array([text], pa.string()), words=mode)[0] for text in texts]
    assert together == counted(pa.chunked_array([pa.array([text], pa.string()) for text in texts]), words=mode)


@given(texts=st.lists(TEXTS, max_size=6), start=st.integers(0, 3))
def test_words_by_unicode_count_the_same_in_strings_and_large_strings(texts, start):
    small, large = (counted(pa.array(texts, kind).slice(start), words="unicode") for kind in (pa.string(), pa.large_string()))
    assert small == large


@given(text=STORIES, names=st.sets(st.sampled_from(list(COUNTS)), min_size=1))
def test_a_count_does_not_depend_on_which_others_are_taken(text, names):
    everything = counted(pa.array([text]))[0]
    assert counted(pa.array([text]), sorted(names))[0] == {name: everything[name] for name in sorted(names)}


@given(bytes_=st.binary(max_size=300), mode=st.sampled_from(["whitespace", "wordpunct", "unicode"]))
def test_bytes_that_are_no_text_do_no_harm(bytes_, mode):
    array = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, len(bytes_), len(bytes_)], np.int32)), pa.py_buffer(bytes_)]
    )
    assert len(text_buffers(array)[1]) == len(bytes_)
    first, second = counted(array, words=mode)
    assert second == counted(pa.array([""]), words=mode)[0]
    assert first["newlines"] == bytes_.count(b"\n")


@given(stop_words=st.lists(WORDS, max_size=100), text=STORIES)
def test_stop_words_are_counted_as_they_are_written(stop_words, text):
    found = counted(pa.array([text]), ("stop_words", "distinct_stop_words"), stop_words=stop_words)[0]
    assert found == {
        "stop_words": sum(word in stop_words for word in text.split()),
        "distinct_stop_words": len(set(text.split()) & set(stop_words)),
    }


@pytest.mark.parametrize(
    ("text", "pairs", "triples"),
    [
        ("a b a b", 6, 0),
        ("the dog\n\nran the  dog ran", len("the dog") + len("the  dog"), len("the dog\n\nran") + len("the  dog ran")),
        ("ha ha ha", 8, 0),
        ("x y y x", 0, 0),
        ("p q r q p q", 6, 0),
        ("one", 0, 0),
    ],
)
def test_the_top_gram_covers_the_characters_of_its_occurrences(text, pairs, triples):
    counts = text_counts(pa.array([text]))
    assert (counts["top_2_gram_characters"][0], counts["top_3_gram_characters"][0]) == (pairs, triples)


def test_of_equally_frequent_grams_the_first_in_the_text_counts():
    longer_first = "elephants dance a b elephants dance a b"
    shorter_first = "a b elephants dance a b elephants dance"
    counts = text_counts(pa.array([longer_first, shorter_first]), ["top_2_gram_characters", "top_2_gram_length"])
    assert counts["top_2_gram_characters"].tolist() == [2 * len("elephants dance"), 2 * len("a b")]
    assert counts["top_2_gram_length"].tolist() == [2 * len("elephants dance"), 2 * len("a b")]


def test_of_a_long_list_every_stop_word_is_found_once():
    listed = [f"w{number}" for number in range(3000)]
    counts = counted(
        pa.array([" ".join([*listed, "w3000", "#", "w", *listed[:10]])]), ["stop_words", "distinct_stop_words"], stop_words=["", *listed]
    )
    assert counts == [{"stop_words": 3010, "distinct_stop_words": 3000}]


@given(
    st.lists(st.sampled_from(["a", "b", " ", "\n", "\n\n", "\n \n", "\u3000", "longer than a single step of the hash"]), max_size=40).map(
        "".join
    )
)
def test_paragraphs_begin_and_end_without_the_white_space_of_the_text(text):
    names = [name for name, group in GROUP_OF.items() if group in ("lines", "paragraphs")]
    expected = plain.lines(text) | plain.paragraphs(text)
    assert counted(pa.array([text]), names) == [{name: expected[name] for name in names}]


def test_repeated_grams_one_behind_the_other_and_covered():
    text = "a b c d e f a b c d e f g a b c d e"
    counts = text_counts(pa.array([text]))
    # `a b c d e` comes again, and behind it there is no room for another; then `a b c d e` a third time.
    assert counts["duplicate_5_gram_characters"].tolist() == [10]
    # `a b c d e f` with five spaces, then `a b c d e` with four.
    assert counts["covered_5_gram_characters"].tolist() == [11 + 9]


def test_near_equal_words_and_lines_are_different():
    for size in (7, 8, 9, 15, 16, 17, 36, 64):
        word = ("abcdefghijklmnopqrstuvwxyz0123456789" * 2)[:size]
        variants = [word[:at] + letter + word[at + 1 :] for at in range(size) for letter in "*#+"]
        counts = text_counts(pa.array([" ".join(variants), "\n".join(variants)]))
        assert counts["unique_words"].tolist() == [len(variants)] * 2
        assert counts["duplicate_lines"].tolist() == [0, 0]
        assert counts["top_2_gram_characters"].tolist() == [0, 0]


def test_a_text_of_50_megabytes():
    sentence = "The quick brown fox \u2014 jumps over the lazy dog.\n"
    times = 50_000_000 // len(sentence.encode())
    counts = text_counts(pa.array([sentence * times, "a b"]))
    assert counts["words"].tolist() == [10 * times, 2]
    assert counts["characters"].tolist() == [len(sentence) * times, 3]
    assert counts["duplicate_lines"].tolist() == [times - 1, 0]
    assert counts["unique_words"].tolist() == [10, 2]


@pytest.mark.parametrize(
    "text",
    [
        "The end.",
        "Why?",
        "Stop!",
        'He said "bye"',
        "\u201cBye.\u201d",
        "'Bye.'",
        "(He left.)",
        "Wait\u2026",
        "\u5b8c\u3002",
        "End. \n\u3000",
    ],
)
def test_complete_endings(text):
    assert text_counts(pa.array([text]), ["complete_ending"])["complete_ending"].tolist() == [1]


@pytest.mark.parametrize("text", ["", "  ", "and then", "the boys'", "(aside)", "one,", "the \U0001f436", "'", "well -"])
def test_incomplete_endings(text):
    assert text_counts(pa.array([text]), ["complete_ending"])["complete_ending"].tolist() == [0]


@pytest.mark.parametrize("mode", ["whitespace", "unicode"])
def test_threads_and_processes_count_alike(mode):
    texts = [pa.array([text * times for text in TRAPS if text]) for times in range(1, 9)]
    alone = [counted(piece, words=mode) for piece in texts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(partial(counted, words=mode), texts)) == alone
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        counts = list(processes.map(partial(text_counts, words=mode), texts))
    assert [
        [{name: values[row] for name, values in piece.items()} for row in range(len(rows))]
        for piece, rows in zip(counts, alone, strict=True)
    ] == alone


def test_no_rows_have_no_counts():
    for array in (pa.array([], pa.string()), pa.chunked_array([], pa.string())):
        assert [len(values) for values in text_counts(array).values()] == [0] * len(COUNTS)


def test_every_count_has_a_group_and_a_meaning():
    assert set(GROUP_OF.values()) == set(GROUPS)
    assert all(meaning.endswith((".", "\u2026", "\u29bf.")) for meaning in COUNTS.values())
    with pytest.raises(KeyError):
        text_counts(pa.array(["a"]), ["letter"])
