"""What a stage is told so that its OpenLineage events name the Airflow task as their parent."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Where Airflow's provider is configured; without any of these nothing of it is imported.
_CONFIGURATION = ("AIRFLOW__OPENLINEAGE__", "OPENLINEAGE_")


def lineage_parent(context: Context) -> dict[str, str]:
    """Environment variables with the ids of the task, of its DAG run and the namespace; none when OpenLineage is not configured.

    They hold no secret: a transport's credentials are handed over by ``lineage_transport``, or stand in a pod's template.
    """
    if not any(name.startswith(_CONFIGURATION) for name in os.environ):
        return {}
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.plugins import macros

    if conf.is_disabled():
        return {}
    ti = context["ti"]
    return {
        "OPENLINEAGE_PARENT_ID": macros.lineage_parent_id(ti),
        "OPENLINEAGE_ROOT_PARENT_ID": macros.lineage_root_parent_id(ti),
        "OPENLINEAGE_NAMESPACE": conf.namespace(),
    }


def lineage_transport() -> dict[str, str]:
    """Airflow's own setting of where events go, in the words of OpenLineage's client; for a process of this machine."""
    transport = os.environ.get("AIRFLOW__OPENLINEAGE__TRANSPORT")
    path = os.environ.get("AIRFLOW__OPENLINEAGE__CONFIG_PATH")
    found = {"OPENLINEAGE__TRANSPORT": json.dumps(json.loads(transport))} if transport else {}
    return found | ({"OPENLINEAGE_CONFIG": path} if path else {})
