"""Digests that records state: every way they are written, and what becomes of a record that has not its own."""

import base64
import hashlib
import io
from pathlib import Path

import pytest
from made_archives import ArchiveMaker, accounted, documents_of, page

from curation_tasks.sources.archive_digests import matches
from curation_tasks.sources.archives import ArchiveReader
from curation_tasks.sources.web import WarcParameters

BLOCK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page(1)
BODY = page(1)


def stated(algorithm: str, form: str, data: bytes) -> str:
    value = hashlib.new(algorithm, data).digest()
    written = {
        "base32": base64.b32encode(value).decode(),
        "bare base32": base64.b32encode(value).decode().rstrip("="),
        "lower base32": base64.b32encode(value).decode().lower(),
        "hex": value.hex(),
        "upper hex": value.hex().upper(),
        "base64": base64.b64encode(value).decode(),
        "urlsafe base64": base64.urlsafe_b64encode(value).decode(),
    }
    return f"{algorithm}:{written[form]}"


FORMS = ("base32", "bare base32", "lower base32", "hex", "upper hex", "base64", "urlsafe base64")
ALGORITHMS = ("md5", "sha1", "sha256", "sha512")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_way_to_write_a_digest(algorithm: str, form: str):
    assert matches(stated(algorithm, form, BLOCK), BLOCK) is True
    assert matches(stated(algorithm, form, BLOCK), BLOCK + b"x") is False
    assert matches(stated(algorithm, form, BLOCK).replace(algorithm, algorithm.upper()), BLOCK) is True


@pytest.mark.parametrize("text", ["", "sha1", "sha1:", "sha1:AAAA", "xxh3:00", "sha1:ä", "sha1:" + "!" * 32])
def test_what_is_no_digest_says_nothing(text: str):
    assert matches(text, BLOCK) is None


def record(digests: str, block: bytes = BLOCK) -> bytes:
    head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Target-URI: http://a/\r\n" + digests
    return f"{head}Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("digests", "found"),
    [
        *((f"WARC-Block-Digest: {stated(algorithm, form, BLOCK)}\r\n", "verified") for algorithm in ALGORITHMS[:3] for form in FORMS),
        (f"WARC-Block-Digest: {stated('sha1', 'base32', BODY)}\r\n", "mismatched"),
        (f"WARC-Block-Digest: {stated('sha1', 'base64', BODY)}\r\n", "mismatched"),
        ("WARC-Block-Digest: crc32:00000000\r\n", "unknown"),
        ("", "absent"),
        (f"WARC-Payload-Digest: {stated('sha1', 'base32', BODY)}\r\n", "payload_verified"),
        (f"WARC-Payload-Digest: {stated('sha1', 'base32', BLOCK)}\r\n", "payload_mismatched"),
    ],
)
@pytest.mark.parametrize("copies", [1, 3])
def test_what_the_reader_finds(digests: str, found: str, copies: int):
    """By both ways of reading: the last record is read by the careful one."""
    reader = ArchiveReader(io.BytesIO(record(digests) * copies), "test", frozenset({"response"}), verify=True)
    records = list(reader)
    assert dict(reader.digests) == {found: copies}
    assert [(item.body, item.http.status, item.is_changed) for item in records] == [(BODY, 200, found == "mismatched")] * copies


@pytest.mark.parametrize("kept", ["reject", "count", "ignore"])
def test_a_changed_page_is_no_document_unless_told(kept: str, tmp_path: Path):
    maker = ArchiveMaker(gzip=False).info().fetched("http://a/", page(1)).fetched("http://b/", page(2))
    content = maker.bytes().replace(b"Page 1</title>", b"Page X</title>")
    (tmp_path / "changed.warc").write_bytes(content)
    rows, counters = documents_of(str(tmp_path / "changed.warc"), WarcParameters(files="x", digests=kept))
    assert [row["reject_reason"] for row in rows] == ["digest_mismatch" if kept == "reject" else None, None]
    assert accounted(rows, counters)
    found = {name: count for name, count in counters.items() if name.startswith("digests.")}
    assert found == ({} if kept == "ignore" else {"digests.verified": 1, "digests.mismatched": 1})
