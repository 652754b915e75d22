"""A stage as a process of this machine: started in a group of its own, its output read as it comes, never left behind."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

#: From the request to stop until the group is killed. Airflow itself kills a task 60 s after it was told to end.
GRACE_SECONDS = 30.0
_POLL_SECONDS = 0.2
_READ_BYTES = 1 << 16
_LINE_BYTES = 1 << 20


class StageProcess:
    """One command.

    Args:
        argv: The command.
        environment: All of the child's environment.
        grace_seconds: How long the command may take to stop when asked to.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], *, grace_seconds: float = GRACE_SECONDS):
        self.argv, self.environment, self.grace_seconds = list(argv), dict(environment), grace_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._kill_at: float | None = None

    def run(self, on_line: Callable[[str], None]) -> int:
        """Runs the command to its end and hands each line that it prints to ``on_line``.

        Whatever ends this method, an exception included, no process of the command's group lives on.

        Returns:
            The exit code; ``-n`` when signal ``n`` ended it.
        """
        self._process = subprocess.Popen(
            self.argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            for line in self._lines():
                on_line(line)
            while self._process.poll() is None:
                self._kill_when_due()
                time.sleep(_POLL_SECONDS)
        finally:
            self._end()
        return self._process.returncode

    def stop(self) -> None:
        """Asks the command to stop; ``run`` kills it when it has not after the grace period.

        It only sends a signal and sets a field, so it is safe in the signal handler from which Airflow calls it.
        """
        if self._process is not None and self._kill_at is None:
            self._kill_at = time.monotonic() + self.grace_seconds
            self._signal(signal.SIGTERM)

    def _lines(self) -> Iterator[str]:
        """Lines until the command has ended; does not wait for grandchildren that hold the pipe open."""
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, rest = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                self._kill_when_due()
                ended = self._process.poll() is not None
                if not selector.select(0 if ended else _POLL_SECONDS):
                    if ended:
                        break
                    continue
                data = os.read(pipe, _READ_BYTES)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > _LINE_BYTES:
                    lines, rest = [*lines, rest], b""
                yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")

    def _kill_when_due(self) -> None:
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._signal(signal.SIGKILL)

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        if self._process.poll() is None:
            self.stop()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.grace_seconds)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        # The group's id is the id of its first process (start_new_session) and outlives it as long as a member lives.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
