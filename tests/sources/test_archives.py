"""Records of archives: whole, damaged, and of every form; what is lost is counted."""

import gzip
import io
import random
import zlib

import pytest
from fastwarc.stream_io import Lz4Writer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_archives import ArchiveMaker, crawl_file, page, wat_file, wet_file

from curation_tasks.errors import InputError, TransientError
from curation_tasks.sources.archives import ArchiveReader

ALL = frozenset(["warcinfo", "request", "response", "metadata", "resource", "conversion", "revisit", "continuation", "unknown"])
URLS = [f"http://example.org/{number}" for number in range(6)]


def pages_file(compressed: bool = True) -> ArchiveMaker:
    maker = ArchiveMaker(gzip=compressed)
    for number, url in enumerate(URLS):
        maker.response(url, page(number))
    return maker


def read(content: bytes, wanted: frozenset[str] = ALL, record_bytes: int = 2**24) -> tuple[ArchiveReader, list]:
    reader = ArchiveReader(io.BytesIO(content), "test.warc", wanted, record_bytes)
    return reader, list(reader)


def urls(content: bytes) -> tuple[list[str], dict[str, int], int]:
    reader, records = read(content)
    return [record.url for record in records], dict(reader.unreadable), reader.records


def lz4(content: bytes) -> bytes:
    class Kept(io.BytesIO):
        def close(self) -> None:
            """The writer closes what it writes to."""

    output = Kept()
    writer = Lz4Writer(output)
    writer.write(content)
    writer.close()
    return output.getvalue()


ARC_HEAD = (
    b"filedesc://test.arc 0.0.0.0 20080430204825 text/plain 76\n1 1 InternetArchive\n"
    b"URL IP-address Archive-date Content-type Archive-length\n\n"
)


def arc_record(url: str, body: bytes) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
    return f"{url} 10.0.0.1 20080430204826 text/html {len(block)}\n".encode() + block + b"\n"


def arc_members() -> list[bytes]:
    return [ARC_HEAD, *(arc_record(url, page(number)) for number, url in enumerate(URLS))]


class TestForms:
    @pytest.mark.parametrize("form", ["plain", "gzip", "one gzip member", "lz4"])
    def test_warc(self, form: str):
        plain = pages_file(compressed=False).bytes()
        content = {"plain": plain, "gzip": pages_file().bytes(), "one gzip member": gzip.compress(plain), "lz4": lz4(plain)}[form]
        reader, records = read(content)
        assert [(record.kind, record.url, record.body) for record in records] == [
            ("response", url, page(number)) for number, url in enumerate(URLS)
        ]
        assert (reader.records, dict(reader.unreadable)) == (6, {})

    @pytest.mark.parametrize("form", ["plain", "gzip", "one gzip member"])
    def test_arc(self, form: str):
        members = arc_members()
        content = {
            "plain": b"".join(members),
            "gzip": b"".join(map(gzip.compress, members)),
            "one gzip member": gzip.compress(b"".join(members)),
        }
        reader, records = read(content[form])
        assert [(record.url, record.body, record.http.status, record.date) for record in records if record.kind == "response"] == [
            (url, page(number), 200, "2008-04-30T20:48:26Z") for number, url in enumerate(URLS)
        ]
        assert (dict(reader.kinds), dict(reader.unreadable)) == ({"warcinfo": 1, "response": 6}, {})

    def test_wet_and_wat(self):
        _, [_, record] = read(wet_file({"http://a/": "Text."}, "eng,deu"))
        assert (record.kind, record.body, record.languages) == ("conversion", b"Text.", "eng,deu")
        _, [_, record] = read(wat_file({"http://a/": "Title"}))
        assert (record.kind, record.content_type) == ("metadata", "application/json")

    def test_an_empty_file_has_no_records(self):
        for content in (b"", gzip.compress(b"")):
            reader, records = read(content)
            assert (records, reader.records) == ([], 0)

    @pytest.mark.parametrize(
        "content", [b"<html>" * 1000, random.Random(1).randbytes(5000), gzip.compress(b"no archive" * 100), b"\x1f\x8b\x08"]
    )
    def test_what_is_no_archive_is_an_input_error(self, content: bytes):
        with pytest.raises(InputError, match="no web archive"):
            read(content)

    def test_kinds_that_are_not_wanted_are_only_counted(self):
        reader, records = read(crawl_file(dict.fromkeys(URLS, page(1))), frozenset({"response"}))
        assert [record.kind for record in records] == ["response"] * 6
        assert dict(reader.kinds) == {"warcinfo": 1, "request": 6, "response": 6, "metadata": 6}

    def test_a_record_beyond_the_bound_comes_without_its_body(self):
        maker = ArchiveMaker().response(URLS[0], b"x" * 10_000).response(URLS[1], page(1))
        _, [first, second] = read(maker.bytes(), record_bytes=9_000)
        assert (first.url, first.body, second.body) == (URLS[0], None, page(1))
        assert first.length > 10_000

    def test_header_fields_of_an_answer(self):
        maker = ArchiveMaker().response(
            "<http://a/>", b"x", status="404 Not Found", content_type='Text/HTML; charset="EUC-KR"',
            http=[("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip")], WARC_Identified_Payload_Type="text/html",
        )  # fmt: skip
        _, [record] = read(maker.bytes())
        assert (record.url, record.identified_type, record.date) == ("http://a/", "text/html", "2025-08-02T22:00:01Z")
        assert (record.http.status, record.http.content_type, record.http.charset) == (404, "text/html", "EUC-KR")
        assert (record.http.transfer_encoding, record.http.content_encoding) == ("chunked", "gzip")


