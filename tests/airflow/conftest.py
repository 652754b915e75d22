"""Paths and folders for tests of Airflow's side: the plugins importable, Airflow's home in a temporary place."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import structlog

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

# Before Airflow is first imported: it makes its home folder then.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-tests-")
os.environ["AIRFLOW_HOME"] = _HOME.name
sys.path[:0] = [str(REPOSITORY / "plugins")]

# Airflow takes over logging when it is imported; the other tests of this process shall not notice.
_CONFIGURATION = structlog.get_config() if structlog.is_configured() else None
_HANDLERS, _LEVEL = logging.root.handlers[:], logging.root.level
import airflow.sdk  # noqa: E402, F401

logging.root.handlers[:] = _HANDLERS
logging.root.setLevel(_LEVEL)
structlog.reset_defaults()
if _CONFIGURATION is not None:
    structlog.configure(**_CONFIGURATION)


@pytest.fixture(scope="session")
def pipelines() -> Path:
    """Folder of small pipeline files, one of which is wrong."""
    return HERE / "pipelines"


@pytest.fixture(scope="session")
def subprocess_environment(pipelines: Path) -> Mapping[str, str]:
    """Environment of a process that finds the plugins and the parts of the test pipelines."""
    paths = [str(REPOSITORY / "plugins"), str(HERE / "parts"), os.environ.get("PYTHONPATH", "")]
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "CURATE_"))} | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "CURATE_ALLOWED_PACKAGES": "fruit_parts",
        "CURATE_PIPELINES": str(pipelines),
    }


@pytest.fixture(scope="session")
def fake_curate() -> Path:
    return HERE / "fake_curate.py"
