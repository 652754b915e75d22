"""Identity hashes: those of the published XXH3-128, whatever the Arrow layout."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.identity import document_ids, hashed_uniform, text_hashes
from curation_tasks.kernels.normalization import normalize


def hexadecimal(hashes):
    return [f"{high:016x}{low:016x}" for high, low in hashes.tolist()]


@given(texts=st.lists(st.none() | st.text(max_size=400)), start=st.integers(0, 5), kind=st.sampled_from([pa.string(), pa.large_string()]))
def test_hashes_are_those_of_the_published_function(texts, start, kind):
    array = pa.array(texts, kind).slice(start)
    assert hexadecimal(text_hashes(array)) == [xxhash.xxh3_128_hexdigest((text or "").encode()) for text in texts[start:]]


def test_hashes_are_those_of_the_specification():
    # Values of the reference implementation (`xxhsum -H2`).
    published = {"": "99aa06d3014798d86001c324468d497f", "a": "a96faf705af16834e6c632b61e964e1f"}
    assert hexadecimal(text_hashes(pa.array(list(published)))) == list(published.values())


def test_near_duplicates_have_hashes_without_a_common_half():
    story = "Once upon a time there was a dog. " * 30
    texts = [story[:at] + letter + story[at + 1 :] for at in range(len(story)) for letter in "01234567"]
    hashes = text_hashes(pa.array(texts))
    assert hashes.shape == (len(texts), 2)
    assert hashes.dtype == np.uint64
    for half in (0, 1):
        assert len(np.unique(hashes[:, half])) == len(set(texts))


def test_an_empty_column_has_no_hashes():
    assert text_hashes(pa.array([], pa.string())).shape == (0, 2)


@given(texts=st.lists(st.none() | st.text(st.sampled_from("aÄß \t\n\x1f\x85\u00a0\u2003\u2028\u3000\u200b"), max_size=8)))
def test_white_space_runs_become_one_space(texts):
    space = (
        "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    )

    def collapse(text):
        return " ".join(word for word in "".join(" " if letter in space else letter for letter in text).split(" ") if word)

    expected = [None if text is None else collapse(text) for text in texts]
    assert normalize(pa.array(texts, pa.string()), ["whitespace"]).to_pylist() == expected


def test_no_step_leaves_the_array_itself():
    array = pa.array(["A  b"])
    assert normalize(array, []) is array
    assert normalize(array, ["lower", "whitespace"]).to_pylist() == ["a b"]


def test_document_ids_depend_on_path_and_ordinal_only():
    ids = document_ids("stories/a.txt", 0, 1000).to_pylist()
    assert document_ids("stories/a.txt", 400, 3).to_pylist() == ids[400:403]
    assert len(set(ids) | set(document_ids("stories/b.txt", 0, 1000).to_pylist())) == 2000
    assert all(len(identity) == 32 and int(identity, 16) >= 0 for identity in ids)
    assert document_ids("a", 0, 0).type == pa.string()


@pytest.mark.parametrize(
    ("path", "ordinal", "identity"),
    [
        ("stories/a.txt", 0, "63fac1472de274fd9ef0caac7b324561"),
        ("stories/a.txt", 258, "37c566c9d3615fb539851d6a31046163"),
        ("é/ü.jsonl", 7, "e60a1038182b40a0274e05c11d6573c5"),
    ],
)
def test_document_ids_never_change(path, ordinal, identity):
    assert document_ids(path, ordinal, 1).to_pylist() == [identity]


@given(ids=st.lists(st.none() | st.text()), start=st.integers(0, 5), kind=st.sampled_from([pa.string(), pa.large_string()]))
def test_numbers_depend_on_identity_and_seed_alone(ids, start, kind):
    found = hashed_uniform(pa.array(ids, kind).slice(start), 7)
    assert found.dtype == np.float64
    assert found.tolist() == [(xxhash.xxh3_64_intdigest((name or "").encode(), 7) >> 11) / 2**53 for name in ids[start:]]


def test_numbers_are_uniform_and_independent_of_those_of_another_seed():
    ids = document_ids("shard", 0, 20_000)
    first, second = hashed_uniform(ids, 0), hashed_uniform(ids, 1)
    for numbers in (first, second):
        assert numbers.min() >= 0
        assert numbers.max() < 1
        # Kolmogorov-Smirnov: a distance beyond 2 / sqrt(n) has a probability of 0.0007.
        assert np.abs(np.sort(numbers) - np.arange(20_000) / 20_000).max() < 2 / np.sqrt(20_000)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
