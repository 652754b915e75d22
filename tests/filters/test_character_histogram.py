"""``filters.character_histogram``: shares of known characters, and files that say what is known."""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.cli.character_histogram import character_histogram as command
from curation_tasks.errors import InputError
from curation_tasks.filters.catalog import PARTS
from curation_tasks.filters.character_histogram import character_histogram, count_characters, read_histogram
from curation_tasks.filters.histogram_parameters import CharacterHistogramParameters
from curation_tasks.testing import check_operation, context_for, documents

PART = next(part for part in PARTS if part.name == "filters.character_histogram")


@pytest.fixture
def histogram(tmp_path):
    def write(characters: str, name: str = "histogram.txt") -> str:
        path = tmp_path / name
        path.write_text("".join(f"{character}\t{n}\n" for n, character in enumerate(characters)), encoding="utf-8")
        return str(path)

    return write


def run(batch: pa.RecordBatch, **given: object) -> dict[str, list]:
    parameters = CharacterHistogramParameters(**given)
    return character_histogram(batch, parameters, context_for(parameters)).to_pydict()


def test_share_of_known_characters(histogram):
    found = run(pa.record_batch({"text": ["ab ba", "aabx\n", "a\u3000xyz", " \n", "", None]}), histogram=histogram("ab"), min_ratio=0.75)
    assert found["character_histogram_ratio"] == [1, 0.75, 0.25, 0, 0, 0]
    assert found["reject_reason"] == [None, None, *["character_histogram_ratio.min"] * 4]
    assert found["reject_value"][2:4] == [0.25, 0]


def test_by_language(histogram):
    batch = pa.record_batch({"text": ["abc", "\u0436\u0437", "abc", "abc"], "language": pa.array(["en", "ru", "fr", None])})
    histograms = {"ru": histogram("\u0436", "ru.txt"), "en": histogram("abc", "en.txt")}
    found = run(batch, histograms=histograms, column="share")
    assert found["share"] == [1, 0.5, None, None]
    assert found["reject_reason"] == [None, "share.min", None, None]
    check_operation(PART, {"histograms": histograms}, huge=False)


@given(
    documents(), st.sets(st.characters(exclude_characters="\n\r", exclude_categories=("Cs",)) | st.sampled_from("abe .\u4eca"), min_size=1)
)
def test_any_text(tmp_path_factory, batch, characters):
    path = tmp_path_factory.mktemp("histogram") / "h.txt"
    path.write_text("".join(f"{character}\n" for character in sorted(characters)), encoding="utf-8")
    found = run(batch, histogram=str(path), min_ratio=None)
    for text, ratio in zip(found["text"], found["character_histogram_ratio"], strict=True):
        letters = [letter for letter in text or "" if not letter.isspace()]
        assert ratio == (sum(letter in characters for letter in letters) / len(letters) if letters else 0)
    assert "reject_reason" not in found


@given(st.lists(st.text(st.sampled_from("aab\u00e9 \n\u4eca\U0001f436"), max_size=30), max_size=5), st.floats(0, 1))
def test_counts(texts, coverage):
    found = count_characters([pa.array(texts[:2], pa.string()), pa.array(texts[2:], pa.large_string())], coverage)
    counts = Counter(letter for text in texts for letter in text if not letter.isspace())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    assert found == ordered[: len(found)]
    if found:
        assert sum(count for _, count in found[:-1]) < coverage * counts.total()
    if len(found) < len(ordered):
        assert sum(count for _, count in found) >= coverage * counts.total()


def test_a_histogram_of_documents(tmp_path, histogram):
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in ["abab", "abc", "\U0001f436"]))
    command([str(tmp_path / "docs.jsonl")], output=str(tmp_path / "out" / "h.txt"), column="body", coverage=0.8)
    assert (tmp_path / "out" / "h.txt").read_text() == "a\t3\nb\t3\nc\t1\n"
    assert read_histogram(str(tmp_path / "out" / "h.txt")) == ["a", "b", "c"]
    (tmp_path / "blank.jsonl").write_text('{"body": " "}\n')
    with pytest.raises(InputError, match="no characters"):
        command([str(tmp_path / "blank.jsonl")], output=str(tmp_path / "h.txt"), column="body")


def test_files_that_are_no_histogram(tmp_path):
    for content in (b"\n\n", b"\xff\xfe"):
        (tmp_path / "h.txt").write_bytes(content)
        with pytest.raises(InputError):
            read_histogram(str(tmp_path / "h.txt"))


@pytest.mark.parametrize("given", [{}, {"histogram": "a", "histograms": {"en": "b"}}, {"histogram": "a", "min_ratio": 2}])
def test_mistakes_are_found_when_planning(given):
    with pytest.raises(ValidationError):
        CharacterHistogramParameters(**given)
