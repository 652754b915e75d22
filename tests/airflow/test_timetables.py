"""When pipelines run: the timetable of snapshots, as Airflow calls it."""

from __future__ import annotations

from datetime import date

import pendulum
import pytest
from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.utils.types import DagRunType

from curation_airflow.timetables import SnapshotTimetable
from curation_tasks.parts import Snapshot

CRAWLS = [
    Snapshot("CC-MAIN-2026-08", "2026-02-09", "2026-02-25T00:00:00+00:00"),
    Snapshot("CC-MAIN-2026-21", "2026-05-18", "2026-06-01T12:00:00+02:00"),
    Snapshot("CC-MAIN-2026-30", "2026-07-20", "2026-08-02T00:00:00+00:00"),
]
ANY = TimeRestriction(earliest=None, latest=None, catchup=False)
ALL = TimeRestriction(earliest=None, latest=None, catchup=True)


def timetable(**more) -> SnapshotTimetable:
    return SnapshotTimetable("crawl", CRAWLS, **more)


def scheduled(table: SnapshotTimetable, restriction: TimeRestriction, count: int = 5) -> list[str]:
    """The keys that a scheduler would run one after the other."""
    keys: list[str] = []
    last: DagRunInfo | None = None
    while len(keys) < count and (last := table.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction)):
        keys.append(last.partition_key)
    return keys


def backfill(table: SnapshotTimetable, first: str, last: str) -> list[str]:
    start, end = pendulum.parse(first), pendulum.parse(last)
    return [info.partition_key for info in table.iter_partition_dagrun_infos(earliest=start, latest=end)]


def test_the_first_scheduled_run_is_of_the_newest_snapshot():
    assert scheduled(timetable(), ANY) == ["CC-MAIN-2026-30"]


def test_catching_up_runs_all_in_order():
    assert scheduled(timetable(), ALL) == [crawl.id for crawl in CRAWLS]
    assert scheduled(timetable(since=date(2026, 5, 1)), ALL) == ["CC-MAIN-2026-21", "CC-MAIN-2026-30"]


def test_after_a_run_each_newer_snapshot_follows_none_left_out():
    before = SnapshotTimetable("crawl", CRAWLS[:1])
    last = before.next_dagrun_info_v2(last_dagrun_info=None, restriction=ANY)
    assert before.next_dagrun_info_v2(last_dagrun_info=last, restriction=ANY) is None
    after = timetable().next_dagrun_info_v2(last_dagrun_info=last, restriction=ANY)
    assert after.partition_key == "CC-MAIN-2026-21"


def test_a_run_waits_until_its_snapshot_is_available():
    info = timetable().next_dagrun_info_v2(last_dagrun_info=None, restriction=ANY)
    assert info.run_after == pendulum.datetime(2026, 8, 2)
    [second] = timetable().iter_partition_dagrun_infos(earliest=pendulum.datetime(2026, 5, 18), latest=pendulum.datetime(2026, 5, 18))
    assert second.run_after == pendulum.datetime(2026, 6, 1, 10)


def test_a_backfill_takes_the_days_between_both_ends():
    assert backfill(timetable(), "2026-02-09", "2026-05-18") == ["CC-MAIN-2026-08", "CC-MAIN-2026-21"]
    assert backfill(timetable(since=date(2026, 7, 1)), "2026-01-01", "2026-12-31") == [crawl.id for crawl in CRAWLS]
    assert backfill(timetable(), "2026-02-10", "2026-05-17") == []


def test_snapshots_of_one_day_are_told_apart():
    table = SnapshotTimetable("crawl", [Snapshot("a", "2026-01-01"), Snapshot("b", "2026-01-01"), Snapshot("c", "2026-01-02")])
    infos = list(table.iter_partition_dagrun_infos(earliest=pendulum.datetime(2026, 1, 1), latest=pendulum.datetime(2026, 1, 1)))
    assert [info.partition_key for info in infos] == ["a", "b"]
    assert infos[0].partition_date < infos[1].partition_date
    assert table.resolve_partition_date("c") == pendulum.datetime(2026, 1, 2)


def test_a_key_that_is_no_snapshot_is_refused_with_the_nearest():
    with pytest.raises(InvalidPartitionKeyError, match="did you mean 'CC-MAIN-2026-21'"):
        timetable().resolve_partition_date("CC-MAIN-2026-22")
    assert timetable().resolve_partition_date("CC-MAIN-2026-21+trial") == pendulum.datetime(2026, 5, 18)


def test_it_survives_the_way_through_the_database():
    stored = SnapshotTimetable.deserialize(timetable(since=date(2026, 5, 1)).serialize())
    assert scheduled(stored, ALL) == scheduled(timetable(since=date(2026, 5, 1)), ALL)
    assert "newest CC-MAIN-2026-30" in stored.summary
    assert (
        SnapshotTimetable.deserialize(SnapshotTimetable("crawl", []).serialize()).summary
        == "snapshots (none is known yet: run the DAG discovery)"
    )


def test_runs_of_one_partition_have_ids_of_their_own():
    made = {
        timetable().generate_run_id(
            run_type=DagRunType.MANUAL, run_after=pendulum.now(), data_interval=None, partition_key="CC-MAIN-2026-08"
        )
        for _ in range(3)
    }
    assert len(made) == 3
    assert all(name.startswith("manual__CC-MAIN-2026-08__") for name in made)
