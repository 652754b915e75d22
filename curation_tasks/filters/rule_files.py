"""Rule sets: thresholds on signals as YAML, each with its source.

A file of rules::

    name: house                 # optional; stands in the reasons, default: the file's name
    description: Longer texts only
    rules:
      - signal: word_count
        min: 200
        source: what our evaluation of May said
    signals: [word_entropy]     # optional: recorded without a bound
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.filters.signals import SIGNALS, is_signal_name
from curation_tasks.parts import Parameters
from curation_tasks.yaml_files import Origin, plain, read_text, read_yaml, validation_error

SHIPPED = Path(__file__).parent / "rules"


class Rule(Parameters):
    """Bounds of a signal, both inclusive: a document is rejected below ``min`` or above ``max``."""

    signal: str = Field(description="Name of a signal.")
    min: float | None = Field(None, allow_inf_nan=False, description="Smallest value that passes.")
    max: float | None = Field(None, allow_inf_nan=False, description="Largest value that passes.")
    source: str = Field("", description="Where the threshold comes from.")

    @model_validator(mode="after")
    def _bounded(self) -> Rule:
        if not is_signal_name(self.signal):
            raise ValueError(f"no signal is called {self.signal!r}; {did_you_mean(self.signal, SIGNALS)}")
        if self.min is None and self.max is None:
            raise ValueError(f"the rule on {self.signal!r} has neither `min` nor `max`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"the rule on {self.signal!r} lets nothing pass: min {self.min} is above max {self.max}")
        return self


_NOTHING = "there must be at least 1 rule, or 1 of `signals` to record"


class RuleSet(BaseModel):
    """The content of a file of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    signals: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    @field_validator("signals")
    @classmethod
    def _known(cls, signals: tuple[str, ...]) -> tuple[str, ...]:
        for name in signals:
            if not is_signal_name(name):
                raise ValueError(f"no signal is called {name!r}; {did_you_mean(name, SIGNALS)}")
        return signals

    @field_validator("rules")
    @classmethod
    def _some(cls, rules: tuple[Rule, ...], info: ValidationInfo) -> tuple[Rule, ...]:
        # Not `min_length`, which counts only valid rules and so complains of each wrong one twice.
        if not rules and not info.data.get("signals"):
            raise ValueError(_NOTHING)
        return rules

    @model_validator(mode="after")
    def _not_empty(self) -> RuleSet:
        if not self.rules and not self.signals:
            raise ValueError(_NOTHING)
        return self


def shipped_rule_sets() -> tuple[str, ...]:
    """The names of the rule sets that come with the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def load_shipped(name: str) -> RuleSet:
    """A rule set that comes with the package."""
    return load_rules(SHIPPED / f"{name}.yaml")


def load_rules(path: str | Path) -> RuleSet:
    """Reads and checks a file of rules.

    Raises:
        ConfigError: It is missing, not YAML, or holds a mistake; names file and line.
    """
    path = Path(path)
    tree = read_yaml(read_text(path, "file of rules"), str(path))
    if not isinstance(tree, dict):
        raise ConfigError("a file of rules is a mapping", where=str(path), expected="description, rules")
    try:
        rules = RuleSet.model_validate(plain(tree))
    except ValidationError as error:
        raise validation_error(error, Origin(str(path), tree), RuleSet) from None
    return rules if rules.name else rules.model_copy(update={"name": path.stem})
