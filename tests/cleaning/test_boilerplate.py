"""Paragraphs with policy phrases go from the edges of a text, or wherever they stand."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.cleaning.parameters import POLICY_PHRASES
from curation_tasks.testing import documents

PIECES = [
    "This site USES cookies.",
    "Read our privacy policy",
    "A story.",
    "word word",
    "\n",
    "\n\n",
    "\n\n\n",
    " ",
    "terms\nof use",
    "\u00e9",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map("".join)


def without_boilerplate(text, edges):
    """``(new text, paragraphs removed, words removed)``."""
    paragraphs = [match for match in re.finditer(r"[^\n](?:[^\n]|\n(?!\n))*", text)]
    paragraphs = [(match.start(), match.end() - (match.end() == len(text) and text.endswith("\n"))) for match in paragraphs]
    flagged = [any(phrase in text[begin:end].lower() for phrase in POLICY_PHRASES) for begin, end in paragraphs]
    if edges and not all(flagged):
        first, last = flagged.index(False), len(flagged) - 1 - flagged[::-1].index(False)
        flagged = [flag and not first < index < last for index, flag in enumerate(flagged)]
    if not any(flagged):
        return text, 0, 0
    new, words = "", 0
    for index, (begin, end) in enumerate(paragraphs):
        if flagged[index]:
            words += len(text[begin:end].split())
        else:
            new += text[paragraphs[index - 1][1] if new else begin : end]
    return new, sum(flagged), words


@given(batch=documents(st.none() | TEXTS), edges=st.booleans())
@settings(max_examples=200)
def test_paragraphs_are_those_of_the_definition(clean, batch, edges):
    result, _ = clean("boilerplate", batch, where="edges" if edges else "anywhere")
    for old, row in zip(batch.column("text").to_pylist(), result.to_pylist(), strict=True):
        text, removed, words = without_boilerplate(old or "", edges)
        assert row["text"] == (None if old is None else text)
        assert row["boilerplate_removed_paragraph_count"] == removed
        assert row["boilerplate_removed_word_ratio"] == words / max(len((old or "").split()), 1)


def test_lorem_ipsum_is_rejected_or_kept(clean):
    result, _ = clean("boilerplate", ["Lorem Ipsum dolor", "plain", None])
    assert result.column("reject_reason").to_pylist() == ["boilerplate.lorem_ipsum", None, None]
    assert "reject_reason" not in clean("boilerplate", ["Lorem Ipsum dolor"], lorem_ipsum="keep")[0].schema.names


def test_a_document_that_loses_much_is_rejected_and_keeps_its_text(clean):
    text = "We use cookies here.\n\nA story of five words."
    result, _ = clean("boilerplate", [text], max_removed_word_ratio=0.4)
    assert result.column("text").to_pylist() == [text]
    assert result.column("failed_rules").to_pylist() == [["boilerplate.removed_word_ratio.max"]]
    assert clean("boilerplate", [text], max_removed_word_ratio=0.5)[0].column("text").to_pylist() == ["A story of five words."]
