"""What commands print: tables and progress for people, JSON for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from curation_tasks.logs import logger

console = Console()
COMPILING = "compiling text kernels, once per machine"
_LOG_INTERVAL_SECONDS = 10.0


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    if title:  # not the table's own title, which would be folded into a narrow table
        console.print(f"[italic]{_cell(title)}[/]", soft_wrap=True, highlight=False)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in columns:
        whole = name in ("stage", "kind", "step", "at (UTC)") or name in right
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*[_cell(value) for value in row])
    console.print(table)


def folded_name(name: str, width: int) -> str:
    """A long name on several lines, cut behind its dots and underscores where that can be done.

    >>> folded_name("de.nemo_multilingual.duplicate_line_ratio.max", 30).split("\\n")
    ['de.nemo_multilingual.', '  duplicate_line_ratio.max']
    """
    lines, rest = [], name
    while len(rest) > width:
        place = max(rest.rfind(".", 0, width), 0) or rest.rfind("_", 0, width)
        if rest[: place + 1].strip() == "":
            break
        lines.append(rest[: place + 1])
        rest = "  " + rest[place + 1 :]
    return "\n".join([*lines, rest])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value).replace("[", "\\[")


def moment(time_: str | None) -> str | None:
    """An ISO time for people, to the minute."""
    return time_[:16].replace("T", " ") if time_ else None


def counted(number: int, noun: str) -> str:
    """``1 stage``, ``2 stages``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(count: int | None) -> str:
    """Bytes for people: ``1.4 GB``."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""


def funnel_tables(rows: Sequence[Mapping[str, Any]]) -> None:
    """The funnel of a run: documents and bytes a stage, then the reasons of rejection."""
    cuts = ["characters cut"] if any(row.get("cut_characters") for row in rows) else []
    print_table(
        "Funnel",
        ["stage", "kind", "in", "kept", "rejected", *cuts, "text", "seconds", "memory"],
        [
            [
                row["stage"], row["kind"], row.get("documents_in"), row.get("documents"), row.get("rejected"),
                *[row.get("cut_characters") or None for _ in cuts],
                size(row.get("text_bytes")), row.get("seconds"), size(row.get("peak_memory_bytes")),
            ]
            for row in rows
        ],
        right=["in", "kept", "rejected", *cuts, "text", "seconds", "memory"],
    )  # fmt: skip
    reasons = [
        [row["stage"], reason, count]
        for row in rows
        for reason, count in sorted(row.get("reasons", {}).items(), key=lambda item: (-item[1], item[0]))
    ]
    if reasons:
        console.print()
        print_table("Reasons of rejection", ["stage", "reason", "documents"], reasons, right=["documents"])


class UnitProgress(Protocol):
    """Shows how far a stage is."""

    def units(self, done: int, total: int, result: Any) -> None: ...

    def kernels(self, ready: int, total: int) -> None: ...


@contextmanager
def unit_progress(label: str) -> Iterator[UnitProgress]:
    """Something to be told about units and kernels: bars on a terminal, elsewhere a log line every ten seconds.

    Args:
        label: The stage; empty where there are only kernels.
    """
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars, label)


class _Bars:
    def __init__(self, bars: Progress, label: str):
        self._bars, self._units = bars, bars.add_task(label, total=None, visible=bool(label))
        self._kernels = bars.add_task(COMPILING, visible=False)

    def units(self, done: int, total: int, result: Any) -> None:
        self._bars.update(self._units, completed=done, total=total)

    def kernels(self, ready: int, total: int) -> None:
        self._bars.update(self._kernels, completed=ready, total=total, visible=ready < total)


class _Lines:
    def __init__(self, label: str):
        self._label, self._last, self._ready = label, time.monotonic(), -1

    def units(self, done: int, total: int, result: Any) -> None:
        if self._is_time():
            logger().info("progress", stage=self._label, units=done, of=total)

    def kernels(self, ready: int, total: int) -> None:
        # The first line at once: nothing else shows that something happens.
        if self._ready < 0 or ready == total > self._ready or self._is_time():
            logger().info(COMPILING, ready=ready, of=total)
        self._ready = ready

    def _is_time(self) -> bool:
        now = time.monotonic()
        if due := now - self._last >= _LOG_INTERVAL_SECONDS:
            self._last = now
        return due
