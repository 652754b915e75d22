"""Rows that are replaced are those of Arrow's own replacement."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.row_replacement import Overlay, with_rows

TEXTS = st.lists(st.none() | st.sampled_from(["", "a", "\u00e9", "longer"]), min_size=3, max_size=12)
KINDS = st.sampled_from([pa.string(), pa.large_string()])


@given(texts=TEXTS, kind=KINDS, start=st.integers(0, 2), chosen=st.data())
def test_rows_are_replaced(texts, kind, start, chosen):
    texts = pa.array(texts, kind).slice(start)
    mask = [text is not None and chosen.draw(st.booleans()) for text in texts.to_pylist()]
    written = pa.array([f"new {number}" for number in range(sum(mask))], kind)
    replaced = with_rows(texts, np.flatnonzero(mask), written)
    assert replaced.equals(pc.replace_with_mask(texts, pa.array(mask), written))
    replaced.validate(full=True)


@given(texts=TEXTS, kind=KINDS, steps=st.lists(st.sets(st.integers(0, 11)), max_size=4))
def test_rows_that_change_again_are_as_they_were_written_last(texts, kind, steps):
    expected, overlay = list(texts), Overlay(pa.array(texts, kind))
    for number, step in enumerate(steps):
        rows = np.array([row for row in sorted(step, reverse=True) if row < len(texts) and texts[row] is not None], np.int64)
        if len(rows):
            order, before = overlay.take(rows)
            assert before.to_pylist() == [expected[row] for row in order]
        overlay.put(rows, pa.array([f"{row} of {number}" for row in rows], kind))
        for row in rows:
            expected[row] = f"{row} of {number}"
    assert overlay.whole().to_pylist() == expected
    assert overlay.changed == sum(before != after for before, after in zip(texts, expected, strict=True))
