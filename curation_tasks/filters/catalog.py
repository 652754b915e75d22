"""What this room offers. Imports no engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from curation_tasks.errors import did_you_mean
from curation_tasks.filters.language_parameters import LANGUAGE
from curation_tasks.filters.rule_files import Rule, RuleSet, load_rules, load_shipped, shipped_rule_sets
from curation_tasks.filters.signals import SIGNALS
from curation_tasks.parts import FilePath, OperationPart, Parameters


class Bound(Parameters):
    """One side of a rule: what a document is judged by."""

    reason: str = Field(description="What the ledger says of a document that misses it: `{rule set}.{signal}.{min or max}`.")
    signal: str
    side: Literal["min", "max"]
    value: float


class QualityParameters(Parameters):
    """Rules from a shipped set or a file of your own, changed or completed by ``extra_rules``."""

    rules: str | None = Field(None, description="Name of a shipped rule set, as `tinystories`.")
    rules_file: FilePath | None = Field(None, description="A local YAML file with rules of your own, in the form of the shipped ones.")
    extra_rules: tuple[Rule, ...] = Field(
        (), description="Further rules. A bound on a signal that the rule set bounds on the same side takes that bound's place."
    )
    signals: tuple[str, ...] = Field((), description="Signals to record although no rule needs them.")
    bounds: tuple[Bound, ...] = Field(
        (), description="Leave this out: planning puts here what the rules come to, so that a run is judged by what it was planned with."
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve_rules(cls, given: Any, info: ValidationInfo) -> Any:
        """Reads the rule set once, where the pipeline is planned; a stage in a pod finds ``bounds`` filled in.

        A relative path is looked for below the context's ``folder`` (that of the pipeline file), then below the current one.
        """
        if not isinstance(given, dict) or given.get("bounds"):
            return given
        if given.get("rules") and given.get("rules_file"):
            raise ValueError("`rules` and `rules_file` are both given; choose one, and put single rules under `extra_rules`")
        rule_set = None
        if given.get("rules") in shipped_rule_sets():
            rule_set = load_shipped(given["rules"])
        elif isinstance(given.get("rules_file"), str):
            path = Path(given["rules_file"].removeprefix("file://"))
            near = Path((info.context or {}).get("folder", "."), path)
            rule_set = load_rules(path if path.exists() and not near.exists() else near)
        try:
            extra = [Rule.model_validate(rule) for rule in given.get("extra_rules") or ()]
        except (ValidationError, TypeError):
            return given  # the field's own check says what is wrong, and where
        return {**given, "bounds": resolved_bounds(rule_set, extra)}

    @field_validator("rules")
    @classmethod
    def _shipped(cls, name: str | None) -> str | None:
        if name is not None and name not in shipped_rule_sets():
            raise ValueError(
                f"no rule set is called {name!r}; {did_you_mean(name, shipped_rule_sets())}; a file of your own goes to `rules_file`"
            )
        return name

    @model_validator(mode="after")
    def _something_to_do(self) -> QualityParameters:
        if not self.bounds and not self.signals:
            raise ValueError("there is nothing to measure: give `rules`, `rules_file`, `extra_rules` or `signals`")
        for name in [*self.signals, *(bound.signal for bound in self.bounds)]:
            if name not in SIGNALS:
                raise ValueError(f"no signal is called {name!r}; {did_you_mean(name, SIGNALS)}")
        return self

    def signal_names(self) -> tuple[str, ...]:
        """The signals to compute: those of the bounds in their order, then the others."""
        return tuple(dict.fromkeys([*(bound.signal for bound in self.bounds), *self.signals]))


def resolved_bounds(rule_set: RuleSet | None, extra: Sequence[Rule]) -> tuple[Bound, ...]:
    """The bounds of a rule set in its order, with those of the extra rules in their place or behind them."""
    found: dict[tuple[str, str], Bound] = {}
    for prefix, rules in ((rule_set.name if rule_set else "", rule_set.rules if rule_set else ()), ("extra", extra)):
        for rule in rules:
            for side, value in _sides(rule):
                found[rule.signal, side] = Bound(reason=f"{prefix}.{rule.signal}.{side}", signal=rule.signal, side=side, value=value)
    return tuple(found.values())


def _sides(rule: Rule) -> Iterator[tuple[Literal["min", "max"], float]]:
    if rule.min is not None:
        yield "min", rule.min
    if rule.max is not None:
        yield "max", rule.max


PARTS = (
    LANGUAGE,
    OperationPart(
        name="filters.quality",
        summary="Measures signals and rejects documents that miss a rule",
        parameters=QualityParameters,
        implementation="curation_tasks.filters.quality:quality",
        adds=lambda parameters: {name: SIGNALS[name].kind for name in parameters.signal_names()},
        rejects=lambda parameters: [bound.reason for bound in parameters.bounds],
        thresholds=lambda parameters: {bound.reason: (bound.signal, bound.value) for bound in parameters.bounds},
        example={"rules": "tinystories"},
    ),
)
