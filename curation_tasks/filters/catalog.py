"""What this room offers. Imports no engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.filters.classifier_parameters import FASTTEXT_QUALITY
from curation_tasks.filters.extension_parameters import EXTENSION
from curation_tasks.filters.histogram_parameters import CHARACTER_HISTOGRAM
from curation_tasks.filters.language_codes import list_for
from curation_tasks.filters.language_parameters import LANGUAGE
from curation_tasks.filters.rule_files import Rule, RuleSet, load_rules, load_shipped, shipped_rule_sets
from curation_tasks.filters.signals import MEASURED_COUNTS, SIGNALS, USER_PREFIX, is_signal_name
from curation_tasks.filters.url_parameters import URL
from curation_tasks.parts import FilePath, FunctionPath, Judge, OperationPart, Parameters
from curation_tasks.yaml_files import plain, read_yaml

#: How comments are written: `#`; `//` and `/* */`; `--`; Python's, with strings that stand alone.
CommentStyle = Literal["hash", "slash", "dash", "python"]


class Bound(Parameters):
    """One side of a rule: what a document is judged by."""

    reason: str = Field(description="What the ledger says of a document that misses it: `{rule set}.{signal}.{min or max}`.")
    signal: str
    side: Literal["min", "max"]
    value: float


class RuleChoice(Parameters):
    """Rules, and what the signals that they name depend on."""

    rules: str | tuple[str, ...] | None = Field(
        None, description="Names of shipped rule sets, as `gopher_quality` or `[gopher_quality, gopher_repetition, fineweb]`."
    )
    rules_file: FilePath | None = Field(None, description="A local YAML file with rules of your own, in the form of the shipped ones.")
    extra_rules: tuple[Rule, ...] = Field(
        (), description="Further rules. A bound on a signal that a rule set bounds on the same side takes that bound's place."
    )
    signals: tuple[str, ...] = Field((), description="Signals to record although no rule needs them.")
    words: Literal["whitespace", "wordpunct", "unicode"] = Field(
        "whitespace",
        description="What a word is: what stands between white space (Gopher, NeMo Curator); that cut at punctuation, which is a word of "
        "its own (as datatrove's tokenizers do); or by the rules of Unicode, for scripts without spaces too.",
    )
    stop_words: str | None = Field(
        None, description="Language of the shipped list of stop words, as `en` or `eng_Latn`. Default: that of `by_language`, or en."
    )
    stop_words_file: FilePath | None = Field(None, description="Stop words of your own, one a line, as they are written in texts.")
    bad_words: FilePath | None = Field(None, description="Words and phrases that `bad_word_count` counts, one a line, capitals or not.")
    bad_words_inside: bool = Field(False, description="Count bad words inside other words too: for scripts without spaces.")
    bounds: tuple[Bound, ...] = Field(
        (), description="Leave this out: planning puts here what the rules come to, so that a run is judged by what it was planned with."
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve_rules(cls, given: Any, info: ValidationInfo) -> Any:
        """Reads the rule sets once, where the pipeline is planned; a stage in a pod finds ``bounds`` filled in.

        A relative path is looked for below the context's ``folder`` (that of the pipeline file), then below the current one.
        """
        if not isinstance(given, dict) or given.get("bounds"):
            return given
        if given.get("rules") and given.get("rules_file"):
            raise ValueError("`rules` and `rules_file` are both given; choose one, and put single rules under `extra_rules`")
        rule_sets = [load_shipped(name) for name in _names(given.get("rules")) if name in shipped_rule_sets()]
        if isinstance(given.get("rules_file"), str):
            rule_sets.append(load_rules(_near(given["rules_file"], info)))
        try:
            extra = [Rule.model_validate(rule) for rule in given.get("extra_rules") or ()]
        except (ValidationError, TypeError):
            return given  # the field's own check says what is wrong, and where
        recorded = given.get("signals") or ()
        if isinstance(recorded, (list, tuple)):
            recorded = tuple(dict.fromkeys([*recorded, *(name for rule_set in rule_sets for name in rule_set.signals)]))
        return {**given, "bounds": resolved_bounds(rule_sets, extra), "signals": recorded}

    @field_validator("rules")
    @classmethod
    def _shipped(cls, names: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for name in _names(names):
            if name not in shipped_rule_sets():
                raise ValueError(
                    f"no rule set is called {name!r}; {did_you_mean(name, shipped_rule_sets())}; a file of your own goes to `rules_file`"
                )
        return names

    @field_validator("stop_words")
    @classmethod
    def _listed(cls, language: str | None) -> str | None:
        if language is not None and list_for(language, tuple(stop_word_lists())) is None:
            raise ValueError(
                f"no stop words are shipped for {language!r}; {did_you_mean(language, stop_word_lists())}; "
                "a list of your own goes to `stop_words_file`"
            )
        return language

    def misses_stop_words(self, language: str) -> bool:
        """Whether a signal counts stop words and none are there for the language."""
        if self.stop_words or self.stop_words_file or list_for(language, tuple(stop_word_lists())):
            return False
        reads = {count for name in self.named_signals() if name in SIGNALS for count in SIGNALS[name].formula.reads}
        return any("stop_words" in count for count in reads)

    def named_signals(self) -> Iterator[str]:
        """The signals of the bounds in their order, then the others."""
        yield from (bound.signal for bound in self.bounds)
        yield from self.signals


class QualityParameters(RuleChoice):
    """Rules from shipped sets or a file of your own, changed or completed by ``extra_rules``; others for single languages."""

    by_language: dict[str, RuleChoice] = Field(
        {},
        description="Language → rules for its documents, in place of those above, whether the column says `en`, `eng` or `eng_Latn`. "
        "Documents of another language are judged by those above.",
    )
    language_column: str = Field("language", description="The column that chooses among `by_language`; any column of strings will do.")
    tokenizer: FilePath | None = Field(
        None, description="A tokenizer.json of Hugging Face, for `token_count`, `characters_per_token` and `perplexity`."
    )
    pattern: str | None = Field(None, description="A regular expression (RE2), for `pattern_count`.")
    substring: str | None = Field(None, min_length=1, description="A piece of text, capitals and all, for `substring_count`.")
    substring_position: Literal["any", "prefix", "suffix"] = Field(
        "any", description="Where it counts: anywhere, or only as the beginning or the end of the text."
    )
    code: CommentStyle | None = Field(None, description="How comments are written, for `comment_ratio`.")
    word_frequencies: FilePath | None = Field(
        None, description="A CSV file with the columns `word` and `count`, words in lower case, for `mean_word_log_probability`."
    )
    language_model: FilePath | None = Field(
        None,
        description="An n-gram model of KenLM, .bin or .arpa, for `perplexity`. It is given the words between white space or, with "
        "`tokenizer`, that tokenizer's pieces: what it was trained with. Needs the extra `perplexity`.",
    )
    translation_column: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="The column of the text in the other language, for `translation_length_ratio`."
    )
    user_signals: dict[str, FunctionPath] = Field(
        {},
        description="Signals of your own: a name that begins with `user_` → an entry point of the group `curation_tasks.functions`, or "
        "`package.module:function` below a package of CURATE_ALLOWED_PACKAGES. It is given an Arrow array of texts and gives one "
        "finite number a text; NaN, null and infinity stop the run.",
    )

    @model_validator(mode="after")
    def _something_to_do(self) -> QualityParameters:
        if not any(True for _ in self._all_named()):
            raise ValueError("there is nothing to measure: give `rules`, `rules_file`, `extra_rules`, `signals` or `by_language`")
        for name in self._all_named():
            if not is_signal_name(name):
                raise ValueError(f"no signal is called {name!r}; {did_you_mean(name, SIGNALS)}")
            if name.startswith(USER_PREFIX) and name not in self.user_signals:
                raise ValueError(f"the signal {name!r} is a user's, and `user_signals` does not say where it is")
        for name in self.user_signals:
            if not (name.startswith(USER_PREFIX) and name.isidentifier()):
                raise ValueError(f"the name of a signal of your own begins with {USER_PREFIX!r}, and {name!r} does not")
        for language, choice in self.choices().items():
            if language is not None and self.language_column == "language" and choice.misses_stop_words(language):
                raise ValueError(
                    f"a rule for {language!r} counts stop words, of which none are shipped in this language and script; give "
                    "`stop_words_file`, or `stop_words` with another language, or rules without them as `nemo_multilingual`"
                )
            for count in _measured(choice.named_signals()):
                if getattr(choice if count == "bad_words" else self, _NEEDED[count]) is None:
                    raise ValueError(f"a signal counts {count}, which needs `{_NEEDED[count]}`")
        return self

    def columns_read(self) -> tuple[str, ...]:
        """The columns that a batch must have."""
        translation = [self.translation_column] if self.translation_column else []
        return ("text", *([self.language_column] if self.by_language else []), *translation)

    def choices(self) -> dict[str | None, RuleChoice]:
        """Language → its rules; None stands for all other languages."""
        return {None: self, **self.by_language}

    def _all_named(self) -> Iterator[str]:
        for choice in self.choices().values():
            yield from choice.named_signals()

    def signal_names(self) -> tuple[str, ...]:
        """The signals to compute: those of the bounds in their order, then the others, then those of single languages."""
        return tuple(dict.fromkeys([*self._all_named(), *self.user_signals]))

    def judged_by(self) -> tuple[tuple[str | None, Bound], ...]:
        """All bounds with the language that they are for, in the order in which they are tried."""
        return tuple(
            (language, bound if language is None else bound.model_copy(update={"reason": f"{language}.{bound.reason}"}))
            for language, choice in self.choices().items()
            for bound in choice.bounds
        )


#: Count → the parameter without which it cannot be taken.
_NEEDED = {
    "tokens": "tokenizer",
    "bad_words": "bad_words",
    "pattern_matches": "pattern",
    "substring_matches": "substring",
    "comment_characters": "code",
    "word_log_probabilities": "word_frequencies",
    "shorter_words": "translation_column",
    "negative_log_scores": "language_model",
}
#: Count → the distributions whose version decides it.
_LIBRARIES = {
    "tokens": ("tokenizers",),
    "bad_words": ("pyarrow",),
    "pattern_matches": ("pyarrow",),
    "marked_words": ("pyarrow",),
    "word_runs": ("pyarrow",),
    "word_log_probabilities": ("pyarrow",),
    "html_text_characters": ("resiliparse",),
    "negative_log_scores": ("kenlm", "tokenizers"),
}


def _measured(names: Iterator[str]) -> list[str]:
    """The counts of signals that no kernel takes and that need a parameter."""
    reads = {count for name in names if name in SIGNALS for count in SIGNALS[name].formula.reads}
    return [count for count in MEASURED_COUNTS if count in reads and count in _NEEDED]


def _names(rules: Any) -> tuple[Any, ...]:
    return (rules,) if isinstance(rules, str) else tuple(rules) if isinstance(rules, (list, tuple)) else ()


def _near(reference: str, info: ValidationInfo) -> Path:
    path = Path(reference.removeprefix("file://"))
    near = Path((info.context or {}).get("folder", "."), path)
    return path if path.exists() and not near.exists() else near


@cache
def stop_word_lists() -> Mapping[str, tuple[str, ...]]:
    """Language → its shipped stop words."""
    path = Path(__file__).with_name("stop_words.yaml")
    # YAML reads some words as truth values.
    return {language: tuple(map(str, words)) for language, words in plain(read_yaml(path.read_text("utf-8"), str(path))).items()}


def resolved_bounds(rule_sets: Sequence[RuleSet], extra: Sequence[Rule]) -> tuple[Bound, ...]:
    """The bounds of rule sets in their order, with those of the extra rules in their place or behind them.

    Where two rule sets bound a signal on the same side, both bounds stand; an extra rule takes the place of all of them.
    """
    found: dict[tuple[str, str, str], Bound] = {}
    for rule_set in rule_sets:
        for rule in rule_set.rules:
            for side, value in _sides(rule):
                reason = f"{rule_set.name}.{rule.signal}.{side}"
                found[rule_set.name or "", rule.signal, side] = Bound(reason=reason, signal=rule.signal, side=side, value=value)
    for rule in extra:
        for side, value in _sides(rule):
            bound = Bound(reason=f"extra.{rule.signal}.{side}", signal=rule.signal, side=side, value=value)
            places = [place for place in found if place[1:] == (rule.signal, side)] or [("extra", rule.signal, side)]
            found[places[0]] = bound
            for place in places[1:]:
                del found[place]
    return tuple(found.values())


def _sides(rule: Rule) -> Iterator[tuple[Literal["min", "max"], float]]:
    if rule.min is not None:
        yield "min", rule.min
    if rule.max is not None:
        yield "max", rule.max


def _libraries(parameters: QualityParameters) -> list[str]:
    reads = {count for name in parameters.signal_names() if name in SIGNALS for count in SIGNALS[name].formula.reads}
    found = [library for count in reads for library in _LIBRARIES.get(count, ())]
    # Which documents a language means is CLDR's to say.
    found += ["babel"] if parameters.by_language else []
    return found + (["budoux", "icu4py"] if any(choice.words == "unicode" for choice in parameters.choices().values()) else [])


def _with_rules(parameters: QualityParameters, rules: str) -> QualityParameters:
    """The parameters with another rule set for all documents that have none by their language."""
    if rules not in shipped_rule_sets() and not Path(rules).suffix and not Path(rules).exists():
        near = did_you_mean(rules, shipped_rule_sets())
        raise ConfigError(f"no rule set and no file of rules is called {rules!r}; {near}")
    given = parameters.model_dump(mode="json", exclude={"rules", "rules_file", "extra_rules", "bounds"})
    return QualityParameters.model_validate(given | {"rules" if rules in shipped_rule_sets() else "rules_file": rules})


def _measured_by(parameters: QualityParameters) -> dict[str, Any]:
    """What each signal depends on besides the text and the language."""
    fields = {"words", "stop_words", "stop_words_file", "bad_words", "bad_words_inside"}
    choices = {str(language): choice.model_dump(mode="json", include=fields) for language, choice in parameters.choices().items()}
    # A language with rules of its own that measures like all others changes nothing.
    choices = {language: choice for language, choice in choices.items() if choice != choices["None"] or language == "None"}
    shared = parameters.model_dump(
        mode="json",
        include={
            *("language_column", "tokenizer", "pattern", "substring", "substring_position", "code"),
            *("word_frequencies", "translation_column", "language_model"),
        },
    )
    if len(choices) == 1:
        del shared["language_column"]
    return {name: [choices, shared, parameters.user_signals.get(name)] for name in parameters.signal_names()}


PARTS = (
    CHARACTER_HISTOGRAM,
    EXTENSION,
    FASTTEXT_QUALITY,
    LANGUAGE,
    URL,
    OperationPart(
        name="filters.quality",
        summary="Measures signals and rejects documents that miss a rule",
        parameters=QualityParameters,
        implementation="curation_tasks.filters.quality:quality",
        data_version=2,
        libraries=_libraries,
        reads=lambda parameters: parameters.columns_read(),
        adds=lambda parameters: {name: SIGNALS[name].kind if name in SIGNALS else "double" for name in parameters.signal_names()},
        rejects=lambda parameters: [bound.reason for _, bound in parameters.judged_by()],
        thresholds=lambda parameters: {bound.reason: (bound.signal, bound.value) for _, bound in parameters.judged_by()},
        judge=Judge(
            "curation_tasks.filters.quality:judge",
            measured_by=_measured_by,
            with_rules=_with_rules,
            derived=("bounds",),
            rows="curation_tasks.filters.quality:judged_rows",
        ),
        example={"rules": "tinystories"},
    ),
)
