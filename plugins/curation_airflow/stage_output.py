"""What a stage prints, in a task's log: structured log lines keep their level, the rest is passed through."""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import Any

_ERROR_LINES = 30


class StageOutput:
    """Hands a stage's output on to the task's log, line by line, and remembers the error that stands at its end.

    Args:
        log: The task's logger.
    """

    def __init__(self, log: logging.Logger):
        self.log = log
        self.plain: deque[str] = deque(maxlen=_ERROR_LINES)

    def line(self, line: str) -> None:
        """Logs one line: a JSON log entry at its level, anything else as it is."""
        line = line.rstrip()
        if not line:
            return
        entry = _json_object(line)
        if entry is None:
            self.plain.append(line)
            self.log.info("%s", line)
            return
        event = entry.pop("event", "")
        level = logging.getLevelNamesMapping().get(str(entry.pop("level", "info")).upper(), logging.INFO)
        entry.pop("timestamp", None)
        details = " ".join(f"{name}={value}" for name, value in entry.items())
        self.log.log(level, "%s", f"{event}  {details}" if details else event)

    def error(self) -> str:
        """The lines from the last that begins with ``error:``, else all plain lines remembered."""
        lines = list(self.plain)
        starts = [index for index, line in enumerate(lines) if line.startswith("error:")]
        return "\n".join(lines[starts[-1] :] if starts else lines[-5:])


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
