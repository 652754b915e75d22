"""The link from a task to the dashboard of its Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def cluster_name(pod_name: str) -> str:
    """Name of the Dask cluster of a stage pod, derived from the random end of the pod's name so that Airflow knows it as well."""
    return f"curate-{pod_name.rsplit('-', 1)[-1]}"


@attrs.define()
class DaskDashboardLink(BaseOperatorLink):
    """Dask's dashboard; there while the stage runs, gone from the page when its cluster is."""

    name = "Dask dashboard"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return getattr(operator, "dashboard", None) or ""
