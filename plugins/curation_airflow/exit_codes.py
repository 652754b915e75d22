"""What Airflow does when a stage ends with an exit code. One table, read by the operator and printed in the runbooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from curation_tasks.errors import EXIT_CONFIG, EXIT_INPUT, EXIT_INTERNAL, EXIT_TRANSIENT, EXIT_USAGE

EXIT_KILLED = 137
EXIT_TERMINATED = 143


class Reaction(Enum):
    """How to go on after a failure."""

    FAIL = "fails at once"
    RETRY_ONCE = "is tried once more"
    RETRY = "is tried again, with growing pauses"


@dataclass(frozen=True)
class ExitCode:
    """A way for a stage to fail.

    Attributes:
        meaning: What happened.
        reaction: What the task does.
        remedy: What the reader can do; "" when the stage's own message says it.
    """

    meaning: str
    reaction: Reaction
    remedy: str = ""


EXIT_CODES: Mapping[int, ExitCode] = {
    EXIT_USAGE: ExitCode("the command line was refused", Reaction.FAIL, "Airflow and the tasks are of different versions: update both"),
    EXIT_INPUT: ExitCode("the input is bad beyond the allowed share, or a gate was not passed", Reaction.FAIL),
    EXIT_INTERNAL: ExitCode("an unexpected error, or out of memory", Reaction.RETRY_ONCE, "the traceback is in the task's log"),
    EXIT_TRANSIENT: ExitCode("storage, network or a lock failed for the moment", Reaction.RETRY),
    EXIT_CONFIG: ExitCode("the pipeline, its parameters or the deployment are wrong", Reaction.FAIL),
    EXIT_KILLED: ExitCode(
        "killed, most likely out of memory",
        Reaction.RETRY_ONCE,
        "raise `resources.memory` of the stage in the pipeline file, or lower `resources.workers`",
    ),
    EXIT_TERMINATED: ExitCode("told to stop", Reaction.RETRY, "finished units are kept; the next try goes on there"),
}
_UNKNOWN = ExitCode("an exit code that `curate` does not give", Reaction.RETRY_ONCE, "the end of the task's log says more")


def normalized(code: int) -> int:
    """The exit code as a shell gives it: a process ended by signal ``n`` (Python: ``-n``) has ``128 + n``."""
    return 128 - code if code < 0 else code


def exit_code(code: int) -> ExitCode:
    """What a normalized exit code other than 0 means."""
    return EXIT_CODES.get(code, _UNKNOWN)


def may_retry(reaction: Reaction, attempt: int) -> bool:
    """Whether a task may be tried again after its ``attempt``-th try (counted from 1 since it was last cleared)."""
    return reaction is Reaction.RETRY or (reaction is Reaction.RETRY_ONCE and attempt < 2)
