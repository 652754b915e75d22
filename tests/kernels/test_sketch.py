"""Shingles and sketches: the same bits as plain Python, and the statistics that bands and verdicts rest on."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.dedup.bands import Bands, estimate, verdicts
from curation_tasks.kernels.shingles import Shingling, distinct_shingles, jaccard
from curation_tasks.kernels.sketch import sketches

ONES = 2**64 - 1
K1, K2, K3 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(h):
    h ^= h >> 32
    h = h * K2 & ONES
    h ^= h >> 29
    h = h * K3 & ONES
    return h ^ (h >> 32)


def word_hash(word):
    h = len(word) * K1 & ONES
    while len(word) >= 8:
        h = (h ^ int.from_bytes(word[:8], "little")) * K2 & ONES
        h ^= h >> 29
        word = word[8:]
    if word:
        h = (h ^ int.from_bytes(word, "little")) * K2 & ONES
    return mix(h)


def normal(text, shingling):
    if shingling.lower:
        text = "".join(character.lower()[0] for character in text)
    if shingling.whitespace and shingling.unit == "characters":
        text = re.sub(r"\s+", " ", text).strip(" ")
    return text


def shingles_of(text, shingling):
    """By the definition, with Python's integers and regular expressions."""
    text = normal(text, shingling)
    if shingling.unit == "words":
        words = re.findall(r"\w+", text) if shingling.words == "alnum" else text.split()
        units = [word_hash(word.encode()) for word in words]
    else:
        units = [int.from_bytes(character.encode(), "big") for character in text]
    width = min(shingling.width, len(units))
    if not width:
        return []
    windows = [units[start : start + width] for start in range(len(units) - width + 1)]
    return [
        mix(sum(unit * pow(K1, width - 1 - k, 2**64) for k, unit in enumerate(window)) & ONES ^ mix(shingling.seed)) for window in windows
    ]


def sketch_of(shingles, size):
    shift = 64 - (size.bit_length() - 1)
    keys = [ONES] * size
    turn = 0
    while ONES in keys:
        for x in shingles:
            y = x if turn == 0 else mix((x + turn * K1) & ONES)
            place = y >> shift if turn < size else turn - size
            keys[place] = min(keys[place], turn << 32 | (y & 0xFFFFFFFF))
        turn += 1
    return [mix(key) >> 32 for key in keys]


def expected(text, shingling, size, bands, rows):
    shingles = shingles_of(text, shingling)
    if not shingles:
        return 0, [0, 0], [0] * size, [0] * bands
    numbers = sketch_of(shingles, size)
    folded = []
    for band in range(bands):
        h = band + 1
        for number in numbers[band * rows : (band + 1) * rows]:
            h = mix((h * K1 + number) & ONES)
        folded.append(h)
    prints = [sum(map(mix, shingles)) & ONES, sum(mix(x ^ K1) for x in shingles) & ONES]
    return len(shingles), prints, [number & 255 for number in numbers], folded


def assert_as_expected(texts, shingling, size=256, bands=25, rows=9):
    found = sketches(pa.array(texts, pa.string()), shingling, size, bands, rows)
    for row, text in enumerate(texts):
        count, prints, numbers, folded = expected(text or "", shingling, size, bands, rows)
        assert found.shingles[row] == count
        assert found.fingerprints[:, row].tolist() == prints
        assert found.bytes[row].tolist() == numbers
        assert found.bands[:, row].tolist() == folded


WORDS, CHARACTERS = Shingling(), Shingling("characters", 24)
TRAPS = [
    "", None, " \n\t", "?!", "one", "two words", "a b c d e", "The quick brown FOX jumps_over the lazy dog " * 4,
    "grüße aus MÜNCHEN über die Straße 東京 都 の 天気 は 😀 ok İstanbul ΣΑΣ \u212a Ⱥ " * 3, "x" * 23, "x" * 24, "x" * 25, "x" * 300,
    "eight888 sevenaa exactly16letters_ and \u00a0no\u2003break\x85lines\x1c", "e\u0301 a\u0300b", "١٢٣ ４５", "in\u200bvisible",
]  # fmt: skip


@pytest.mark.parametrize(
    "shingling",
    [
        WORDS, CHARACTERS, Shingling("words", 5, lower=False, words="whitespace"), Shingling("characters", 5, whitespace=False, seed=7),
        Shingling("words", 1, seed=2**64 - 1), Shingling("characters", 3, lower=False),
    ],
)  # fmt: skip
def test_equal_to_plain_python(shingling):
    assert_as_expected(TRAPS, shingling)


@pytest.mark.parametrize("size", [256, 512])
def test_equal_to_plain_python_for_few_and_many_shingles(size):
    alone = Shingling("words", 1)
    texts = [" ".join(f"w{number}" for number in range(count)) for count in (0, 1, 2, 23, 24, 25, size, 3 * size)]
    assert_as_expected(texts, alone, size, size // 8, 8)


def test_equal_to_plain_python_for_a_hundred_thousand_shingles():
    assert_as_expected([" ".join(f"w{number}" for number in range(10**5))], Shingling("words", 1), bands=1, rows=256)


@settings(max_examples=150)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    unit=st.sampled_from(["words", "characters"]),
    seed=st.integers(0, 2**64 - 1),
)
def test_shingles_of_any_text(text, unit, seed):
    for words in ("alnum", "whitespace"):
        shingling = Shingling(unit, 3, words=words, seed=seed)
        offsets, found = distinct_shingles(pa.array([text]), shingling)
        assert found.tolist() == sorted(set(shingles_of(text, shingling)))
        assert offsets.tolist() == [0, len(found)]


