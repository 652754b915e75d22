"""Sources: the parts of this room and their parameters. Imports no engine, so that a pipeline can be planned without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from curation_tasks.errors import did_you_mean
from curation_tasks.parts import Parameters, SourcePart
from curation_tasks.schema import COLUMN_TYPES, DOCUMENT_COLUMNS, LEDGER_COLUMNS, REJECTION_COLUMNS
from curation_tasks.sources.arxiv_part import ARXIV
from curation_tasks.sources.builder import source_from_builder
from curation_tasks.sources.download import Download, UrlDownloader
from curation_tasks.sources.file_parameters import FileParameters, Patterns
from curation_tasks.sources.web import PARTS as WEB_PARTS
from curation_tasks.sources.wikipedia_part import WIKIPEDIA

_JSON_TYPES = ("string", "bool", "int64", "double", "list<string>", "list<int64>", "list<double>")
_PARQUET_TYPES = (*_JSON_TYPES, "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float", "date32", "timestamp[us]")
_TAKEN = {*DOCUMENT_COLUMNS, *REJECTION_COLUMNS, *LEDGER_COLUMNS, "url", "native_id"}


class KeptColumn(Parameters):
    """A further column of the file that documents keep as metadata. ``name: string`` is short for ``name: {type: string}``."""

    type: str = Field(description="Its type in the documents.")
    column: str | None = Field(None, description="Its name in the file, where that differs from its name in the documents.")


KeptColumns = Mapping[
    str,
    Annotated[
        KeptColumn,
        BeforeValidator(lambda value: {"type": value} if isinstance(value, str) else value, json_schema_input_type=str | KeptColumn),
    ],
]


class ColumnMapping(Parameters):
    """Which columns of the file become what.

    Example:
        columns: {text: content, id: uid, url: link, keep: {lang: string, score: double, origin: {type: string, column: source}}}
    """

    text: str = Field("text", description="Column of the text.")
    id: str | None = Field(
        None, description="Column of the record's own identity (a string or an integer); without it, file and position are the identity."
    )
    url: str | None = Field(None, description="Column of the address; documents have a url only when this is set.")
    keep: KeptColumns = Field(default_factory=dict, description="Further columns, name in the documents → type.")

    @field_validator("keep")
    @classmethod
    def _names_are_free(cls, keep: Mapping[str, KeptColumn]) -> Mapping[str, KeptColumn]:
        for name in keep:
            if name in _TAKEN:
                raise ValueError(
                    f"{name!r} is a column of the project's own; keep it by another name: `my_{name}: {{type: …, column: {name}}}`"
                )
        return keep

    def kept(self) -> dict[str, tuple[str, str]]:
        """Name in the documents → (name in the file, type)."""
        return {name: (kept.column or name, kept.type) for name, kept in self.keep.items()}

    def names(self) -> list[str]:
        """The columns of the file that are read, each once."""
        return list(dict.fromkeys(name for name in (self.text, self.id, self.url, *(c for c, _ in self.kept().values())) if name))


def _check_types(columns: ColumnMapping, known: tuple[str, ...]) -> ColumnMapping:
    types = {columns.text: ("string",), columns.url: ("string",), columns.id: ("string", "int64")}
    for name, (source, kind) in columns.kept().items():
        if kind not in known:
            raise ValueError(f"column {name!r} has unknown type {kind!r}; {did_you_mean(kind, known)}")
        if kind not in types.setdefault(source, (kind,)):
            raise ValueError(f"column {source!r} of the file is read as {' or '.join(types[source])} already, so not as {kind}")
        types[source] = (kind,)
    return columns


class JsonlParameters(FileParameters):
    """JSON Lines: one object a line, plain or compressed."""

    columns: ColumnMapping = Field(default_factory=ColumnMapping, description="Which fields become what.")
    compression: Literal["auto", "none", "gzip", "zstd"] = Field("auto", description="auto: by the file name (.gz, .zst).")
    max_record_bytes: int = Field(
        128 * 2**20, ge=1024, le=2**30, description="A longer line is rejected as record_too_long; bounds the memory of a reader."
    )

    @field_validator("columns")
    @classmethod
    def _known_types(cls, columns: ColumnMapping) -> ColumnMapping:
        return _check_types(columns, _JSON_TYPES)


class ParquetParameters(FileParameters):
    """Parquet files."""

    columns: ColumnMapping = Field(default_factory=ColumnMapping, description="Which columns become what.")

    @field_validator("columns")
    @classmethod
    def _known_types(cls, columns: ColumnMapping) -> ColumnMapping:
        return _check_types(columns, _PARQUET_TYPES)


def _mapped_columns(parameters: JsonlParameters | ParquetParameters) -> dict[str, str]:
    url = {"url": "string"} if parameters.columns.url else {}
    return url | {name: kind for name, (_, kind) in parameters.columns.kept().items()}


class TinyStoriesParameters(Parameters):
    """The TinyStories text files: stories parted by a line ``<|endoftext|>``."""

    url: Patterns = Field(
        ("https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main/TinyStories-valid.txt",),
        min_length=1,
        description="Address of the file, or several; a local path is read in place.",
    )
    bytes: int | None = Field(None, ge=0, description="Expected size, for a single url.")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Expected hash, for a single url; with it no server is asked when the file is there."
    )
    join_lines: bool = Field(True, description="Lines are stripped and joined with one space; otherwise line breaks stay.")

    @model_validator(mode="after")
    def _one_file(self) -> TinyStoriesParameters:
        if len(self.url) > 1 and (self.bytes is not None or self.sha256 is not None):
            raise ValueError("bytes and sha256 describe one file; give a single url, or leave them out")
        return self


def _tinystories_downloads(parameters: TinyStoriesParameters, snapshot: str) -> list[Download]:
    digest = f"sha256:{parameters.sha256}" if parameters.sha256 else None
    return [Download(url.replace("{snapshot}", snapshot), parameters.bytes, digest) for url in parameters.url]


class PublishedParameters(Parameters):
    """What another pipeline has published in the same storage root."""

    pipeline: str = Field(description="Its name.")
    dataset: str | None = Field(
        None, description="Stage whose dataset is read; default: the first by name. Of an export, what it wrote out."
    )
    snapshot: str = Field("same", description="`same` as this run's, `latest` published, or an id.")
    columns: Mapping[str, str] = Field(
        default_factory=dict, description="Columns to read besides those that every document has: name → type, as `language: string`."
    )

    @field_validator("columns")
    @classmethod
    def _known_types(cls, columns: Mapping[str, str]) -> Mapping[str, str]:
        for name, kind in columns.items():
            if kind not in COLUMN_TYPES:
                raise ValueError(f"column {name!r} has unknown type {kind!r}; {did_you_mean(kind, COLUMN_TYPES)}")
        return columns


class PlantedShares(Parameters):
    """Share of the stories that have a known flaw; the number is the share times the stories, rounded half up."""

    exact_duplicate: float = Field(0.04, ge=0, le=1, description="The text of an earlier story, of any unit.")
    mojibake: float = Field(0.03, ge=0, le=1, description="UTF-8 that was read as Windows-1252.")
    curly_quotes: float = Field(0.05, ge=0, le=1, description="Typographic quotation marks and apostrophes.")
    unfinished: float = Field(0.03, ge=0, le=1, description="Ends within a sentence.")
    too_short: float = Field(0.03, ge=0, le=1, description="Fewer than 80 words.")
    repetitive_2_grams: float = Field(0.01, ge=0, le=1, description="A phrase of 2 words is more than 20 % of the characters.")
    repetitive_3_grams: float = Field(0.01, ge=0, le=1, description="The same for 3 words and 18 %, with the 2-grams below their bound.")
    repetitive_4_grams: float = Field(0.01, ge=0, le=1, description="The same for 4 words and 16 %, with 2- and 3-grams below theirs.")
    email: float = Field(0.01, ge=0, le=1, description="Has one e-mail address.")
    phone: float = Field(0.01, ge=0, le=1, description="Has one phone number.")
    url: float = Field(0.01, ge=0, le=1, description="Has one web address.")
    empty: float = Field(0.005, ge=0, le=1, description="Has no text at all; rejected by the source.")


class StoryGeneratorParameters(Parameters):
    """Stories made up by code: no download, and what is wrong with them is known."""

    stories: int = Field(20_000, ge=1, description="Number of stories, flawed ones included.")
    units: int = Field(4, ge=1, description="Number of units into which they are cut.")
    seed: int = Field(0, ge=0, lt=2**63, description="Other seed, other stories.")
    planted: PlantedShares = Field(default_factory=PlantedShares, description="How many have which flaw.")

    @model_validator(mode="after")
    def _room_for_plain_stories(self) -> StoryGeneratorParameters:
        if self.units > self.stories:
            raise ValueError("units must not be more than stories")
        if sum(planted_counts(self).values()) > self.stories or planted_counts(self)["plain"] < 1:
            raise ValueError("the planted shares leave no plain story")
        return self


def planted_counts(parameters: StoryGeneratorParameters) -> dict[str, int]:
    """How many stories have which value in the column ``planted``, with ``plain`` for those without a flaw."""
    shares = parameters.planted.model_dump()
    counts = {kind: int(share * parameters.stories + 0.5) for kind, share in shares.items()}
    return counts | {"plain": parameters.stories - sum(counts.values())}


PARTS = (
    SourcePart(
        name="jsonl",
        summary="JSON Lines files, plain, gzip or zstd",
        parameters=JsonlParameters,
        implementation="curation_tasks.sources.jsonl:read_jsonl",
        units="curation_tasks.sources.files:list_files",
        provides=_mapped_columns,
        rejects=(
            "malformed_json",
            "not_an_object",
            "missing_text",
            "text_not_a_string",
            "invalid_utf8",
            "record_too_long",
            "repeated_id",
        ),
        example={"files": "data/*.jsonl.gz", "columns": {"text": "content", "id": "uid", "keep": {"lang": "string"}}},
    ),
    SourcePart(
        name="parquet",
        summary="Parquet files",
        parameters=ParquetParameters,
        implementation="curation_tasks.sources.parquet:read_parquet",
        units="curation_tasks.sources.files:list_files",
        provides=_mapped_columns,
        rejects=("missing_text", "invalid_utf8", "repeated_id"),
        example={"files": "data/*.parquet", "columns": {"text": "content", "id": "uid", "keep": {"lang": "string"}}},
    ),
    SourcePart(
        name="published",
        summary="A published dataset of another pipeline",
        parameters=PublishedParameters,
        implementation="curation_tasks.sources.published:read_published",
        units="curation_tasks.sources.published:list_shards",
        snapshots="curation_tasks.sources.published:published_partitions",
        reads_root=True,
        provides=lambda parameters: parameters.columns,
        example={"pipeline": "wikipedia", "snapshot": "latest"},
    ),
    source_from_builder(
        name="tinystories",
        summary="The TinyStories text files, downloaded or local",
        parameters=TinyStoriesParameters,
        downloader=UrlDownloader(_tinystories_downloads),
        iterator="curation_tasks.sources.tinystories:iterate_stories",
        rejects=("empty_story", "invalid_utf8"),
        example={"url": "data/TinyStories-valid.txt"},
    ),
    SourcePart(
        name="story_generator",
        summary="Children's stories made up by code, with planted flaws of known number",
        parameters=StoryGeneratorParameters,
        implementation="curation_tasks.sources.story_generator:generate_stories",
        units="curation_tasks.sources.story_generator:list_units",
        provides={"planted": "string"},
        rejects=("empty_story",),
        example={"stories": 1000, "units": 2},
    ),
    *WEB_PARTS,
    WIKIPEDIA,
    ARXIV,
)
