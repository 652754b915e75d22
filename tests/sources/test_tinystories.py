"""TinyStories: the tutorial's stories and identities, without its defects."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.parts import SourcePart
from curation_tasks.sources import tinystories
from curation_tasks.sources.catalog import PARTS, TinyStoriesParameters

PART: SourcePart = next(part for part in PARTS if part.name == "tinystories")
END = "<|endoftext|>"


class Reader:
    def __init__(self, folder: Path):
        self.place = folder / "stories.txt"

    def rows(self, data: bytes | str, **parameters: Any) -> list[dict[str, Any]]:
        self.place.write_bytes(data.encode() if isinstance(data, str) else data)
        return read(TinyStoriesParameters(url=str(self.place), **parameters))

    def texts(self, data: bytes | str, **parameters: Any) -> list[str]:
        return [row["text"] for row in self.rows(data, **parameters)]


def read(parameters: TinyStoriesParameters) -> list[dict[str, Any]]:
    context = RunContext("pipeline", "all", "stage", "/nowhere")
    units = PART.load_units()(parameters, "all")
    return [row for unit in units for batch in PART.load()(unit, parameters, context) for row in batch.to_pylist()]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_lines_are_stripped_and_joined_with_one_space(reader: Reader):
    data = f"One day,\n  Lily ran. \n\nShe sang.\n{END}\n\n“Hi!”\tsaid Ben.\n{END}\n"
    assert reader.texts(data) == ["One day, Lily ran. She sang.", "“Hi!”\tsaid Ben."]
    assert reader.texts(data, join_lines=False) == ["One day,\n  Lily ran. \n\nShe sang.", "“Hi!”\tsaid Ben."]


def test_identities_are_file_and_number(reader: Reader):
    assert [row["native_id"] for row in reader.rows(f"a\n{END}\nb\n{END}\nc")] == ["stories.txt-0", "stories.txt-1", "stories.txt-2"]


@pytest.mark.parametrize("data", ["a\nb", "a\nb\n", f"a\nb\n{END}", f"a\nb\n{END}\n", f"a\r\nb\r\n{END}\r\n", f"\ufeffa\nb\n {END} \n\n\n"])
def test_ends_of_lines_and_files_make_no_difference(reader: Reader, data: str):
    assert reader.texts(data) == ["a b"]


def test_windows_line_ends_do_not_stay_in_unjoined_text(reader: Reader):
    assert reader.texts(f"a\r\nb\r\n{END}\r\n", join_lines=False) == ["a\nb"]


def test_a_separator_within_a_line_is_text(reader: Reader):
    assert reader.texts(f"a {END} b\n{END}\nc{END}") == [f"a {END} b", f"c{END}"]


def test_empty_stories_are_rejected_and_keep_their_number(reader: Reader):
    rows = reader.rows(f"{END}\na\n{END}\n \n\n{END}\n{END}\nb\n")
    assert [(row["native_id"][-1], row["text"], row["reject_reason"]) for row in rows] == [
        ("0", "", "empty_story"),
        ("1", "a", None),
        ("2", "", "empty_story"),
        ("3", "", "empty_story"),
        ("4", "b", None),
    ]


def test_what_is_not_utf8_is_rejected_by_story(reader: Reader):
    rows = reader.rows(b"good\n<|endoftext|>\nbad \xff\nstory\n<|endoftext|>\ngood")
    assert [(row["text"], row["reject_reason"]) for row in rows] == [("good", None), ("bad \ufffd story", "invalid_utf8"), ("good", None)]
    assert set(PART.rejects_of(TinyStoriesParameters())) == {"empty_story", "invalid_utf8"}


def test_an_empty_file_has_no_story(reader: Reader):
    assert reader.rows("") == reader.rows("\n \n") == []


def test_another_kind_of_file_is_refused_before_it_fills_the_memory(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tinystories, "_BLOCK_BYTES", 1000)
    monkeypatch.setattr(tinystories, "_MAX_STORY_BYTES", 5000)
    with pytest.raises(InputError, match=r"no line <\|endoftext\|>"):
        reader.rows("word " * 2000)


@settings(max_examples=settings().max_examples * 3 // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([END, f" {END}", f"{END}x", "", " ", "a", " b c ", "é\u2003", "\u00a0", "\r"]), max_size=12),
    st.integers(1, 60),
)
def test_whole_buffers_give_what_a_loop_over_lines_gives(reader: Reader, lines: list[str], block_bytes: int):
    data = "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tinystories, "_BLOCK_BYTES", block_bytes)
        assert reader.texts(data) == _line_by_line(data)


def _line_by_line(data: str) -> list[str]:
    stories, lines = [], []
    for line in re.split(r"[\n\r]", data):
        if line.strip(" \t") == END:
            stories.append(" ".join(filter(None, lines)))
            lines = []
        else:
            lines.append(line.strip())
    rest = " ".join(filter(None, lines))
    return [*stories, rest] if rest else stories


def test_several_addresses_are_downloaded_and_told_apart(server):
    server.files = {"/a/valid.txt": f"one\n{END}\n".encode(), "/b/valid.txt": f"two\n{END}\n".encode()}
    rows = read(TinyStoriesParameters(url=[f"{server.base}/a/valid.txt", f"{server.base}/b/valid.txt"]))
    assert [(row["text"], row["native_id"]) for row in rows] == [("one", "a/valid.txt-0"), ("two", "b/valid.txt-0")]


def test_size_and_hash_describe_one_file():
    with pytest.raises(ValueError, match="single url"):
        TinyStoriesParameters(url=["a", "b"], bytes=1)
