"""``filters.extension``: bounds for source code by the extension of its file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.filters.extension_parameters import EXTENSION_BOUNDS, ExtensionParameters
from curation_tasks.filters.measures import alphanumerics
from curation_tasks.filters.signals import MEASURED_COUNTS, SIGNALS
from curation_tasks.kernels.text_counts import text_counts
from curation_tasks.schema import reject_by_rules, with_columns

#: Our name of a column → its names in files, in small letters.
_COLUMNS = {
    "extension": ("extension", "ext"),
    "language": ("language", "lang"),
    "include": ("include",),
    "longest_line_length": ("max_line_length", "line_max", "long_line_threshold"),
    "mean_split_line_length": ("avg_line_length", "mean_line_length", "line_mean"),
    "unicode_alphanumeric_ratio": ("alphanum", "alphanum_fraction", "alphanum_threshold"),
    "letter_ratio": ("alpha", "alpha_fraction", "alpha_threshold", "alpha filter"),
}
#: BigCode's bound on the mean line where there is one on the longest.
_BIGCODE_MEAN = 100.0
#: Languages as data sets call them → as BigCode's file does.
_LANGUAGES = {"c#": "c-sharp", "f#": "f-sharp", "cpp": "c++"}


class Bounds(NamedTuple):
    """A line of the file: whether its extension is wanted, and the bounds in the order of ``EXTENSION_BOUNDS``; NaN bounds nothing."""

    include: bool
    values: tuple[float, ...]


def extension(batch: pa.RecordBatch, parameters: ExtensionParameters, context: RunContext) -> pa.RecordBatch:
    """Measures lines and letters of source code, and rejects by the bounds of its extension.

    Reads: ``text`` (a null counts as the empty text), the columns of extension and language. Adds: longest_line_length: int64,
    characters; mean_split_line_length: double, characters; unicode_alphanumeric_ratio and letter_ratio: double, 0 to 1.
    Rejects: extension.unlisted, extension.excluded, and one reason for each bound.

    Source:
        BigCode, preprocessing of The Stack (arXiv:2211.15533) and StarCoder (arXiv:2305.06161); NeMo Curator, PerExtensionFilter.
    """
    texts = batch.column("text")
    formulas = {name: SIGNALS[name].formula for name in EXTENSION_BOUNDS}
    counts = {count for formula in formulas.values() for count in formula.reads}
    found = text_counts(texts, sorted(counts - set(MEASURED_COUNTS)))
    found["alphanumerics"] = alphanumerics(pc.fill_null(texts, ""))
    batch = with_columns(batch, {name: pa.array(formula(found)) for name, formula in formulas.items()})
    return judge(batch, parameters, context)


def judge(batch: pa.RecordBatch, parameters: ExtensionParameters, context: RunContext) -> pa.RecordBatch:
    """The rejections of ``extension`` from what it measured before; reads no text."""
    table = _bounds_file(context.local_path(parameters.file))
    lines = _lines_of(batch, parameters, table)
    known = lines >= 0
    include = np.array([*(line.include for line in table.values()), True])[lines]
    bounds = np.array([*(line.values for line in table.values()), (np.nan,) * len(EXTENSION_BOUNDS)])[lines].T
    none = np.full(len(batch), np.nan)
    rules = [("extension.unlisted", ~known, none, np.nan)] if parameters.unlisted == "reject" else []
    rules.append(("extension.excluded", ~include, none, np.nan))
    for (signal, side), needed in zip(EXTENSION_BOUNDS.items(), bounds, strict=True):
        values = batch.column(signal).to_numpy().astype(np.float64)
        missed = include & (values < needed if side == "min" else values > needed)
        # A rule has one bound, so there is one for each bound that is missed.
        for bound in np.unique(needed[missed]).tolist():
            rules.append((f"extension.{signal}.{side}", missed & (needed == bound), values, bound))
    reasons, masks, values, limits = zip(*rules, strict=True)
    return reject_by_rules(batch, reasons, np.array(masks), np.array(values), limits)


def _lines_of(batch: pa.RecordBatch, parameters: ExtensionParameters, table: Mapping[tuple[str, str], Bounds]) -> np.ndarray:
    """The number of each document's line of the file, int64, −1 where there is none."""
    places = {key: number for number, key in enumerate(table)}
    first: dict[str, int] = {}
    for (_, name), number in places.items():
        first.setdefault(name, number)
    extensions = pc.dictionary_encode(pc.fill_null(batch.column(parameters.extension_column), ""))
    names = [value.rsplit("/", 1)[-1].rsplit(".", 1)[-1] for value in extensions.dictionary.to_pylist()]
    if parameters.language_column is None:
        return np.array([*(first.get(name, -1) for name in names), -1])[extensions.indices.to_numpy()]
    languages = pc.dictionary_encode(pc.fill_null(batch.column(parameters.language_column), ""))
    spoken = [_LANGUAGES.get(name.lower(), name.lower().replace(" ", "-")) for name in languages.dictionary.to_pylist()]
    # All pairs of values, which are few each, once.
    pairs = extensions.indices.to_numpy().astype(np.int64) * max(1, len(spoken)) + languages.indices.to_numpy()
    found, where = np.unique(pairs, return_inverse=True)
    numbers = [places.get((spoken[pair % len(spoken)], names[pair // len(spoken)]), -1) for pair in found.tolist()]
    return np.array([*numbers, -1])[where]


@lru_cache(maxsize=8)
def _bounds_file(path: str) -> dict[tuple[str, str], Bounds]:
    """``(language, extension)`` → bounds, in the order of the file.

    Raises:
        InputError: It is no such table; names what is missing, or the line.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            titles = {name.strip().lower(): name for name in rows.fieldnames or ()}
            columns = {ours: next((titles[name] for name in names if name in titles), None) for ours, names in _COLUMNS.items()}
            if columns["extension"] is None or not any(columns[signal] for signal in EXTENSION_BOUNDS):
                raise InputError(
                    "the table has no column `extension`, or no bounds", where=path, expected="extension, max_line_length, alphanum, …",
                    remedy=f"its columns are: {', '.join(titles) or 'none'}",
                )  # fmt: skip
            table: dict[tuple[str, str], Bounds] = {}
            for row in rows:
                given = {ours: (row.get(name) or "").strip() if name else "" for ours, name in columns.items()}
                key = given["language"].lower(), given["extension"].removeprefix(".")
                if key in table:
                    raise InputError(f"the table has two lines for {key[1]!r}", where=f"{path}:{rows.line_num}", expected="one a language")
                table[key] = _bounds(given, bool(columns["include"]), bool(columns["mean_split_line_length"]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table of extensions cannot be read: {error}", where=path, expected="a CSV file in UTF-8") from error
    if not table:
        raise InputError("the table of extensions is empty", where=path, expected="a line for each extension")
    return table


def _bounds(given: Mapping[str, str], has_include: bool, has_mean: bool) -> Bounds:
    values = {signal: _number(given[signal]) for signal in EXTENSION_BOUNDS}
    if not has_mean and not np.isnan(values["longest_line_length"]):
        values["mean_split_line_length"] = _BIGCODE_MEAN
    return Bounds(not has_include or given["include"].lower() in ("1", "true", "yes"), tuple(values.values()))


def _number(text: str) -> float:
    """NaN for what is none, as BigCode's `remove`, and for 0, which bounds nothing there."""
    try:
        return float(text) or float("nan")
    except ValueError:
        return float("nan")
