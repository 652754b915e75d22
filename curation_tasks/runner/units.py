"""Units: the work of a stage cut into pieces that are done once, whatever is killed in between.

A unit is done when ``units/{step}-{unit}.json`` exists; it is created by the commit primitive after the unit's files are
in place. So a retry, a second run of the partition or a restarted worker skips what is done, and two that do the same
unit at once write the same files and agree on one marker.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from curation_tasks.clusters import task_slots
from curation_tasks.errors import CurationError, InputError, TransientError
from curation_tasks.manifest import canonical_json
from curation_tasks.storage import filesystem
from curation_tasks.storage.commit import create_if_absent

if TYPE_CHECKING:
    from distributed import Client

#: When set, messages of unexpected errors are shown although they may quote a document.
SHOW_MESSAGES_VARIABLE = "CURATE_SHOW_MESSAGES"

#: Called with (units done, units in all, result of the unit that ended, None for those found done).
Progress = Callable[[int, int, dict[str, Any] | None], None]
#: Makes another order of the pending units; for tests, since no order may change a digest.
UnitOrder = Callable[[list[int]], list[int]]


def unit_name(index: int) -> str:
    return f"{index:06d}"


def run_units(
    client: Client,
    folder: str,
    step: str,
    function: Callable[..., dict[str, Any]],
    items: Sequence[Any],
    arguments: Sequence[Any] = (),
    *,
    quarantine: bool = False,
    progress: Progress = lambda done, total, result: None,
    order: UnitOrder = list,
) -> list[dict[str, Any]]:
    """Calls ``function(item, *arguments)`` for each item on the cluster, unless that was done before.

    Args:
        client: Where to run.
        folder: The stage's folder.
        step: Name of the step; markers are ``units/{step}-{unit}.json``.
        function: A function of a module; its result is plain data.
        items: One for each unit.
        arguments: Given to each call.
        quarantine: An ``InputError`` makes the unit ``{"quarantined": message}`` instead of failing the stage.
        progress: Told about each unit.
        order: Order in which pending units are started.

    Returns:
        The results in the order of the items.

    Raises:
        CurationError: A unit failed. Units that are done stay done.
    """
    # Late: a stage that is done already needs no cluster.
    from distributed import as_completed
    from distributed.client import ClosedClientError, FutureCancelledError
    from distributed.comm import CommClosedError

    results = _done_units(folder, step, len(items))
    progress(len(results), len(items), None)
    pending = iter(order([index for index in range(len(items)) if index not in results]))
    slots = task_slots(client)
    running = as_completed()

    def start(count: int) -> None:
        for _, index in zip(range(count), pending, strict=False):
            marker = f"{folder}/units/{step}-{unit_name(index)}.json"
            running.add(client.submit(_run_unit, index, marker, function, items[index], tuple(arguments), quarantine, pure=False))

    start(2 * slots)
    try:
        for future in running:
            index, result = _result(future)
            results[index] = result
            start(1)
            progress(len(results), len(items), result)
    except (FutureCancelledError, ClosedClientError, CommClosedError) as error:
        raise TransientError(
            "the Dask scheduler was lost, and with it who works on what", remedy="finished units are kept; the next try goes on there"
        ) from error
    finally:
        if running.futures and client.status == "running":
            client.cancel(list(running.futures), force=True)
    return [results[index] for index in range(len(items))]


def _done_units(folder: str, step: str, total: int) -> dict[int, dict[str, Any]]:
    prefix = f"{step}-"
    names = [name for name in filesystem.list_names(f"{folder}/units") if name.startswith(prefix) and name.endswith(".json")]
    indices = [int(name.removeprefix(prefix).removesuffix(".json")) for name in names]
    with ThreadPoolExecutor(16) as pool:
        loaded = pool.map(lambda name: json.loads(filesystem.read_bytes(f"{folder}/units/{name}")), names)
        return {index: result for index, result in zip(indices, loaded, strict=True) if index < total}


def _result(future: Any) -> tuple[int, dict[str, Any]]:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise CurationError(
            "a worker died again and again with the same unit, most likely for want of memory",
            expected="a worker with memory for one row group and the stage's models",
            remedy="give the stage more `resources.memory`, or fewer workers",
        ) from error
    except MemoryError as error:
        raise CurationError("a unit ran out of memory", remedy="give the stage more `resources.memory`, or fewer workers") from error


@retry(retry=retry_if_exception_type(TransientError), stop=stop_after_attempt(3), wait=wait_exponential(min=1, max=20), reraise=True)
def _run_unit(
    index: int, marker: str, function: Callable[..., dict[str, Any]], item: Any, arguments: tuple[Any, ...], quarantine: bool
) -> tuple[int, dict[str, Any]]:
    _fault_injection()
    started = time.perf_counter()
    try:
        result = function(item, *arguments)
    except InputError as error:
        if not quarantine:
            raise
        result = {"quarantined": str(error)}
    except (CurationError, MemoryError):
        raise
    except Exception as error:
        raise unexpected(error, f"{function.__name__} of unit {index}") from None
    result = {**result, "execution": {"seconds": round(time.perf_counter() - started, 3)}}
    if not create_if_absent(marker, canonical_json(result)):
        result = json.loads(filesystem.read_bytes(marker))
    return index, result


def unexpected(error: Exception, what: str) -> CurationError:
    """An error that says where code failed, and not with which message: messages of libraries quote documents."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = f": {error}" if os.environ.get(SHOW_MESSAGES_VARIABLE) else ""
    return CurationError(
        f"{what} failed with {type(error).__name__}{message}",
        where=f"{frame.filename}:{frame.lineno} in {frame.name}",
        remedy=f"set {SHOW_MESSAGES_VARIABLE}=1 to see the message, which may quote a document",
    )


def _fault_injection() -> None:
    """Delays each unit by ``CURATE_TEST_UNIT_DELAY`` seconds, so that tests can kill a stage between units."""
    delay = os.environ.get("CURATE_TEST_UNIT_DELAY")
    if delay:
        time.sleep(float(delay))


def summed(results: Iterable[dict[str, Any]], field: str) -> dict[str, int]:
    """Adds up the mappings that stand under ``field`` in the results; names sorted."""
    total: dict[str, int] = {}
    for result in results:
        for name, amount in result.get(field, {}).items():
            total[name] = total.get(name, 0) + amount
    return dict(sorted(total.items()))
