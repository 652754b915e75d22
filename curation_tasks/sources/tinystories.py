"""TinyStories: the published tutorial's document builder, over whole buffers.

The files are text; a line ``<|endoftext|>`` ends a story. Source: Eldan and Li, "TinyStories: How Small Can Language Models
Be and Still Speak Coherent English?", arXiv 2305.07759; files ``TinyStories-{train,valid}.txt`` of the dataset
``roneneldan/TinyStories``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.errors import InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import reject_by_rules
from curation_tasks.sources.catalog import TinyStoriesParameters
from curation_tasks.sources.files import open_decompressed
from curation_tasks.sources.records import bounded

SEPARATOR = b"<|endoftext|>"
_SEPARATOR_LINE = re.compile(rb"^[ \t]*<\|endoftext\|>[ \t\r]*(?:\n|\Z)", re.MULTILINE)
_BLOCK_BYTES = 8 * 2**20
_MAX_STORY_BYTES = 128 * 2**20
#: Unicode's White_Space, what Python's ``strip`` takes away.
_SPACE = r"[\t-\r\x{1c}-\x{1f}\x{85}\p{Z}]"


def iterate_stories(path: str, unit: SourceUnit, parameters: TinyStoriesParameters) -> Iterator[pa.RecordBatch]:
    """The stories of a file, with the identity ``{file}-{n}``, n from 0.

    A separator that is not a line of its own is text. The last story needs no separator. Lines are stripped and joined with
    one space, blank ones left out; with ``join_lines: false`` only line ends become ``\\n`` and both ends are stripped.

    Rejects:
        empty_story: Nothing but white space.
        invalid_utf8: Kept with replacement characters.

    Raises:
        InputError: 128 MB without a separator: another kind of file.
    """
    number = 0
    for stories in _stories(path):
        for batch in bounded(_batch(stories, unit.path, number, parameters.join_lines)):
            number += len(batch)
            yield batch


def _stories(path: str) -> Iterator[list[bytes]]:
    """The stories that end in each block of the file."""
    held = b""
    with open_decompressed(path) as stream:
        while block := stream.read(_BLOCK_BYTES):
            held = (held + block) if held else block.removeprefix(b"\xef\xbb\xbf")
            # A separator line may go on behind the block: only whole lines are looked at.
            end = held.rfind(b"\n") + 1
            stories, rest = _split(held[:end])
            held = rest + held[end:]
            if stories:
                yield stories
            if len(held) > _MAX_STORY_BYTES:
                raise InputError(
                    f"no line {SEPARATOR.decode()} in {len(held):,} bytes", where=path, expected="stories, each ended by such a line"
                )
    stories, rest = _split(held)
    if rest.decode("utf-8", "replace").strip():
        stories.append(rest)
    if stories:
        yield stories


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The stories that a separator ends, and what follows the last one."""
    stories, start = [], 0
    for separator in _SEPARATOR_LINE.finditer(data):
        stories.append(data[start : separator.start()])
        start = separator.end()
    return stories, data[start:]


def _batch(stories: list[bytes], path: str, first: int, join_lines: bool) -> pa.RecordBatch:
    texts, broken = _decoded(stories)
    if join_lines:
        texts = pc.replace_substring_regex(texts, pattern=rf"{_SPACE}*[\n\r]{_SPACE}*", replacement=" ")
    else:
        texts = pc.replace_substring_regex(texts, pattern=r"\r\n?", replacement="\n")
    texts = pc.utf8_trim_whitespace(texts)
    empty = pc.equal(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    names = pa.array([f"{path}-{number}" for number in range(first, first + len(stories))], pa.string())
    batch = pa.RecordBatch.from_arrays([texts, names], names=["text", "native_id"])
    nothing = np.full((2, len(stories)), np.nan)
    return reject_by_rules(batch, ["invalid_utf8", "empty_story"], np.stack([broken, empty]), nothing, [np.nan, np.nan])


def _decoded(stories: list[bytes]) -> tuple[pa.Array, np.ndarray]:
    """The stories as strings, and which of them were not UTF-8."""
    broken = np.zeros(len(stories), bool)
    binary = pa.array(stories, pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        whole = [story.decode("utf-8", "replace") for story in stories]
        broken[:] = [text.encode() != story for text, story in zip(whole, stories, strict=True)]
        texts = pa.array(whole, pa.string())
    return texts, broken
