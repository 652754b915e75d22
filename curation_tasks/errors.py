"""Errors, named by the reaction they ask for.

A stage's exit code is all that an orchestrator sees of a failure, so each class carries its own:
fail at once (configuration, input), try again later (transient), or try once more (anything else).
The numbers are those of BSD ``sysexits.h``.
"""

import difflib
from collections.abc import Iterable

EXIT_USAGE = 2
EXIT_INPUT = 65
EXIT_INTERNAL = 70
EXIT_TRANSIENT = 75
EXIT_CONFIG = 78
#: Of a program that was stopped by Ctrl-C, as shells have it.
EXIT_INTERRUPTED = 130


class CurationError(Exception):
    """Something failed. The message says what, where, what was expected, and what to do.

    Args:
        what: One sentence: what is wrong.
        where: ``file:line``, ``stage:key`` or a shard's URI.
        expected: What would have been right.
        remedy: What the reader can do about it.
    """

    exit_code = EXIT_INTERNAL

    def __init__(self, what: str, *, where: str | None = None, expected: str | None = None, remedy: str | None = None):
        self.what, self.where, self.expected, self.remedy = what, where, expected, remedy
        super().__init__(what, where, expected, remedy)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.remedy:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self):
        # Exceptions with keyword arguments do not survive the trip from a worker otherwise.
        return _rebuild, (type(self), self.what, self.where, self.expected, self.remedy)


def _rebuild(kind: type[CurationError], what: str, where: str | None, expected: str | None, remedy: str | None):
    return kind(what, where=where, expected=expected, remedy=remedy)


class ConfigError(CurationError):
    """The pipeline, its parameters or the deployment are wrong; trying again cannot help."""

    exit_code = EXIT_CONFIG


class InputError(CurationError):
    """The input is proven bad by its content; trying again cannot help."""

    exit_code = EXIT_INPUT


class TransientError(CurationError):
    """A network, storage or scheduling failure that may be gone at the next try."""

    exit_code = EXIT_TRANSIENT


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest valid name, or all of them when none is near.

    >>> did_you_mean("opertions", ["operations", "source"])
    "did you mean 'operations'?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known)}" if known else "none is known"
