"""How kernels are compiled: ahead of the first call, without the interpreter lock, and once a node.

Every stage is a process of its own, so machine code is kept (``machine_code``) and loaded in milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from curation_tasks.kernels.machine_code import MachineCode, compiled_once

_SETTING = threading.RLock()
_OTHER_LOCATORS = numba.config.CACHE_LOCATOR_CLASSES


def kernel(signature: str) -> Callable[[Callable], Any]:
    """Compiles a function for one signature when its module is imported, or loads it from the cache.

    Arrays of a signature are written ``uint8[::1]`` (contiguous); those that come from Arrow are read-only and need
    ``Array(uint8, 1, "C", readonly=True)``, for which ``BYTES`` and ``OFFSETS`` below stand.
    """

    def compiled(function: Callable) -> Any:
        # A setting of the whole process, and for these functions only; modules may be imported by several threads.
        with _SETTING, compiled_once(Path(function.__code__.co_filename), function.__name__):
            numba.config.CACHE_LOCATOR_CLASSES = f"{MachineCode.__module__}.{MachineCode.__name__}"
            try:
                return numba.njit(signature, nogil=True, cache=True)(function)
            finally:
                numba.config.CACHE_LOCATOR_CLASSES = _OTHER_LOCATORS

    return compiled


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
