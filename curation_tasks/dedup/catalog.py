"""Deduplication: the parts of this room. Imports no engine, so that a pipeline can be planned without one."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from curation_tasks.dedup.keep import Keep
from curation_tasks.parts import FunctionPath, Parameters, ReductionPart

#: Query parameters by which sites and advertisers follow a visitor; they do not change what is shown.
TRACKING_PARAMETERS = (
    "utm_*", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "igshid", "mc_cid",
    "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "oly_anon_id", "oly_enc_id", "vero_id", "s_cid", "ref_src",
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


PARTS = (
    ReductionPart(
        name="dedup.exact",
        summary="Removes documents whose text, URL or other key another document has",
        parameters=ExactParameters,
        implementation="curation_tasks.dedup.exact:exact",
        reads=lambda parameters: tuple(dict.fromkeys(("doc_id", *parameters.columns, *parameters.keep.reads))),
        rejects=("exact_duplicate",),
        indexes=True,
        # Lower-casing and white space follow the Unicode tables that Arrow was built with; XXH3 itself never changes.
        libraries=lambda parameters: ("pyarrow",) if {"lower", "whitespace"} & set(parameters.normalization) else (),
        example={"normalization": ["lower", "whitespace"]},
    ),
)
