"""Words of Han, Kana and Thai by BudouX's models (https://github.com/google/budoux, Apache 2.0), which are in its wheel.

A sum of weights of the one to three characters around a place says whether a word begins there. The sum is of whole numbers,
so this gives the same words as the library, without a call a document. A text with Kana is Japanese; one without is Chinese,
simplified or traditional by the characters that only one of these models knows.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from curation_tasks.kernels.compilation import inlined, kernel
from curation_tasks.kernels.hashing import mixed
from curation_tasks.kernels.segmented_scripts import KANA, SIMPLIFIED_ONLY, TRADITIONAL_ONLY, character, script_table

_MODELS = ("ja_word", "zh-hans", "zh-hant", "th")
_JAPANESE, _SIMPLIFIED, _TRADITIONAL, THAI_MODEL = range(4)
#: BudouX's features: which of the characters -3 … +2 around a place each looks at.
_FEATURES = ("UW1", "UW2", "UW3", "UW4", "UW5", "UW6", "BW1", "BW2", "BW3", "TW1", "TW2", "TW3", "TW4")
_LENGTHS = {"U": 1, "B": 2, "T": 3}


@cache
def segmenter_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the models know.

    Returns:
        ``(scripts, keys, weights, totals)``: bits of each code point; a hash table of the features of all models, whose
        size is a power of two; and the sum of the weights of each model.
    """
    import budoux

    models = [json.loads((Path(budoux.__file__).parent / "models" / f"{name}.json").read_text("utf-8")) for name in _MODELS]
    features = [
        (model, feature, texts, weight)
        for model, groups in enumerate(models)
        for feature, name in enumerate(_FEATURES)
        for texts, weight in groups.get(name, {}).items()
        # Training left shorter texts of what stood at the end of its own, which no characters equal. Padded with 0, they would.
        if len(texts) == _LENGTHS[name[0]]
    ]
    codes = np.zeros((len(features), 3), np.int64)
    for place, (_, _, text, _) in enumerate(features):
        codes[place, : len(text)] = [ord(character) for character in text]
    size = 1 << (4 * len(features)).bit_length()
    keys, weights = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    tags = np.array([[model, feature] for model, feature, _, _ in features])
    _fill(codes, tags, np.array([weight for *_, weight in features]), keys, weights)
    totals = np.array([sum(sum(group.values()) for group in model.values()) for model in models])
    return _script_table(models), keys, weights, totals


def _script_table(models: list[dict[str, dict[str, int]]]) -> np.ndarray:
    scripts = script_table().copy()
    simplified, traditional = (
        {text for feature, group in models[model].items() if feature.startswith("U") for text in group}
        for model in (_SIMPLIFIED, _TRADITIONAL)
    )
    for known, bit in ((simplified - traditional, SIMPLIFIED_ONLY), (traditional - simplified, TRADITIONAL_ONLY)):
        scripts[[ord(character) for character in known]] |= bit
    return scripts


@inlined
def _key(model, feature, first, second, third):
    packed = np.uint64(first) | (np.uint64(second) << np.uint64(21)) | (np.uint64(third) << np.uint64(42))
    return mixed(mixed(packed) + np.uint64(16 * model + feature))


@kernel("void(int64[:, ::1], int64[:, ::1], int64[::1], uint64[::1], int64[::1])")
def _fill(codes, tags, values, keys, weights):
    mask = keys.shape[0] - 1
    for place in range(codes.shape[0]):
        key = _key(tags[place, 0], tags[place, 1], codes[place, 0], codes[place, 1], codes[place, 2])
        slot = np.int64(key) & mask
        while keys[slot] != 0:
            slot = (slot + 1) & mask
        keys[slot], weights[slot] = key, values[place]


@inlined
def _weight(keys, weights, model, feature, first, second, third):
    key = _key(model, feature, first, second, third)
    mask = keys.shape[0] - 1
    slot = np.int64(key) & mask
    while keys[slot] != 0:
        if keys[slot] == key:
            return weights[slot]
        slot = (slot + 1) & mask
    return 0


@inlined
def _begins_word(keys, weights, totals, model, a, b, c, d, e, f):
    """Whether a word begins at ``d``, the fourth of six characters; 0 stands for none."""
    score = np.int64(0)
    for feature, code in enumerate((a, b, c, d, e, f)):
        score += _weight(keys, weights, model, feature, code, 0, 0)
    score += _weight(keys, weights, model, 6, b, c, 0)
    score += _weight(keys, weights, model, 7, c, d, 0)
    score += _weight(keys, weights, model, 8, d, e, 0)
    score += _weight(keys, weights, model, 9, a, b, c)
    score += _weight(keys, weights, model, 10, b, c, d)
    score += _weight(keys, weights, model, 11, c, d, e)
    score += _weight(keys, weights, model, 12, d, e, f)
    # BudouX starts at minus half of all weights; twice the sum stays a whole number.
    return 2 * score > totals[model]


@inlined
def _code_in_run(text, at, end):
    return character(text, at)[0] if at < end else np.int64(0)


@inlined
def cut_run(text, begin, end, model, keys, weights, totals, starts, ends, words):
    """Cuts a run of characters of a script without spaces; returns the number of words by then."""
    starts[words] = begin
    a = b = np.int64(0)
    c, width = character(text, begin)
    at = begin + width
    d, width = character(text, at)
    behind = at + width
    while at < end:
        e = _code_in_run(text, behind, end)
        behind_e = behind + character(text, behind)[1]
        f = _code_in_run(text, behind_e, end) if behind < end else np.int64(0)
        if _begins_word(keys, weights, totals, model, a, b, c, d, e, f):
            ends[words] = at
            words += 1
            starts[words] = at
        a, b, c, d = b, c, d, e
        at, behind = behind, behind_e
    ends[words] = end
    return words + 1


@inlined
def model_of(text, size, scripts):
    """The model for Han and Kana of a text."""
    kana = simplified = traditional = at = 0
    while at < size:
        code, width = character(text, at)
        bits = scripts[code] if width > 1 else np.uint8(0)
        kana += bits & KANA != 0
        simplified += bits & SIMPLIFIED_ONLY != 0
        traditional += bits & TRADITIONAL_ONLY != 0
        at += width
    if kana:
        return _JAPANESE
    return _TRADITIONAL if traditional > simplified else _SIMPLIFIED
