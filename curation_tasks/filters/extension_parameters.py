"""Parameters of ``filters.extension``. Imports no engine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from curation_tasks.parts import FilePath, Judge, OperationPart, Parameters

#: Signal → the side of its bound.
EXTENSION_BOUNDS = {
    "longest_line_length": "max",
    "mean_split_line_length": "max",
    "unicode_alphanumeric_ratio": "min",
    "letter_ratio": "min",
}


class ExtensionParameters(Parameters):
    """Bounds for source code by the extension of the file, from a table as BigCode's."""

    file: FilePath = Field(
        description="A CSV file with a line for each extension: `extension`, perhaps `language` and `include` (1 or 0), and bounds: "
        "`max_line_length`, `avg_line_length`, `alphanum`, `alpha`; or with the columns of BigCode's file, which NeMo Curator reads too. "
        "What is no number bounds nothing."
    )
    extension_column: str = Field("extension", description="The column with the extension (`py`, `.py`) or the path of the file.")
    language_column: str | None = Field(
        None, description="The column with the programming language, where an extension has several lines. Default: its first line counts."
    )
    unlisted: Literal["reject", "keep"] = Field("reject", description="What becomes of extensions that the file does not list.")

    def reasons(self) -> tuple[str, ...]:
        """Why a document may be rejected, in the order in which it is tried."""
        bounds = tuple(f"extension.{signal}.{side}" for signal, side in EXTENSION_BOUNDS.items())
        return (*(("extension.unlisted",) if self.unlisted == "reject" else ()), "extension.excluded", *bounds)

    def columns(self) -> tuple[str, ...]:
        return (self.extension_column, *([self.language_column] if self.language_column else []))


def _measured_by(parameters: ExtensionParameters) -> dict[str, Any]:
    return dict.fromkeys(EXTENSION_BOUNDS)


EXTENSION = OperationPart(
    name="filters.extension",
    summary="Rejects source code by bounds that depend on the extension of its file",
    parameters=ExtensionParameters,
    implementation="curation_tasks.filters.extension:extension",
    reads=lambda parameters: ("text", *parameters.columns()),
    adds={"longest_line_length": "int64", **dict.fromkeys(list(EXTENSION_BOUNDS)[1:], "double")},
    rejects=ExtensionParameters.reasons,
    judge=Judge("curation_tasks.filters.extension:judge", measured_by=_measured_by),
    example={"file": "extensions.csv", "extension_column": "source"},
)
