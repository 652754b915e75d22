"""Parameters of ``filters.character_histogram``. Imports no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from curation_tasks.parts import FilePath, Judge, OperationPart, Parameters


class CharacterHistogramParameters(Parameters):
    """Files of characters, as `curate character-histogram` writes them: one a line, then perhaps a tab and its count."""

    histogram: FilePath | None = Field(None, description="The characters of all documents' language.")
    histograms: Mapping[str, FilePath] = Field(
        {}, description="Language → its characters, as `{en: en.txt}`, also for `eng` and `eng_Latn`; other languages are not judged."
    )
    language_column: str = Field("language", description="With `histograms`: the column that names the language.")
    min_ratio: float | None = Field(
        0.8, ge=0, le=1, description="Smallest share of characters among those of the histogram, white space aside; null: reject nothing."
    )
    column: str = Field("character_histogram_ratio", pattern=r"^[a-z][a-z0-9_]*$", description="Name of the column.")

    @field_validator("histograms")
    @classmethod
    def _sorted(cls, histograms: Mapping[str, str]) -> Mapping[str, str]:
        return dict(sorted(histograms.items()))

    @model_validator(mode="after")
    def _one_way(self) -> CharacterHistogramParameters:
        if (self.histogram is None) == (not self.histograms):
            raise ValueError("give either histogram, or histograms by language")
        return self

    def reads(self) -> tuple[str, ...]:
        return ("text", self.language_column) if self.histograms else ("text",)

    def bounds(self) -> dict[str, tuple[str, float]]:
        return {} if self.min_ratio is None else {f"{self.column}.min": (self.column, self.min_ratio)}


def _measured_by(parameters: CharacterHistogramParameters) -> dict[str, Any]:
    return {parameters.column: parameters.model_dump(mode="json", exclude={"min_ratio"})}


CHARACTER_HISTOGRAM = OperationPart(
    name="filters.character_histogram",
    summary="Rejects documents with too many characters that their language does not use",
    parameters=CharacterHistogramParameters,
    implementation="curation_tasks.filters.character_histogram:character_histogram",
    reads=CharacterHistogramParameters.reads,
    adds=lambda parameters: {parameters.column: "double"},
    rejects=lambda parameters: tuple(parameters.bounds()),
    thresholds=CharacterHistogramParameters.bounds,
    judge=Judge("curation_tasks.filters.character_histogram:judge", measured_by=_measured_by),
    libraries=lambda parameters: ("babel",) if parameters.histograms else (),
    example={"histogram": "histograms/en.txt"},
)
