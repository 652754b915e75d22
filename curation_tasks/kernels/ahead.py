"""Compiling kernels before they are needed: several at once, and with someone to tell how far it is.

Without it, too, everything works: a kernel that is missing is compiled where its module is imported, one after the other.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

from curation_tasks.kernels import machine_code
from curation_tasks.kernels.machine_code import imported_by, is_compiled, kernel_names, sources_of

#: Told how many kernels are ready, of how many.
Tell = Callable[[int, int], None]
#: Module of the package → its kernels.
Kernels = dict[Path, tuple[str, ...]]

_PACKAGE = Path(__file__).parents[1]
#: A compiler takes some hundred megabytes, and the largest kernel alone takes a third of the time of all.
_MOST_PROCESSES = 8
_SECONDS_BETWEEN_LOOKS = 0.2


def all_kernels() -> Kernels:
    """Every kernel of the package."""
    return _with_kernels(sorted(_PACKAGE.rglob("*.py")))


def kernels_of(modules: Iterable[str]) -> Kernels:
    """The kernels that modules import, directly or not, so far as their sources say it without running them."""
    starts = (importlib.util.find_spec(module) for module in modules)
    files = {file for start in starts if start and start.origin for file in imported_by(Path(start.origin))}
    return _with_kernels(sorted(file for file in files if file.is_relative_to(_PACKAGE)))


def missing(kernels: Kernels) -> Kernels:
    """Those that this machine has not compiled yet."""
    lacking = {path: tuple(name for name in names if not is_compiled(path, name)) for path, names in kernels.items()}
    return {path: names for path, names in lacking.items() if names}


def compile_ahead(kernels: Kernels, processes: int, tell: Tell = lambda ready, total: None) -> int:
    """Compiles the kernels that this machine lacks.

    Args:
        kernels: Which are wanted.
        processes: At most so many at once; each takes a core and some hundred megabytes.
        tell: Told whenever one more is ready, whoever has compiled it.

    Returns:
        How many were missing.

    Raises:
        BrokenProcessPool: A process was killed, for its memory most likely.
    """
    wanted = missing(kernels)
    total = _count(wanted)
    if not wanted:
        return 0
    tell(0, total)
    # The largest first: it must not be the last to start.
    modules = sorted(wanted, key=lambda path: -sum(source.stat().st_size for source in sources_of(path)))
    workers = min(processes, _MOST_PROCESSES, len(modules))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_be_quiet) as pool:
        running = {pool.submit(_compile, _module_of(path)) for path in modules}
        ready = 0
        while running:
            done, running = wait(running, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            for compiled in done:
                compiled.result()
            if (now := total - _count(missing(wanted))) > ready:
                ready = now
                tell(ready, total)
    return total


def _be_quiet() -> None:
    machine_code.announced = True


def _compile(module: str) -> None:
    importlib.import_module(module)


def _with_kernels(files: Iterable[Path]) -> Kernels:
    return {path: names for path in files if (names := kernel_names(path))}


def _count(kernels: Kernels) -> int:
    return sum(map(len, kernels.values()))


def _module_of(path: Path) -> str:
    return ".".join((_PACKAGE.name, *path.relative_to(_PACKAGE).with_suffix("").parts))
