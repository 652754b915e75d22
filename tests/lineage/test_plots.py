from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.lineage.plots import _counts, _line, bin_edges, funnel_plot, reasons_plot, signal_plot
from curation_tasks.lineage.signals import Signal

finite = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=60), st.lists(finite, max_size=3))
def test_bins_are_ascending_and_hold_all_thresholds(values: list[float], thresholds: list[float]) -> None:
    edges = bin_edges(np.array(values), thresholds)

    assert np.all(np.diff(edges) > 0)
    assert len(edges) <= 51
    assert all(edges[0] <= bound <= edges[-1] for bound in thresholds)


def test_bins_of_whole_numbers_hold_equally_many_of_them() -> None:
    edges = bin_edges(np.arange(500, dtype=float), [])

    assert len({np.count_nonzero((np.arange(-20, 520) >= low) & (np.arange(-20, 520) < high)) for low, high in pairwise(edges)}) == 1


def test_few_whole_numbers_are_centred_on_their_bars() -> None:
    assert bin_edges(np.array([0.0, 1.0, 1.0]), []).tolist() == [-0.5, 0.5, 1.5]


def drawings() -> dict[str, str]:
    rows = [{"stage": "stories", "documents_in": 10, "documents": 8, "rejected": 2}]
    values = np.random.default_rng(1).normal(100, 20, 2_000)
    return {
        "funnel": funnel_plot(rows),
        "reasons": reasons_plot("refine", {"words.min": 3, "二字": 2, "$\\frac{a}$</text><script>": 1}),
        "signal": signal_plot(Signal("refine", "word_count", values[60:], values[:60], {"words.min": 70.0})),
        "rejected only": signal_plot(Signal("refine", "line_count", np.zeros(0), np.zeros(5))),
    }


def test_a_drawing_is_the_same_each_time() -> None:
    assert drawings() == drawings()


@pytest.mark.parametrize("name", ["funnel", "reasons", "signal", "rejected only"])
def test_a_drawing_fetches_nothing_escapes_names_and_takes_the_colours_of_the_page(name: str) -> None:
    svg = drawings()[name]

    assert svg.startswith("<svg ")
    assert "http" not in svg
    assert "<script" not in svg
    assert not re.search(r"#0[1-6]0", svg)
    assert "var(--ink)" in svg or "var(--muted)" in svg
    assert len(svg) < 50_000


def test_ids_differ_between_drawings_and_each_that_is_used_is_there() -> None:
    signals = {name: signal_plot(Signal("refine", name, np.arange(9.0), np.zeros(0))) for name in ("a", "b")}
    drawn = [*drawings().values(), *signals.values()]
    identities = [re.findall(r' id="([^"]+)"', svg) for svg in drawn]

    assert all(identities)
    assert len({name for names in identities for name in names}) == sum(len(names) for names in identities)
    for svg, names in zip(drawn, identities, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) == set(names)


def test_ticks_of_an_axis_share_one_unit() -> None:
    assert [_counts(24_000)(value, 0) for value in (0, 5_000, 20_000)] == ["0", "5k", "20k"]
    assert [_counts(9_000)(value, 0) for value in (0, 2_500, 2.5)] == ["0", "2,500", ""]


def test_a_threshold_among_centred_bars_is_drawn_where_rejection_begins() -> None:
    centred, scale = bin_edges(np.array([0.0, 1.0]), []), bin_edges(np.array([0.0, 0.7, 1.0]), [])

    assert [_line(reason, 1.0, centred) for reason in ("a.min", "a.max", "a")] == [0.5, 1.5, 1.0]
    assert _line("a.min", 1.0, scale) == 1.0
