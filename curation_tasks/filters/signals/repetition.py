"""Signals of runs of words that a text repeats: six families of n-grams, and the runs of Data-Juicer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from curation_tasks.filters.signals.declaration import DATA_JUICER, DOLMA, GOPHER, Signal, ratio

#: Those of ``curation_tasks.kernels.counts``, which a DAG file need not load.
_TOP, _REPEATED = (2, 3, 4), (5, 6, 7, 8, 9, 10)


class _Family(NamedTuple):
    """One signal for each size; ``{n}`` in names and meaning is the size, in words."""

    name: str
    counted: str
    over: str
    sizes: tuple[int, ...]
    meaning: str
    source: str
    at_most_one: bool = False

    def signals(self) -> Iterator[Signal]:
        for n in self.sizes:
            name, counted, over, meaning = (text.format(n=n) for text in (self.name, self.counted, self.over, self.meaning))
            yield ratio(name, counted, over, meaning, self.source, at_most_one=self.at_most_one)


_FAMILIES = (
    _Family(
        "top_{n}_gram_ratio",
        "top_{n}_gram_characters",
        "characters",
        _TOP,
        "Share of the characters that lie in occurrences of the most frequent run of {n} words; 0 when none occurs twice. White space "
        "between the words may be any. Of equally frequent runs the first in the text counts.",
        GOPHER,
    ),
    _Family(
        "top_{n}_gram_length_ratio",
        "top_{n}_gram_length",
        "characters",
        _TOP,
        "Length of the most frequent run of {n} words times its occurrences, over the characters, as in datatrove; at most 1.",
        GOPHER,
        at_most_one=True,
    ),
    _Family(
        "duplicate_{n}_gram_ratio",
        "duplicate_{n}_gram_characters",
        "characters",
        _REPEATED,
        "Share of the characters in words of runs of {n} words that occurred before, taken one behind the other, as in datatrove.",
        GOPHER,
    ),
    _Family(
        "covered_{n}_gram_ratio",
        "covered_{n}_gram_characters",
        "characters",
        _REPEATED,
        "Share of the characters in runs of {n} words that occurred before, overlapping ones included, as in NeMo Curator.",
        GOPHER,
    ),
    _Family(
        "top_{n}_gram_letter_ratio",
        "top_{n}_gram_letters",
        "word_characters",
        _TOP,
        "Words of the most frequent run of {n} words times its occurrences, over all words, in characters; at most 1.",
        DOLMA,
        at_most_one=True,
    ),
    _Family(
        "repeated_{n}_gram_ratio",
        "repeated_{n}_gram_letters",
        "all_{n}_gram_letters",
        _REPEATED,
        "Share of runs of {n} words that occur more than once in all runs, all copies counted, by the words' characters.",
        DOLMA,
    ),
)

REPETITION = (
    *(signal for family in _FAMILIES for signal in family.signals()),
    ratio(
        "word_repetition_ratio",
        "repeated_word_runs",
        "word_runs",
        "Share of runs of ten words that occur more than once in all runs, all copies counted; words in lower case, without special "
        "characters at their ends.",
        f"{DATA_JUICER}, WordRepetitionFilter",
    ),
)
