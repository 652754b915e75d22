"""The reader's side of a parser process: sends pages, and outlives whatever a page does to its parser."""

from __future__ import annotations

import atexit
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

from curation_tasks.errors import CurationError
from curation_tasks.sources.extraction.messages import RawPage, pack_request, receive, send, unpack_answer
from curation_tasks.sources.extraction.pages import PAGE_COLUMNS, ExtractedPage
from curation_tasks.sources.web import ArchiveParameters

ENGINES = "curation_tasks.sources.extraction.engines:make_engine"
#: Wall-clock time without progress, as a multiple of the CPU time that a page may use: for what hangs without working.
_PATIENCE = 10
_LOOK_SECONDS = 0.5
#: Time to import an engine, on a machine that does much else.
_START_SECONDS = 120
#: A parser is replaced between batches after so many pages, or when it holds so much: libraries leak.
RECYCLE_PAGES, RECYCLE_BYTES = 50_000, 768 * 2**20


class ParserProcess:
    """Parses batches of pages in a process of its own. Not for several threads at once.

    A page that takes too long, too much memory, or kills its parser is rejected; its neighbours are parsed by the next
    process. A page that killed its parser is tried once more by itself, in case another one's traces did it.

    Args:
        parameters: Engine and limits.
        engines: ``module:function`` that makes the engine.
    """

    def __init__(self, parameters: ArchiveParameters, engines: str = ENGINES):
        self._limits, self._engines = parameters.limits, engines
        self._given = json.dumps(
            {"extraction": parameters.extraction.model_dump(mode="json"), "limits": parameters.limits.model_dump(mode="json")}
        )
        self._process: subprocess.Popen | None = None
        self._pending: Sequence[RawPage] | None = None
        self._pages = 0
        self.restarts = 0

    def submit(self, pages: Sequence[RawPage]) -> None:
        """Sends a batch; it is parsed while the caller does something else. ``collect`` must follow."""
        self._pending = pages
        self._sent = bool(pages) and self._send(pages)

    def collect(self) -> list[ExtractedPage]:
        """What came of the batch, in its order."""
        pages, self._pending = self._pending or (), None
        extracted: dict[int, ExtractedPage] = {}
        rest, sent, alone = list(range(len(pages))), self._sent, set[int]()
        while rest:
            batch = [pages[number] for number in rest]
            failure = None if (sent or self._send(batch)) and (answer := self._receive()) is not None else self._failed()
            sent = False
            if failure is None:
                extracted |= zip(rest, answer, strict=True)
                break
            place, reason, value = failure
            number = rest.pop(place)
            if reason == "parser_timeout" or number in alone:
                extracted[number] = _rejected(reason, value)
            else:
                alone.add(number)
                extracted[number] = self._by_itself(pages[number])
        self._recycle(len(pages))
        return [extracted[number] for number in range(len(pages))]

    def parse(self, pages: Sequence[RawPage]) -> list[ExtractedPage]:
        """``submit`` and ``collect``."""
        self.submit(pages)
        return self.collect()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    pipe.close()  # type: ignore[union-attr]
            self._progress.close()
            self._pages = 0

    # --- one process ---------------------------------------------------------------------------------------------------

    def _by_itself(self, page: RawPage) -> ExtractedPage:
        self.close()
        if self._send([page]) and (answer := self._receive()) is not None:
            return answer[0]
        _, reason, value = self._failed()
        return _rejected(reason, value)

    def _start(self) -> None:
        shared = os.memfd_create("curate-parser")
        try:
            os.truncate(shared, 8)
            self._progress = mmap.mmap(shared, 8)
            self._progress[:8] = (-1).to_bytes(8, "little", signed=True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "curation_tasks.sources.extraction.parser", str(shared), self._engines, self._given],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(shared,),
                start_new_session=True,
            )
        finally:
            os.close(shared)
        self._memory_exceeded = self._hangs = False

    def _send(self, pages: Sequence[RawPage]) -> bool:
        if self._process is None:
            self._start()
        else:
            self._progress[:8] = (-1).to_bytes(8, "little", signed=True)
        # A process that hangs before it reads would block the pipe, which holds 64 KiB, for ever.
        watch = threading.Timer(_START_SECONDS, self._process.kill)  # type: ignore[union-attr]
        watch.daemon = True
        watch.start()
        try:
            send(self._process.stdin, pack_request(pages))  # type: ignore[union-attr,arg-type]
        except BrokenPipeError:
            return False
        finally:
            watch.cancel()
        return True

    def _receive(self) -> list[ExtractedPage] | None:
        """The answer; None when the process died or was killed."""
        process = self._process
        assert process is not None
        seen, since = self._page(), time.monotonic()
        while not select.select([process.stdout], [], [], _LOOK_SECONDS)[0]:
            page = self._page()
            if page != seen:
                seen, since = page, time.monotonic()
            self._hangs = time.monotonic() - since > max(_PATIENCE * self._limits.seconds, _START_SECONDS if page < 0 else 0)
            with suppress(psutil.NoSuchProcess):
                self._memory_exceeded = psutil.Process(process.pid).memory_info().rss > self._limits.memory_bytes
            if self._hangs or self._memory_exceeded:
                process.kill()
                return None
        message = receive(process.stdout)  # type: ignore[arg-type]
        if message is None:
            return None
        with suppress(ValueError):
            return unpack_answer(message)
        process.kill()
        return None

    def _failed(self) -> tuple[int, str, float | None]:
        """Which page of the batch did it, and how; the process is gone.

        Raises:
            CurationError: No page did: the parser does not start.
        """
        assert self._process is not None
        self._process.kill() if self._hangs else None
        status = self._process.wait()
        page = self._page()
        memory, hangs = self._memory_exceeded, self._hangs
        self.close()
        self.restarts += 1
        if page < 0:
            raise CurationError(
                f"the parser process ended with status {status} before its first page",
                expected="a process that can import the extraction engine",
                remedy="run `python -m curation_tasks.sources.extraction.parser` by hand to see why",
            )
        if status == -signal.SIGPROF or hangs:
            return page, "parser_timeout", self._limits.seconds
        return (page, "parser_memory", float(self._limits.memory_bytes)) if memory else (page, "parser_crashed", float(status))

    def _page(self) -> int:
        return int.from_bytes(self._progress[:8], "little", signed=True)

    def _recycle(self, pages: int) -> None:
        if self._process is None:
            return
        self._pages += pages
        with suppress(psutil.NoSuchProcess):
            if self._pages >= RECYCLE_PAGES or psutil.Process(self._process.pid).memory_info().rss > RECYCLE_BYTES:
                self.close()


def _rejected(reason: str, value: float | None) -> ExtractedPage:
    return ExtractedPage(None, reason, value, dict.fromkeys(PAGE_COLUMNS))


# --- processes that wait for work ------------------------------------------------------------------------------------------

_idle: dict[tuple[str, str], list[ParserProcess]] = {}
_lock = threading.Lock()


@contextmanager
def parser_process(parameters: ArchiveParameters, engines: str = ENGINES) -> Iterator[ParserProcess]:
    """A parser for one reader; it is kept for the next one, so that a stage starts one for each of its threads."""
    kind = (engines, f"{parameters.extraction.model_dump_json()}{parameters.limits.model_dump_json()}")
    with _lock:
        waiting = _idle.setdefault(kind, [])
        parser = waiting.pop() if waiting else ParserProcess(parameters, engines)
    try:
        yield parser
    except BaseException:
        parser.close()
        raise
    with _lock:
        _idle[kind].append(parser)


@atexit.register
def close_idle() -> None:
    """Ends the processes that wait for work."""
    with _lock:
        for waiting in _idle.values():
            while waiting:
                waiting.pop().close()