class TestDamage:
    """Everything before and after a damaged record is read."""

    @pytest.mark.parametrize("place", [10, 40, 200, -20])
    def test_a_changed_byte_in_a_gzip_member(self, place: int):
        members = pages_file().members
        broken = bytearray(members[2])
        broken[place] ^= 0xFF
        found, unreadable, records = urls(b"".join([*members[:2], bytes(broken), *members[3:]]))
        assert found == [*URLS[:2], *URLS[3:]]
        assert (unreadable, records) == ({"damaged": 1}, 6)

    @pytest.mark.parametrize("cut", [20, 200, 500])
    def test_a_member_cut_in_the_middle_of_a_file(self, cut: int):
        members = pages_file().members
        found, unreadable, records = urls(b"".join([*members[:2], members[2][:cut], *members[3:]]))
        assert found == [*URLS[:2], *URLS[3:]]
        assert (sum(unreadable.values()), records) == (1, 6)

    def test_two_damaged_members_in_a_row(self):
        members = pages_file().members
        found, unreadable, _ = urls(b"".join([*members[:2], members[2][:100], members[3][:100], *members[4:]]))
        assert found == [*URLS[:2], *URLS[4:]]
        assert unreadable["damaged"] >= 1

    @pytest.mark.parametrize("cut", [12, 60, 150, 300, 480])
    @pytest.mark.parametrize("compressed", [True, False])
    def test_a_file_that_breaks_off_loses_one_record_and_counts_it(self, cut: int, compressed: bool):
        members = pages_file(compressed).members
        found, unreadable, records = urls(b"".join(members[:5]) + members[5][:cut])
        assert found == URLS[:5]
        assert (sum(unreadable.values()), records) == (1, 6)

    def test_the_first_record_is_damaged(self):
        members = pages_file().members
        found, unreadable, records = urls(members[0][:10] + b"?" + members[0][11:100] + b"".join(members[1:]))
        assert found == URLS[1:]
        assert (sum(unreadable.values()), records) == (1, 6)

    @pytest.mark.parametrize("garbage", [b"garbage\r\n" * 30, b"\x00" * 3000, b"WARC", random.Random(3).randbytes(70_000)])
    @pytest.mark.parametrize("compressed", [True, False])
    def test_garbage_between_records(self, garbage: bytes, compressed: bool):
        members = pages_file(compressed).members
        found, unreadable, _ = urls(b"".join(members[:3]) + garbage + b"".join(members[3:]))
        assert found == URLS
        assert set(unreadable) <= {"damaged"}

    def test_a_length_that_is_wrong(self):
        members = pages_file(compressed=False).members
        shorter = members[2].replace(b"Content-Length: ", b"Content-Length: 1", 1)
        found, unreadable, _ = urls(b"".join([*members[:2], shorter, *members[3:]]))
        assert found[:2] == URLS[:2]
        assert unreadable
        none = members[2].replace(b"Content-Length", b"Content-Lengths", 1)
        found, unreadable, _ = urls(b"".join([*members[:2], none, *members[3:]]))
        assert found == [*URLS[:2], *URLS[3:]]
        assert unreadable["damaged"] >= 1

    def test_a_length_beyond_reason_is_not_read_for_hours(self):
        members = pages_file(compressed=False).members
        endless = members[2].replace(b"Content-Length: ", b"Content-Length: 999999999", 1)
        found, unreadable, _ = urls(b"".join([*members[:2], endless, *members[3:]]))
        assert found == [*URLS[:2], *URLS[3:]]
        assert unreadable == {"damaged": 1}

    def test_a_header_that_does_not_end(self):
        members = pages_file(compressed=False).members
        endless = members[2].replace(b"WARC-Date", b"X: " + b"y" * 100_000 + b"\r\nWARC-Date", 1)
        found, unreadable, records = urls(b"".join([*members[:2], endless, *members[3:]]))
        assert found == [*URLS[:2], *URLS[3:]]
        assert (unreadable, records) == ({"damaged": 1}, 6)

    def test_an_answer_whose_header_has_bare_line_ends_keeps_its_whole_page(self):
        """As in ClueWeb09: a strict reader takes the page's own blank line for the header's end."""
        body = b"<p>first\r\n\r\n<p>second"
        block = b"HTTP/1.1 200 OK\nContent-Type: text/html; charset=EUC-JP\n\n" + body
        head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n"
        _, [record] = read(head % len(block) + block + b"\r\n\r\n")
        assert (record.body, record.http.status, record.http.charset) == (body, 200, "EUC-JP")

    def test_an_answer_without_a_header_is_a_record_without_one(self):
        block = b"<html>no header"
        head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n"
        _, [record] = read(head % len(block) + block + b"\r\n\r\n")
        assert record.http is None

    @pytest.mark.parametrize("compressed", [True, False])
    def test_a_damaged_arc(self, compressed: bool):
        members = arc_members()
        if compressed:
            members = [gzip.compress(member) for member in members]
            members[3] = members[3][:100]
        else:
            members[3] = members[3][200:]
        reader, records = read(b"".join(members))
        found = [record.url for record in records if record.kind == "response"]
        assert found == [*URLS[:2], *URLS[3:]]
        assert sum(reader.unreadable.values()) >= 1

    def test_what_the_file_raises_is_no_damage(self):
        class Lost(io.BytesIO):
            def read(self, size: int = -1) -> bytes:
                if self.tell() > 100:
                    raise TransientError("the network is gone")
                return super().read(min(size, 200) if size >= 0 else 200)

        with pytest.raises(TransientError):
            list(ArchiveReader(Lost(pages_file().bytes()), "test", ALL))


