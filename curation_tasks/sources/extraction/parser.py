"""The process in which pages are parsed: ``python -m curation_tasks.sources.extraction.parser``.

It may be killed at any time: it owns nothing. Before each page it writes the page's number where its parent can read it, and
asks the kernel to kill it when the page has used its CPU time: a parser in compiled code can be stopped in no other way.
"""

from __future__ import annotations

import gc
import json
import logging
import mmap
import os
import resource
import signal
import sys
from typing import IO

from curation_tasks.parts import load_attribute
from curation_tasks.sources.extraction.extract import extract_page
from curation_tasks.sources.extraction.messages import pack_answer, receive, send, unpack_request
from curation_tasks.sources.extraction.pages import PAGE_COLUMNS, ExtractedPage, ExtractionEngine
from curation_tasks.sources.web import ExtractionParameters, PageLimits

#: Address space beyond the memory limit: libraries reserve more than they use.
_RESERVED_BYTES = 4 * 2**30


def main() -> None:
    """Parses batches of pages until its input ends. Arguments: descriptor of the shared page number, engine factory, parameters."""
    progress = mmap.mmap(int(sys.argv[1]), 8)
    given = json.loads(sys.argv[3])
    limits = PageLimits.model_validate(given["limits"])
    # What libraries print must not come between the messages, nor quote pages in a log.
    answers = os.fdopen(os.dup(1), "wb", buffering=2**20)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    bound = limits.memory_bytes + _RESERVED_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    engine = load_attribute(sys.argv[2], "parser")(ExtractionParameters.model_validate(given["extraction"]))
    gc.freeze()
    serve(sys.stdin.buffer, answers, engine, limits, progress)


def serve(requests: IO[bytes], answers: IO[bytes], engine: ExtractionEngine, limits: PageLimits, progress: mmap.mmap) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while (message := receive(requests)) is not None:
        extracted = []
        for number, (body, charset, url) in enumerate(unpack_request(message)):
            progress[:8] = number.to_bytes(8, "little", signed=True)
            signal.setitimer(signal.ITIMER_PROF, limits.seconds)
            try:
                extracted.append(extract_page(body, charset, url, engine, limits))
            except MemoryError:
                raise  # a process that could not get memory is not trusted with the next page
            except Exception:
                extracted.append(ExtractedPage(None, "parser_crashed", None, dict.fromkeys(PAGE_COLUMNS)))
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(answers, pack_answer(extracted))


if __name__ == "__main__":
    main()
