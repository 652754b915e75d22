"""Bodies of answers: chunks, compression, labels that lie, damage and bombs."""

import gzip
import io
import random
import zlib

import pytest
from fastwarc.stream_io import BrotliWriter, ZstdWriter
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.sources.http_body import BodyTooLargeError, DamagedBodyError, page_of

PAGE = b"<html><p>A page of some length.</p>" + random.Random(7).randbytes(3000).hex().encode() + b"</html>"
LIMIT = 100_000


def chunked(body: bytes, size: int = 700, extension: bytes = b"") -> bytes:
    pieces = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n\r\n"


def written(writer: type, body: bytes) -> bytes:
    class Kept(io.BytesIO):
        def close(self) -> None:
            """The writer closes what it writes to."""

    output = Kept()
    stream = writer(output)
    stream.write(body)
    stream.close()
    return output.getvalue()


RAW_DEFLATE = zlib.compress(PAGE)[2:-4]


@pytest.mark.parametrize(
    ("body", "transfer", "content"),
    [
        (PAGE, None, None),
        (PAGE, None, "identity"),
        (chunked(PAGE), "chunked", None),
        (chunked(PAGE, extension=b";a=b"), "Chunked", None),
        (gzip.compress(PAGE), None, "gzip"),
        (gzip.compress(PAGE), None, "x-gzip"),
        (gzip.compress(PAGE[:1000]) + gzip.compress(PAGE[1000:]), None, "gzip"),
        (gzip.compress(PAGE) + b"\0\0\0", None, "gzip"),
        (gzip.compress(PAGE), None, None),
        (gzip.compress(PAGE), None, "br"),
        (chunked(gzip.compress(PAGE)), "chunked", "gzip"),
        (zlib.compress(PAGE), None, "deflate"),
        (RAW_DEFLATE, None, "deflate"),
        (written(BrotliWriter, PAGE), None, "br"),
        (written(ZstdWriter, PAGE), None, "zstd"),
        (PAGE, "chunked", None),
        (PAGE, None, "gzip"),
        (PAGE, None, "br"),
        (PAGE, None, "zstd"),
        (PAGE, None, "utf-8"),
        (PAGE, "chunked", "gzip, br"),
    ],
)
def test_whatever_the_labels_say_it_is_the_page(body: bytes, transfer: str | None, content: str | None):
    assert page_of(body, transfer, content, LIMIT) == PAGE


def test_what_came_before_a_break_is_the_page():
    for body, transfer, content in [
        (chunked(PAGE)[:2000], "chunked", None),
        (chunked(PAGE).replace(b"2bc\r\n", b"zz\r\n", 3).replace(b"zz\r\n", b"2bc\r\n", 2), "chunked", None),
        (gzip.compress(PAGE)[:1500], None, "gzip"),
        (gzip.compress(PAGE)[:1500] + b"\xff" * 100, None, "gzip"),
        (zlib.compress(PAGE)[:1500], None, "deflate"),
    ]:
        page = page_of(body, transfer, content, LIMIT)
        assert len(page) > 500
        assert PAGE.startswith(page[:500])


@pytest.mark.parametrize(("body", "content"), [(b"\x1f\x8b" + b"\xff" * 50, "gzip"), (b"\x1f\x8b\x08\0", "gzip")])
def test_compression_of_which_nothing_can_be_had(body: bytes, content: str):
    with pytest.raises(DamagedBodyError):
        page_of(body, None, content, LIMIT)


@pytest.mark.parametrize("form", ["plain", "gzip", "gzip twice over", "deflate", "br", "zstd", "chunks"])
def test_a_bomb_is_stopped_at_the_bound(form: str):
    zeros = b"\0" * 50_000_000
    bombs = {
        "plain": (zeros[: LIMIT + 1], None, None), "gzip": (gzip.compress(zeros), None, "gzip"),
        "gzip twice over": (gzip.compress(zeros[:60_000]) * 2, None, "gzip"), "deflate": (zlib.compress(zeros), None, "deflate"),
        "br": (written(BrotliWriter, zeros), None, "br"), "zstd": (written(ZstdWriter, zeros), None, "zstd"),
        "chunks": (b"1\r\na\r\n" * 300_000, "chunked", None),
    }  # fmt: skip
    with pytest.raises(BodyTooLargeError) as caught:
        page_of(*bombs[form], LIMIT)
    assert LIMIT < caught.value.bytes < 10 * LIMIT


def test_a_body_of_countless_empty_members_takes_no_time_and_its_first_ones_are_the_page():
    """Twelve million bytes: feeding all that follows to each member would copy terabytes."""
    assert page_of(gzip.compress(PAGE) + gzip.compress(b"") * 600_000, None, "gzip", LIMIT) == PAGE
    with pytest.raises(DamagedBodyError):
        page_of(gzip.compress(b"") * 600_000, None, "gzip", LIMIT)


def test_members_larger_than_what_is_fed_at_a_time():
    noise = random.Random(8).randbytes(40_000)
    assert page_of(gzip.compress(noise) + gzip.compress(noise[::-1]) + b"\0" * 9, None, "gzip", LIMIT) == noise + noise[::-1]
    damaged = bytearray(gzip.compress(noise))
    damaged[30_000:30_020] = bytes(20)
    broken = page_of(bytes(damaged) + gzip.compress(noise), None, "gzip", LIMIT)
    assert noise.startswith(broken[:29_000])


@given(st.binary(max_size=400), st.sampled_from([None, "chunked"]), st.sampled_from([None, "gzip", "deflate", "br", "zstd"]))
def test_any_body_is_a_page_or_has_a_reason(body: bytes, transfer: str | None, content: str | None):
    try:
        assert len(page_of(body, transfer, content, 1000)) <= 1000
    except (BodyTooLargeError, DamagedBodyError):
        pass
