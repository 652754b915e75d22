"""Records of archives: whole, damaged, and of every form; what is lost is counted."""

import functools
import gc
import gzip
import io
import itertools
import random
import weakref
import zlib
from collections import Counter

import pytest
from fastwarc.stream_io import Lz4Writer
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from made_archives import ArchiveMaker, crawl_file, page, wat_file, wet_file

from curation_tasks.errors import InputError, TransientError
from curation_tasks.sources.archive_members import Lz4Frame
from curation_tasks.sources.archive_salvage import LostRecord
from curation_tasks.sources.archives import ArchiveReader

ALL = frozenset(["warcinfo", "request", "response", "metadata", "resource", "conversion", "revisit", "continuation", "unknown"])
URLS = [f"http://example.org/{number}" for number in range(6)]


def pages_file(compressed: bool = True) -> ArchiveMaker:
    maker = ArchiveMaker(gzip=compressed)
    for number, url in enumerate(URLS):
        maker.response(url, page(number))
    return maker


def read(content: bytes, wanted: frozenset[str] = ALL, record_bytes: int = 2**24) -> tuple[ArchiveReader, list]:
    """The reader, and the records that could be read. Of all of them the sums add up, and what is lost lies in the file."""
    reader = ArchiveReader(io.BytesIO(content), "test.warc", wanted, record_bytes)
    items = list(reader)
    lost = [item for item in items if isinstance(item, LostRecord)]
    assert Counter(item.reason for item in lost) == reader.unreadable
    assert all(0 <= item.start < item.stop <= len(content) for item in lost)
    assert all(one.stop <= other.start or one.start == other.start for one, other in itertools.pairwise(lost))
    records = [item for item in items if not isinstance(item, LostRecord)]
    assert len(records) == sum(count for kind, count in reader.kinds.items() if kind in wanted)
    return reader, records


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
        assert unreadable == {"damaged": 2}

    def test_damaged_members_without_a_readable_beginning_are_counted_by_where_they_begin(self):
        members = [bytearray(member) for member in pages_file().members]
        for number in (2, 3, 4):
            members[number][10:40] = b"\xff" * 30
        found, unreadable, records = urls(b"".join(members))
        assert found == [*URLS[:2], *URLS[5:]]
        assert (unreadable, records) == ({"damaged": 3}, 6)

    @pytest.mark.parametrize("form", ["gzip", "lz4"])
    @pytest.mark.parametrize("cut", [1, 30, 200, 400])
    def test_one_member_for_all_that_is_cut_in_a_header_at_its_end(self, form: str, cut: int):
        plain = pages_file(compressed=False).members
        begin = b"".join(plain[:5]) + plain[5][:cut]
        found, unreadable, records = urls(gzip.compress(begin) if form == "gzip" else lz4(begin))
        assert found == URLS[:5]
        assert (sum(unreadable.values()), records) == (1, 6)

    def test_one_member_for_all_gives_what_comes_before_its_damage(self):
        plain = pages_file(compressed=False).members
        content = bytearray(gzip.compress(b"".join(plain)))
        content[-6] ^= 1  # its check
        found, unreadable, records = urls(bytes(content))
        assert (found, unreadable, records) == (URLS[:5], {"damaged": 1}, 6)

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


def test_a_frame_that_was_read_leaves_memory():
    """What fuzzing found: 200 KB of each frame stayed, in a circle through compiled code that Python cannot take apart."""
    frame = Lz4Frame(io.BytesIO(lz4(b"content " * 1000)), 0)
    assert b"".join(iter(frame.read, b"")) == b"content " * 1000
    gone = weakref.ref(frame)
    del frame
    gc.collect()
    assert gone() is None


FORMS = ("plain", "gzip", "whole", "lz4", "lz4 frames", "arc", "arc.gz")


@functools.cache
def pieces(form: str) -> list[bytes]:
    """An archive of six pages as the pieces it can be damaged in: records, members, frames; one piece for a whole file."""
    plain = pages_file(compressed=False).members
    return {
        "plain": plain, "gzip": pages_file().members, "whole": [gzip.compress(b"".join(plain))], "lz4": [lz4(b"".join(plain))],
        "lz4 frames": [lz4(member) for member in plain], "arc": arc_members(), "arc.gz": [gzip.compress(m) for m in arc_members()],
    }[form]  # fmt: skip


def damaged(data: st.DataObject, content: bytearray, times: int) -> tuple[int, int]:
    """Damages the content at places drawn; the first and the last byte of the old content that this concerns."""
    touched = []
    for _ in range(times):
        end = touched[-1][0] if touched else len(content)  # from the back to the front: places stay what they were
        if end < 1:
            break
        place = data.draw(st.integers(0, end - 1))
        size = data.draw(st.integers(1, 3000))
        match data.draw(st.sampled_from(["change", "cut", "insert", "repeat", "zeros"])):
            case "change":
                content[place] = data.draw(st.integers(0, 255))
                size = 1
            case "cut":
                del content[place : min(place + size, end)]
            case "insert":
                content[place:place] = data.draw(st.binary(min_size=1, max_size=300))
                size = 0
            case "repeat":
                content[place:place] = content[place : min(place + size, end)]
                size = 0
            case "zeros":
                size = min(size, end - place)
                content[place : place + size] = bytes(size)
        touched.append((place, min(place + size, end)))
    return touched[-1][0], touched[0][1]


