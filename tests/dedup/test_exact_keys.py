"""What exact de-duplication compares, and which of several equals stays."""

import itertools
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.dedup.catalog import PARTS, TRACKING_PARAMETERS, ExactParameters
from curation_tasks.dedup.exact import exact
from curation_tasks.errors import ConfigError
from curation_tasks.parts import function_parameters


def removed(decisions):
    """(shard, row) → survivor."""
    return {
        (shard, row["row"]): row["survivor"] for shard, uri in enumerate(decisions.uris) if uri for row in pq.read_table(uri).to_pylist()
    }


DOCUMENTS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.none() | st.integers(-3, 3), st.sampled_from("xyz")), max_size=10)
KEEPS = [
    {"policy": "score", "column": "score"},
    {"policy": "score", "column": "score", "prefer": "min"},
    {"policy": "source", "column": "site", "priority": ["z", "x"]},
    {"policy": "longest", "column": "site"},
]


def best_first(keep):
    """Python's view of a policy: a sort key of (score, site, doc_id, place)."""
    sign = -1 if keep.get("prefer", "max") == "max" else 1

    def rank(document):
        score, site, doc_id, place = document
        tie = (xxhash.xxh3_64_intdigest(doc_id.encode()), place)
        if keep["policy"] == "score":
            return (score is None, sign * (score or 0), *tie)
        return (["z", "x"].index(site) if site in "zx" else 2, *tie) if keep["policy"] == "source" else (-len(site), *tie)

    return rank


@settings(max_examples=40)
@given(shards=st.lists(DOCUMENTS, max_size=4), keep=st.sampled_from(KEEPS), memory=st.sampled_from([2**30, 900]), reverse=st.booleans())
def test_the_best_by_the_policy_stays(make_dataset, make_context, in_process_map, shards, keep, memory, reverse):
    with tempfile.TemporaryDirectory() as folder:
        columns = {"score": ("int32", [[d[1] for d in shard] for shard in shards]), "site": ("string", [[d[2] for d in s] for s in shards])}
        dataset = make_dataset(Path(folder), [[d[0] for d in shard] for shard in shards], 3, columns)
        context = make_context(Path(folder) / "work", in_process_map(reverse=reverse), memory)
        found = removed(exact(dataset, ExactParameters(keep=keep), context))
        expected = {}
        everything = [
            (text, (score, site, f"doc-{shard}-{row}", (shard, row)))
            for shard, documents in enumerate(shards)
            for row, (text, score, site) in enumerate(documents)
            if text is not None
        ]
        for _, group in itertools.groupby(sorted(everything, key=lambda item: item[0]), key=lambda item: item[0]):
            best, *others = sorted((item[1] for item in group), key=best_first(keep))
            expected |= {other[3]: best[2] for other in others}
        assert found == expected


def decide(make_dataset, make_context, folder, columns, **parameters):
    rows = len(next(iter(columns.values()))[1][0])
    dataset = make_dataset(folder, [[f"text {row}" for row in range(rows)]], columns=columns)
    return sorted(row for _, row in removed(exact(dataset, ExactParameters(**parameters), make_context(folder / "work"))))


@pytest.mark.parametrize(
    ("kind", "values"),
    [("int64", [7, 8, 7, None, None]), ("bool", [True, None, True, False, None]), ("binary", [b"a", b"\xff", b"a", None, b""])],
)
def test_columns_that_are_not_text(make_dataset, make_context, tmp_path, kind, values):
    assert decide(make_dataset, make_context, tmp_path, {"other": (kind, [values])}, column="other") == [2]


def test_several_columns_must_all_be_equal(make_dataset, make_context, tmp_path):
    columns = {"title": ("string", [["ab", "a", "ab", "ab", None, None]]), "year": ("int32", [[1, 2, 1, 2, 1, 1]])}
    assert decide(make_dataset, make_context, tmp_path, columns, column=["title", "year"]) == [2]
    columns = {"left": ("string", [["ab", "a"]]), "right": ("string", [["c", "bc"]])}
    assert decide(make_dataset, make_context, tmp_path / "boundary", columns, column=["left", "right"]) == []


