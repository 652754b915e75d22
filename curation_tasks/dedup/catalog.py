"""Deduplication: the parts of this room. Imports no engine, so that a pipeline can be planned without one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from curation_tasks.dedup import fuzzy_parts
from curation_tasks.parts import Parameters, ReductionPart


class ExactParameters(Parameters):
    """Which texts count as the same."""

    column: str = Field("text", description="Column that is compared; a null in it is never a duplicate.")
    normalization: tuple[Literal["lower", "whitespace"], ...] = Field(
        (),
        description="What is not to count as a difference: letter case (lower), the kind, number and ends of white space "
        "(whitespace). Empty compares bytes, so that a trailing space makes another document.",
    )
    keep: Literal["first"] = Field("first", description="Which of the same documents stays: the first in the order of shards and rows.")

    @field_validator("normalization")
    @classmethod
    def _canonical(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        # The steps commute: one spelling for one meaning, so that one meaning has one key.
        return tuple(sorted(set(steps)))


PARTS = (
    ReductionPart(
        name="dedup.exact",
        summary="Removes documents whose text is that of an earlier document",
        parameters=ExactParameters,
        implementation="curation_tasks.dedup.exact:exact",
        reads=lambda parameters: tuple(dict.fromkeys(("doc_id", parameters.column))),
        rejects=("exact_duplicate",),
        # Lower-casing and white space follow the Unicode tables that Arrow was built with; XXH3 itself never changes.
        libraries=lambda parameters: ("pyarrow",) if parameters.normalization else (),
        example={"normalization": ["lower", "whitespace"]},
    ),
    *fuzzy_parts.PARTS,
)
