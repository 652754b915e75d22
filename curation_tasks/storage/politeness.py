"""Few transfers at once to one host, counted over all processes of this node.

A host's places are files in the node's cache folder that are locked while a transfer runs; the kernel frees the lock of a
process that dies. A host that asked for patience (``Retry-After``) is left alone by every process until then.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from curation_tasks.errors import ConfigError
from curation_tasks.storage.cache import cache_folder

#: Transfers that this node has open to one host.
TRANSFERS_VARIABLE = "CURATE_TRANSFERS_PER_HOST"
_DEFAULT_TRANSFERS = 8
#: Hosts that allow fewer, as they say themselves; more are refused there.
_TRANSFERS_OF = {"dumps.wikimedia.org": 2}
_LOOK_AGAIN_SECONDS = 0.05


@asynccontextmanager
async def transfer_to(host: str) -> AsyncIterator[None]:
    """Waits until fewer than ``CURATE_TRANSFERS_PER_HOST`` transfers of this node are open to the host, and is one of them."""
    folder = _folder(host)
    places = _transfers_to(host)
    while True:
        with _free_place(folder, places) as found:
            if found and (wait := _rest_of_patience(folder)) <= 0:
                yield
                return
        # The place is given up while the host rests, so that it is taken by nobody and the wait costs nothing.
        await asyncio.sleep(max(_LOOK_AGAIN_SECONDS, min(wait, 1.0)) if found else _LOOK_AGAIN_SECONDS)


def leave_alone(host: str, seconds: float) -> None:
    """Keeps every process of this node from beginning a transfer to the host for so long."""
    path = _folder(host) / "until"
    path.touch()
    until = max(time.time() + seconds, path.stat().st_mtime)
    os.utime(path, (until, until))


def _transfers_to(host: str) -> int:
    text = os.environ.get(TRANSFERS_VARIABLE) or str(_TRANSFERS_OF.get(host, _DEFAULT_TRANSFERS))
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{TRANSFERS_VARIABLE} is {text!r}", expected="a number of 1 or more")
    return int(text)


def _folder(host: str) -> Path:
    folder = cache_folder() / "hosts" / re.sub(r"[^\w.-]", "_", host or "local")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _rest_of_patience(folder: Path) -> float:
    try:
        return (folder / "until").stat().st_mtime - time.time()
    except FileNotFoundError:
        return 0.0


@contextmanager
def _free_place(folder: Path, places: int) -> Iterator[bool]:
    """True while one of the places is held; false when all are taken."""
    for number in range(places):
        place = os.open(folder / f"place-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(place)
            continue
        try:
            yield True
        finally:
            os.close(place)
        return
    yield False
