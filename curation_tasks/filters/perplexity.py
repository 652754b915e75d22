"""What an n-gram model of KenLM says of lines."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from curation_tasks.errors import ConfigError


def line_scores(texts: pa.Array, path: str, tokenizer: Any | None) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities of the lines of each text, as CCNet takes them: each line a sentence, blank ones left out.

    Args:
        texts: string or large_string, shape (rows,), without nulls.
        path: Of the model, .bin or .arpa.
        tokenizer: Of Hugging Face: its pieces are the words. None: words stand between white space.

    Returns:
        ``(millionths of the log probability to the base of 10, with the other sign; words and ends of lines)``, int64, shape (rows,).

    Raises:
        ConfigError: The package kenlm is not installed, or the model cannot be read.
    """
    model = _model(path)
    found = np.zeros((2, len(texts)), np.int64)
    for row, text in enumerate(texts.to_pylist()):
        lines = [line for line in text.split("\n") if line.strip()]
        if tokenizer is not None:
            lines = [" ".join(encoding.tokens) for encoding in tokenizer.encode_batch(lines, add_special_tokens=False)]
        found[0, row] = round(-1e6 * sum(model.score(line) for line in lines))
        found[1, row] = sum(len(line.split()) + 1 for line in lines)
    return found[0], found[1]


@lru_cache(maxsize=2)
def _model(path: str) -> Any:
    try:
        import kenlm
    except ImportError as error:
        raise ConfigError(
            "the signal `perplexity` needs the Python package kenlm, which is not installed",
            remedy="pip install 'curation-tasks[perplexity]', in the worker image too",
        ) from error
    settings = kenlm.Config()
    settings.show_progress = False
    settings.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(path, settings)
    except OSError as error:
        raise ConfigError(
            f"a language model cannot be read: {str(error)[:200]}", where=path, expected="a model of KenLM, .bin or .arpa",
            remedy="get the file that `language_model` names again, or name another",
        ) from error  # fmt: skip
