"""Wikipedia: the source's parameters and what it says about itself. Imports no engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from curation_tasks.parts import Parameters, SourcePart

Strings = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value, json_schema_input_type=str | tuple[str, ...]),
]


class WikipediaParameters(Parameters):
    """Dumps of Wikimedia's wikis: by language and date from an origin or a mirror, or files that are there already."""

    languages: Strings = Field((), description="Codes of the wikis, as `en` or [`de`, `zh-min-nan`, `simple`].")
    project: str = Field(
        "wiki",
        pattern=r"^[a-z]+$",
        description="wiki, wikibooks, wikinews, wikiquote, wikisource, wikiversity, wikivoyage, wiktionary.",
    )
    date: str | None = Field(
        None, pattern=r"^\d{8}$", description="Day of the dump, YYYYMMDD; the run's snapshot by default. Dumps are kept for some months."
    )
    base_url: str = Field(
        "https://dumps.wikimedia.org", description="The origin, or a mirror with the same folders (http, https, s3, a path)."
    )
    dump: Literal["multistream", "plain"] = Field(
        "multistream",
        description="multistream: cut into ranges by its index, so that one file is read in parallel. plain: a unit is a file.",
    )
    files: Strings = Field(
        (),
        description="Instead of `languages`: paths or URIs of dump files (.xml, .bz2, .gz, .zst), with * and **; {snapshot} for the "
        "snapshot. An index beside a multistream file is used.",
    )
    unit_bytes: int = Field(32 * 2**20, ge=1, description="Compressed bytes of a unit of a multistream file; bounds a reader's memory.")
    namespaces: tuple[int, ...] = Field((0,), description="Namespaces that are kept; 0 holds the articles.")
    tables: Literal["drop", "text"] = Field("drop", description="Tables: nothing, or their cells, one a line.")
    math: Literal["drop", "latex"] = Field("drop", description="Formulas: nothing, or LaTeX between $ signs.")
    captions: Literal["drop", "keep"] = Field("drop", description="Captions of images, each a line of its own.")
    code: Literal["drop", "keep"] = Field("drop", description="Blocks of source code.")
    layout: Literal["text", "markdown"] = Field("text", description="markdown: headings with #, items of lists with - or 1.")
    drop_sections: tuple[str, ...] = Field((), description="Headings of sections to leave out, as `References`; in the wiki's language.")
    templates: Mapping[str, Strings] = Field(
        default_factory=dict,
        description="Further templates that carry words: name → text with {1}, {-1}, {*}, {name|prefix}, or a list of such by the "
        "number of arguments. An empty list drops a template.",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> WikipediaParameters:
        if bool(self.languages) == bool(self.files):
            raise ValueError("give either `languages` (to read dumps from `base_url`) or `files`")
        return self

    @field_validator("languages")
    @classmethod
    def _are_codes(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for language in languages:
            if not re.fullmatch(r"[a-z]+([_-][a-z]+)*", language):
                raise ValueError(f"{language!r} is no code of a wiki; give it as in the wiki's address, as `en` or `zh-min-nan`")
        return languages

    def wikis(self) -> list[str]:
        """The names of the wikis' databases: a hyphen of the code is an underscore in them."""
        return [language.replace("-", "_") + self.project for language in self.languages]


WIKIPEDIA = SourcePart(
    name="wikipedia",
    summary="Articles of Wikipedia and its sister projects, from dumps",
    parameters=WikipediaParameters,
    implementation="curation_tasks.sources.wikipedia:read_wikipedia",
    units="curation_tasks.sources.wikipedia_dumps:list_dumps",
    snapshots="curation_tasks.sources.wikipedia_dumps:list_dates",
    provides={
        "url": "string",
        "title": "string",
        "wiki": "string",
        "page_id": "int64",
        "revision_id": "int64",
        "revision_time": "timestamp[us]",
        "categories": "list<string>",
        "section_titles": "list<string>",
        "section_levels": "list<int64>",
    },
    rejects=(
        "other_namespace",
        "redirect",
        "not_wikitext",
        "missing_text",
        "empty_text",
        "repeated_id",
        "damaged_stream",
        "malformed_xml",
    ),
    libraries=("lxml",),
    data_version=2,
    releases_gil=False,
    example={"files": "data/enwiki-20250801-pages-articles-multistream.xml.bz2", "math": "latex", "drop_sections": ["References"]},
)
