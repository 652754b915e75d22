"""Settings of an Airflow of our own on this machine: a home folder, SQLite, the DAGs and plugins of this repository.

Airflow reads them when it is first imported, so this module does not import it.
"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def airflow_environment(home: Path, **settings: str) -> dict[str, str]:
    """An environment for an Airflow that lives in ``home`` and knows of no other.

    Settings of an Airflow that the caller's environment may point at are left out: what runs here writes to its
    database, and must never write to another.

    Args:
        home: Folder of its database, logs and generated passwords.
        **settings: ``SECTION__OPTION`` → value.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW_")}
    ours = {
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return inherited | {"AIRFLOW_HOME": str(home)} | {f"AIRFLOW__{name}": value for name, value in (ours | settings).items()}
