"""Which snapshot a run curates."""

from __future__ import annotations

from collections.abc import Sequence

from curation_tasks.errors import ConfigError
from curation_tasks.snapshots import require_known


def chosen_snapshot(partition_key: str | None, parameter: str | None, known: Sequence[str] = ()) -> str:
    """The snapshot named by the run's partition key, or by its parameter ``snapshot``.

    Airflow starts runs with either (a backfill has a key, the trigger form a parameter), with both, or with none.

    Args:
        partition_key: Of the run.
        parameter: Of the form.
        known: Ids of the catalogue; empty when there is none, and then any name will do.

    Raises:
        ConfigError: None is named, two that differ, or one that the catalogue does not list.
    """
    named = [name for name in (partition_key, parameter) if name]
    if not named:
        raise ConfigError(
            "the run names no snapshot",
            where="dag_run.partition_key and params.snapshot",
            remedy="trigger it with a partition key, or fill in `snapshot` in the form",
        )
    if len(set(named)) > 1:
        raise ConfigError(
            f"the run names two snapshots: partition key {partition_key!r} and parameter {parameter!r}",
            where="dag_run.partition_key and params.snapshot",
            remedy="leave the parameter `snapshot` empty when the run has a partition key",
        )
    require_known(named[0], known, "dag_run.partition_key" if partition_key else "params.snapshot")
    return named[0]
