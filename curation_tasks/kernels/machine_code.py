"""Where the machine code of kernels is kept, so that one process compiles them and all others load them.

Numba names what it keeps by a function's file and the file's time. That is too little and too much: a small function that is
compiled into a kernel may come from another file and have changed since; and the same sources, installed anew, are compiled
anew. Here the code of a module's kernels lies in a folder that is named by everything it was made from: the sources of
the module and of the modules that it imports, directly or not, Python, Numba and the processor. So an edit, or a release,
recompiles what it changed; processors of two kinds can share a folder; and nothing in a folder is ever out of date.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import llvmlite
import numba
from llvmlite import binding
from numba.core.caching import _CacheLocator

from curation_tasks.logs import logger
from curation_tasks.storage.cache import cache_folder

_PACKAGE = Path(__file__).parents[1]
_IMPORT = re.compile(rf"^\s*from +({_PACKAGE.name}[\w.]*) +import +(\([^)]*\)|[^\n]+)", re.MULTILINE)
_KERNEL = re.compile(r"^@kernel\(.*?^def (\w+)\(", re.MULTILINE | re.DOTALL)
#: Whether this process has said that it compiles; one that was started for nothing else need not.
announced = False
_DATA = re.compile(r'\.with_name\("([^"]+)"\)')


def machine_code_root() -> Path:
    """The folder below which machine code is kept: ``NUMBA_CACHE_DIR``, or one in the node's cache (``CURATE_CACHE``)."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or cache_folder() / "numba")


def sources_of(path: Path, package: Path = _PACKAGE) -> tuple[Path, ...]:
    """What the kernels of a module are compiled from.

    Args:
        path: The module's file.
        package: The folder of ``curation_tasks``.

    Returns:
        The files of the module, of the modules of ``kernels`` and of its own room that it imports, directly or not, and those
        that one of them names by ``with_name``; sorted. What is imported from elsewhere (``storage``, ``schema``) serves
        the Python around kernels and never is compiled; a test holds the kernels to that.
    """
    homes = (package / "kernels", _room(path, package))
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        source = waiting.pop()
        if source in found:
            continue
        found.add(source)
        imported, named = _references(source, package)
        found.update(named)
        waiting += [module for module in imported if any(module.is_relative_to(home) for home in homes)]
    return tuple(sorted(found))


def imported_by(path: Path, package: Path = _PACKAGE) -> frozenset[Path]:
    """The files of a module and of all modules of the package that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        if (source := waiting.pop()) not in found:
            found.add(source)
            waiting += _references(source, package)[0]
    return frozenset(found)


def _room(path: Path, package: Path) -> Path:
    """The folder of ``curation_tasks`` in which a module lies; a module from elsewhere is alone."""
    return package / path.relative_to(package).parts[0] if path.is_relative_to(package) else path


@cache
def _references(source: Path, package: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """``(modules of the package, files beside it)`` that a module names. A line too many in a comment costs a compilation, no more."""
    text = source.read_text("utf-8")
    modules = tuple(file for module, names in _IMPORT.findall(text) for file in _files(module, names, package))
    beside = (source.with_name(name) for name in _DATA.findall(text))
    return modules, tuple(file for file in beside if file.is_file())


def _files(module: str, names: str, package: Path) -> Iterator[Path]:
    folder = package.joinpath(*module.split(".")[1:])
    yield from (file for file in (folder.with_suffix(".py"), folder / "__init__.py") if file.is_file())
    # `from curation_tasks.kernels import characters` names a module, other names are no files.
    yield from (file for name in re.findall(r"\w+", names) if (file := folder / f"{name}.py").is_file())


@cache
def machine_code_key(path: Path) -> str:
    """Names what the kernels of a module are compiled from and for: 16 hexadecimal digits."""
    seen = hashlib.sha256()
    for fact in (platform.python_version(), numba.__version__, llvmlite.__version__, *_processor()):
        seen.update(fact.encode() + b"\0")
    for source in sources_of(path):
        content = source.read_bytes()
        seen.update(f"{source.name}\0{len(content)}\0".encode() + content)
    return seen.hexdigest()[:16]


@cache
def _processor() -> tuple[str, str]:
    name = numba.config.CPU_NAME or binding.get_host_cpu_name()
    features = numba.config.CPU_FEATURES
    return name, binding.get_host_cpu_features().flatten() if features is None else features


def kernel_names(path: Path) -> tuple[str, ...]:
    """The functions of a module that are kernels."""
    return tuple(_KERNEL.findall(path.read_text("utf-8")))


def is_compiled(path: Path, name: str) -> bool:
    """Whether this machine has the code of a kernel."""
    folder = _folder_of(path, name)
    return folder is not None and _holds(folder, name)


@contextmanager
def compiled_once(path: Path, name: str) -> Iterator[None]:
    """Holds a kernel while it is compiled: other processes of this machine wait, and load what this one has made."""
    folder = _folder_of(path, name)
    if folder is None or _holds(folder, name):
        yield
        return
    _announce(f"{path.stem}.{name}")
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # some network file systems have no locks: then each process compiles its own
        yield


def _announce(name: str) -> None:
    """Says once a process why nothing seems to happen."""
    global announced
    if not announced:
        announced = True
        logger().info("compiling text kernels, once per machine", first=name)


class MachineCode(_CacheLocator):
    """Tells Numba where the code of one function is kept (``numba.config.CACHE_LOCATOR_CLASSES`` names it)."""

    def __init__(self, function: object, file: str, folder: Path) -> None:
        self._py_file = file  # Numba names it in warnings
        self._line = function.__code__.co_firstlineno
        self._folder = folder

    @classmethod
    def from_function(cls, py_func, py_file) -> MachineCode | None:
        folder = _folder_of(Path(py_file), py_func.__name__)
        return cls(py_func, py_file, folder) if folder else None

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def get_disambiguator(self) -> str:
        return str(self._line)


def _folder_of(path: Path, name: str) -> Path | None:
    """Where the code of a kernel lies, or will lie.

    A cache that comes with an image may be read-only: it serves as long as it has the code, else the node's or the user's own does.
    """
    own = Path(tempfile.gettempdir()) / f"curate-{os.getuid()}"
    for root in (machine_code_root(), cache_folder() / "numba", own / "numba"):
        folder = root / f"{path.stem}-{machine_code_key(path)}"
        if _holds(folder, name) or _is_writable(folder):
            return folder
    return None


def _holds(folder: Path, name: str) -> bool:
    # Numba writes the index before the code; a process may have died between the two.
    return all(any(folder.glob(f"*.{name}-*.{kind}")) for kind in ("nbi", "nbc"))


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
