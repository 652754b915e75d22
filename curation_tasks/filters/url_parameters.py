"""Parameters of ``filters.url``. Imports no engine."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from curation_tasks.parts import FilePath, OperationPart, Parameters


class UrlParameters(Parameters):
    """Lists of what a URL may not be or hold. Files have one entry a line, plain or gzip; `#` begins a remark."""

    column: str = Field("url", description="The column with the URL; a document without one passes.")
    domains: tuple[str, ...] = Field((), description="Blocked domains; what lies below them is blocked too.")
    domains_files: tuple[FilePath, ...] = Field(
        (),
        description="Files of blocked domains, URLs whose host is meant, lines of a hosts file (`0.0.0.0 example.com`), `||example.com^`.",
    )
    urls: tuple[str, ...] = Field((), description="Blocked URLs: scheme, user, default port, fragment and a slash at the end aside.")
    urls_files: tuple[FilePath, ...] = Field((), description="Files of blocked URLs.")
    words: tuple[str, ...] = Field(
        (), description="A URL is rejected that has one of these between characters other than letters and digits."
    )
    words_files: tuple[FilePath, ...] = Field((), description="Files of such words.")
    soft_words: tuple[str, ...] = Field((), description="A URL is rejected that has `min_soft_words` different ones of these.")
    soft_words_files: tuple[FilePath, ...] = Field((), description="Files of such words.")
    min_soft_words: int = Field(2, ge=1, le=64, description="How many soft words are too many (RefinedWeb: 2).")
    substrings: tuple[str, ...] = Field(
        (), description="A URL is rejected that holds one of these once all but its letters and digits is taken out, as `porn`."
    )
    substrings_files: tuple[FilePath, ...] = Field((), description="Files of such strings.")

    @field_validator("words", "soft_words", "substrings")
    @classmethod
    def _letters_and_digits(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if not (entry.isascii() and entry.isalnum()):
                raise ValueError(f"{entry!r} is never found: in URLs words are looked for as letters a to z and digits")
        return entries

    @model_validator(mode="after")
    def _something(self) -> UrlParameters:
        if not self.reasons():
            raise ValueError("there is nothing to look for: give domains, urls, words, soft_words or substrings, or files of them")
        return self

    def reasons(self) -> list[str]:
        """Why a document may be rejected, in the order in which it is tried."""
        kinds = {
            "domains": "url.domain",
            "urls": "url.address",
            "words": "url.word",
            "soft_words": "url.soft_words.max",
            "substrings": "url.substring",
        }
        return [reason for kind, reason in kinds.items() if getattr(self, kind) or getattr(self, f"{kind}_files")]


URL = OperationPart(
    name="filters.url",
    summary="Rejects documents by lists of domains, URLs and words of URLs",
    parameters=UrlParameters,
    implementation="curation_tasks.filters.url:url",
    reads=lambda parameters: (parameters.column,),
    rejects=lambda parameters: parameters.reasons(),
    libraries=("pyarrow",),
    example={"column": "text", "domains": ["example.org"], "words": ["ending"], "soft_words": ["mia", "dog"], "substrings": ["quick"]},
)