def test_urls_that_differ_in_spelling_only(make_dataset, make_context, tmp_path):
    urls = [
        "http://example.org/a", "HTTP://Example.org:80/./a/#top", "http://example.org/%61?utm_source=mail&GCLID=7",
        "https://example.org/a", "http://example.org/a?page=2", "http://example.org/A", None,
    ]  # fmt: skip
    columns = {"url": ("string", [urls])}
    assert decide(make_dataset, make_context, tmp_path / "1", columns, column="url", normalization=["url"]) == [1, 2]
    assert decide(make_dataset, make_context, tmp_path / "2", columns, column="url", normalization=["url", "lower"]) == [1, 2, 5]
    parameters = {"column": "url", "normalization": ["url"], "tracking_parameters": [*TRACKING_PARAMETERS, "page"]}
    found = decide(make_dataset, make_context, tmp_path / "3", columns, **parameters)
    assert found == [1, 2, 4]
    assert decide(make_dataset, make_context, tmp_path / "4", columns, column="url") == []


def test_a_function_of_ones_own_makes_the_key(make_dataset, make_context, tmp_path, own_parts):
    columns = {"title": ("string", [["One day", "Two days", "One night", "", None]])}
    parameters = {"column": "title", "key": "curation_test_parts:first_word"}
    assert list(function_parameters(ExactParameters(**parameters))) == ["curation_test_parts:first_word"]
    assert decide(make_dataset, make_context, tmp_path, columns, **parameters) == [2]
    with pytest.raises(
        ConfigError, match=r"curation_test_parts.py:\d+: the function .* returned list<int8> of 5 values for 5 rows"
    ) as told:
        decide(make_dataset, make_context, tmp_path / "list", columns, **parameters | {"key": "curation_test_parts:no_key"})
    assert "one value for each row, of type string" in told.value.expected
    assert "pyarrow.array" in told.value.remedy
    with pytest.raises(ConfigError, match="did you mean 'first_word'"):
        decide(make_dataset, make_context, tmp_path / "typo", columns, **parameters | {"key": "curation_test_parts:first_words"})


def test_code_outside_the_allowed_packages_is_never_imported(make_dataset, make_context, tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "mine")
    columns = {"title": ("string", [["a"]])}
    with pytest.raises(ConfigError, match="package 'os' may not be named"):
        decide(make_dataset, make_context, tmp_path, columns, column="title", key="os:getcwd")
    with pytest.raises(ConfigError, match="no function is registered as 'getcwd'"):
        decide(make_dataset, make_context, tmp_path / "2", columns, column="title", key="getcwd")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"column": "ratio"}, "holds double"),
        ({"column": "number", "normalization": ["lower"]}, "holds int64"),
        ({"column": "titel"}, "does not exist"),
        ({"keep": {"policy": "score", "column": "title"}}, "`keep` names column 'title', which holds string"),
    ],
)
def test_columns_that_cannot_serve_are_refused(make_dataset, make_context, tmp_path, parameters, message):
    columns = {"ratio": ("double", [[0.5]]), "number": ("int64", [[1]]), "title": ("string", [["a"]])}
    with pytest.raises(ConfigError, match=message):
        decide(make_dataset, make_context, tmp_path, columns, **parameters)


def test_parameters_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match="without effect"):
        ExactParameters(key="mine:key", normalization=["lower"])
    with pytest.raises(ValidationError, match="names no column"):
        ExactParameters(column=["a", "a"])


def test_the_part_reads_what_it_compares_and_ranks():
    (part,) = [part for part in PARTS if part.name == "dedup.exact"]
    parameters = ExactParameters(column=["url", "title"], keep={"policy": "score", "column": "quality"})
    assert part.reads_of(parameters) == ("doc_id", "url", "title", "quality")
    assert part.library_names(ExactParameters(normalization=["url"])) == ()
