"""Web archives: the sources ``common_crawl`` and ``warc``, and their parameters. Imports no engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from curation_tasks.parts import Parameters, SourcePart
from curation_tasks.sources.extraction.pages import METADATA_COLUMNS
from curation_tasks.sources.file_parameters import FileParameters

#: Why a page that was read is no document; ``reject_value`` is the measured number.
PAGE_REASONS = (
    "page_too_large", "page_too_deep", "page_too_many_elements", "page_too_many_attributes", "parser_timeout", "parser_memory",
    "parser_crashed", "undecodable", "damaged_body", "empty_text", "record_too_large", "repeated_id", "damaged_record",
    "truncated_record", "digest_mismatch",
)  # fmt: skip


class ExtractionParameters(Parameters):
    """How the text of a page is found."""

    engine: Literal["resiliparse", "trafilatura", "justext"] = Field(
        "resiliparse",
        description="resiliparse: fastest. trafilatura: best text, about a tenth of the speed. justext: stop words, one list a page.",
    )
    content: Literal["main", "whole"] = Field("main", description="main: without navigation and the like. whole: all text of the page.")
    form: Literal["text", "markdown"] = Field("text", description="markdown: headings, lists and emphasis; trafilatura only.")
    comments: bool = Field(False, description="Keep what readers wrote below a page (resiliparse, trafilatura).")
    links: bool = Field(False, description="Keep the addresses of links in the text (resiliparse, trafilatura).")
    favor: Literal["balanced", "precision", "recall"] = Field("balanced", description="trafilatura only: less text, or less missing text.")
    fast: bool = Field(False, description="trafilatura only: without its fall-back extractors.")

    @model_validator(mode="after")
    def _engine_can(self) -> ExtractionParameters:
        if self.engine != "trafilatura" and (self.form != "text" or self.favor != "balanced" or self.fast):
            raise ValueError(f"`form: markdown`, `favor` and `fast` are trafilatura's; the engine is {self.engine}")
        if self.engine == "justext" and (self.comments or self.links):
            raise ValueError("justext knows neither comments nor links; use resiliparse or trafilatura")
        if self.content == "whole" and (self.form != "text" or self.favor != "balanced"):
            raise ValueError("`content: whole` is plain text without a choice; leave `form` and `favor` out")
        return self


class PageLimits(Parameters):
    """What a page may cost. Real pages stay far below; a page beyond is rejected with the measured number."""

    page_bytes: int = Field(5 * 2**20, ge=1024, le=2**28, description="Of the page, after it was decompressed.")
    depth: int = Field(2000, ge=10, description="Elements open at once. Extraction takes time quadratic in it.")
    elements: int = Field(100_000, ge=100, description="Start tags.")
    attributes: int = Field(1000, ge=10, description="Of one element.")
    seconds: float = Field(30.0, gt=0, description="CPU time of the parser for one page; it is killed, and hangs too after ten times that.")
    memory_bytes: int = Field(2 * 2**30, ge=2**28, description="Memory of the parser; it is killed beyond.")


class ArchiveParameters(Parameters):
    """How records of an archive become documents."""

    statuses: tuple[int, ...] = Field((200,), description="HTTP statuses of pages that are wanted.")
    content_types: tuple[str, ...] = Field(
        ("text/html", "application/xhtml+xml"),
        min_length=1,
        description="MIME types that are wanted, as the payload's identified type or else the server says. text/plain is taken as it is.",
    )
    languages: tuple[str, ...] = Field(
        (),
        description="Keep only pages that claim one of these (`en` in pages, `eng` in WET files) or claim none. A cheap first cut: "
        "the claim is the page's or the crawler's; identify the language of the text in a later stage. Empty: all.",
    )
    extraction: ExtractionParameters = Field(default_factory=ExtractionParameters, description="How the text of a page is found.")
    limits: PageLimits = Field(default_factory=PageLimits, description="What a page may cost.")
    digests: Literal["reject", "count", "ignore"] = Field(
        "reject",
        description="reject: a record whose block has not the digest that it states is no document. count: it is, and counted. "
        "ignore: not looked at. Less than a hundredth of the time.",
    )
    record_bytes: int = Field(
        64 * 2**20, ge=1024, le=2**31, description="A longer record is passed over as record_too_large and never held in memory."
    )

    @field_validator("content_types", "languages")
    @classmethod
    def _lower(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value.strip().lower() for value in values)


class WarcParameters(FileParameters, ArchiveParameters):
    """WARC, WET, WAT and ARC files; plain, gzip or lz4."""

    keep_raw: bool = Field(False, description="Keep remote files in the cache folder (CURATE_CACHE) for the next run.")


class CommonCrawlParameters(ArchiveParameters):
    """Common Crawl: the snapshot is a crawl's id, `CC-MAIN-2025-33`, or a month of news, `CC-NEWS-2025-08`."""

    base_url: str = Field(
        "https://data.commoncrawl.org",
        description="Where `crawl-data/` lies: https, `s3://commoncrawl` (with credentials; fastest within us-east-1), or a folder.",
    )
    kind: Literal["warc", "wet", "wat"] = Field(
        "warc", description="warc: pages; wet: the crawler's own plain text; wat: metadata as JSON."
    )
    collection: Literal["main", "news"] = Field(
        "main", description="What discovery lists, for schedules and backfills: the crawls, or the months of CC-NEWS that are over."
    )
    max_files: int | None = Field(None, ge=1, description="At most so many files of the snapshot; None: all (a crawl has 100,000).")
    sample_seed: int | None = Field(
        None, description="With max_files: a sample of the files that depends on their names and this number alone. None: the first ones."
    )
    subset: str | None = Field(None, description="Only files whose path has this in it, `crawldiagnostics` or a segment for example.")
    collinfo_url: str | None = Field(
        None,
        description="The list of crawls. Default: that of the public index for the public addresses, else `collinfo.json` below base_url.",
    )
    keep_raw: bool = Field(False, description="Keep the files in the cache folder (CURATE_CACHE) for the next run.")

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")


