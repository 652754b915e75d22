"""What a worker is told about its stage."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.parts import Parameters, PartKind
from curation_tasks.schema import LEDGER_COLUMNS

#: Where a reduction keeps its intermediate files, below the folder of its stage. They hold texts, and go with the commit.
WORK_FOLDER = "work"


@dataclass(frozen=True)
class Work:
    """What a worker is told about its stage. Plain data, so that it can be sent anywhere.

    Attributes:
        context: Without counters of a unit.
        calls: ``{"use", "parameters"}`` of each part, defaults filled in.
        signals: Columns that the stage adds, name → type.
        columns: Columns of the output.
        ledger_text: Whether ledgers keep the text.
    """

    context: RunContext
    calls: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, str]
    signals: Mapping[str, str] = field(default_factory=dict)
    ledger_text: bool = True

    def parts(self, kind: PartKind) -> list[tuple[str, Any, Parameters]]:
        """``(name, part, parameters)`` of each call."""
        found = []
        for call in self.calls:
            part = load_catalog().find(kind, call["use"])
            found.append((call["use"], part, part.parameters.model_validate(call["parameters"])))
        return found

    def unit_context(self) -> RunContext:
        return dataclasses.replace(self.context, counters=Counter())

    def ledger_columns(self) -> dict[str, str]:
        text = {"text": "string"} if self.ledger_text else {}
        return dict(LEDGER_COLUMNS) | {name: kind for name, kind in self.signals.items() if name not in LEDGER_COLUMNS} | text
