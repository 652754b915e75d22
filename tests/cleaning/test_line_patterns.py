"""Lines of a list go, and lines that match an expression."""

import gzip
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.errors import ConfigError
from curation_tasks.testing import documents

TEXTS = st.lists(
    st.sampled_from(["Share", " Share ", "Tweet this", "A line", "\n", "\n\n", "12", "\u00e9", "\r"]) | st.text(max_size=3), max_size=12
).map("".join)


@given(batch=documents(st.none() | TEXTS))
@settings(max_examples=150)
def test_lines_are_those_of_the_definition(clean, batch):
    result, _ = clean("line_patterns", batch, exact=["Share", "A line"], patterns=[r"^\d+$", "(?i)TWEET"])
    for old, row in zip(batch.column("text").to_pylist(), result.to_pylist(), strict=True):
        lines = (old or "").split("\n")
        kept = [
            line for line in lines if not (line.strip() in ("Share", "A line") or re.search(r"^[0-9]+\Z", line) or "tweet" in line.lower())
        ]
        assert row["text"] == (None if old is None else "\n".join(kept))
        assert row["line_patterns_removed_line_count"] == len(lines) - len(kept)
        words = len((old or "").split())
        assert row["line_patterns_removed_word_ratio"] == (words - len("\n".join(kept).split())) / max(words, 1)


@pytest.mark.parametrize("packed", [False, True])
def test_lists_are_read_from_files(clean, tmp_path, packed):
    write = gzip.open if packed else open
    exact, patterns = tmp_path / "exact", tmp_path / "patterns"
    with write(exact, "wb") as file:
        file.write("\ufeffSign up\r\n\n# a remark\n".encode())
    with write(patterns, "wb") as file:
        file.write(b"^Page \\d+ of \\d+$\n")
    batch = ["Sign up\ntext\nPage 1 of 2\n# a remark"]
    result, counters = clean("line_patterns", batch, exact_file=str(exact), patterns_file=str(patterns))
    assert result.column("text").to_pylist() == ["text\n# a remark"]
    assert counters == {"cleaning.line_patterns.changed": 1}


def test_a_document_that_loses_much_is_rejected_and_keeps_its_text(clean):
    result, _ = clean("line_patterns", ["Share\none two three", "Share\none"], exact=["Share"], max_removed_word_ratio=0.25)
    assert result.column("text").to_pylist() == ["one two three", "Share\none"]
    assert result.column("reject_value").to_pylist() == [None, 0.5]


def test_an_expression_that_re2_does_not_know_is_told(clean):
    with pytest.raises(ConfigError, match="look-around"):
        clean("line_patterns", ["x"], patterns=["(?=x)"])


def test_a_file_that_is_no_text_is_told(clean, tmp_path):
    (tmp_path / "list").write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(ConfigError, match="cannot be read"):
        clean("line_patterns", ["x"], exact_file=str(tmp_path / "list"))


def test_an_empty_batch_has_the_columns(clean):
    result, _ = clean("line_patterns", pa.record_batch({"text": pa.array([], pa.string())}), exact=["x"])
    assert result.schema.field("line_patterns_removed_line_count").type == pa.int64()
