"""Windows, paragraphs and scripts of texts, beside the same in plain Python."""

from collections import Counter

import numpy as np
import pyarrow as pa
from fontTools.unicodedata import script
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.scripts import NO_SCRIPT, dominant_scripts, script_table
from curation_tasks.kernels.text_spans import character_counts, paragraphs, windows
from curation_tasks.kernels.utf8 import text_buffers

rows = st.lists(st.text(max_size=60) | st.text(st.sampled_from("ab \n\t\r\u00e9\u4eca\U0001f436"), max_size=60), max_size=5)


def buffers(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # With a row before and one behind, so that no span begins at 0 or ends where the buffer does.
    offsets, data = text_buffers(pa.array(["before", *texts, "behind"], pa.string()).slice(1, len(texts)))
    return data, offsets[:-1], offsets[1:]


def cut(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[str]:
    return [bytes(data[start:end]).decode() for start, end in zip(starts, ends, strict=True)]


@given(rows, st.integers(1, 20), st.booleans())
def test_windows(texts, characters, middle):
    data, starts, ends = buffers(texts)
    firsts = [max(0, len(text) - characters) // 2 if middle else 0 for text in texts]
    wanted = [text[first : first + characters] for text, first in zip(texts, firsts, strict=True)]
    assert cut(data, *windows(data, starts, ends, characters, middle=middle)) == wanted


@given(rows)
def test_paragraphs(texts):
    data, starts, ends = buffers(texts)
    numbers, begins, finishes = paragraphs(data, starts, ends)
    space = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
    wanted = [(row, line.strip(space)) for row, text in enumerate(texts) for line in text.split("\n") if line.strip(space)]
    assert list(zip(numbers.tolist(), cut(data, begins, finishes), strict=True)) == wanted
    assert character_counts(data, begins, finishes).tolist() == [len(line) for _, line in wanted]


@given(rows)
def test_scripts(texts):
    names, _ = script_table()
    numbers, shares = dominant_scripts(*buffers(texts))
    for text, number, share in zip(texts, numbers.tolist(), shares.tolist(), strict=True):
        counts = Counter(code for code in map(script, text) if code not in NO_SCRIPT)
        if not counts:
            assert (number, share) == (-1, 0)
            continue
        best = min(counts, key=lambda code: (-counts[code], code))
        assert names[number] == best
        assert share == counts[best] / counts.total()


def test_script_of_every_character():
    names, table = script_table()
    for code in range(0, 0x110000, 97):
        assert (names[table[code] - 1] if table[code] else "none") == (script(chr(code)) if script(chr(code)) not in NO_SCRIPT else "none")
