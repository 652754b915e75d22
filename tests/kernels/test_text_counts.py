"""The compiled counts are those of plain Python."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.text_counts import CLOSERS, COUNTS, SPEECH_MARKS, TERMINATORS, text_counts

WORDS = st.sampled_from(["a", "b", "the", "dog.", "\u00e9t\u00e9", "\U0001f436", "\u4eca\u5929", "said", '"no"', "averylongword" * 3])
SPACES = st.sampled_from([" ", " ", " ", "  ", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\t"])
STORIES = st.lists(st.tuples(WORDS, SPACES), max_size=40).map(lambda pairs: "".join(word + space for word, space in pairs))
TEXTS = st.none() | st.text() | STORIES


def words_of(text):
    """The words with their first character and the character behind their last."""
    found, at = [], 0
    for word in text.split():
        begin = text.index(word, at)
        at = begin + len(word)
        found.append((word, begin, at))
    return found


def top_gram_characters(text, n):
    words = words_of(text)
    grams = [tuple(word for word, _, _ in words[at : at + n]) for at in range(len(words) - n + 1)]
    if not grams:
        return 0
    top, times = Counter(grams).most_common(1)[0]  # of equally frequent ones, the first that was counted
    if times < 2:
        return 0
    return len({at for start, gram in enumerate(grams) if gram == top for at in range(words[start][1], words[start + n - 1][2])})


def complete_ending(text):
    text = text.rstrip()
    return int(text.endswith(tuple(SPEECH_MARKS)) or text.rstrip(CLOSERS).endswith(tuple(TERMINATORS)))


def reference(text):
    text = text or ""
    return (len(text.split()), len(text), complete_ending(text), *(top_gram_characters(text, n) for n in (2, 3, 4)))


def counted(array, **options):
    return list(zip(*(values.tolist() for values in text_counts(array, **options).values()), strict=True))


@given(texts=st.lists(TEXTS, max_size=8), kind=st.sampled_from([pa.string(), pa.large_string()]), start=st.integers(0, 3))
def test_counts_are_those_of_plain_python(texts, kind, start):
    assert counted(pa.array(texts, kind).slice(start)) == [reference(text) for text in texts[start:]]


@given(texts=st.lists(STORIES, min_size=1, max_size=8))
def test_a_text_counts_the_same_alone_and_among_others(texts):
    assert counted(pa.array(texts)) == [counted(pa.array([text]))[0] for text in texts]


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
    counts = text_counts(pa.array([longer_first, shorter_first]))["top_2_gram_characters"]
    assert counts.tolist() == [2 * len("elephants dance"), 2 * len("a b")]


def test_near_equal_words_are_different_words():
    word = "abcdefghijklmnopqrstuvwxyz0123456789"
    variants = [word[:at] + letter + word[at + 1 :] for at in range(len(word)) for letter in "*#"]
    assert text_counts(pa.array([" ".join(f"{variant} same" for variant in variants)]))["top_2_gram_characters"].tolist() == [0]


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
    assert text_counts(pa.array([text]))["complete_ending"].tolist() == [1]


@pytest.mark.parametrize("text", ["", "  ", "and then", "the boys'", "(aside)", "one,", "the \U0001f436", "'", "well -"])
def test_incomplete_endings(text):
    assert text_counts(pa.array([text]))["complete_ending"].tolist() == [0]


def test_grams_are_left_out_beyond_the_longest_asked_for():
    text = pa.array(["a b c d a b c d"])
    assert {name: values[0] for name, values in text_counts(text, longest_gram=2).items()} == dict(
        zip(COUNTS, (8, 15, 0, 6, 0, 0), strict=True)
    )
    assert text_counts(text, longest_gram=0)["top_2_gram_characters"].tolist() == [0]


def test_no_rows_have_no_counts():
    assert [len(values) for values in text_counts(pa.array([], pa.string())).values()] == [0] * len(COUNTS)
