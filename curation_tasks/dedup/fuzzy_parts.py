"""`dedup.fuzzy` and `dedup.simhash`: parameters, and what a plan prints of them. Imports no engine."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from curation_tasks.dedup.bands import MOST_ROWS, MOST_SKETCH, Bands, Verdicts, by_estimate, choose_bands, verdicts
from curation_tasks.dedup.keep import Keep
from curation_tasks.parts import ColumnUse, Parameters, ReductionPart

#: Width of a shingle where the pipeline names none: of words as in the usual practice, of characters so that chance meetings are rare.
_WIDTHS = {"words": 5, "characters": 24}
#: Bands of `dedup.simhash`, at most.
_MOST_TABLES = 64


class Near(Parameters):
    """What all near-duplicate detection is told: what a text is, which of several stays, and what a task may cost."""

    column: str = Field("text", description="Column that is compared.")
    normalization: tuple[Literal["lower", "whitespace"], ...] = Field(
        ("lower", "whitespace"),
        description="What is not to count as a difference: letter case (lower), the kind, number and ends of white space (whitespace). "
        "Part of what the threshold means.",
    )
    shingles: Literal["words", "characters"] = Field("words", description="What a text is compared by: neighbouring words or characters.")
    width: int | None = Field(None, ge=1, le=64, description="Words or characters in a shingle; default 5 words, 24 characters.")
    words: Literal["alnum", "whitespace"] = Field(
        "alnum", description="What a word is: a run of letters, digits and underscores (alnum), or what stands between white space."
    )
    seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(0, description="Makes another family of hashes.")
    keep: Keep = Field(Keep(), description="Which of several stays.")
    component_rows: int | None = Field(
        None, ge=2, description="Documents that one task compares; default a third of its memory at 380 bytes each. Changes no result."
    )
    bucket_comparisons: int = Field(
        10**13,
        ge=1,
        description="What `on_hot_bucket` is about: comparisons of the documents of one bucket with those of better rank that stay, in "
        "the whole dataset. 10¹³, of 4.5 million documents that all stay, are 50 to 170 core-hours.",
    )
    on_hot_bucket: Literal["fail", "exact"] = Field(
        "fail", description="What to do about a bucket that costs more: fail with its numbers, or pay for it. None is ever left out."
    )

    @field_validator("normalization")
    @classmethod
    def _canonical(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(steps)))

    @property
    def shingle_width(self) -> int:
        return self.width or _WIDTHS[self.shingles]

    @property
    def bucket_limit(self) -> int:
        return self.bucket_comparisons if self.on_hot_bucket == "fail" else 2**62

    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("doc_id", self.column, *self.keep.reads)))

    def uses(self) -> list[ColumnUse]:
        return [ColumnUse("column", self.column, ("string",), "name a text column in `column`"), *self.keep.uses()]

    def normal_form(self) -> str:
        words = f" ({self.words})" if self.shingles == "words" else ""
        return f"{', '.join(self.normalization) or 'no normalisation'}; shingles of {self.shingle_width} {self.shingles}{words}"


class FuzzyParameters(Near):
    """Which texts are near-duplicates: those whose sets of shingles have a Jaccard similarity of at least ``threshold``."""

    threshold: float = Field(0.8, gt=0, lt=1, description="Jaccard similarity from which on two documents are the same.")
    recall: float = Field(0.97, gt=0, lt=1, description="Probability that two documents at the threshold are compared; more above it.")
    hashes: int = Field(
        256, ge=1, le=MOST_SKETCH, description="At most so many numbers, bands × rows: more of them, fewer needless comparisons."
    )
    bands: int | None = Field(None, ge=1, le=MOST_SKETCH, description="Given with `rows` instead of `recall`.")
    rows: int | None = Field(None, ge=1, le=MOST_ROWS, description="Given with `bands` instead of `recall`.")
    verify: Literal["two_stage", "exact", "estimate"] = Field(
        "two_stage",
        description="How pairs are judged: by sketches, and by the texts where those are in doubt (two_stage); all by the texts (exact); "
        "all by sketches (estimate), which leaves 0.5 to 1.3 % of removed documents without a kept twin.",
    )
    error: float = Field(0.001, gt=0, lt=0.5, description="For two_stage: probability of a wrong verdict by a sketch, at the threshold.")
    report_pairs: bool = Field(
        False,
        description="For evaluation: list similar pairs of small buckets in the stage's `pairs.parquet`, clusters in `clusters.parquet`.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("`bands` and `rows` are given together, or neither")
        if self.bands is not None and self.rows is not None and self.bands * self.rows > MOST_SKETCH:
            raise ValueError(f"{self.bands} × {self.rows} are more than {MOST_SKETCH} hashes")
        self.banding  # noqa: B018 — fails when no bands fit
        return self

    @cached_property
    def banding(self) -> Bands:
        if self.bands is not None and self.rows is not None:
            return Bands(self.bands, self.rows)
        return choose_bands(self.threshold, self.recall, self.hashes)

    @cached_property
    def verdicts(self) -> Verdicts:
        size = self.banding.sketch
        if self.verify == "exact":
            return Verdicts(-1, size + 1)
        return by_estimate(size, self.threshold) if self.verify == "estimate" else verdicts(size, self.threshold, self.error)

    def notes(self) -> tuple[str, ...]:
        banding = self.banding
        verify = {
            "two_stage": "by sketches, in doubt by the texts",
            "exact": "all by the texts",
            "estimate": "by sketches alone, which is unsafe: 0.5 to 1.3 % of removed documents have no kept twin",
        }
        return (
            f"{self.normal_form()}; threshold {self.threshold:g}",
            f"{banding.bands} bands × {banding.rows} rows: a pair is compared with probability {banding.curve(self.threshold)}",
            f"sketches of {banding.sketch} bytes a document; pairs are judged {verify[self.verify]}",
        )


class SimhashParameters(Near):
    """Which texts are near-duplicates: those whose 64-bit SimHashes differ in at most ``distance`` bits."""

    distance: int = Field(3, ge=0, le=16, description="Bits in which two hashes may differ.")
    blocks: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Blocks that the 64 bits are cut into; more of them make more, smaller buckets. Default: 2 more than `distance`.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.block_count <= self.distance:
            raise ValueError(f"{self.block_count} blocks are too few: want more than the distance, {self.distance}")
        if self.bands > _MOST_TABLES:
            raise ValueError(f"{self.block_count} blocks make {self.bands} bands, more than {_MOST_TABLES}: take fewer")
        return self

    @property
    def block_count(self) -> int:
        if self.blocks is not None:
            return self.blocks
        return self.distance + 2 if math.comb(self.distance + 2, self.distance) <= _MOST_TABLES else self.distance + 1

    @property
    def bands(self) -> int:
        return math.comb(self.block_count, self.distance)

    def notes(self) -> tuple[str, ...]:
        bits = 64 * (self.block_count - self.distance) // self.block_count
        return (
            f"{self.normal_form()}; SimHashes that differ in at most {self.distance} of 64 bits",
            f"{self.bands} bands of about {bits} bits: every such pair is compared",
        )


PARTS = (
    ReductionPart(
        name="dedup.fuzzy",
        summary="Removes documents of which a similar one is kept (sketches, bands, verified)",
        parameters=FuzzyParameters,
        implementation="curation_tasks.dedup.fuzzy:fuzzy",
        costs="curation_tasks.dedup.estimate_near:near",
        data_version=2,
        reads=Near.reads,
        uses=Near.uses,
        rejects=("fuzzy_duplicate",),
        notes=FuzzyParameters.notes,
        indexes=True,
        example={"threshold": 0.8, "recall": 0.97, "keep": "longest"},
    ),
    ReductionPart(
        name="dedup.simhash",
        summary="Removes documents of which one with nearly the same SimHash is kept",
        parameters=SimhashParameters,
        implementation="curation_tasks.dedup.simhash:simhash",
        costs="curation_tasks.dedup.estimate_near:near",
        data_version=2,
        reads=Near.reads,
        uses=Near.uses,
        rejects=("simhash_duplicate",),
        notes=SimhashParameters.notes,
        indexes=True,
        example={"distance": 3},
    ),
)
