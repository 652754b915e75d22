"""Signals of a user's own functions. What is no finite number is an error: a bound says nothing of it, so it would pass every rule."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.errors import ConfigError, CurationError
from curation_tasks.functions import load_function

_EXPECTED = "one finite number a text (an array of integers, floats or truth values), in the order of the texts"
_NAMED = 3


def user_signal(name: str, place: str, batch: pa.RecordBatch) -> np.ndarray:
    """What a user's function says of the texts of a batch.

    Args:
        name: Of the signal.
        place: Of the function, as the pipeline names it.
        batch: With ``text``, of which a null is given as the empty text, and with ``doc_id`` where documents have one.

    Returns:
        float64, shape (rows,), finite.

    Raises:
        ConfigError: The function is not there, fails, or does not give one finite number a text.
    """
    function = load_function(place)
    where = f"signal {name} ({place}, {_file_of(function)})"
    found = _called(function, pc.fill_null(batch.column("text"), ""), where)
    if isinstance(found, (pa.Array, pa.ChunkedArray)):
        found = found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy()
    values = np.asarray(found)
    if values.shape != (len(batch),):
        raise ConfigError(
            f"the function gave {_shape(found, values)} for {len(batch):,} texts", where=where, expected=_EXPECTED,
            remedy="return a number for every text, empty ones too, and leave none out",
        )  # fmt: skip
    missing = np.array([value is None for value in values], bool) if values.dtype == object else np.zeros(len(values), bool)
    if missing.any():
        values = np.where(missing, np.nan, values)
    try:
        numbers = values.astype(np.float64) if values.dtype.kind in "biufO" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise ConfigError(
            f"the function gave values of type {_type_of(values)}", where=where, expected=_EXPECTED,
            remedy="return numbers, as `numpy.asarray(values, float)` makes them",
        )  # fmt: skip
    if not (finite := np.isfinite(numbers)).all():
        raise ConfigError(
            f"the function gave {_no_numbers(numbers)} for {_documents(batch, ~finite)}", where=where, expected=_EXPECTED,
            remedy="decide in the function what such a text is worth: a number that the rule rejects, or one that passes "
            "(`np.nan_to_num(values, nan=0.0)` for 0); a division by the length of an empty text is the usual cause",
        )  # fmt: skip
    return numbers


def _called(function: Callable, texts: pa.Array, where: str) -> Any:
    try:
        # What a division warns of is told below, with the documents.
        with np.errstate(all="ignore"):
            return function(texts)
    except (CurationError, OSError, MemoryError):
        raise
    except Exception as error:
        # The message of an exception may hold a text, which no log may.
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"the function failed with {type(error).__name__} at {last.filename}:{last.lineno}", where=where, expected=_EXPECTED,
            remedy="call it by itself with `pyarrow.array([\"some text\", \"\"])`",
        ) from error  # fmt: skip


def _file_of(function: Callable) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else "compiled"


def _shape(found: Any, values: np.ndarray) -> str:
    if values.ndim == 0:
        return "one value" if found is not None else "nothing"
    return f"{len(values):,} values" if values.ndim == 1 else f"an array of shape {values.shape}"


def _type_of(values: np.ndarray) -> str:
    return type(values[0]).__name__ if values.dtype == object else str(values.dtype)


def _no_numbers(values: np.ndarray) -> str:
    kinds = {"NaN or null": np.isnan(values).any(), "infinity": np.isinf(values).any()}
    return " and ".join(kind for kind, there in kinds.items() if there)


def _documents(batch: pa.RecordBatch, mask: np.ndarray) -> str:
    count = f"{mask.sum():,} of {len(batch):,} documents of a batch"
    if "doc_id" not in batch.schema.names:
        return count
    first = batch.column("doc_id").filter(pa.array(mask)).slice(0, _NAMED).to_pylist()
    return f"{count}, the first of them {', '.join(map(str, first))}"