def test_whole_frames_behind_one_whose_text_looks_like_a_plain_record():
    """What fuzzing found: of a frame without its first bytes the text shows a record's first line, and all was read as if plain."""
    frames = pieces("lz4 frames")
    begin = frames[0].index(b"WARC/1.0")
    reader, records = read(b"".join(frames)[begin:])
    assert [record.url for record in records] == URLS[1:]
    assert reader.unreadable == {"damaged": 1}


def test_a_first_frame_that_looks_empty_is_no_empty_file():
    """What fuzzing found: with zeros for the size of its first block a frame ends at once, and the file passed for an empty one."""
    frames = bytearray(b"".join(pieces("lz4 frames")))
    frames[7:9] = bytes(2)
    reader, records = read(bytes(frames))
    assert [record.url for record in records] == URLS[1:]
    assert reader.unreadable == {"damaged": 1}
    assert read(lz4(b""))[0].records == 0


def test_a_file_that_begins_with_the_name_of_another_form_is_what_its_records_are():
    """What fuzzing found: nine bytes before a WARC made it an ARC of which nothing could be read."""
    reader, records = read(b"filedesc:" + b"".join(pieces("gzip")))
    assert [record.url for record in records] == URLS
    assert reader.unreadable == {"damaged": 1}


@settings(max_examples=2 * settings().max_examples)
@given(st.data())
def test_whatever_is_damaged_the_sums_add_up_and_all_else_is_read(data: st.DataObject):
    form = data.draw(st.sampled_from(FORMS))
    whole = pieces(form)
    content = bytearray(b"".join(whole))
    first, last = damaged(data, content, data.draw(st.integers(1, 3)))
    try:
        _, records = read(bytes(content))
    except InputError:
        assert first < len(whole[0])
        return
    found = [record.url for record in records if record.kind == "response"]
    bounds = list(itertools.accumulate(map(len, whole), initial=0))
    if len(whole) > 1:
        skipped = len(whole) - len(URLS)
        before = [url for url, end in zip(URLS, bounds[1 + skipped :], strict=True) if end < first]
        assert found[: len(before)] == before
        if form in ("gzip", "lz4 frames", "arc.gz"):
            after = [url for url, start in zip(URLS, bounds[skipped:], strict=False) if start >= last]
            assert found[len(found) - len(after) :] == after


def is_noticed(member: bytes) -> bool:
    """Whether it cannot be decompressed, as its own bytes show: not where they say the same in other bits, or lost their end alone."""
    try:
        zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(member)
    except zlib.error:
        return True
    return False


@pytest.mark.parametrize("form", ["gzip", "arc.gz"])
@settings(max_examples=settings().max_examples)
@given(data=st.data())
def test_each_damaged_member_is_one_lost_record(form: str, data: st.DataObject):
    """Any members, neighbours too, each with one changed byte behind the header of its compression that its check notices."""
    members = list(pieces(form))
    chosen = data.draw(st.sets(st.integers(1, len(members) - 1), min_size=1))
    for number in chosen:
        member = bytearray(members[number])
        member[data.draw(st.integers(10, len(member) - 1))] ^= data.draw(st.integers(1, 255))
        members[number] = bytes(member)
        assume(is_noticed(members[number]))
    reader, records = read(b"".join(members))
    skipped = len(members) - len(URLS)
    expected = [URLS[number - skipped] for number in range(skipped, len(members)) if number not in chosen]
    assert [record.url for record in records if record.kind == "response"] == expected
    assert (reader.records, reader.unreadable.total()) == (len(members), len(chosen))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=settings().max_examples * 3 // 5)
@given(data=st.data())
def test_a_file_that_ends_anywhere_has_lost_one_record_at_most(form: str, data: st.DataObject):
    content = b"".join(pieces(form))
    end = data.draw(st.integers(100, len(content) - 1))
    reader, records = read(content[:end])
    found = [record.url for record in records if record.kind == "response"]
    assert found == URLS[: len(found)]
    assert reader.unreadable.total() <= 1
    if len(pieces(form)) > 1:
        bounds = itertools.accumulate(map(len, pieces(form)))
        assert len(records) >= sum(bound <= end for bound in bounds)
    assert set(reader.unreadable) <= {"truncated", "damaged"}


@example(b"WARC/1.0\r\nContent-Length: -5\r\n\r\n\r\n\r\n")
@example(b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: 3\r\n\r\n\xff\xfe\n\r\n\r\n")
@example(b"WARC/1.0\r\n" * 1000)
@example(zlib.compress(b"WARC/1.0\r\n"))
@settings(max_examples=settings().max_examples)
@given(st.binary(max_size=2000).map(lambda tail: b"WARC/1.0\r\n" + tail))
def test_anything_that_begins_like_an_archive_is_read_to_its_end(content: bytes):
    try:
        read(content)
    except InputError:
        pass
