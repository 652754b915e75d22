"""How many bands of how many rows, and what a verification sketch can decide. Pure arithmetic: a plan prints it.

Two documents of Jaccard similarity J share at least one of b bands of r numbers with probability ``1 − (1 − J^r)^b``. The
promise is about J = threshold: above it the probability only grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Longer bands would miss pairs for a single changed number.
MOST_ROWS = 16
#: The smallest sketch that verification is done with, and its most numbers.
LEAST_SKETCH, MOST_SKETCH = 256, 4096
#: Probability that two different numbers of a sketch have the same byte.
COLLISION = 1 / 256


@dataclass(frozen=True)
class Bands:
    """Bands × rows.

    Attributes:
        bands: Number of band hashes.
        rows: Numbers in each.
    """

    bands: int
    rows: int

    @property
    def sketch(self) -> int:
        """K: numbers in a sketch, which is also its bytes; a power of two."""
        return max(LEAST_SKETCH, 1 << (self.bands * self.rows - 1).bit_length())

    def recall(self, similarity: float) -> float:
        """Probability that two documents of this similarity are compared.

        Example:
            >>> round(Bands(25, 9).recall(0.8), 3)
            0.973
        """
        return -math.expm1(self.bands * math.log1p(-(similarity**self.rows))) if similarity < 1 else 1.0

    def curve(self, threshold: float) -> str:
        """The recall around the threshold, one line."""
        points = [point for point in (threshold - 0.1, threshold - 0.05, threshold, threshold + 0.05) if 0 < point < 1]
        return ", ".join(f"{self.recall(point):.3f} at {point:.2f}" for point in points)


def choose_bands(threshold: float, recall: float, budget: int) -> Bands:
    """The longest bands that still give ``recall`` at ``threshold`` within a budget of hashes: the fewest false candidates.

    Args:
        threshold: Jaccard similarity, between 0 and 1.
        recall: Probability wanted at the threshold, between 0 and 1.
        budget: At most so many numbers, bands × rows.

    Raises:
        ValueError: No number of rows fits; names the smallest budget that does and the recall that this one reaches.

    Example:
        >>> choose_bands(0.8, 0.97, 256)
        Bands(bands=25, rows=9)
    """
    needed = {rows: _bands_needed(threshold, recall, rows) for rows in range(1, MOST_ROWS + 1)}
    fitting = [rows for rows, bands in needed.items() if rows * bands <= budget]
    if not fitting:
        smallest = min(rows * bands for rows, bands in needed.items())
        reached = max(Bands(budget // rows, rows).recall(threshold) for rows in range(1, min(budget, MOST_ROWS) + 1))
        raise ValueError(
            f"recall {recall:g} at threshold {threshold:g} needs at least {smallest} hashes; {budget} reach {reached:.3f}: "
            f"set `hashes: {smallest}` or more, or a lower recall"
        )
    return Bands(needed[fitting[-1]], fitting[-1])


def _bands_needed(threshold: float, recall: float, rows: int) -> int:
    bands = max(1, math.ceil(math.log1p(-recall) / math.log1p(-(threshold**rows))))
    # Rounding of the logarithms must not cost the promise, nor a band.
    while bands > 1 and Bands(bands - 1, rows).recall(threshold) >= recall:
        bands -= 1
    while Bands(bands, rows).recall(threshold) < recall:
        bands += 1
    return bands


@dataclass(frozen=True)
class Verdicts:
    """What the number of equal bytes of two sketches decides.

    Attributes:
        reject: At most so many: not similar.
        accept: At least so many: similar. What lies between is decided by the texts.
    """

    reject: int
    accept: int


def verdicts(size: int, threshold: float, error: float) -> Verdicts:
    """Bounds outside of which a verdict is wrong with probability at most ``error``: exact binomial tails at the threshold.

    Args:
        size: K, bytes of a sketch.
        threshold: Jaccard similarity.
        error: Probability that a pair at the threshold is accepted by its sketch although it is below, and the same for
            rejecting one that is not.

    Example:
        >>> verdicts(256, 0.8, 0.001)
        Verdicts(reject=183, accept=225)
    """
    match = COLLISION + (1 - COLLISION) * threshold
    chance = [math.exp(_log_binomial(size, k) + k * math.log(match) + (size - k) * math.log1p(-match)) for k in range(size + 1)]
    accept = next(k for k in range(size + 2) if math.fsum(chance[k:]) <= error)
    reject = next(k for k in range(size, -2, -1) if k < 0 or math.fsum(chance[: k + 1]) <= error)
    return Verdicts(reject, accept)


def by_estimate(size: int, threshold: float) -> Verdicts:
    """Bounds that leave nothing to the texts: similar where the estimate is at least the threshold."""
    accept = next(k for k in range(size + 1) if estimate(k, size) >= threshold)
    return Verdicts(accept - 1, accept)


def estimate(equal: float, size: int) -> float:
    """Jaccard similarity estimated from the number of equal bytes of two sketches, without those equal by accident."""
    return (equal / size - COLLISION) / (1 - COLLISION)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
