"""One record of a web archive, whatever the form of its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol


@dataclass(slots=True)
class HttpHead:
    """What an archived answer's header says; null where it does not."""

    status: int | None
    content_type: str | None
    charset: str | None
    transfer_encoding: str | None
    content_encoding: str | None


class Headers(Protocol):
    """Header fields, by name in any case."""

    def get(self, name: str) -> str | None: ...


@dataclass
class ArchiveRecord:
    """One record. Fields of its headers are looked up when they are asked for: of most records few are.

    Attributes:
        kind: ``response``, ``resource``, ``conversion``, ``metadata`` … as the record says.
        length: Bytes that its header states.
        body: The answer's body, or the record's block where it is no answer. Null when it is longer than the reader's bound.
        headers: Its own, named as in WARC.
        answer: Status and headers of the archived answer; null where there is none, or it could not be read.
        is_changed: Its block has not the digest that it states.
    """

    kind: str
    length: int
    body: bytes | None
    headers: Headers
    answer: tuple[int | None, Headers] | None = None
    is_changed: bool = False

    @property
    def record_id(self) -> str | None:
        """Its identity without ``<urn:uuid:…>``; null in ARC."""
        value = self.headers.get("WARC-Record-ID")
        return value.strip().strip("<>").removeprefix("urn:uuid:") or None if value else None

    @property
    def url(self) -> str | None:
        """Without the angle brackets of some crawlers."""
        value = self.headers.get("WARC-Target-URI")
        return value.strip().strip("<>") or None if value else None

    @property
    def date(self) -> str | None:
        """ISO 8601, UTC."""
        return self.headers.get("WARC-Date")

    @property
    def content_type(self) -> str | None:
        """Of the block."""
        return self.headers.get("Content-Type")

    @property
    def identified_type(self) -> str | None:
        """What the crawler took the payload for."""
        return self.headers.get("WARC-Identified-Payload-Type")

    @property
    def languages(self) -> str | None:
        """Codes that the crawler identified, separated by commas."""
        return self.headers.get("WARC-Identified-Content-Language")

    @cached_property
    def http(self) -> HttpHead | None:
        if self.answer is None:
            return None
        status, headers = self.answer
        content_type = headers.get("Content-Type")
        return HttpHead(status, *_content_type(content_type), headers.get("Transfer-Encoding"), headers.get("Content-Encoding"))


_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


def _content_type(value: str | None) -> tuple[str | None, str | None]:
    """MIME type in lower case, and charset."""
    if not value:
        return None, None
    charset = _CHARSET.search(value)
    return value.partition(";")[0].strip().lower() or None, charset[1] if charset else None
