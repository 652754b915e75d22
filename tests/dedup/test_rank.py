"""Ranks: the order of numbers is that of the policy, and does not hang on how the documents lie."""

import math

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.dedup.keep import Keep
from curation_tasks.dedup.rank import LAST, addresses, ordered_float_bits, policy_keys, rank_order, ties
from curation_tasks.errors import ConfigError
from curation_tasks.parts import check_uses, place_of

FLOATS = st.floats(allow_nan=False)


def keys(values, keep, name="text", kind=None):
    batch = pa.record_batch([pa.array(values, kind)], names=[name])
    return policy_keys(batch, keep, addresses(3, 7, len(values))).tolist()


def test_first_is_the_order_of_shards_and_rows():
    assert keys(["a", "b"], Keep()) == [3 << 32 | 7, 3 << 32 | 8]
    assert addresses(0, 2**32 - 1, 1)[0] < addresses(1, 0, 1)[0]


@given(st.lists(st.none() | st.text()))
def test_longest_puts_most_characters_first(texts):
    found = keys(texts, Keep(policy="longest"), kind=pa.string())
    assert found == [2**64 - 1 - len(text or "") for text in texts]


@given(FLOATS, FLOATS)
def test_bits_of_floats_keep_their_order(left, right):
    a, b = ordered_float_bits(np.array([left, right])).tolist()
    assert (a < b, a == b) == (left < right, left == right)


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.uint64(), pa.int8(), pa.float32(), pa.float64(), pa.date32(), pa.timestamp("us", tz="UTC")]
)
@pytest.mark.parametrize("prefer", ["max", "min"])
def test_scores_of_every_number_type_are_ordered_and_nulls_come_last(kind, prefer):
    low = 1 if pa.types.is_unsigned_integer(kind) else -5
    values = [3, None, low, 100, 3]
    plain = pa.array(values, pa.int64())
    width = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    column = plain.cast(width).cast(kind) if pa.types.is_temporal(kind) else plain.cast(kind)
    found = policy_keys(pa.record_batch([column], names=["q"]), Keep(policy="score", column="q", prefer=prefer), np.zeros(5, np.uint64))
    expected = sorted((0, 2, 3, 4), key=lambda row: values[row], reverse=prefer == "max")
    assert sorted((0, 2, 3, 4), key=lambda row: int(found[row])) == expected
    assert found[0] == found[4]
    assert found[1] == LAST
    assert all(found[row] < LAST for row in expected)


def test_scores_that_are_no_numbers_come_last_and_zeros_are_one():
    found = keys([math.nan, 0.0, -0.0, math.inf, -math.inf, None], Keep(policy="score", column="q"), "q", pa.float64())
    assert found[0] == found[5] == LAST
    assert found[1] == found[2]
    assert found[3] < found[1] < found[4] < LAST


def test_integers_beyond_the_reach_of_floats_are_told_apart():
    assert len(set(keys([2**62, 2**62 + 1, -(2**63)], Keep(policy="score", column="q"), "q", pa.int64()))) == 3
    yes, no, unknown = keys([True, False, None], Keep(policy="score", column="q"), "q", pa.bool_())
    assert yes < no < unknown == LAST


def test_sources_follow_the_list_and_others_are_equal():
    keep = Keep(policy="source", priority=["wiki", "books"])
    assert keys(["web", "books", None, "wiki", "news"], keep, "source") == [2, 1, 2, 0, 2]


def test_ties_are_the_published_hash_of_the_identity():
    ids = ["a", "", None, "é", "source:17"]
    expected = [xxhash.xxh3_64_intdigest((name or "").encode()) for name in ids]
    assert ties(pa.array(ids)).tolist() == expected
    assert ties(pa.array(["cut", *ids]).slice(1)).tolist() == expected
    assert ties(pa.chunked_array([ids[:2], ids[2:]], pa.string())).tolist() == expected
    assert ties(pa.chunked_array([], pa.string())).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=20))
def test_rank_order_is_by_key_then_tie_then_address(rows):
    key, tie = (np.array([row[index] for row in rows], np.uint64) for index in (0, 1))
    address = np.arange(len(rows), dtype=np.uint64)[::-1]
    expected = sorted(range(len(rows)), key=lambda row: (key[row], tie[row], address[row]))
    assert rank_order(key, tie, address).tolist() == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policy": "score"}, "needs the column"),
        ({"policy": "source"}, "needs a list"),
        ({"policy": "longest", "priority": ["a"]}, "belongs to the policy `source`"),
        ({"policy": "first", "column": "text"}, "looks at no column"),
        ({"policy": "longest", "prefer": "min"}, "belongs to the policy `score`"),
        ({"policy": "source", "priority": ["a", "a"]}, "stands twice"),
        ("newest", "first"),
    ],
)
def test_what_a_policy_needs_is_checked(wrong, message):
    with pytest.raises(ValidationError, match=message):
        Keep.model_validate(wrong)


def test_a_name_alone_is_enough_and_survives_being_frozen():
    assert Keep.model_validate("longest").reads == ("text",)
    assert Keep.model_validate(Keep(policy="score", column="q").model_dump(mode="json")).reads == ("q",)


def test_a_column_that_cannot_be_ordered_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'quality'"):
        check_uses(Keep(policy="score", column="qualty").uses(), {"quality": "double", "qualty_": "string"}, place_of("clean"))
    with pytest.raises(
        ConfigError, match=r"stage 'clean', parameters\.keep: `keep` names column 'quality', which holds string; none is known"
    ):
        check_uses(Keep(policy="score", column="quality").uses(), {"quality": "string"}, place_of("clean"))
    check_uses(Keep(policy="longest").uses(), {"text": "string"}, place_of("clean"))
