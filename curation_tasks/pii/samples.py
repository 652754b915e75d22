"""Redacts the few stored samples of rejected documents that reports show: fast, without Presidio or a model, and too much
rather than too little.

Whatever the prefilter takes for a candidate goes, hit or not: every run of characters around an ``@``, every word with a
dot before a top-level domain, everything from the first to the last digit of what might be a phone number, and the names
of the list of given names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.pii.prefilter import INTERNATIONAL_DIGITS, email_windows, phone_alphabet, phone_windows, url_windows
from curation_tasks.pii.recognizers.gazetteer import find_names
from curation_tasks.pii.spans import ENTITIES, resolve_overlaps, rewrite, spans_from

#: Shorter runs around an ``@`` hold no address (a@b.c).
_SHORTEST_ADDRESS = 5


def redact_samples(texts: Sequence[str]) -> list[str]:
    """Texts in which nothing is left that looks like personal data, with markers such as ``<PERSON>`` instead.

    Args:
        texts: Samples, whole or cut; a few kilobytes each. Language and kind do not matter.
    """
    column = pa.array(texts, pa.large_string())
    offsets, data = text_buffers(column)
    emails = email_windows(offsets, data)
    emails = emails[emails[:, 2] - emails[:, 1] >= _SHORTEST_ADDRESS]
    phones = _digits_of(data, phone_windows(offsets, data, INTERNATIONAL_DIGITS, np.zeros(100, np.bool_)))
    spans = np.concatenate(
        [
            spans_from(emails, "EMAIL_ADDRESS", 1.0),
            spans_from(url_windows(offsets, data), "URL", 0.5),
            spans_from(phones, "PHONE_NUMBER", 0.4),
            find_names(offsets, data),
        ]
    )
    return rewrite(column, offsets, data, resolve_overlaps(spans), [f"<{entity}>" for entity in ENTITIES]).to_pylist()


def _digits_of(data: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The windows from their first digit, or the sign before it, to their last: without the words around them."""
    alphabet, trimmed = phone_alphabet(), []
    for row, start, end in windows.tolist():
        text = data[start:end].tobytes().decode()
        digits = [index for index, character in enumerate(text) if alphabet[ord(character)] >= 16]
        first = digits[0] - (digits[0] > 0 and text[digits[0] - 1] in "+(（＋")
        trimmed.append((row, start + len(text[:first].encode()), start + len(text[: digits[-1] + 1].encode())))
    return np.array(trimmed, np.int64).reshape(-1, 3)
