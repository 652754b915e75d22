"""arXiv: the source's parameters and what it says about itself. Imports no engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from curation_tasks.parts import Parameters, SourcePart

Strings = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value, json_schema_input_type=str | tuple[str, ...]),
]


class ArxivParameters(Parameters):
    """Sources of papers: a month of arXiv's archives, or packages that are there already."""

    month: str | None = Field(
        None, pattern=r"^\d{4}-\d{2}$", description="Month of the archives, YYYY-MM; the run's snapshot by default. Or give `files`."
    )
    base_url: str = Field("s3://arxiv", description="Where `src/arXiv_src_manifest.xml` and the archives are (s3, http, https, a path).")
    requester_pays: bool = Field(True, description="You pay for transfers out of arXiv's bucket; only S3 asks for it.")
    files: Strings = Field(
        (),
        description="Instead of a month: monthly archives (arXiv_src_*.tar), or packages of one paper (.tar.gz, .gz, .tar, .tex), with * "
        "and **; {snapshot} for the snapshot.",
    )
    max_package_bytes: int = Field(64 * 2**20, ge=2**10, le=2**31, description="Unpacked TeX of one paper; a larger one is rejected.")
    max_package_files: int = Field(5_000, ge=1, description="Files of one paper; one of more is rejected.")
    math: Literal["latex", "drop"] = Field("latex", description="Formulas as TeX between $ signs or as environments, or nothing of them.")
    footnotes: Literal["drop", "keep"] = Field("drop", description="Footnotes: nothing, or in parentheses where they stand.")
    code: Literal["drop", "keep"] = Field("drop", description="Listings of source code.")
    layout: Literal["text", "markdown"] = Field("text", description="markdown: headings begin with #.")

    @model_validator(mode="after")
    def _one_origin(self) -> ArxivParameters:
        if self.month and self.files:
            raise ValueError("give either `month` (to read archives from `base_url`) or `files`")
        return self


ARXIV = SourcePart(
    name="arxiv",
    summary="Papers of arXiv, from their TeX sources",
    parameters=ArxivParameters,
    implementation="curation_tasks.sources.arxiv:read_arxiv",
    units="curation_tasks.sources.arxiv_listing:list_archives",
    snapshots="curation_tasks.sources.arxiv_listing:list_months",
    provides={
        "url": "string",
        "arxiv_id": "string",
        "title": "string",
        "abstract": "string",
        "categories": "list<string>",
        "section_titles": "list<string>",
    },
    rejects=(
        "pdf_only",
        "postscript_only",
        "html_only",
        "unsupported_format",
        "withdrawn",
        "no_main_file",
        "empty_text",
        "too_large",
        "too_many_files",
        "damaged_package",
        "damaged_archive",
        "repeated_id",
    ),
    libraries=("lxml",),
    data_version=2,
    releases_gil=False,
    example={"files": "data/arXiv_src_2503_001.tar", "math": "latex"},
)
