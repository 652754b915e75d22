from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from curation_tasks.lineage import signals
from curation_tasks.lineage.signals import sample_signals
from curation_tasks.lineage.tree import ancestors, dataset_parents
from curation_tasks.manifest import Manifest


def sampled(published: Manifest, stage: str) -> Any:
    stages = ancestors(published)
    item = next(item for item in stages if item.stage == stage)
    return sample_signals(item, dataset_parents(item, {item.uri: item for item in stages}))


def test_distribution_has_the_values_of_kept_and_of_rejected_documents_and_the_threshold(published: Manifest) -> None:
    sample = sampled(published, "refine")

    first = sample.signals[0]
    assert (first.name, first.thresholds) == ("word_count", {"words.min": 40.0}), "signals with a threshold come first"
    assert (len(first.kept), len(first.rejected)) == (135, 15)
    assert np.all(first.kept >= 40)
    assert np.all(first.rejected < 40)
    assert {signal.name for signal in sample.signals} == {"word_count", "symbol_ratio", "has_title"}
    assert (sample.shards, sample.of_shards, sample.documents) == (4, 4, 150)


def test_stages_that_add_and_judge_no_number_have_no_distribution(published: Manifest) -> None:
    assert [sampled(published, stage) for stage in ("stories", "unique", "private", "export")] == [None] * 4


def test_a_sample_takes_the_ledgers_of_the_shards_it_takes(published: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "SAMPLED_SHARDS", 2)

    sample = sampled(published, "refine")

    # The first of the three shards of stories (40 documents) and the last shard, essays (30).
    assert (sample.shards, sample.of_shards, sample.documents) == (2, 4, 70)
    assert len(sample.signals[0].rejected) == 7


def test_a_signal_of_an_earlier_stage_is_shown_where_it_is_judged(published: Manifest) -> None:
    stages = ancestors(published)
    unique = next(item for item in stages if item.stage == "unique")
    judged = Manifest(
        unique.uri, unique.content, unique.lineage, dict(unique.execution) | {"thresholds": {"exact_duplicate": ["word_count", 1.0]}}
    )

    sample = sample_signals(judged, dataset_parents(judged, {item.uri: item for item in stages}))

    assert [signal.name for signal in sample.signals] == ["word_count"]
    assert len(sample.signals[0].kept) == 120
    assert len(sample.signals[0].rejected) == 15
