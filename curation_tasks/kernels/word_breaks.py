"""Words by the rules of Unicode (UAX #29, section 4), and of scripts without spaces by BudouX's models.

A loop over characters looks up the property Word_Break and decides from the last two that count whether a word ends. Marks
and format characters do not count (rule WB4). What is kept are the pieces with a letter or a digit.

A run of Han, Kana or Thai is cut by BudouX (https://github.com/google/budoux, Apache 2.0), whose models are in its wheel: a
sum of weights of the one to three characters around a place says whether a word begins there. The sum is of whole numbers,
so this gives the same words as the library, without a call a document. A text with Kana is Japanese; one without is Chinese,
simplified or traditional by the characters that only one of these models knows.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from curation_tasks.kernels import characters
from curation_tasks.kernels.bitmaps import PADDING, decoded
from curation_tasks.kernels.characters import Properties, character_classes, table
from curation_tasks.kernels.compilation import BYTES, inlined, kernel
from curation_tasks.kernels.hashing import mixed

_NAMES = (
    *("Other", "CR", "LF", "Newline", "Extend", "ZWJ", "Format", "Katakana", "Hebrew_Letter", "ALetter", "Single_Quote", "Double_Quote"),
    *("MidNumLet", "MidLetter", "MidNum", "Numeric", "ExtendNumLet", "Regional_Indicator", "WSegSpace"),
)
_OTHER, _CR, _LF, _NEWLINE, _EXTEND, _ZWJ, _FORMAT, _KATAKANA, _HEBREW, _LETTER, _SINGLE_QUOTE, _DOUBLE_QUOTE = range(12)
_MID_NUM_LET, _MID_LETTER, _MID_NUM, _NUMERIC, _EXTEND_NUM_LET, _REGIONAL, _SPACE = range(12, 19)
#: Bits beside the property.
_PROPERTY, _PICTOGRAPHIC = 31, 32

#: Scripts that are cut by a model; bits of another table.
_HAN, _KANA, _THAI, _SIMPLIFIED_ONLY, _TRADITIONAL_ONLY = 1, 2, 4, 8, 16
_MODELS = ("ja_word", "zh-hans", "zh-hant", "th")
_JAPANESE, _SIMPLIFIED, _TRADITIONAL, _THAI_MODEL = range(4)
#: BudouX's features: which of the characters -3 … +2 around a place each looks at.
_FEATURES = ("UW1", "UW2", "UW3", "UW4", "UW5", "UW6", "BW1", "BW2", "BW3", "TW1", "TW2", "TW3", "TW4")
_LENGTHS = {"U": 1, "B": 2, "T": 3}


@cache
def word_break_table() -> np.ndarray:
    """Word_Break and Extended_Pictographic of each code point."""
    return table(lambda row: _NAMES.index(row.word_break) | _PICTOGRAPHIC * (row.pictographic == "Pictographic"))


def unicode_tables() -> tuple[np.ndarray, ...]:
    """What ``find_unicode_words`` takes."""
    return (word_break_table(), *segmenter_tables())


@cache
def no_unicode_tables() -> tuple[np.ndarray, ...]:
    """Arrays of the same types, for kernels that are not going to look into them."""
    breaks = np.zeros(1, np.uint8)
    breaks.flags.writeable = False
    return breaks, np.zeros(1, np.uint8), np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64)


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
    def script(row: Properties) -> int:
        kana = row.script in ("Hira", "Kana") or row.word_break == "Katakana"
        return _HAN * (row.script == "Hani") | _KANA * kana | _THAI * (row.script == "Thai")

    scripts = table(script).copy()
    simplified, traditional = (
        {text for feature, group in models[model].items() if feature.startswith("U") for text in group}
        for model in (_SIMPLIFIED, _TRADITIONAL)
    )
    for known, bit in ((simplified - traditional, _SIMPLIFIED_ONLY), (traditional - simplified, _TRADITIONAL_ONLY)):
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
def _character(text, at):
    """``(code point, bytes)``."""
    return (np.int64(text[at]), 1) if text[at] < 0xC0 else decoded(text, at)


@inlined
def _code_in_run(text, at, end):
    return _character(text, at)[0] if at < end else np.int64(0)


@inlined
def _cut_run(text, begin, end, model, keys, weights, totals, starts, ends, words):
    """Cuts a run of characters of a script without spaces; returns the number of words by then."""
    starts[words] = begin
    a = b = np.int64(0)
    c, width = _character(text, begin)
    at = begin + width
    d, width = _character(text, at)
    behind = at + width
    while at < end:
        e = _code_in_run(text, behind, end)
        behind_e = behind + _character(text, behind)[1]
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
def _run_end(text, at, size, kinds, scripts, breaks):
    """The end of the run of the same scripts that begins at ``at``, marks included."""
    while at < size:
        code, width = _character(text, at)
        if not scripts[code] & kinds and breaks[code] & _PROPERTY != _EXTEND:
            break
        at += width
    return min(at, size)


@inlined
def _model_of(text, size, scripts):
    """The model for Han and Kana of a text."""
    kana = simplified = traditional = at = 0
    while at < size:
        code, width = _character(text, at)
        bits = scripts[code] if width > 1 else np.uint8(0)
        kana += bits & _KANA != 0
        simplified += bits & _SIMPLIFIED_ONLY != 0
        traditional += bits & _TRADITIONAL_ONLY != 0
        at += width
    if kana:
        return _JAPANESE
    return _TRADITIONAL if traditional > simplified else _SIMPLIFIED


@inlined
def _is_letter(kind):
    return kind in (_LETTER, _HEBREW)


@inlined
def _property_ahead(text, at, size, breaks):
    """The property of the next character that counts, of none ``Other``."""
    while at < size:
        code, width = _character(text, at)
        kind = np.int64(breaks[code]) & _PROPERTY
        if kind not in (_EXTEND, _FORMAT, _ZWJ):
            return kind
        at += width
    return np.int64(_OTHER)


@inlined
def _joined(before, last, kind, ahead, regionals):
    """Whether no word ends between two characters, by WB5 to WB16.

    Args:
        before: Property of the character before the last one that counts.
        last: Of the last one.
        kind: Of the next one.
        ahead: Of the one behind it.
        regionals: How many regional indicators stand before.
    """
    letter, last_letter = _is_letter(kind), _is_letter(last)
    if (last_letter or last == _NUMERIC) and (letter or kind == _NUMERIC):
        return True  # WB5, 8, 9, 10
    middle_of_word = kind in (_MID_LETTER, _MID_NUM_LET, _SINGLE_QUOTE)
    if last_letter and middle_of_word and _is_letter(ahead):
        return True  # WB6
    if letter and _is_letter(before) and last in (_MID_LETTER, _MID_NUM_LET, _SINGLE_QUOTE):
        return True  # WB7
    if last == _HEBREW and (kind == _SINGLE_QUOTE or (kind == _DOUBLE_QUOTE and ahead == _HEBREW)):
        return True  # WB7a, 7b
    if kind == _HEBREW and last == _DOUBLE_QUOTE and before == _HEBREW:
        return True  # WB7c
    if kind == _NUMERIC and before == _NUMERIC and last in (_MID_NUM, _MID_NUM_LET, _SINGLE_QUOTE):
        return True  # WB11
    if last == _NUMERIC and ahead == _NUMERIC and kind in (_MID_NUM, _MID_NUM_LET, _SINGLE_QUOTE):
        return True  # WB12
    if last == _KATAKANA and kind == _KATAKANA:
        return True  # WB13
    if kind == _EXTEND_NUM_LET:
        return last_letter or last in (_NUMERIC, _KATAKANA, _EXTEND_NUM_LET)  # WB13a
    if last == _EXTEND_NUM_LET:
        return letter or kind in (_NUMERIC, _KATAKANA)  # WB13b
    return kind == _REGIONAL and last == _REGIONAL and regionals % 2 == 1  # WB15, 16


@inlined
def find_unicode_words(text, size, classes, breaks, scripts, keys, weights, totals, starts, ends):
    """Finds the words of a padded text; returns how many. ``starts`` and ``ends`` are filled with their bytes."""
    model = np.int64(-1)
    words = at = 0
    start = 0
    filled = False  # Whether the piece has a letter or a digit.
    before = last = np.int64(_OTHER)
    raw_last = np.int64(-1)  # Of the character before, whether it counts or not; -1 at the beginning.
    regionals = 0
    while at < size:
        code, width = _character(text, at)
        kind = np.int64(breaks[code]) & _PROPERTY
        if width > 1 and scripts[code] & (_HAN | _KANA | _THAI):
            if filled:
                starts[words], ends[words] = start, at
                words += 1
            kinds = _THAI if scripts[code] & _THAI else _HAN | _KANA
            end = _run_end(text, at, size, kinds, scripts, breaks)
            if kinds == _THAI:
                words = _cut_run(text, at, end, _THAI_MODEL, keys, weights, totals, starts, ends, words)
            else:
                if model < 0:
                    model = _model_of(text, size, scripts)
                words = _cut_run(text, at, end, model, keys, weights, totals, starts, ends, words)
            at = start = end
            filled = False
            before = last = np.int64(_OTHER)
            raw_last = np.int64(-1)
            regionals = 0
            continue
        ignored = kind in (_EXTEND, _FORMAT, _ZWJ)
        if raw_last < 0:
            boundary = at > start
        elif raw_last == _CR and kind == _LF:
            boundary = False  # WB3
        elif raw_last in (_CR, _LF, _NEWLINE) or kind in (_CR, _LF, _NEWLINE):
            boundary = True  # WB3a, 3b
        elif raw_last == _ZWJ and breaks[code] & _PICTOGRAPHIC:
            boundary = False  # WB3c
        elif raw_last == _SPACE and kind == _SPACE:
            boundary = False  # WB3d
        elif ignored:
            boundary = False  # WB4
        else:
            boundary = not _joined(before, last, kind, _property_ahead(text, at + width, size, breaks), regionals)
        if boundary:
            if filled:
                starts[words], ends[words] = start, at
                words += 1
            start = at
            filled = False
        if classes[code] & characters.ALPHANUMERIC:
            filled = True
        raw_last = kind
        if not ignored or last in (_CR, _LF, _NEWLINE):
            before, last = last, kind
            regionals = regionals + 1 if kind == _REGIONAL else 0
        at = min(at + width, size)
    if filled:
        starts[words], ends[words] = start, size
        words += 1
    return words


@kernel(f"int64(uint8[::1], int64, {BYTES}, {BYTES}, uint8[::1], uint64[::1], int64[::1], int64[::1], int32[::1], int32[::1])")
def _words_of(text, size, classes, breaks, scripts, keys, weights, totals, starts, ends):
    return find_unicode_words(text, size, classes, breaks, scripts, keys, weights, totals, starts, ends)


def unicode_words(text: str) -> list[str]:
    """The words of one text: what the word mode ``unicode`` counts."""
    encoded = text.encode()
    padded = np.frombuffer(encoded + bytes(PADDING), np.uint8).copy()
    starts, ends = np.zeros(len(encoded) + 1, np.int32), np.zeros(len(encoded) + 1, np.int32)
    found = _words_of(padded, len(encoded), character_classes(), *unicode_tables(), starts, ends)
    return [encoded[start:end].decode() for start, end in zip(starts[:found].tolist(), ends[:found].tolist(), strict=True)]
