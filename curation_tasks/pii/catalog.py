"""Personal data: the parts of this room. Imports no engine, so that a pipeline can be planned without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from curation_tasks.errors import did_you_mean
from curation_tasks.parts import FilePath, OperationPart, Parameters

#: What can be looked for. Each has a recognizer; any other name is refused, so that nothing is silently left in.
ENTITIES = ("PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "URL")

#: Languages whose titles and function words the list of given names comes with.
LANGUAGES = ("de", "en", "es", "fr")


class RedactParameters(Parameters):
    """What is looked for, and what becomes of it."""

    column: str = Field("text", description="Column that is searched and, unless annotated, rewritten.")
    entities: tuple[str, ...] = Field(ENTITIES, min_length=1, description=f"What to look for: {', '.join(ENTITIES)}.")
    action: Literal["replace", "redact", "annotate"] = Field(
        "replace",
        description="replace: a marker such as <PERSON> instead; redact: nothing instead; annotate: text untouched, spans in pii_spans.",
    )
    replacements: Mapping[str, str] = Field({}, description="Other markers for `replace`, by entity; <ENTITY> for those not given.")
    score_threshold: float = Field(0.0, ge=0, le=1, description="Hits with a lower score are left alone.")
    language: str = Field("en", description=f"Language of titles and function words around names: {', '.join(LANGUAGES)}.")
    phone_regions: tuple[str, ...] = Field(
        ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR"),
        min_length=1,
        description="Countries whose national phone formats are looked for; numbers with + are found whatever their country. "
        "The default is Presidio's.",
    )
    person_engine: Literal["gazetteer", "spacy"] = Field(
        "gazetteer",
        description="How names are found: an embedded list of given names (no model, few false hits, misses many), or a spaCy model.",
    )
    spacy_model: str | None = Field(None, description="Name of an installed spaCy model package, such as en_core_web_lg.")
    spacy_path: FilePath | None = Field(None, description="Folder of a saved spaCy model; frozen by resolve.")

    @field_validator("entities")
    @classmethod
    def _known_entities(cls, entities: tuple[str, ...]) -> tuple[str, ...]:
        for entity in entities:
            _require(entity, ENTITIES, "there is no recognizer for the entity")
        return tuple(entity for entity in ENTITIES if entity in entities)

    @field_validator("replacements")
    @classmethod
    def _known_replacements(cls, replacements: Mapping[str, str]) -> Mapping[str, str]:
        for entity in replacements:
            _require(entity, ENTITIES, "there is no recognizer for the entity")
        return dict(sorted(replacements.items()))

    @field_validator("language")
    @classmethod
    def _known_language(cls, language: str) -> str:
        return _require(language, LANGUAGES, "there are no titles and function words for the language")

    @field_validator("phone_regions")
    @classmethod
    def _two_letters(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        for region in regions:
            if not (len(region) == 2 and region.isascii() and region.isalpha() and region.isupper()):
                raise ValueError(f"{region!r} is no region; expected two capital letters (ISO 3166-1), such as 'US' or 'DE'")
        return tuple(dict.fromkeys(regions))

    @model_validator(mode="after")
    def _consistent(self) -> RedactParameters:
        models = [name for name in ("spacy_model", "spacy_path") if getattr(self, name) is not None]
        if self.person_engine == "spacy" and len(models) != 1:
            raise ValueError("person_engine spacy needs either spacy_model (an installed package) or spacy_path (a saved model)")
        if self.person_engine == "gazetteer" and models:
            raise ValueError(f"{models[0]} is given, but person_engine is gazetteer; set person_engine: spacy")
        if self.replacements and self.action != "replace":
            raise ValueError(f"replacements have no effect with action {self.action}; set action: replace")
        for entity in self.replacements:
            if entity not in self.entities:
                raise ValueError(f"replacements has {entity}, which is not among entities")
        return self


def _require(name: str, known: tuple[str, ...], complaint: str) -> str:
    if name not in known:
        raise ValueError(f"{complaint} {name!r}; {did_you_mean(name, known)} Valid: {', '.join(known)}")
    return name


def _libraries(parameters: RedactParameters) -> tuple[str, ...]:
    names: list[str] = []
    if {"EMAIL_ADDRESS", "PHONE_NUMBER", "URL"} & set(parameters.entities):
        names += ["presidio-analyzer"]
    if {"EMAIL_ADDRESS", "URL"} & set(parameters.entities):
        names += ["regex"]
    if "EMAIL_ADDRESS" in parameters.entities:
        names += ["tldextract"]
    if "PHONE_NUMBER" in parameters.entities:
        names += ["phonenumbers"]
    if "PERSON" in parameters.entities and parameters.person_engine == "spacy":
        names += ["spacy", *([parameters.spacy_model.replace("_", "-")] if parameters.spacy_model else [])]
    return tuple(names)


def _added(parameters: RedactParameters) -> dict[str, str]:
    return {"pii_count": "int64"} | ({"pii_spans": "list<span>"} if parameters.action == "annotate" else {})


PARTS = (
    OperationPart(
        name="pii.redact",
        summary="Replaces, removes or marks names, e-mail addresses, phone numbers and URLs",
        parameters=RedactParameters,
        implementation="curation_tasks.pii.redact:redact",
        reads=lambda parameters: (parameters.column,),
        adds=_added,
        rewrites=lambda parameters: () if parameters.action == "annotate" else (parameters.column,),
        libraries=_libraries,
        # The scans run without the GIL, Presidio and phonenumbers behind them hold it.
        releases_gil=False,
        example={"entities": ["PERSON", "EMAIL_ADDRESS"], "replacements": {"PERSON": "<NAME>"}},
    ),
)
