"""Overlaps and rewriting of texts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.pii.spans import ENTITIES, SPAN, resolve_overlaps, rewrite, span_column, span_counts

EMAIL, PHONE, URL, PERSON = range(4)
any_span = st.tuples(st.integers(0, 20), st.integers(1, 8), st.integers(0, 3), st.sampled_from([0.4, 0.5, 0.6, 1.0]))


def spans(*members: tuple[int, int, int, float]) -> np.ndarray:
    return np.array([(0, *member) for member in members], SPAN)


def plain(resolved: np.ndarray) -> list[tuple[int, int, int, float]]:
    return [tuple(span)[1:] for span in resolved.tolist()]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([(0, 5, URL, 0.5), (3, 9, EMAIL, 1.0)], [(0, 9, EMAIL, 1.0)]),
        ([(0, 5, URL, 0.5), (2, 9, PERSON, 0.5)], [(0, 9, PERSON, 0.5)]),
        ([(0, 5, PERSON, 0.5), (0, 5, URL, 0.5)], [(0, 5, URL, 0.5)]),
        ([(0, 3, URL, 0.5), (2, 5, URL, 0.5), (4, 6, PHONE, 0.4), (6, 8, URL, 0.5)], [(0, 6, URL, 0.5), (6, 8, URL, 0.5)]),
    ],
)
def test_overlapping_spans_become_one_named_after_the_best(members, expected):
    assert plain(resolve_overlaps(spans(*members))) == expected


@given(st.lists(any_span, max_size=8), st.randoms())
def test_nothing_found_is_left_uncovered_whatever_the_order(members, random):
    given_spans = [(start, start + length, entity, score) for start, length, entity, score in members]
    resolved = plain(resolve_overlaps(spans(*given_spans)))
    covered = [position for start, end, *_ in resolved for position in range(start, end)]
    assert sorted(covered) == sorted({position for start, end, *_ in given_spans for position in range(start, end)})
    random.shuffle(given_spans)
    assert plain(resolve_overlaps(spans(*given_spans))) == resolved


@given(st.lists(st.one_of(st.none(), st.text(max_size=8)), max_size=6), st.data())
def test_rewriting_is_that_of_python_strings(texts, data_of):
    column = pa.array(["skipped", *texts], pa.string()).slice(1)
    offsets, data = text_buffers(column)
    expected, members, reported = [], [], []
    for row, text in enumerate(texts):
        cuts = sorted(data_of.draw(st.sets(st.integers(0, len(text or "")), max_size=4)))
        pieces, read, places = [], 0, []
        for start, end in zip(cuts[::2], cuts[1::2], strict=False):
            entity = data_of.draw(st.integers(0, 3))
            before = int(offsets[row]) + len(text[:start].encode())
            members.append((row, before, before + len(text[start:end].encode()), entity, 0.5))
            places.append({"start": start, "end": end, "entity": ENTITIES[entity], "score": 0.5})
            pieces += [text[read:start], f"<é{entity}>"]
            read = end
        expected.append(None if text is None else "".join([*pieces, text[read:]]))
        reported.append(places)
    found = np.array(members, SPAN)
    rewritten = rewrite(column, offsets, data, found, [f"<é{entity}>" for entity in range(4)])
    rewritten.validate(full=True)
    assert rewritten.to_pylist() == expected
    assert span_column(offsets, data, found).to_pylist() == reported
    assert span_counts(len(texts), found).tolist() == [len(places) for places in reported]


def test_a_column_without_spans_is_handed_on_uncopied():
    column = pa.array(["nothing here"])
    assert rewrite(column, *text_buffers(column), np.zeros(0, SPAN), [""] * 4) is column
