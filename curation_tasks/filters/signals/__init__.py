"""Signals: one number a document, each a formula on counts that are taken together.

To add a signal, add a row to the module of its family; when its counts do not exist yet, add them to
``curation_tasks.kernels.counts`` or to ``curation_tasks.filters.measures``. Nothing here imports an engine.

Where peers define a thing differently, the README.md of the room says which definition has which name.
"""

from __future__ import annotations

from collections.abc import Mapping

from curation_tasks.filters.signals.characters import CHARACTERS
from curation_tasks.filters.signals.declaration import Signal
from curation_tasks.filters.signals.lines import LINES
from curation_tasks.filters.signals.measured_counts import MEASURED_COUNTS
from curation_tasks.filters.signals.paragraphs import PARAGRAPHS
from curation_tasks.filters.signals.references import REFERENCES
from curation_tasks.filters.signals.repetition import REPETITION
from curation_tasks.filters.signals.sentences import SENTENCES
from curation_tasks.filters.signals.source_code import SOURCE_CODE
from curation_tasks.filters.signals.words import WORDS

__all__ = ["MEASURED_COUNTS", "SIGNALS", "USER_PREFIX", "Signal", "is_signal_name"]

_FAMILIES = (CHARACTERS, WORDS, LINES, PARAGRAPHS, REPETITION, SENTENCES, SOURCE_CODE, REFERENCES)

#: What signals of users are called, so that a file of rules may name them.
USER_PREFIX = "user_"

#: All signals by name.
SIGNALS: Mapping[str, Signal] = {signal.name: signal for family in _FAMILIES for signal in family}


def is_signal_name(name: str) -> bool:
    """Whether a rule may name it: one of ours, or the name of a user's signal."""
    return name in SIGNALS or (name.startswith(USER_PREFIX) and name.isidentifier())
