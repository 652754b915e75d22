"""Memory of one task alone: runs it in a fresh process, imported as a worker is, and says what that process held.

A worker's resident size after many tasks tells nothing about one of them: it has several at once, and what the allocator keeps.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a process: with everything imported, and at most while its task ran."""

    imported: int
    peak: int

    @property
    def task(self) -> int:
        return self.peak - self.imported


def run_alone(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Memory]:
    """Calls a function of a module in a process of its own.

    Returns:
        Its result, and the memory of the process.
    """
    given = pickle.dumps((function, arguments))
    done = subprocess.run([sys.executable, __file__], input=given, stdout=subprocess.PIPE, check=True)
    return pickle.loads(done.stdout)


def _status(field: str) -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:")]
    return 1024 * int(line.split()[1])


def _serve() -> None:
    import distributed  # noqa: F401 - a worker has it loaded

    import curation_tasks.runner.reduction_stage  # noqa: F401

    function, arguments = pickle.load(sys.stdin.buffer)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    imported = _status("VmRSS")
    result = function(*arguments)
    sys.stdout.buffer.write(pickle.dumps((result, Memory(imported, _status("VmHWM")))))


if __name__ == "__main__":
    from fresh_process import Memory  # the class as the other process knows it

    _serve()