@settings(max_examples=150)
@given(st.data())
def test_no_damage_crashes_or_hangs_the_reader(data: st.DataObject):
    """Bytes changed, cut out and put in: records come or are counted, and reading ends."""
    form = data.draw(st.sampled_from(["plain", "gzip", "whole", "lz4", "arc", "arc.gz"]))
    plain = pages_file(compressed=False).bytes()
    contents = {
        "plain": plain, "gzip": pages_file().bytes(), "whole": gzip.compress(plain), "lz4": lz4(plain),
        "arc": b"".join(arc_members()), "arc.gz": b"".join(map(gzip.compress, arc_members())),
    }  # fmt: skip
    content = bytearray(contents[form])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert", "end", "repeat"])):
            case "change":
                content[place] = data.draw(st.integers(0, 255))
            case "cut":
                del content[place : place + data.draw(st.integers(1, 3000))]
            case "insert":
                content[place:place] = data.draw(st.binary(max_size=300))
            case "end":
                del content[place:]
            case "repeat":
                content[place:place] = content[place : place + 2000]
        if not content:
            break
    try:
        reader, records = read(bytes(content))
    except InputError:
        return
    assert reader.records >= sum(reader.kinds.values()) >= len(records)
    assert reader.records <= sum(reader.kinds.values()) + sum(reader.unreadable.values())


@example(b"WARC/1.0\r\nContent-Length: -5\r\n\r\n\r\n\r\n")
@example(b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: 3\r\n\r\n\xff\xfe\n\r\n\r\n")
@example(b"WARC/1.0\r\n" * 1000)
@example(zlib.compress(b"WARC/1.0\r\n"))
@settings(max_examples=100)
@given(st.binary(max_size=2000).map(lambda tail: b"WARC/1.0\r\n" + tail))
def test_anything_that_begins_like_an_archive_is_read_to_its_end(content: bytes):
    try:
        read(content)
    except InputError:
        pass
