"""Formulas on counts: they get NumPy arrays, a value for each document, and know nothing of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Count:
    """A count as it is, with a number added, or in another unit.

    Attributes:
        count: The count.
        plus: What is added.
        unit: What it is divided by.
    """

    count: str
    plus: int = 0
    unit: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.count,)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        counted = counts[self.count] + self.plus
        return counted / self.unit if self.unit != 1 else counted

    def __str__(self) -> str:
        text = f"{self.count} + {self.plus}" if self.plus else self.count
        return f"{text} / {self.unit:,}" if self.unit != 1 else text


@dataclass(frozen=True)
class Ratio:
    """A count over another; 0 where the other is 0.

    Attributes:
        count: What is divided.
        over: What it is divided by.
        less: A count that is taken off ``over``.
        without: A count that is taken off ``count``.
        rest: Divides what is left of ``over`` when ``count`` is taken off.
        at_most_one: Cuts at 1.
        one_where: A count: where it is not 0, the ratio is 1.
        unit: What the ratio is divided by.
    """

    count: str
    over: str
    less: str | None = None
    without: str | None = None
    rest: bool = False
    at_most_one: bool = False
    one_where: str | None = None
    unit: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(name for name in (self.count, self.over, self.less, self.without, self.one_where) if name is not None)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        whole = counts[self.over] - counts[self.less] if self.less else counts[self.over]
        count = counts[self.count] - counts[self.without] if self.without else counts[self.count]
        part = whole - count if self.rest else count
        ratio = part / (whole + (whole == 0)) * (whole != 0)
        if self.at_most_one:
            ratio = ratio.clip(max=1.0)
        if self.one_where:
            present = counts[self.one_where] != 0
            ratio = ratio * ~present + present
        return ratio / self.unit if self.unit != 1 else ratio

    def __str__(self) -> str:
        whole = f"({self.over} − {self.less})" if self.less else self.over
        count = f"({self.count} − {self.without})" if self.without else self.count
        text = f"({self.over} − {count}) / {whole}" if self.rest else f"{count} / {whole}"
        text = f"min(1, {text})" if self.at_most_one else text
        text = f"{text} / {self.unit:,}" if self.unit != 1 else text
        return f"{text}, 1 where {self.one_where}" if self.one_where else text


@dataclass(frozen=True)
class Perplexity:
    """10 to the power of millionths a word, to one decimal; 0 without words.

    Attributes:
        count: Millionths.
        over: Words.
    """

    count: str
    over: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.count, self.over)

    def __call__(self, counts: Mapping[str, Any]) -> Any:
        words = counts[self.over]
        return ((10.0 ** (counts[self.count] / (words + (words == 0)) / 1e6)) * (words != 0)).round(1)

    def __str__(self) -> str:
        return f"10 ^ ({self.count} / {self.over} / 1,000,000)"
