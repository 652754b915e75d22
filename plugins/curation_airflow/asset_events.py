"""Events of several assets for one partition, at the same moment.

Airflow 3.3 gathers the events that a partitioned consumer waits for in one row for each consumer and key. It locks the
*asset* while it looks for that row, so two inputs of a blend that end within milliseconds of each other each make a row of
their own: neither is ever complete, and the blend never runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.assets.manager import AssetManager
from sqlalchemy import text

if TYPE_CHECKING:
    from airflow.models.asset import AssetPartitionDagRun
    from sqlalchemy.orm import Session

#: Any number that nothing else in Airflow's database locks by.
_LOCK = 3_721_908_554


class PartitionAssetManager(AssetManager):
    """Gathers the events of a partition one after the other on PostgreSQL (``[core] asset_manager_class``).

    SQLite has one writer at a time as it is. On MySQL this is Airflow's own manager.
    """

    @classmethod
    def _get_or_create_apdr(cls, *, session: Session, **arguments: Any) -> AssetPartitionDagRun:
        if session.get_bind().dialect.name == "postgresql":
            # Held until the transaction ends, and taken before any lock of an asset: nobody waits for each other.
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        return super()._get_or_create_apdr(session=session, **arguments)
