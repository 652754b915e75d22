"""Trains a fastText classifier on two sets of documents, the same way every time.

Documents become lines as the kernel will see them (``fasttext_inference.plain_lines``). The hash of a line decides whether it
is held out, so that a document and its copies are on one side, and where it stands among the others. Sorting goes by way of
files, one for each range of hashes, so that memory holds one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.errors import ConfigError, CurationError
from curation_tasks.filters.classifier_parameters import TrainingParameters
from curation_tasks.kernels.fasttext_inference import plain_lines, predict, scores_of
from curation_tasks.kernels.fasttext_model import load_model
from curation_tasks.kernels.fasttext_tables import LABEL_PREFIX
from curation_tasks.kernels.identity import text_hashes
from curation_tasks.kernels.utf8 import text_buffers

#: Files of lines by range of hashes; the largest must fit memory twice.
_RANGES = 64
_HELD_OUT = "held-out"
_SCHEMA = pa.schema([("hash", pa.uint64()), ("positive", pa.bool_()), ("line", pa.large_string())])
_SALT = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class TrainingSet:
    """What was read of one set.

    Attributes:
        documents: How many.
        empty: How many of them have no word; they are left out.
        text_bytes: UTF-8 bytes.
        digest: Sum of the hashes of the lines, hex: the same whatever their order.
    """

    documents: int
    empty: int
    text_bytes: int
    digest: str


@dataclass(frozen=True)
class HeldOut:
    """What the classifier says of documents that it has not seen.

    Attributes:
        scores: float32, shape (documents,): the probability of the positive label.
        positive: bool, shape (documents,): whether it is one of the good examples.
    """

    scores: np.ndarray
    positive: np.ndarray


def train_classifier(
    positive: Iterable[pa.Array], negative: Iterable[pa.Array], parameters: TrainingParameters, model: Path, workspace: Path
) -> tuple[TrainingSet, TrainingSet, HeldOut]:
    """Trains a model and asks it about the documents that were held out.

    Args:
        positive: Texts of the good examples, string or large_string arrays.
        negative: Texts of the others.
        parameters: How.
        model: The file to write; quantized when it ends with ``.ftz``.
        workspace: An empty folder of a local disk with room for the texts, twice.

    Raises:
        ConfigError: There are too few documents.
        CurationError: fastText failed.
    """
    with _Spool(workspace, parameters) as spool:
        sets = [spool.read(texts, positive=good) for texts, good in ((positive, True), (negative, False))]
    for name, found in zip(("positive", "negative"), sets, strict=True):
        if found.documents == found.empty:
            raise ConfigError(f"the {name} set has no document with a word", remedy=f"name other documents for --{name}")
    lines = workspace / "lines.txt"
    with lines.open("wb") as file:
        for number in range(_RANGES):
            path = workspace / f"{number}.arrow"
            table = _read(path).sort_by([("hash", "ascending"), ("positive", "ascending"), ("line", "ascending")])
            path.unlink()
            _write_labelled(table, parameters, file)
    _run_fasttext(lines, model, parameters)
    return sets[0], sets[1], _ask(model, workspace / f"{_HELD_OUT}.arrow", parameters)


class _Spool:
    """Writes lines to the file of their range of hashes, or to that of the held-out ones."""

    def __init__(self, workspace: Path, parameters: TrainingParameters):
        self._workspace, self._parameters = workspace, parameters
        self._files = ExitStack()

    def __enter__(self) -> _Spool:
        names = [_HELD_OUT, *range(_RANGES)]
        self._writers = [
            self._files.enter_context(pa.ipc.new_stream(str(self._workspace / f"{name}.arrow"), _SCHEMA, options=_OPTIONS))
            for name in names
        ]
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def read(self, texts: Iterable[pa.Array], *, positive: bool) -> TrainingSet:
        documents = empty = text_bytes = 0
        total = np.zeros(2, np.uint64)
        for array in texts:
            offsets, data = text_buffers(array)
            lines = plain_lines(data, offsets[:-1], offsets[1:])
            there = pc.greater(pc.binary_length(lines), 0)
            documents, text_bytes = documents + len(array), text_bytes + int(offsets[-1] - offsets[0])
            lines = lines.filter(there)
            empty += len(array) - len(lines)
            if len(lines) == 0:
                continue
            hashes = text_hashes(lines)
            total += hashes.sum(axis=0, dtype=np.uint64)
            self._write(lines, hashes[:, 0], positive)
        return TrainingSet(documents, empty, text_bytes, f"{int(total[0]):016x}{int(total[1]):016x}")

    def _write(self, lines: pa.Array, hashes: np.ndarray, positive: bool) -> None:
        # Two independent numbers of one hash: its place in the order, and whether it is held out.
        order = _mixed(hashes ^ np.uint64(self._parameters.seed))
        chance = (_mixed(order ^ _SALT) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        place = 1 + (order >> np.uint64(64 - _RANGES.bit_length() + 1)).astype(np.int64)
        place[chance < self._parameters.held_out_ratio] = 0
        rows = np.argsort(place, kind="stable")
        bounds = np.searchsorted(place[rows], np.arange(_RANGES + 2))
        batch = pa.record_batch([pa.array(order), pa.repeat(pa.scalar(positive), len(lines)), lines], schema=_SCHEMA).take(pa.array(rows))
        for number, writer in enumerate(self._writers):
            if bounds[number] < bounds[number + 1]:
                writer.write_batch(batch.slice(bounds[number], bounds[number + 1] - bounds[number]))


_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finalizer of MurmurHash3: every bit of the input moves every bit of the output."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_stream(file).read_all()


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as file:
        yield from pa.ipc.open_stream(file)


def _write_labelled(table: pa.Table, parameters: TrainingParameters, file: IO[bytes]) -> None:
    good, other, nothing, line_feed = (
        pa.scalar(text, pa.large_string())
        for text in (f"{LABEL_PREFIX}{parameters.positive_label} ", f"{LABEL_PREFIX}{parameters.negative_label} ", "", "\n")
    )
    for batch in table.to_batches(max_chunksize=10_000):
        labels = pc.if_else(batch.column("positive"), good, other)
        offsets, data = text_buffers(pc.binary_join_element_wise(labels, batch.column("line"), line_feed, nothing))
        file.write(memoryview(data[offsets[0] : offsets[-1]]))


def _run_fasttext(lines: Path, model: Path, parameters: TrainingParameters) -> None:
    training = {
        "dim": parameters.dimensions, "epoch": parameters.epochs, "lr": parameters.learning_rate, "wordNgrams": parameters.word_grams,
        "minn": parameters.shortest_characters, "maxn": parameters.longest_characters, "bucket": parameters.buckets,
        "minCount": parameters.min_count, "loss": "softmax", "seed": parameters.seed % 2**31,
    }  # fmt: skip
    quantization = {"cutoff": parameters.cutoff, "qnorm": True, "retrain": True, "epoch": 1} if model.suffix == ".ftz" else None
    call = {"lines": str(lines), "model": str(model), "training": training, "quantization": quantization}
    done = subprocess.run(
        [sys.executable, "-m", "curation_tasks.filters.fasttext_process"],
        input=json.dumps(call),
        env=os.environ | {"MALLOC_PERTURB_": "255"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["killed"]
        raise CurationError(
            f"fastText's training ended with {done.returncode}: {said[-1]}",
            where="train-classifier",
            remedy="it needs 4 bytes x dimensions for each word and bucket: lower buckets or dimensions when memory ran out",
        )


def _ask(model: Path, held_out: Path, parameters: TrainingParameters) -> HeldOut:
    trained = load_model(str(model))
    label = trained.labels.index(parameters.positive_label)
    scores, positive = [np.zeros(0, np.float32)], [np.zeros(0, bool)]
    for batch in _batches(held_out):
        offsets, data = text_buffers(batch.column("line"))
        scores.append(scores_of(predict(trained, data, offsets[:-1], offsets[1:], k=len(trained.labels)), label))
        positive.append(batch.column("positive").to_numpy(zero_copy_only=False))
    found = HeldOut(np.concatenate(scores), np.concatenate(positive))
    if found.positive.all() or not found.positive.any():
        raise ConfigError(
            "too few documents: none of one set is among the held-out ones", remedy="give more documents, or a larger held_out_ratio"
        )
    return found
