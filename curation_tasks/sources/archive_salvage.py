"""Records of an archive found one by one, so that each one lost is known: which bytes, and why.

It is slower than a reader that trusts its file, and serves where a file is damaged, at its end, and for forms that such readers
do not know. What counts as one lost record:

- a gzip member or lz4 frame that breaks off, cannot be decompressed or fails its own check: the record in it, or in a member
  with several the one that was begun last. Those before it are whole;
- a record that states no length (WARC), or a longer one than is there;
- bytes between records that belong to none, whatever their number: one. Among compressed records each place in them where a
  member begins is one more.

Reading goes on at the next place where a record begins. In a file of members that is a member with a record's first line in it, so
that no bytes inside a damaged one are taken for records.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from curation_tasks.sources.archive_heads import (
    HEAD_BYTES,
    PADDING,
    WINDOW_BYTES,
    ArchiveFormat,
    Head,
    first_head,
    is_compressed,
    member_starts,
)
from curation_tasks.sources.archive_members import Member, MemberState, member_at

#: No record is that long: its length is wrong, and passing over it would read for hours.
LONGEST_RECORD_BYTES = 64 * 2**30


@dataclass(frozen=True)
class WholeRecord:
    """A record as it stands in the file.

    Attributes:
        start, stop: The bytes of the file in which it, or its member, lies.
        head: What stands before its block.
        block: None when it is longer than the bound.
    """

    start: int
    stop: int
    head: Head
    block: bytes | None


@dataclass(frozen=True)
class LostRecord:
    """A record that cannot be read.

    Attributes:
        reason: ``damaged``, or ``truncated``: the file, or its member, ends in it.
        start, stop: The bytes of the file in which it lies, compressed as they are.
        head: Where that much of it could be read.
    """

    reason: str
    start: int
    stop: int
    head: Head | None = None


class Salvage:
    """Finds records from any place of a file on.

    Args:
        file: Seekable; what it raises passes through.
        form: WARC or ARC.
        record_bytes: Blocks that are longer are passed over in pieces.
    """

    def __init__(self, file: IO[bytes], form: ArchiveFormat, record_bytes: int):
        self._file, self.form, self._record_bytes = file, form, record_bytes
        self._size = file.seek(0, io.SEEK_END)
        self._compressed: bool | None = None

    def records(self, place: int) -> Iterator[WholeRecord | LostRecord]:
        """All of them from a byte of the file to its end, in their order."""
        while (place := self._past_padding(place)) < self._size:
            begin = self._bytes(place, HEAD_BYTES)
            if is_compressed(begin):
                self._compressed = True
                place = yield from self._member(member_at(self._file, place, begin))
            elif self.form.begins(begin):
                place = yield from self._plain(place, begin)
            else:
                following = self.next_head(place + 1)
                yield from self._stretch(place, place, following)
                place = self._size if following is None else following

    def next_head(self, place: int, most: int | None = None) -> int | None:
        """The first byte from ``place`` on at which a record begins; None when none does within ``most`` bytes."""
        window, begin, size = b"", place, 2 * HEAD_BYTES  # the next record is near, most often
        while most is None or begin - place < most:
            block = self._bytes(begin + len(window), size)
            window += block
            found = first_head(window, self.form.pattern, self._compressed)
            # A head near the window's end is looked at again with what follows it.
            if found is not None and (len(block) < size or found < len(window) - HEAD_BYTES):
                return begin + found
            if len(block) < size:
                return None
            size = WINDOW_BYTES
            keep = len(window) - found if found is not None else min(len(window), HEAD_BYTES)
            begin += len(window) - keep
            window = window[-keep:]
        return None

    def _bytes(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)

    def _past_padding(self, place: int) -> int:
        while window := self._bytes(place, HEAD_BYTES):
            rest = window.lstrip(PADDING)
            place += len(window) - len(rest)
            if rest:
                break
        return place

    # --- records by themselves -------------------------------------------------------------------------------------------

    def _plain(self, place: int, begin: bytes) -> Iterator[WholeRecord | LostRecord]:
        """One record; returns where it ends.

        That records stand here by themselves is known when one is whole: of a frame whose header is lost, text may look like one.
        """
        head = self.form.head(begin)
        if head is None:
            following = self.next_head(place + 1)
            reason = "damaged" if following is not None or len(begin) == HEAD_BYTES else "truncated"
            stop = self._size if following is None else following
            yield LostRecord(reason, place, stop)
            return stop
        block = place + len(head.data)
        if head.length is None and self.form.without_length:
            following = self.next_head(block - 1)
            stop = self._size if following is None else following
            # A stretch that no length vouches for is no page.
            self._compressed = False
            yield WholeRecord(place, stop, head, b"")
            return stop
        if head.length is None or head.length > LONGEST_RECORD_BYTES or block + head.length > self._size:
            following = self.next_head(block)
            stop = self._size if following is None else following
            yield LostRecord("truncated" if head.length and head.length <= LONGEST_RECORD_BYTES else "damaged", place, stop, head)
            return stop
        self._compressed = False
        kept = head.length <= self._record_bytes
        yield WholeRecord(place, block + head.length, head, self._bytes(block, head.length) if kept else None)
        return block + head.length

    # --- records in members ----------------------------------------------------------------------------------------------

    def _member(self, member: Member) -> Iterator[WholeRecord | LostRecord]:
        """The records of a member or frame; returns where to go on.

        A record is given when the next one begins or the member has ended as it should: what fails later may lie in it.
        """
        flow = _Flow(member)
        held: WholeRecord | None = None
        begun: Head | None = None
        broken = found = False
        while flow.skip_padding():
            found = True
            flow.fill(HEAD_BYTES)
            head = self.form.head(bytes(flow.data[:HEAD_BYTES]))
            if head is None or (head.length is None and not self.form.without_length) or (head.length or 0) > LONGEST_RECORD_BYTES:
                if member.state not in (MemberState.OPEN, MemberState.WHOLE) and len(flow.data) < HEAD_BYTES:
                    # What is there up to where the member fails is the beginning of a record, or belongs to the one before.
                    if held is not None and self.form.begins(flow.data):
                        yield held
                        held = None
                    broken = held is None
                    break
                if held is not None:
                    yield held
                    held = None
                is_cut = head is None and len(flow.data) < HEAD_BYTES and self.form.begins(flow.data)
                flow.drop(len(head.data) if head else 1)
                flow.skip_to(self.form.pattern)
                yield LostRecord("truncated" if is_cut and not flow.data else "damaged", member.start, member.end, head)
                continue
            if held is not None:
                yield held
                held = None
            flow.drop(len(head.data))
            if head.length is None:
                flow.skip_to(self.form.pattern)
                held = WholeRecord(member.start, member.end, head, b"")
                continue
            block = flow.take(head.length, head.length <= self._record_bytes)
            if block is False:
                begun, broken = head, True
                break
            held = WholeRecord(member.start, member.end, head, block if isinstance(block, bytes) else None)
        flow.drain()
        if member.state is MemberState.WHOLE:
            if held is not None:
                yield held
            if broken:
                yield LostRecord("truncated", member.start, member.end, begun)
            return member.end
        following = self.next_head(member.start + 1)
        if following is None and member.state is MemberState.TRUNCATED:
            if held is not None:
                yield held  # only its member's check is missing
            if broken or not found:
                yield LostRecord("truncated", member.start, self._size, begun)
            return self._size
        yield from self._stretch(member.start, member.end, following, begun or (held.head if held else None))
        return self._size if following is None else following

    def _stretch(self, start: int, failed: int, stop: int | None, head: Head | None = None) -> Iterator[LostRecord]:
        """What lies between ``start`` and the next record: one, and one more for each member that begins behind ``failed``."""
        end = self._size if stop is None else stop
        is_compressed_here = self._compressed or (stop is not None and is_compressed(self._bytes(stop, 16)))
        begins = [start, *(self._starts(max(failed, start + 1), end) if is_compressed_here else ())]
        for number, begin in enumerate(begins):
            last = number == len(begins) - 1
            yield LostRecord("damaged", begin, end if last else begins[number + 1], None if number else head)

    def _starts(self, place: int, end: int) -> Iterator[int]:
        while place < end:
            window = self._bytes(place, min(WINDOW_BYTES + 9, end - place))
            yield from (place + start for start in member_starts(window) if start < WINDOW_BYTES)
            place += WINDOW_BYTES


class _Flow:
    """What a member holds, as a buffer that is filled at one end and used up at the other."""

    def __init__(self, member: Member):
        self._member = member
        self.data = bytearray()

    def fill(self, size: int) -> bool:
        """Whether there are so many bytes."""
        while len(self.data) < size:
            piece = self._member.read()
            if not piece:
                return False
            self.data += piece
        return True

    def drop(self, size: int) -> None:
        del self.data[:size]

    def skip_padding(self) -> bool:
        """Whether anything follows."""
        while True:
            rest = self.data.lstrip(PADDING)
            if rest:
                if len(rest) < len(self.data):
                    self.data = rest
                return True
            self.data.clear()
            if not self.fill(1):
                return False

    def skip_to(self, pattern: object) -> None:
        """To where the next record begins, or to the end."""
        while True:
            match = pattern.search(self.data)  # type: ignore[attr-defined]
            if match:
                self.drop(match.start(1))
                return
            self.drop(max(0, len(self.data) - HEAD_BYTES))
            if not self.fill(len(self.data) + 1):
                self.data.clear()
                return

    def take(self, size: int, keep: bool) -> bytes | bool:
        """A block of so many bytes, or True when it is not kept; False when it is longer than what there is."""
        if keep:
            if not self.fill(size):
                return False
            block = bytes(self.data[:size])
            self.drop(size)
            return block
        while size > len(self.data):
            size -= len(self.data)
            self.data.clear()
            if not self.fill(1):
                return False
        self.drop(size)
        return True

    def drain(self) -> None:
        """Reads to the end, so that the member knows its state."""
        self.data.clear()
        while self._member.read():
            pass
