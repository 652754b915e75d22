"""Parameters of ``filters.fasttext_quality``. Imports no engine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from curation_tasks.parts import FilePath, Judge, OperationPart, Parameters

_PREFIX = "__label__"


class FastTextQualityParameters(Parameters):
    """Which classifier, and which of its documents are kept."""

    model: FilePath = Field(description="A supervised fastText model, .bin or .ftz, as `curate train-classifier` writes it.")
    label: str = Field("hq", description="The label whose probability is the score; with or without fastText's `__label__`.")
    keep: Literal["all", "min_score", "pareto"] = Field(
        "all",
        description="all: only add the score; min_score: reject lower ones; pareto: keep by chance, the likelier the higher the score, so "
        "that some documents unlike the good examples stay (GPT-3).",
    )
    min_score: float | None = Field(None, ge=0, le=1, description="For `keep: min_score`.")
    alpha: float = Field(3, gt=0, description="For `keep: pareto`: shape of the Pareto distribution. The smaller, the more is kept.")
    seed: int = Field(42, ge=0, lt=2**63, description="For `keep: pareto`: other seed, other documents.")
    column: str = Field("quality_score", pattern=r"^[a-z][a-z0-9_]*$", description="Name of the column.")
    engine: Literal["kernel", "fasttext"] = Field("kernel", description="fasttext: ask the library itself; scores are the same.")

    @field_validator("label")
    @classmethod
    def _without_prefix(cls, label: str) -> str:
        return label.removeprefix(_PREFIX)

    @model_validator(mode="after")
    def _consistent(self) -> FastTextQualityParameters:
        if (self.keep == "min_score") != (self.min_score is not None):
            raise ValueError("min_score and keep: min_score go together")
        return self

    def reasons(self) -> tuple[str, ...]:
        return () if self.keep == "all" else (f"{self.column}.min" if self.keep == "min_score" else f"{self.column}.pareto",)

    def bounds(self) -> dict[str, tuple[str, float]]:
        return {} if self.min_score is None else {f"{self.column}.min": (self.column, self.min_score)}


def _measured_by(parameters: FastTextQualityParameters) -> dict[str, Any]:
    return {parameters.column: parameters.model_dump(mode="json", include={"model", "label", "engine"})}


FASTTEXT_QUALITY = OperationPart(
    name="filters.fasttext_quality",
    summary="Scores documents with a fastText classifier; keeps those above a bound, or the better the likelier",
    parameters=FastTextQualityParameters,
    implementation="curation_tasks.filters.fasttext_quality:fasttext_quality",
    reads=lambda parameters: ("doc_id", "text") if parameters.keep == "pareto" else ("text",),
    adds=lambda parameters: {parameters.column: "double"},
    rejects=FastTextQualityParameters.reasons,
    thresholds=FastTextQualityParameters.bounds,
    judge=Judge("curation_tasks.filters.fasttext_quality:judge", measured_by=_measured_by),
    libraries=lambda parameters: ("fasttext",) if parameters.engine == "fasttext" else (),
    example={"model": "models/quality.bin", "label": "hq", "keep": "pareto"},
)


class TrainingParameters(Parameters):
    """How a classifier is trained. The defaults suit two sets of some ten thousand documents and more."""

    positive_label: str = Field("hq", pattern=r"^\S+$", description="Label of the good examples.")
    negative_label: str = Field("lq", pattern=r"^\S+$", description="Label of the others.")
    held_out_ratio: float = Field(0.1, gt=0, le=0.5, description="Share of the documents that are kept from training, to measure with.")
    seed: int = Field(42, ge=0, lt=2**63, description="Other seed, other order of the documents and other held-out ones.")
    dimensions: int = Field(16, ge=1, le=4096, description="Length of an embedding.")
    epochs: int = Field(5, ge=1, description="Passes over the documents.")
    learning_rate: float = Field(0.5, gt=0, description="It falls to 0 over the training.")
    word_grams: int = Field(2, ge=1, le=10, description="Longest n-gram of words.")
    shortest_characters: int = Field(0, ge=0, description="Shortest n-gram of characters.")
    longest_characters: int = Field(0, ge=0, le=20, description="Longest n-gram of characters; 0: none.")
    buckets: int = Field(1_000_000, ge=1, lt=2**31, description="Number of hash buckets for n-grams. Memory: 4 bytes x dimensions each.")
    min_count: int = Field(3, ge=1, description="Rarer words are no features by themselves.")
    cutoff: int = Field(100_000, ge=256, description="Features that a quantized model (.ftz) keeps.")

    @model_validator(mode="after")
    def _two_labels(self) -> TrainingParameters:
        if self.positive_label == self.negative_label:
            raise ValueError("positive_label and negative_label must differ")
        if self.shortest_characters > self.longest_characters:
            raise ValueError("shortest_characters is above longest_characters")
        return self
