"""Signals: one number a document, each a formula on the counts that the kernels take in one pass.

To add a signal, add a row to ``SIGNALS``; when its counts do not exist yet, add them to
``curation_tasks.kernels.text_counts``. Nothing here imports an engine: formulas get NumPy arrays and only divide them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Count:
    """A count as it is."""

    count: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.count,)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        return counts[self.count]

    def __str__(self) -> str:
        return self.count


@dataclass(frozen=True)
class Ratio:
    """A count over another; 0 where the other is 0."""

    count: str
    over: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.count, self.over)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        whole = counts[self.over]
        return counts[self.count] / (whole + (whole == 0))

    def __str__(self) -> str:
        return f"{self.count} / {self.over}"


@dataclass(frozen=True)
class Signal:
    """One number a document.

    Attributes:
        name: Name of its column.
        kind: Type of its column (``curation_tasks.schema``).
        formula: On the counts of ``curation_tasks.kernels.text_counts.COUNTS``.
        meaning: What it says, in one sentence.
        source: Where it is defined.
    """

    name: str
    kind: str
    formula: Count | Ratio
    meaning: str
    source: str


_GOPHER = "Gopher, arXiv:2112.11446, section A1.1 and table A1"
_TUTORIAL = "NeMo Curator, TinyStories tutorial"


def _top_gram_ratio(n: int) -> Signal:
    return Signal(
        f"top_{n}_gram_ratio",
        "double",
        Ratio(f"top_{n}_gram_characters", "characters"),
        f"Share of the characters that lie in occurrences of the most frequent run of {n} words; 0 when none occurs twice. White space "
        "between the words may be any. Of equally frequent runs the first in the text counts.",
        _GOPHER,
    )


_ROWS = (
    Signal("word_count", "int64", Count("words"), "Words between white space.", _GOPHER),
    Signal("character_count", "int64", Count("characters"), "Code points, white space included.", "Gopher, arXiv:2112.11446"),
    Signal(
        "complete_ending",
        "int8",
        Count("complete_ending"),
        "1 when the text ends with a terminator (. ! ? … and those of other scripts), with a mark that ends direct speech, or with "
        "quotes and brackets behind a terminator; else 0.",
        f"{_TUTORIAL}, IncompleteStoryFilter, which looks for . ! ? and double quotes",
    ),
    _top_gram_ratio(2),
    _top_gram_ratio(3),
    _top_gram_ratio(4),
)

#: All signals by name.
SIGNALS: Mapping[str, Signal] = {signal.name: signal for signal in _ROWS}
