"""Parameters of ``filters.fasttext_quality``. Imports no engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from curation_tasks.parts import FilePath, OperationPart, Parameters

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


FASTTEXT_QUALITY = OperationPart(
    name="filters.fasttext_quality",
    summary="Scores documents with a fastText classifier; keeps those above a bound, or the better the likelier",
    parameters=FastTextQualityParameters,
    implementation="curation_tasks.filters.fasttext_quality:fasttext_quality",
    reads=lambda parameters: ("doc_id", "text") if parameters.keep == "pareto" else ("text",),
    adds=lambda parameters: {parameters.column: "double"},
    rejects=FastTextQualityParameters.reasons,
    thresholds=FastTextQualityParameters.bounds,
    libraries=lambda parameters: ("fasttext",) if parameters.engine == "fasttext" else (),
    example={"model": "models/quality.bin", "label": "hq", "keep": "pareto"},
)
