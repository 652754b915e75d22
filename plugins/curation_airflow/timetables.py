"""When a pipeline runs: once for each snapshot of its source.

The list of snapshots stands in the timetable itself, read from the catalogue where the DAG file is parsed. Airflow calls
these methods in the loop of its scheduler, so nothing here reads a file or asks a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Self

from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo, DataInterval, Timetable
from airflow.utils.strings import get_random_string
from pendulum import DateTime, instance

from curation_tasks.errors import did_you_mean
from curation_tasks.parts import Snapshot

if TYPE_CHECKING:
    from airflow.timetables.base import TimeRestriction


class SnapshotTimetable(Timetable):
    """One run for each snapshot of a catalogue: in order when scheduled, in either order as a backfill.

    The partition key is the snapshot's id. Its partition date is the day it stands for, at midnight UTC; of several of one
    day the second is a second later and so on, because Airflow tells partitions apart by that date.

    Args:
        pipeline: Named in messages.
        snapshots: The catalogue.
        since: The first day whose snapshots are scheduled. Backfills go further back.
    """

    description = "One run per snapshot of the source"
    partitioned = True
    periodic = True

    def __init__(self, pipeline: str, snapshots: Sequence[Snapshot], since: date | None = None):
        self.pipeline, self.snapshots, self.since = pipeline, tuple(snapshots), since
        self._infos = tuple(_run_infos(self.snapshots))

    def serialize(self) -> dict[str, Any]:
        return {
            "pipeline": self.pipeline,
            "snapshots": [[item.id, item.date, item.available] for item in self.snapshots],
            "since": self.since.isoformat() if self.since else None,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        since = date.fromisoformat(data["since"]) if data["since"] else None
        return cls(data["pipeline"], [Snapshot(*item) for item in data["snapshots"]], since)

    @property
    def summary(self) -> str:
        if not self.snapshots:
            return "snapshots (none is known yet: run the DAG discovery)"
        return f"snapshots ({len(self.snapshots)}, newest {self.snapshots[-1].id})"

    def next_dagrun_info_v2(self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction) -> DagRunInfo | None:
        """The oldest snapshot newer than that of the last run; at first the newest there is, unless the DAG catches up."""
        infos = [info for info in self._infos if self.since is None or info.partition_date.date() >= self.since]
        if restriction.earliest is not None:
            infos = [info for info in infos if info.partition_date >= restriction.earliest]
        if last_dagrun_info is not None:
            last = last_dagrun_info.partition_date or last_dagrun_info.run_after
            infos = [info for info in infos if info.partition_date > last]
        elif not restriction.catchup:
            infos = infos[-1:]
        following = next(iter(infos), None)
        if following is not None and restriction.latest is not None and following.run_after > restriction.latest:
            return None
        return following

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """The snapshots of a backfill, oldest first; Airflow turns the order round for ``--run-backwards``."""
        first, last = self.localize_partition_datetime(earliest), self.localize_partition_datetime(latest)
        if last == last.start_of("day"):
            last = last.end_of("day")  # a day given as the end includes all snapshots of that day
        return (info for info in self._infos if first <= info.partition_date <= last)

    def _decode_partition_date(self, partition_key: str) -> datetime:
        """The day of a snapshot; a trial (``id+suffix``) has that of the snapshot that it tries."""
        name = partition_key.partition("+")[0]
        for info in self._infos:
            if info.partition_key == name:
                return info.partition_date
        raise InvalidPartitionKeyError(
            f"pipeline {self.pipeline!r} knows no snapshot {name!r}; {did_you_mean(name, [item.id for item in self.snapshots])}"
        )

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        return DataInterval.exact(run_after)

    def generate_run_id(self, *, run_type: Any, run_after: DateTime, data_interval: DataInterval | None, **extra: Any) -> str:
        # A partition may run again beside an earlier run of it, so the key alone does not tell runs apart.
        return f"{run_type.value}__{extra.get('partition_key') or run_after.isoformat()}__{get_random_string()}"


def _run_infos(snapshots: Iterable[Snapshot]) -> Iterable[DagRunInfo]:
    previous: DateTime | None = None
    for item in snapshots:
        moment = instance(datetime.combine(date.fromisoformat(item.date), time(), UTC))
        if previous is not None and moment <= previous:
            moment = previous.add(seconds=1)
        previous = moment
        available = instance(datetime.fromisoformat(item.available)) if item.available else moment
        yield DagRunInfo(run_after=available.in_timezone("UTC"), data_interval=None, partition_date=moment, partition_key=item.id)
