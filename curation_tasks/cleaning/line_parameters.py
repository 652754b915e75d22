"""The rules by which lines are removed, as parameters. Imports no engine."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from curation_tasks.parts import FilePath, Parameters

#: Removed words over all words of a document, above which RefinedWeb drops it.
REFINEDWEB_REMOVED_WORDS = 0.05


class C4Lines(Parameters):
    """The line rules of C4 (arXiv:1910.10683, section 2.2; the code of TensorFlow Datasets, ``c4_utils``, and datatrove's
    ``C4QualityFilter``)."""

    name: Literal["c4"] = "c4"
    end_marks: str = Field(".?!\"'", description='Characters of which a line must end with one; "" asks for none.')
    min_words: int = Field(3, ge=0, description="Fewest words of a line.")
    max_word_length: int | None = Field(1000, ge=1, description="Characters of the longest word of a line; null: no limit.")
    citations: bool = Field(True, description="Cut out `[1]`, `[edit]` and `[citation needed]`.")
    javascript: bool = Field(True, description="Remove lines that hold `javascript`.")
    policy_phrases: tuple[str, ...] = Field(
        ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
        max_length=50,
        description="Remove lines that hold one of these; the case of ASCII letters does not count.",
    )
    reject: tuple[Literal["lorem_ipsum", "curly_bracket"], ...] = Field(
        ("lorem_ipsum", "curly_bracket"), description="Reject documents that have a line with `lorem ipsum`, or with `{`."
    )

    @field_validator("policy_phrases")
    @classmethod
    def _not_empty(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        return _without_empty(phrases)


class RefinedWebLines(Parameters):
    """The line rules of RefinedWeb (arXiv:2306.01116, appendix G.2), with the thresholds of DCLM's ``refinedweb.yaml``."""

    name: Literal["refinedweb"] = "refinedweb"
    max_uppercase_ratio: float = Field(0.5, ge=0, le=1, description="Upper-case characters over all characters of a line.")
    numbers: bool = Field(True, description="Remove lines that consist of digits.")
    counters: bool = Field(True, description="Remove counters such as `3 likes` and `1.2K Views`.")
    min_words: int = Field(2, ge=0, description="Fewest words of a line that is not blank.")
    edited_words: int = Field(10, ge=0, description="The phrases below are cut out of lines of at most so many words.")
    prefixes: tuple[str, ...] = Field(("Sign-in",), max_length=20, description="Cut from the beginning of a line.")
    suffixes: tuple[str, ...] = Field(("Read more...", "Read more\u2026"), max_length=20, description="Cut from the end of a line.")
    anywhere: tuple[str, ...] = Field(("items in cart",), max_length=20, description="Cut out wherever they stand in a line.")

    @field_validator("prefixes", "suffixes", "anywhere")
    @classmethod
    def _not_empty(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        return _without_empty(phrases)


def _without_empty(phrases: tuple[str, ...]) -> tuple[str, ...]:
    for phrase in phrases:
        if not phrase.strip() or "\n" in phrase:
            raise ValueError(f"{phrase!r} can stand in no line, or in every one")
    return phrases


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


_Rules = C4Lines | RefinedWebLines


class LinesParameters(Parameters):
    """Rules by name (``rules: c4``), or with changes (``rules: {name: c4, min_words: 4}``)."""

    rules: Annotated[
        Annotated[_Rules, Field(discriminator="name")],
        BeforeValidator(_named, json_schema_input_type=Literal["c4", "refinedweb"] | _Rules),
    ] = Field(description="`c4`, `refinedweb`, or one of them with changes: `{name: c4, min_words: 4}`.")
    max_removed_word_ratio: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Reject documents that lose a larger share of their words; default: 0.05 with `refinedweb`, none with `c4`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _limit_of_rules(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "max_removed_word_ratio" in given:
            return given
        rules = given.get("rules")
        name = rules.get("name") if isinstance(rules, dict) else getattr(rules, "name", rules)
        return {**given, "max_removed_word_ratio": REFINEDWEB_REMOVED_WORDS} if name == "refinedweb" else given

    def columns(self) -> dict[str, str]:
        """The columns that are added."""
        name = self.rules.name
        counts = [f"{name}_removed_{what}_count" for what in ("line", "word", "character")]
        counts += [f"c4_{what}_count" for what in ("lorem_ipsum", "curly_bracket")] if name == "c4" else []
        return dict.fromkeys(counts, "int64") | {f"{name}_removed_word_ratio": "double"}

    def reasons(self) -> list[str]:
        """Why documents are rejected, in the order in which it is tried."""
        found = [f"c4.{what}" for what in self.rules.reject] if isinstance(self.rules, C4Lines) else []
        return found + list(self.thresholds()) if self.max_removed_word_ratio is not None else found

    def thresholds(self) -> dict[str, tuple[str, float]]:
        if self.max_removed_word_ratio is None:
            return {}
        name = self.rules.name
        return {f"{name}.removed_word_ratio.max": (f"{name}_removed_word_ratio", self.max_removed_word_ratio)}


class LinePatternsParameters(Parameters):
    """Which lines go. A file has one entry a line; empty lines and those that begin with `#` are passed over."""

    exact: tuple[str, ...] = Field((), description="Lines that go when they are equal to one of these, white space around them aside.")
    patterns: tuple[str, ...] = Field((), description="Lines that go when one of these RE2 expressions matches somewhere in them.")
    exact_file: FilePath | None = Field(None, description="A file of further lines for `exact`; `.gz` is read as well.")
    patterns_file: FilePath | None = Field(None, description="A file of further expressions; `.gz` is read as well.")
    max_removed_word_ratio: float | None = Field(None, ge=0, le=1, description="Reject documents that lose a larger share of their words.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.exact or self.patterns or self.exact_file or self.patterns_file):
            raise ValueError("there is nothing to look for: give `exact`, `patterns`, or a file of either")
        return self

    def thresholds(self) -> dict[str, tuple[str, float]]:
        if self.max_removed_word_ratio is None:
            return {}
        return {"line_patterns.removed_word_ratio.max": ("line_patterns_removed_word_ratio", self.max_removed_word_ratio)}
