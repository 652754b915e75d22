"""Which snapshot a run curates."""

from __future__ import annotations

import pytest

from curation_airflow.snapshots import chosen_snapshot
from curation_tasks.errors import ConfigError


@pytest.mark.parametrize(
    ("partition_key", "parameter"),
    [("2026-08", None), (None, "2026-08"), ("2026-08", "2026-08"), ("2026-08", ""), ("", "2026-08")],
)
def test_a_snapshot_named_once_or_twice_alike_is_taken(partition_key, parameter):
    assert chosen_snapshot(partition_key, parameter) == "2026-08"


@pytest.mark.parametrize(("partition_key", "parameter"), [(None, None), ("", None), (None, ""), ("", "")])
def test_no_snapshot_is_refused(partition_key, parameter):
    with pytest.raises(ConfigError, match="names no snapshot"):
        chosen_snapshot(partition_key, parameter)


def test_two_snapshots_that_differ_are_refused():
    with pytest.raises(ConfigError, match=r"'2026-08'.*'2026-09'"):
        chosen_snapshot("2026-08", "2026-09")


def test_a_snapshot_that_the_catalogue_does_not_list_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean '2026-08'"):
        chosen_snapshot(None, "2026-07", ["2026-08"])
    assert chosen_snapshot("2026-08", None, ["2026-08"]) == "2026-08"
    assert chosen_snapshot(None, "2026-08+trial", ["2026-08"]) == "2026-08+trial"
