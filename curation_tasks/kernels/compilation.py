"""How kernels are compiled: ahead of the first call, without the interpreter lock, and once a node.

Every stage is a process of its own, so machine code is kept in the node's cache folder (``CURATE_CACHE``) and loaded in
milliseconds; the folder of the package may be read-only. Set ``NUMBA_CACHE_DIR`` to keep it elsewhere.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from curation_tasks.storage.cache import cache_folder


def _machine_code_folder() -> str:
    """A folder named by the sources of all kernels.

    Numba looks only at the file of the function that it loads. A function inlined from another file may have changed
    since, and then the cached code would be that of yesterday.
    """
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return str(cache_folder() / "numba" / sources.hexdigest()[:16])


# Numba reads the variable when it is imported, and the configuration when a function is decorated.
os.environ.setdefault("NUMBA_CACHE_DIR", _machine_code_folder())

import numba  # noqa: E402
import numpy as np  # noqa: E402

numba.config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


def kernel(signature: str) -> Callable[[Callable], Any]:
    """Compiles a function for one signature when its module is imported, or loads it from the cache.

    Arrays of a signature are written ``uint8[::1]`` (contiguous); those that come from Arrow are read-only and need
    ``Array(uint8, 1, "C", readonly=True)``, for which ``BYTES`` and ``OFFSETS`` below stand.
    """
    return numba.njit(signature, nogil=True, cache=True)


def compile_all() -> tuple[tuple[str, ...], float, str]:
    """Compiles every kernel of the package, or finds it compiled.

    Returns:
        ``(names of the modules, seconds that it took, folder of the machine code)``.
    """
    started = time.perf_counter()
    package = __name__.rpartition(".")[0]
    names = tuple(sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])))
    for name in names:
        importlib.import_module(f"{package}.{name}")
    return names, time.perf_counter() - started, os.environ["NUMBA_CACHE_DIR"]


#: For small functions that kernels are made of: compiled into each kernel that calls them.
inlined = numba.njit(nogil=True)

#: The same without an entry from Python, which is a third of the time to compile it: for kernels of many small functions.
#: A call from Python is a crash; tests take ``function.py_func``.
inner = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)

#: Signature of the bytes of an Arrow string array.
BYTES = 'Array(uint8, 1, "C", readonly=True)'
#: Signature of its offsets, widened to 64 bits so that one compiled form serves strings and large strings.
OFFSETS = 'Array(int64, 1, "C", readonly=True)'


def positions(array: np.ndarray) -> np.ndarray:
    """Offsets, starts or ends as a kernel takes them for ``OFFSETS``: int64, contiguous, read-only."""
    view = np.ascontiguousarray(array, np.int64).view()
    view.flags.writeable = False
    return view
