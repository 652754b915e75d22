"""Documents that tests make: texts that have broken tools before, and a Hypothesis strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curation_tasks.schema import DOCUMENT_COLUMNS, with_columns

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

#: Texts that have broken text tools before: empty, blank, all kinds of Unicode, mark-up, addresses, very long words.
TRAPS: tuple[str | None, ...] = (
    "",
    None,
    " ",
    "\n\n \t\r\n",
    "\u00a0\u2003\u3000\u2029",
    "Once upon a time there was a small dog. It lived in a house.",
    "\u201cWhere are you?\u201d asked Mia. \u2018Here!\u2019 said the dog\u2026",
    "na na na na na na na na na na na na na na na na",
    "The dog\n\nran  and\tran and ran",
    "a",
    ".",
    "no ending",
    "\U0001f436 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U00020000\U0002a6d6 \U0001d54f\U0010ffff",
    "e\u0301 n\u0303 \u0061\u0323\u0307 \u0e01\u0e33 \u1100\u1161\u11a8 \u0928\u093f",
    "\u0634\u0643\u0631\u0627 \u05e9\u05dc\u05d5\u05dd \u202etfel ot thgir\u202c",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002\u6211\u4eec\u53bb\u516c\u56ed\u5427\uff01",
    "\u0ea1\u0eb0\u0e99\u0eb8\u0e94 \u1798\u1793\u17bb\u179f\u17d2\u179f12 \u101c\u1030\u1010\u102d\u102f\u1004\u103a\u1038\u104b",
    "caf\u00c3\u00a9 \u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d &amp; &lt;b&gt; &#39;x&#39;",
    "nul \x00 bell \x07 escape \x1b[31mred\x1b[0m delete \x7f bom \ufeff next line \x85 \ufffd",
    "<p class='x'>Hello &amp; goodbye</p>\n<!-- c --> {{template|x=1}} [[Link|text]]",
    "Write to jane.doe@example.org or call +1 (555) 010-9999, see https://user:pw@example.com:8080/a?b=c#d.",
    "Mr. John Smith and Anna M\u00fcller met Bj\u00f6rn in Z\u00fcrich.",
    "x" * 10_000,
    "word " * 3_000,
    "\n".join(f"line {number}" for number in range(500)),
)


def documents(
    texts: SearchStrategy[str | None] | None = None,
    *,
    columns: Mapping[str, SearchStrategy[Any]] | None = None,
    min_rows: int = 0,
    max_rows: int = 12,
) -> SearchStrategy[pa.RecordBatch]:
    """A Hypothesis strategy: batches of documents, as strings or large strings, cut out of a longer batch or not.

    Args:
        texts: What ``text`` is drawn from; default: any Unicode, null, and the shorter of ``TRAPS``.
        columns: Further columns, name → strategy of their values.
        min_rows: Fewest rows.
        max_rows: Most rows.
    """
    from hypothesis import strategies as st

    if texts is None:
        texts = st.none() | st.text() | st.sampled_from([text for text in TRAPS if text is None or len(text) < 500])
    values = {"text": texts, **(columns or {})}

    @st.composite
    def batches(draw: Callable) -> pa.RecordBatch:
        rows = draw(st.integers(min_rows, max_rows))
        before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        total = before + rows + after
        kind = draw(st.sampled_from([pa.string(), pa.large_string()]))
        batch = with_identity(pa.array([draw(values["text"]) for _ in range(total)], kind))
        batch = with_columns(batch, {name: [draw(strategy) for _ in range(total)] for name, strategy in values.items() if name != "text"})
        return batch.slice(before, rows)

    return batches()


def with_identity(texts: pa.Array) -> pa.RecordBatch:
    """Texts, shape (rows,), as documents with the columns that every document has."""
    rows = len(texts)
    columns = {
        "doc_id": pa.array([f"test:{row}" for row in range(rows)], pa.string()),
        "text": texts,
        "source": pa.array(["test"] * rows, pa.string()),
        "snapshot": pa.array(["all"] * rows, pa.string()),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in DOCUMENT_COLUMNS], names=list(DOCUMENT_COLUMNS))
