from __future__ import annotations

from curation_tasks.lineage.funnel import funnel, imbalances
from curation_tasks.manifest import Manifest


def test_funnel_has_the_figures_of_each_stage_in_order(published: Manifest) -> None:
    rows = {row["stage"]: row for row in funnel(published)}

    assert list(rows) == ["stories", "essays", "refine", "unique", "private", "export"]
    assert {stage: (row["documents_in"], row["documents"], row["rejected"]) for stage, row in rows.items()} == {
        "stories": (120, 120, 0), "essays": (30, 30, 0), "refine": (150, 135, 15), "unique": (135, 120, 15), "private": (120, 120, 0),
        "export": (120, 120, 0),
    }  # fmt: skip
    assert rows["refine"]["reasons"] == {"words.min": 15}
    assert rows["refine"]["inputs"] == ["stories", "essays"]
    assert (rows["stories"]["units"], rows["stories"]["quarantined_units"], rows["refine"]["units"]) == (4, 1, None)
    assert rows["private"]["text_bytes"] > rows["private"]["text_bytes_in"], "replaced names are longer"


def test_throughput_is_text_read_over_time_and_of_a_source_text_yielded(published: Manifest) -> None:
    rows = {row["stage"]: row for row in funnel(published)}

    assert rows["refine"]["megabytes_per_second"] == round(rows["refine"]["text_bytes_in"] / 1.5 / 1e6, 3)
    assert rows["stories"]["megabytes_per_second"] == round(rows["stories"]["text_bytes"] / 1.5 / 1e6, 3)


def test_a_funnel_that_adds_up_has_no_imbalance_and_each_broken_sum_is_named(published: Manifest) -> None:
    rows = funnel(published)
    assert imbalances(rows) == []

    lost = [row | {"documents": row["documents"] - 1} if row["stage"] == "unique" else row for row in rows]
    assert imbalances(lost) == [
        "unique: 135 documents came in, 119 left and 15 were rejected",
        "private: 120 documents came in, 119 left unique",
    ]
    unexplained = [row | {"reasons": {}} if row["stage"] == "refine" else row for row in rows]
    assert imbalances(unexplained) == ["refine: 15 documents were rejected, 0 of them with a reason"]