def archive_columns(parameters: ArchiveParameters) -> dict[str, str]:
    """Columns of a document from an archive."""
    return {
        "url": "string",
        "crawled": "timestamp[us]",
        "content_type": "string",
        "encoding": "string",
        **METADATA_COLUMNS,
    }


def engine_libraries(parameters: Any) -> Sequence[str]:
    """Libraries whose version decides the text."""
    engine = {"resiliparse": ("resiliparse",), "trafilatura": ("trafilatura", "lxml"), "justext": ("justext", "lxml")}
    return ("fastwarc", "resiliparse", *engine[parameters.extraction.engine])


PARTS = (
    SourcePart(
        name="common_crawl",
        summary="Common Crawl, from a crawl's id to its pages",
        parameters=CommonCrawlParameters,
        implementation="curation_tasks.sources.archive_documents:read_archive",
        units="curation_tasks.sources.common_crawl:list_files",
        snapshots="curation_tasks.sources.common_crawl:list_snapshots",
        provides=archive_columns,
        rejects=PAGE_REASONS,
        libraries=engine_libraries,
        data_version=3,
        releases_gil=False,  # the engines have processes of their own; what feeds them has not
        example={"max_files": 2, "sample_seed": 1},
    ),
    SourcePart(
        name="warc",
        summary="WARC, WET, WAT and ARC files; plain, gzip or lz4",
        parameters=WarcParameters,
        implementation="curation_tasks.sources.archive_documents:read_archive",
        units="curation_tasks.sources.files:list_files",
        provides=archive_columns,
        rejects=PAGE_REASONS,
        libraries=engine_libraries,
        data_version=3,
        releases_gil=False,
        example={"files": "data/*.warc.gz"},
    ),
)
