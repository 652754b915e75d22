"""The page of a preview: distributions of signals with their thresholds, what other thresholds would keep, and examples.

As in the report, texts of documents are hostile: the template escapes all that it prints, the page runs no script, and its policy
forbids fetching.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from curation_tasks.lineage import plots
from curation_tasks.lineage.report import page_environment
from curation_tasks.lineage.signals import Signal
from curation_tasks.storage import filesystem

#: Keep rates of which the page and the table tell the threshold.
TOLD_RATES = (0.99, 0.95, 0.9)
_SWEEP_POINTS = 101


@dataclass(frozen=True)
class Example:
    """A document near a threshold; its text is cut and redacted."""

    doc_id: str
    value: float
    text: str


@dataclass(frozen=True)
class RuleSample:
    """One rule over the sampled documents that reached its operation.

    Attributes:
        reason: What the ledger would say.
        signal: Column that is judged.
        bound: Its threshold.
        side: ``min`` or ``max``.
        values: float64, shape (documents,); NaN where the signal is null, and for documents that the rule is not for.
        missed: bool, shape (documents,): rejected by this rule.
        others_pass: bool, shape (documents,): by no other rule of the operation.
        kept: Examples nearest to the bound that pass.
        rejected: Examples nearest to the bound that miss it.
    """

    reason: str
    signal: str
    bound: float
    side: str
    values: np.ndarray
    missed: np.ndarray
    others_pass: np.ndarray
    kept: tuple[Example, ...] = ()
    rejected: tuple[Example, ...] = ()

    def keep_rates(self, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What other bounds would keep: float64 of the shape of ``bounds``.

        Returns:
            ``(alone, together)``: the share of documents that this rule would pass, and that it and all others would pass.
        """
        return self._passing(bounds, np.ones(len(self.values), bool)), self._passing(bounds, self.others_pass)

    def _passing(self, bounds: np.ndarray, counted: np.ndarray) -> np.ndarray:
        known = np.isfinite(self.values)
        values = np.sort(self.values[known & counted])
        without = np.count_nonzero(~known & counted & ~self.missed)  # no value: the rule decides as it does now
        below = np.searchsorted(values, bounds, side="left" if self.side == "min" else "right")
        passing = len(values) - below if self.side == "min" else below
        return (passing + without) / max(1, len(self.values))

    def bound_for(self, rate: float) -> float:
        """The tightest bound among the values of the sample with which the rule alone keeps at least a share; NaN without values."""
        values = np.unique(self.values[np.isfinite(self.values)])
        enough = values[self.keep_rates(values)[0] >= rate] if len(values) else values
        if not len(enough):
            return float("nan")
        return float(enough.max() if self.side == "min" else enough.min())

    def told(self) -> dict[str, Any]:
        """The rule in numbers: ``reason, signal, side, bound, rejected, rejected_alone`` (by no other rule), ``keep_rate``,
        quantiles, and ``bound_for`` (share → bound)."""
        known = self.values[np.isfinite(self.values)]
        quantiles = np.quantile(known, [0, 0.05, 0.5, 0.95, 1]) if len(known) else np.full(5, np.nan)
        names = ("least", "q05", "median", "q95", "most")
        return {
            "reason": self.reason, "signal": self.signal, "side": self.side, "bound": self.bound,
            "rejected": int(self.missed.sum()), "rejected_alone": int((self.missed & self.others_pass).sum()),
            "keep_rate": 1 - float(self.missed.mean()) if len(self.missed) else 1.0,
            **{name: _number(value) for name, value in zip(names, quantiles, strict=True)},
            "bound_for": {f"{rate:g}": _number(self.bound_for(rate)) for rate in TOLD_RATES},
        }  # fmt: skip


@dataclass(frozen=True)
class OperationSample:
    """One operation of the chain over the sample.

    Attributes:
        name: As in the pipeline.
        documents: That reached it.
        rules: With thresholds, in their order.
        signals: Column → float64, shape (documents,): the judged ones first.
        passed: bool, shape (documents,): kept by the operation.
    """

    name: str
    documents: int
    rules: tuple[RuleSample, ...]
    signals: Mapping[str, np.ndarray]
    passed: np.ndarray


@dataclass(frozen=True)
class Preview:
    """A stage over a sample.

    Attributes:
        origin: Where the documents come from, in a sentence.
        available: Documents that the stage would read.
        documents: In the sample.
        kept: Of them.
        reasons: Reason → documents, most frequent first.
    """

    pipeline: str
    snapshot: str
    stage: str
    origin: str
    seed: int
    available: int
    documents: int
    kept: int
    reasons: Mapping[str, int]
    operations: tuple[OperationSample, ...]

    def told(self) -> dict[str, Any]:
        """The preview in numbers, for machines: no text of a document."""
        names = ("pipeline", "snapshot", "stage", "origin", "seed", "available", "documents", "kept")
        told = {name: getattr(self, name) for name in names} | {"reasons": dict(self.reasons)}
        operations = [
            {"operation": item.name, "documents": item.documents, "rules": [rule.told() for rule in item.rules]} for item in self.operations
        ]
        return told | {"operations": operations}


def write_preview(preview: Preview, output_uri: str) -> None:
    """Writes the page; an existing file is replaced."""
    filesystem.write_bytes(output_uri, render_preview(preview).encode())


def render_preview(preview: Preview) -> str:
    """The page as text of an HTML page: equal previews, equal bytes."""
    page = page_environment().get_template("preview.html.j2")
    operations = [_operation(preview, item) for item in preview.operations if item.signals]
    reasons = Markup(plots.reasons_plot(preview.stage, preview.reasons)) if preview.reasons else ""
    return page.render(preview=preview, operations=operations, reasons_plot=reasons, told_rates=TOLD_RATES)


def _operation(preview: Preview, item: OperationSample) -> dict[str, Any]:
    judged = {rule.signal for rule in item.rules}
    others = [(name, _signal_plot(preview, item, name, {})) for name in item.signals if name not in judged]
    return {
        "item": item,
        "rules": [{"rule": rule, "told": rule.told(), **_plots(preview, item, rule)} for rule in item.rules],
        "others": [(name, plot) for name, plot in others if plot],
    }


def _plots(preview: Preview, item: OperationSample, rule: RuleSample) -> dict[str, Any]:
    known = rule.values[np.isfinite(rule.values)]
    if not len(known):
        return {"histogram": "", "sweep": ""}
    edges = plots.bin_edges(known, [rule.bound])
    bounds = np.unique([*np.linspace(edges[0], edges[-1], _SWEEP_POINTS), rule.bound])
    alone, together = rule.keep_rates(bounds)
    sweep = plots.sweep_plot(f"{preview.stage} {rule.reason}", bounds, alone, together, rule.bound)
    return {"histogram": _signal_plot(preview, item, rule.signal, {rule.reason: rule.bound}), "sweep": Markup(sweep)}


def _signal_plot(preview: Preview, item: OperationSample, name: str, thresholds: Mapping[str, float]) -> Markup | str:
    values = item.signals[name]
    known = np.isfinite(values)
    if not known.any():
        return ""
    label = f"{preview.stage} {item.name} {' '.join(thresholds)}"
    return Markup(plots.signal_plot(Signal(label, name, values[known & item.passed], values[known & ~item.passed], thresholds)))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
