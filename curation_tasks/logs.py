"""Structured logs on standard error: for people on a terminal, JSON lines elsewhere (``CURATE_LOG_FORMAT`` decides)."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure_logs() -> None:
    """Sets up structlog; ``CURATE_LOG_FORMAT`` is ``json`` or ``console``, ``CURATE_LOG_LEVEL`` a level's name."""
    form = os.environ.get("CURATE_LOG_FORMAT") or ("console" if sys.stderr.isatty() else "json")
    level = logging.getLevelNamesMapping().get(os.environ.get("CURATE_LOG_LEVEL", "INFO").upper(), logging.INFO)
    render = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _event_first,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _event_first(log: Any, method: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
    """Puts what happened where a line is begun to be read; Airflow's triggerer shows lines as they are."""
    return {"event": entry.pop("event", ""), **entry}


def logger() -> Any:
    """The project's logger. Code that uses the package as a library gets logs on standard error, never on standard output."""
    if not structlog.is_configured():
        configure_logs()
    return structlog.get_logger("curation_tasks")


def dask_setup(worker: object) -> None:
    """Called by Dask when a worker process starts with this module as preload."""
    configure_logs()
