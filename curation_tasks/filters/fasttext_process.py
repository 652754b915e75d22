"""fastText's training, in a process of its own: ``python -m curation_tasks.filters.fasttext_process < call.json``.

fastText leaves nine tenths of its embeddings as the allocator gives them. The caller has glibc fill what it gives
(``MALLOC_PERTURB_=255`` makes zeros of it), and there is one thread: so the same lines in the same order give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def train(call: Mapping[str, Any]) -> None:
    """Trains and writes a model.

    Args:
        call: ``lines`` and ``model``, paths; ``training``, and for a quantized model ``quantization``: fastText's settings.
    """
    import fasttext

    model = fasttext.train_supervised(call["lines"], thread=1, verbose=0, **call["training"])
    if call["quantization"]:
        model.quantize(call["lines"], thread=1, verbose=0, **call["quantization"])
    model.save_model(call["model"])


if __name__ == "__main__":
    train(json.load(sys.stdin))
