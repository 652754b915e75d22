"""Deduplication: the parts of this room. Imports no engine, so that a pipeline can be planned without one."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from curation_tasks.dedup import fuzzy_parts
from curation_tasks.dedup.keep import Keep
from curation_tasks.parts import ColumnUse, FunctionPath, Parameters, ReductionPart
from curation_tasks.schema import COLUMN_TYPES

#: Query parameters by which sites and advertisers follow a visitor; they do not change what is shown.
TRACKING_PARAMETERS = (
    "utm_*", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "igshid", "mc_cid",
    "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "oly_anon_id", "oly_enc_id", "vero_id", "s_cid", "ref_src",
)  # fmt: skip

#: Types whose equality needs no explanation; floats are left out, since a rounding difference is rarely meant to count.
COMPARABLE = (
    "string", "binary", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "date32", "timestamp[us]",
)  # fmt: skip


class ExactParameters(Parameters):
    """Which documents count as the same."""

    column: str | tuple[str, ...] = Field(
        "text",
        description="Column that is compared, or a list of columns that must all be equal. A null in one of them is never a duplicate.",
    )
    normalization: tuple[Literal["lower", "url", "whitespace"], ...] = Field(
        (),
        description="What is not to count as a difference: letter case (lower), the kind, number and ends of white space "
        "(whitespace), the spelling of a URL by RFC 3986, its fragment, tracking parameters and slash at the end (url). Empty "
        "compares bytes, so that a trailing space makes another document.",
    )
    tracking_parameters: tuple[str, ...] = Field(
        TRACKING_PARAMETERS, description="For `url`: query parameters that do not count; with `*` at the end, all that begin so."
    )
    key: FunctionPath | None = Field(
        None,
        description="A function of yours, `package.module:function` or a registered name, that makes the compared values: it is given "
        "a pyarrow.RecordBatch of the columns and returns a pyarrow.Array of strings, bytes or integers; a null is never a duplicate.",
    )
    keep: Keep = Field(Keep(), description="Which of the same documents stays: `first`, `longest`, `score` or `source`.")

    @field_validator("normalization")
    @classmethod
    def _canonical(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        # The steps commute: one spelling for one meaning, so that one meaning has one key.
        return tuple(sorted(set(steps)))

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError("`column` names no column, or one twice")
        if self.key and self.normalization:
            raise ValueError("`key` makes the compared values, so `normalization` would be without effect: do it in the function")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column

    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("doc_id", *self.columns, *self.keep.reads)))

    def uses(self) -> list[ColumnUse]:
        """What the columns must hold; a function of the user's own may read any."""
        types, remedy = COMPARABLE, "name another column, or give a function as `key`"
        if self.key:
            types = tuple(COLUMN_TYPES)
        elif self.normalization:
            types, remedy = ("string",), "name another column, leave `normalization` out, or give a function as `key`"
        return [*(ColumnUse("column", name, types, remedy) for name in self.columns), *self.keep.uses()]


class RepeatedUnits(Parameters):
    """What of the text is cut because it stands elsewhere too."""

    normalization: tuple[Literal["accents", "digits", "lower", "punctuation", "whitespace"], ...] = Field(
        ("lower", "whitespace"),
        description="What does not count when units are compared: letter case (lower), the kind and number of white space, which digit "
        "it is, punctuation, accents. White space at the ends never counts.",
    )
    min_characters: int = Field(1, ge=1, description="Characters that must be compared; what is shorter is never cut.")
    min_document_characters: int = Field(
        200, ge=0, description="A document that becomes shorter than this by what is cut is rejected: `too_short_after_cuts`."
    )
    keep: Keep = Field(
        Keep(), description="Where what is repeated stays: in the `first` document, the `longest`, …; there, its first place."
    )

    @field_validator("normalization")
    @classmethod
    def _canonical(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(steps)))

    @property
    def units_in_span(self) -> int:
        return 1

    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("doc_id", "text", *self.keep.reads)))

    def uses(self) -> list[ColumnUse]:
        return self.keep.uses()


class SentencesParameters(RepeatedUnits):
    """Which runs of sentences are cut."""

    span: int = Field(3, ge=1, le=100, description="Neighbouring sentences that must be repeated together, as in C4.")
    min_characters: int = Field(40, ge=1, description="Characters of the span that must be compared; what is shorter is never cut.")

    @property
    def units_in_span(self) -> int:
        return self.span


class ParagraphsParameters(RepeatedUnits):
    """Which paragraphs are cut. The default compares them as CCNet does."""

    normalization: tuple[Literal["accents", "digits", "lower", "punctuation", "whitespace"], ...] = Field(
        ("accents", "digits", "lower", "punctuation", "whitespace"),
        description="What does not count when paragraphs are compared: accents, which digit it is, letter case (lower), punctuation, the "
        "kind and number of white space. White space at the ends never counts.",
    )


PARTS = (
    ReductionPart(
        name="dedup.exact",
        data_version=2,
        summary="Removes documents whose text, URL or other key another document has",
        parameters=ExactParameters,
        implementation="curation_tasks.dedup.exact:exact",
        costs="curation_tasks.dedup.estimate:exact",
        reads=ExactParameters.reads,
        uses=ExactParameters.uses,
        rejects=("exact_duplicate",),
        indexes=True,
        # Lower-casing and white space follow the Unicode tables that Arrow was built with; XXH3 itself never changes.
        libraries=lambda parameters: ("pyarrow",) if {"lower", "whitespace"} & set(parameters.normalization) else (),
        example={"normalization": ["lower", "whitespace"]},
    ),
    *fuzzy_parts.PARTS,
    ReductionPart(
        name="dedup.sentences",
        data_version=2,
        summary="Cuts runs of sentences that stand in another document too (C4)",
        parameters=SentencesParameters,
        implementation="curation_tasks.dedup.repeated:sentences",
        costs="curation_tasks.dedup.estimate:repeated",
        reads=RepeatedUnits.reads,
        uses=RepeatedUnits.uses,
        rewrites=("text",),
        rejects=("too_short_after_cuts",),
        indexes=True,
        example={"span": 2, "min_document_characters": 10},
    ),
    ReductionPart(
        name="dedup.paragraphs",
        data_version=2,
        summary="Cuts paragraphs that stand in another document too (CCNet)",
        parameters=ParagraphsParameters,
        implementation="curation_tasks.dedup.repeated:paragraphs",
        costs="curation_tasks.dedup.estimate:repeated",
        reads=RepeatedUnits.reads,
        uses=RepeatedUnits.uses,
        rewrites=("text",),
        rejects=("too_short_after_cuts",),
        indexes=True,
        example={"min_document_characters": 10},
    ),
)
