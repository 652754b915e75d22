"""Export: the parts of this room and their parameters. Imports no engine, so that a pipeline can be planned without one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from curation_tasks.parts import ExportPart, Parameters

#: Columns of the project's own machinery, which are written only when asked for by name.
INTERNAL_COLUMNS = ("native_id", "reject_reason", "reject_value", "reject_threshold", "failed_rules", "evidence")


class ExportedColumns(Parameters):
    """Which columns are written."""

    columns: tuple[str, ...] | None = Field(
        None, min_length=1, description="Columns in this order. Default: doc_id, text, url, source, snapshot, then all metadata."
    )
    exclude: tuple[str, ...] = Field((), description="Columns of the default that are left out.")

    @model_validator(mode="after")
    def _one_of_them(self) -> ExportedColumns:
        if self.columns and self.exclude:
            raise ValueError("give `columns` or `exclude`, not both")
        if self.columns and len(set(self.columns)) < len(self.columns):
            raise ValueError("a column stands twice")
        return self

    def chosen(self, names: list[str]) -> list[str]:
        """The columns to write, of those that there are."""
        if self.columns:
            return list(self.columns)
        order = dict.fromkeys(["doc_id", "text", "url", "source", "snapshot", *names])
        return [name for name in order if name in names and name not in INTERNAL_COLUMNS and name not in self.exclude]


class JsonlExportParameters(ExportedColumns):
    """JSON Lines: one object a line, UTF-8 without needless escapes."""

    compression: Literal["none", "gzip", "zstd"] = Field("none", description="Of the whole file.")


class ParquetExportParameters(ExportedColumns):
    """Parquet files."""

    compression: Literal["zstd", "snappy", "gzip", "none"] = Field("zstd", description="Of the pages.")
    row_group_bytes: int = Field(
        64 * 2**20, ge=2**16, le=2**30, description="Text in a row group, about: what a reader holds in memory at once."
    )


class FastTextExportParameters(Parameters):
    """Training files of fastText: a line `__label__NAME text` for each document."""

    label: str | None = Field(None, pattern=r"^\S+$", description="The label of all documents, without `__label__`.")
    label_column: str | None = Field(None, description="The column that holds the label of each document, as `language`.")

    @model_validator(mode="after")
    def _one_of_them(self) -> FastTextExportParameters:
        if (self.label is None) == (self.label_column is None):
            raise ValueError("give `label`, or `label_column`, and not both")
        return self


_JSONL_SUFFIX = {"none": ".jsonl", "gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}

PARTS = (
    ExportPart(
        name="fasttext",
        summary="Training files of fastText: a line `__label__NAME text` for each document",
        parameters=FastTextExportParameters,
        implementation="curation_tasks.export.fasttext:write_fasttext",
        suffix=".txt",
        reads=lambda parameters: ("text", *([parameters.label_column] if parameters.label_column else [])),
        example={"label": "hq"},
    ),
    ExportPart(
        name="jsonl",
        summary="JSON Lines, plain, gzip or zstd",
        parameters=JsonlExportParameters,
        implementation="curation_tasks.export.jsonl:write_jsonl",
        suffix=lambda parameters: _JSONL_SUFFIX[parameters.compression],
        reads=lambda parameters: parameters.columns or ("text",),
        example={"compression": "gzip"},
    ),
    ExportPart(
        name="parquet",
        summary="Parquet files",
        parameters=ParquetExportParameters,
        implementation="curation_tasks.export.parquet:write_parquet",
        suffix=".parquet",
        reads=lambda parameters: parameters.columns or ("text",),
        example={"columns": ["doc_id", "text"]},
    ),
)
