"""What a signal says about itself, the two shapes that most have, and the sources that several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from curation_tasks.filters.signals.formulas import Count, Perplexity, Ratio

GOPHER = "Gopher, arXiv:2112.11446, section A1.1 and table A1"
FINEWEB = "FineWeb, arXiv:2406.17557, section 3.6"
C4 = "C4, arXiv:1910.10683, section 2.2"
NEMO = "NeMo Curator, heuristic filters"
CODE = "StarCoder, arXiv:2305.06161, section 3; NeMo Curator, code filters"
REDPAJAMA = "RedPajama-Data-V2, quality annotations"
DOLMA = "dolma, tagger gopher_v1"
DATA_JUICER = "Data-Juicer, filters of its default configuration"
TUTORIAL = "NeMo Curator, TinyStories tutorial"


@dataclass(frozen=True)
class Signal:
    """One number a document.

    Attributes:
        name: Name of its column.
        kind: Type of its column (``curation_tasks.schema``).
        formula: On the counts of ``curation_tasks.kernels.counts.COUNTS`` and ``MEASURED_COUNTS``.
        meaning: What it says, in one sentence.
        source: Where it is defined.
    """

    name: str
    kind: str
    formula: Count | Ratio | Perplexity
    meaning: str
    source: str


def count(name: str, counted: str, meaning: str, source: str, kind: str = "int64", plus: int = 0) -> Signal:
    """A signal that is a count as it is, or with ``plus`` added."""
    return Signal(name, kind, Count(counted, plus), meaning, source)


def ratio(name: str, counted: str, over: str, meaning: str, source: str, **options: Any) -> Signal:
    """A signal that is a count over another; the options are those of ``Ratio``."""
    return Signal(name, "double", Ratio(counted, over, **options), meaning, source)
