"""What a stage prints, in a task's log: structured log lines keep their level, the rest is passed through."""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import Any

_ERROR_LINES = 30
_ON_THE_PAGE = ("level", "timestamp", "pipeline", "snapshot", "stage")
_HASHES = ("key", "digest")


class StageOutput:
    """Hands a stage's output on to the task's log, line by line, and remembers the error that stands at its end.

    Args:
        log: The task's logger.
    """

    def __init__(self, log: logging.Logger | None):
        self.log = log
        self.plain: deque[str] = deque(maxlen=_ERROR_LINES)

    def line(self, line: str) -> None:
        """Logs one line: a JSON log entry at its level, anything else as it is."""
        line = line.rstrip()
        if not line:
            return
        self.remember(line)
        if self.log is not None:
            self.log.log(_level(line), "%s", one_line(line))

    def remember(self, line: str) -> None:
        """Keeps a line that is no log entry: it may be part of the error."""
        if line.strip() and _json_object(line) is None:
            self.plain.append(line)

    def error(self) -> str:
        """The lines from the last that begins with ``error:``, else all plain lines remembered."""
        lines = list(self.plain)
        starts = [index for index, line in enumerate(lines) if line.startswith("error:")]
        return "\n".join(lines[starts[-1] :] if starts else lines[-5:])


def one_line(line: str) -> str:
    """A JSON log entry as ``event  name=value …``, hashes last; any other line as it is.

    What the page of the task says already is left out, so that the counts are seen without scrolling.
    """
    entry = _json_object(line)
    if entry is None:
        return line
    event = entry.pop("event", "")
    names = [name for name in entry if name not in _ON_THE_PAGE]
    details = " ".join(f"{name}={entry[name]}" for name in sorted(names, key=lambda name: name in _HASHES))
    return f"{event}  {details}" if details else str(event)


def _level(line: str) -> int:
    level = (_json_object(line) or {}).get("level", "info")
    return logging.getLevelNamesMapping().get(str(level).upper(), logging.INFO)


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
