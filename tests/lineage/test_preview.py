"""What a preview says of rules is true of the sample, and its page is safe."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.lineage.preview import Example, OperationSample, Preview, RuleSample, render_preview

VALUES = st.lists(st.tuples(st.none() | st.integers(0, 9) | st.floats(0, 9), st.booleans()), min_size=1, max_size=30)


def rule(values, bound, side, others=None, **more):
    values = np.array([np.nan if value is None else value for value in values], np.float64)
    missed = values < bound if side == "min" else values > bound
    others = np.ones(len(values), bool) if others is None else np.array(others, bool)
    return RuleSample("house.x.min", "x", float(bound), side, values, missed, others, **more)


@given(rows=VALUES, side=st.sampled_from(["min", "max"]), bounds=st.lists(st.floats(-1, 10), min_size=1, max_size=6))
def test_keep_rates_are_those_of_judging_again(rows, side, bounds):
    values, others = zip(*rows, strict=True)
    alone, together = rule(values, 4, side, others).keep_rates(np.array(bounds))
    for bound, one, all_ in zip(bounds, alone, together, strict=True):
        passed = [value is None or (value >= bound if side == "min" else value <= bound) for value in values]
        assert one == pytest.approx(sum(passed) / len(values))
        assert all_ == pytest.approx(sum(a and b for a, b in zip(passed, others, strict=True)) / len(values))


@given(rows=VALUES, side=st.sampled_from(["min", "max"]), rate=st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_the_bound_for_a_rate_is_the_tightest_that_keeps_it(rows, side, rate):
    sample = rule([value for value, _ in rows], 4, side)
    known = sorted({value for value, _ in rows if value is not None})
    bound = sample.bound_for(rate)
    keeping = [value for value in known if sample.keep_rates(np.array([value]))[0][0] >= rate]
    if keeping:
        assert bound == (max(keeping) if side == "min" else min(keeping))
    else:
        assert np.isnan(bound)


def page(text, values=(1, 2, 3, 8), bound=4):
    sample = rule(values, bound, "min", kept=(Example("doc<1>", 8.0, text),), rejected=())
    operation = OperationSample("filters.quality", len(values), (sample,), {"x": sample.values, "y": sample.values}, ~sample.missed)
    reasons = {"house.x.min": int(sample.missed.sum())} if sample.missed.any() else {}
    preview = Preview("small", "all", "refine", "From a test.", 0, 10, len(values), int((~sample.missed).sum()), reasons, (operation,))
    return render_preview(preview), preview.told()


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_shows_rules_with_plots_and_no_script():
    html, told = page("Plain.")
    elements = Elements(html).found
    figures = [attributes for tag, attributes in elements if tag == "figure"]
    assert [figure for figure in figures if "data-sweep" in figure] == [{"data-sweep": "house.x.min"}]
    assert [figure["data-signal"] for figure in figures if "data-signal" in figure] == ["x", "y"]
    assert "script" not in {tag for tag, _ in elements}
    [rejected] = [attributes["data-value"] for _, attributes in elements if attributes.get("data-field") == "rejected"]
    assert int(rejected) == told["operations"][0]["rules"][0]["rejected"] == 3
    assert page("Plain.")[0] == html


def test_hostile_text_stays_text():
    html, _ = page("<script>alert(1)</script>\u202e")
    assert "<script>" not in html
    assert "\u202e" not in html
    assert "doc&lt;1&gt;" in html


@pytest.mark.parametrize("values", [(5,), (None, None), (4, 4, 4)])
def test_a_page_is_made_of_any_values(values):
    html, told = page("x", values)
    assert "house.x.min" in html
    assert told["operations"][0]["rules"][0]["rejected"] == 0
