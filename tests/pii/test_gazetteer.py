"""Names by the list of given names: what counts, what does not, and that batches do not matter."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.pii.catalog import LANGUAGES
from curation_tasks.pii.recognizers import gazetteer, name_words


def names(text: str, language: str = "en") -> list[str]:
    return [name for row in names_of([text], language) for name in row]


def names_of(texts: list[str], language: str = "en") -> list[list[str]]:
    offsets, data = text_buffers(pa.array(texts, pa.string()))
    found = [[] for _ in texts]
    for span in gazetteer.find_names(offsets, data, language):
        found[span["row"]].append(data[span["start"] : span["end"]].tobytes().decode())
    return found


@pytest.mark.parametrize("name", ["Lily", "Tom", "Ben", "Mia", "Tim", "Sara", "Max", "Anna", "Jack", "Timmy", "Lucy", "Sam"])
def test_names_of_stories_are_found_at_the_start_and_within(name):
    assert names(f'{name} had a ball. "Hi, {name}!" said mom. {name}\'s ball was red.') == [name] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ludwig van Beethoven met John F. Kennedy.", ["Ludwig van Beethoven", "John F. Kennedy"]),
        ("with Anna-Marie Smith, and Renée Müller.", ["Anna-Marie Smith", "Renée Müller"]),
        ("Mr. Brown and Dr O'Brien saw Mrs. McDonald.", ["Brown", "O'Brien", "McDonald"]),
        ("I saw Will Smith in May.", ["Will Smith"]),
        ("“Lily,” said Łukasz Nowak.", ["Lily", "Łukasz Nowak"]),
        ("Copyright 2001 Mark Adler", ["Mark Adler"]),
        ("Иван пошёл.", ["Иван"]),
    ],
)
def test_surnames_initials_particles_and_titles(text, expected):
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Will you come? May I? Rose petals fell. Mark the spot.",
        "It was in May. Paris is in France, Jordan is not.",
        "They met at Victoria Station, by St. Mary, on Charlotte Street, for the Thomas Algorithm.",
        "the Max value, a Julia set",
        "see /home/Tom, Tom_1, Tom2, @Tom, Tom@example.com, Tom.txt, Tom/x and x.Tom",
        "LILY AND TOM; lily and tom",
        "",
    ],
)
def test_words_places_and_identifiers_are_no_names(text):
    assert names(text) == []


def test_a_word_at_the_start_of_a_sentence_needs_the_same_document_to_use_it_as_a_name():
    with_proof, without = "His dog was Spot. Spot ran.", "Spot ran. Spot the difference."
    assert names_of([with_proof, without]) == [["Spot", "Spot"], []]


def test_a_full_name_does_not_make_a_name_of_the_word():
    assert names("He met Will Smith. Will you?") == ["Will Smith"]


def test_titles_follow_the_language():
    assert names("Gestern kam Herr Schmidt.", "de") == ["Schmidt"]
    assert names("Gestern kam Herr Schmidt.", "en") == []


def test_the_catalog_offers_the_languages_that_there_are():
    assert sorted(name_words.languages()) == list(LANGUAGES)


@given(
    st.lists(
        st.lists(st.sampled_from(["Lily", "Will", " ", ". ", "Mr. ", "van ", "é", "St", "'s", "-", "O'", "Ł", "😀", "M"])).map("".join),
        max_size=5,
    )
)
def test_each_document_is_judged_by_itself(texts):
    assert names_of(texts) == [names(text) for text in texts]


@given(st.text(max_size=40))
def test_any_text_gives_whole_characters(text):
    assert all(name and name in f"Tom {text} Lily" for name in names(f"Tom {text} Lily"))