def test_neither_slices_nor_offsets_nor_neighbours_matter():
    texts = pa.array(TRAPS, pa.string())
    whole = sketches(texts, WORDS, 256, 25, 9)
    for other in (texts.slice(3, 9), texts.cast(pa.large_string()).slice(3, 9)):
        found = sketches(other, WORDS, 256, 25, 9)
        assert (found.bytes == whole.bytes[3:12]).all()
        assert (found.bands == whole.bands[:, 3:12]).all()


def test_a_sketch_is_one_of_the_set_and_a_fingerprint_one_of_the_multiset():
    generator = np.random.default_rng(1)
    words = [f"w{number}" for number in generator.permutation(300)]
    shuffled, repeated = list(generator.permutation(words)), [*words, words[0]]
    found = sketches(pa.array([" ".join(text) for text in (words, shuffled, repeated)]), Shingling("words", 1), 256, 25, 9)
    assert (found.bytes[0] == found.bytes).all()
    assert (found.fingerprints[:, 0] == found.fingerprints[:, 1]).all()
    assert (found.fingerprints[:, 0] != found.fingerprints[:, 2]).all()


def test_a_sketch_must_hold_the_bands():
    with pytest.raises(ValueError, match="want a power of two, at least 225"):
        sketches(pa.array(["a"]), WORDS, 128, 25, 9)


def test_exact_similarity_is_that_of_sets():
    texts = ["a b c d", "b c d e", "x", "", "a b c d", "A  b\nc d", ""]
    shingling = Shingling("words", 1)
    offsets, shingles = distinct_shingles(pa.array(texts), shingling)
    left, right = (np.array(side) for side in zip(*[(i, j) for i in range(7) for j in range(7)], strict=True))
    sets = [set(shingles_of(text, shingling)) for text in texts]
    for i, j, found in zip(left, right, jaccard(offsets, shingles, left, right), strict=True):
        union = sets[i] | sets[j]
        assert found == (len(sets[i] & sets[j]) / len(union) if union else 1.0)


def pairs_of_sets(generator, trials, distinct, common):
    """Texts of ``distinct`` words of which two neighbours share ``common``; width 1 makes each word a shingle."""
    width = 2 * distinct - common
    names = generator.integers(0, 2**48, (trials, width))
    texts = []
    for row in names:
        texts.append(" ".join(f"{word:x}" for word in row[:distinct]))
        texts.append(" ".join(f"{word:x}" for word in row[distinct - common :]))
    return pa.array(texts)


@pytest.mark.parametrize(("distinct", "trials"), [(1, 200), (2, 2000), (5, 2000), (20, 2000), (200, 600), (3000, 60)])
def test_estimates_and_buckets_follow_theory(distinct, trials):
    generator = np.random.default_rng(distinct)
    size, banding = 256, Bands(25, 9)
    for share in (0.3, 0.7, 0.9):
        common = round(distinct * share)
        similarity = common / (2 * distinct - common)
        found = sketches(pairs_of_sets(generator, trials, distinct, common), Shingling("words", 1), size, banding.bands, banding.rows)
        equal = (found.bytes[0::2] == found.bytes[1::2]).sum(axis=1)
        errors = estimate(equal, size) - similarity
        theory = np.sqrt((similarity * (1 - similarity) + 1 / 256) / size)
        assert abs(errors.mean()) < 3 * theory / np.sqrt(trials)
        # The spread of a root of a mean of squares over so many trials is 1 / sqrt(2 * trials).
        assert np.sqrt((errors**2).mean()) <= theory * (1.05 + 2 / np.sqrt(2 * trials))
        met = (found.bands[:, 0::2] == found.bands[:, 1::2]).any(axis=0).mean()
        chance = banding.recall(similarity)
        assert abs(met - chance) <= 3 * np.sqrt(chance * (1 - chance) / trials) + 1e-9


@pytest.mark.parametrize(("distinct", "trials"), [(36, 3000), (450, 800)])
def test_verdicts_at_the_threshold_are_wrong_no_more_often_than_they_say(distinct, trials):
    bounds = verdicts(256, 0.8, 0.01)
    # common ÷ (2 * distinct − common) = 0.8
    common = distinct * 16 // 18
    found = sketches(pairs_of_sets(np.random.default_rng(3), trials, distinct, common), Shingling("words", 1), 256, 1, 1)
    equal = (found.bytes[0::2] == found.bytes[1::2]).sum(axis=1)
    allowed = 0.01 + 3 * np.sqrt(0.01 / trials)
    assert common / (2 * distinct - common) == pytest.approx(0.8)
    assert (equal >= bounds.accept).mean() <= allowed
    assert (equal <= bounds.reject).mean() <= allowed
