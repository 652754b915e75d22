"""Bands and verdicts: the figures that a plan prints, and errors that name the way out."""

import math

import pytest
from pydantic import ValidationError

from curation_tasks.dedup.bands import Bands, Verdicts, by_estimate, choose_bands, estimate, verdicts
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters, SimhashParameters


@pytest.mark.parametrize(
    ("threshold", "recall", "budget", "expected"),
    [
        (0.8, 0.97, 128, (15, 7)), (0.8, 0.97, 256, (25, 9)), (0.8, 0.97, 512, (40, 11)), (0.8, 0.99, 256, (26, 8)),
        (0.9, 0.97, 128, (10, 11)), (0.7, 0.97, 1024, (86, 9)), (0.9, 0.97, 4096, (18, 16)),
    ],
)  # fmt: skip
def test_bands_are_the_longest_that_keep_the_promise(threshold, recall, budget, expected):
    found = choose_bands(threshold, recall, budget)
    assert (found.bands, found.rows) == expected
    assert found.recall(threshold) >= recall > Bands(found.bands - 1, found.rows).recall(threshold)
    assert found.bands * found.rows <= min(budget, found.sketch)
    assert found.sketch & (found.sketch - 1) == 0


def test_recall_is_the_curve_of_the_textbook():
    for similarity in (0.0, 0.3, 0.8, 0.999, 1.0):
        assert Bands(20, 13).recall(similarity) == pytest.approx(1 - (1 - similarity**13) ** 20)
    assert Bands(20, 13).recall(0.8) == pytest.approx(0.677, abs=0.001)


def test_a_budget_too_small_names_the_smallest_that_does():
    with pytest.raises(ValueError, match=r"recall 0.999 at threshold 0.5 needs at least (\d+) hashes; 8 reach 0.9") as error:
        choose_bands(0.5, 0.999, 8)
    smallest = int(str(error.value).split("at least ")[1].split()[0])
    assert choose_bands(0.5, 0.999, smallest)
    with pytest.raises(ValueError, match="needs at least"):
        choose_bands(0.5, 0.999, smallest - 1)


@pytest.mark.parametrize(("error", "expected"), [(1e-2, (189, 220)), (1e-3, (183, 225)), (1e-4, (179, 228)), (1e-6, (172, 234))])
def test_verdicts_are_exact_tails(error, expected):
    found = verdicts(256, 0.8, error)
    assert (found.reject, found.accept) == expected
    match = 1 / 256 + 255 / 256 * 0.8

    def tail(counts):
        return sum(math.comb(256, k) * match**k * (1 - match) ** (256 - k) for k in counts)

    assert tail(range(found.accept, 257)) <= error < tail(range(found.accept - 1, 257))
    assert tail(range(found.reject + 1)) <= error < tail(range(found.reject + 2))


def test_a_threshold_out_of_reach_leaves_all_to_the_texts():
    assert verdicts(256, 0.9999, 1e-3).accept == 257
    assert by_estimate(256, 0.8) == Verdicts(204, 205)
    assert estimate(204, 256) < 0.8 <= estimate(205, 256)


def test_parameters_say_what_they_amount_to():
    text = "\n".join(FuzzyParameters().notes())
    assert "lower, whitespace; shingles of 5 words (alnum); threshold 0.8" in text
    assert "25 bands × 9 rows: a pair is compared with probability 0.643 at 0.70, 0.858 at 0.75, 0.973 at 0.80, 0.999 at 0.85" in text
    assert "sketches of 256 bytes" in text
    assert "unsafe" in "\n".join(FuzzyParameters(verify="estimate").notes())
    assert "10 bands of about 25 bits" in "\n".join(SimhashParameters().notes())


def test_explicit_bands_print_the_recall_that_they_give():
    found = FuzzyParameters(bands=20, rows=13)
    assert found.banding == Bands(20, 13)
    assert found.banding.sketch == 512
    assert "0.677 at 0.80" in "\n".join(found.notes())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bands": 20}, "given together"), ({"bands": 4000, "rows": 16}, "more than 4096"),
        ({"recall": 0.99999, "hashes": 7}, "at least 8 hashes"),
        ({"threshold": 1.0}, "less than 1"), ({"normalization": ["stem"]}, "lower"), ({"keep": "best"}, "first"), ({"width": 0}, "greater"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        FuzzyParameters(**given)


@pytest.mark.parametrize(("given", "message"), [({"distance": 3, "blocks": 3}, "too few"), ({"distance": 8, "blocks": 16}, "take fewer")])
def test_wrong_blocks_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        SimhashParameters(**given)


def test_one_meaning_has_one_spelling():
    assert FuzzyParameters(normalization=["whitespace", "lower", "lower"]) == FuzzyParameters()
