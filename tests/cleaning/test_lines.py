"""Lines are removed as a plain reading of the rules has it."""

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.cleaning.line_parameters import LinesParameters
from curation_tasks.cleaning.lines import lines
from curation_tasks.kernels.refinedweb_lines import CLASSED
from curation_tasks.testing import check_operation, context_for, documents

POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
COUNTED = ["like", "share", "comment", "retweet", "repost", "quote", "bookmark", "upvote", "downvote", "download", "view", "follower"]


def clean(batch, **parameters):
    checked = LinesParameters(**parameters)
    context = context_for(checked)
    return lines(batch, checked, context), context.counters


def one(text, **parameters):
    """``(text, reasons)`` of one document."""
    result, _ = clean(pa.record_batch({"text": [text]}), **parameters)
    reasons = result.column("failed_rules")[0].as_py() if "failed_rules" in result.schema.names else None
    return result.column("text")[0].as_py(), reasons


def ascii_lower(text):
    return "".join(character.lower() if character.isascii() else character for character in text)


def c4(text):
    """``(new text, lines removed, words removed, words, lorem ipsum, brackets)`` by the rules as they are written down."""
    kept, lost_lines, lost_words, total, lorem, brackets = [], 0, 0, 0, 0, 0
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        total += len(words)
        line = re.sub(r"\[[0-9]*\]|\[edit\]|\[citation needed\]", "", line.strip())
        lower, passed = ascii_lower(line), False
        if len(words) >= 3 and max(map(len, words)) <= 1000 and line.endswith(tuple(".?!\"'")) and not line.endswith("..."):
            if "lorem ipsum" in lower:
                lorem += 1
            elif "javascript" not in lower:
                brackets += "{" in line
                passed = not any(phrase in lower for phrase in POLICY)
        if passed:
            kept.append(line)
        else:
            lost_lines += 1
            lost_words += len(words)
    return "\n".join(kept).strip(), lost_lines, lost_words, total, lorem, brackets


FRAGMENTS = [
    "One two three.",
    "Too short.",
    "no end mark here at all",
    "He said so...",
    'She "agreed with it"',
    "[1]",
    "[12] [edit]",
    "[a]",
    "[",
    "]",
    "[citation needed]",
    "Enable JavaScript in your browser.",
    "Lorem ipsum dolor sit.",
    "function() { return it now; }.",
    "\n",
    "\r\n",
    "\r",
    "\x0b",
    "\x1c",
    "\u0085",
    "\u2028",
    "\u00a0",
    "\u3000",
    " ",
    "We USE cookies here ok.",
    "Read our Privacy Policy now.",
    "x" * 1001 + " b c.",
    "\u00e9" * 600 + " b c.",
    "\u4eca\u5929 \u5929\u6c14 \u5f88\u597d\u3002",
    "\U0001f436 a b!",
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.sampled_from("\n \t.!") | st.text(max_size=6), max_size=14).map("".join)


@given(batch=documents(st.none() | TEXTS))
@settings(max_examples=300)
def test_c4_is_the_rules_as_they_are_written_down(batch):
    result, _ = clean(batch, rules={"name": "c4", "reject": []})
    for old, row in zip(batch.column("text").to_pylist(), result.to_pylist(), strict=True):
        text, lost_lines, lost_words, total, lorem, brackets = c4(old or "")
        assert row["text"] == (None if old is None else text)
        assert row["c4_removed_line_count"] == lost_lines
        assert row["c4_removed_word_count"] == lost_words
        assert row["c4_removed_word_ratio"] == lost_words / max(total, 1)
        assert row["c4_removed_character_count"] == len(old or "") - len(text)
        assert (row["c4_lorem_ipsum_count"], row["c4_curly_bracket_count"]) == (lorem, brackets)


def is_counter(line):
    return re.fullmatch(rf"\W*[0-9][0-9,.]*[kmb]?\s+({'|'.join(COUNTED)})s?\W*", line, re.IGNORECASE) is not None


def find_free(phrase, text):
    """Where a phrase stands in a text and is not a part of a longer word; −1 if nowhere."""

    def letter(character):
        return bool(re.fullmatch("[A-Za-z0-9]", character)) or (not character.isascii() and not character.isspace())

    for found in re.finditer(f"(?={re.escape(phrase)})", ascii_lower(text)):
        at, after = found.start(), found.start() + len(phrase)
        before = at > 0 and letter(text[at - 1]) and letter(text[at])
        behind = after < len(text) and letter(text[after - 1]) and letter(text[after])
        if not before and not behind:
            return at
    return -1


def cut(line):
    """A short line without the phrases."""
    begin = len(line) - len(line.lstrip())
    if find_free("sign-in", line[begin:]) == 0:
        line = line[:begin] + line[begin + 7 :]
    for suffix in ("read more...", "read more\u2026"):
        finish = len(line.rstrip())
        at = finish - len(suffix)
        if at >= 0 and find_free(suffix, line[max(at - 1, 0) : finish]) == min(at, 1):
            line = line[:at] + line[finish:]
    while (at := find_free("items in cart", line)) >= 0:
        line = line[:at] + line[at + 13 :]
    return line


def refinedweb(text):
    """``(new text, lines removed, words removed, words)``."""
    kept, lost_lines, total, left, touched = [], 0, 0, 0, False
    for line in text.split("\n"):
        words = line.split()
        total += len(words)
        new = cut(line) if 0 < len(words) <= 10 else line
        touched |= new != line
        failed = bool(words) and (
            len(new.split()) < 2
            or sum(character.isupper() for character in new) > 0.5 * len(new)
            or all(character.isdigit() for character in new)
            or is_counter(new)
        )
        if failed:
            lost_lines += 1
        else:
            kept.append(new)
            left += len(new.split())
    new_text = "\n".join(kept)
    return new_text.strip() if lost_lines or touched else new_text, lost_lines, total - left, total


WEB = [
    "Hello you there",
    "3 likes",
    "1.2K Views!",
    "\u2605 12,345 comments \u00b7",
    "3 likes of mine",
    "LOUD LINE",
    "LOUD line here",
    "\u00dc\u00d6\u00c4 \u00df\u00fc",
    "12345",
    "\u0661\u0662",
    "word",
    "Sign-in",
    "sign-in to see",
    "Sign-inner",
    "go on Read more...",
    "read more\u2026",
    "Read more.... no",
    "0 items in cart",
    "my Items in Cart now",
    "items in carts",
    "x\u00a0items in cart\u00a0y z",
    "\u00e9items in cart",
    "\u00a0sign-in to see",
    "\n",
    " ",
    "\t",
    "\r",
    "\u00a0",
    "5 m\u00a0view",
    "_3 likes",
    "\u4eca\u5929",
    "a b c d e f g h i j k items in cart",
]
WEB_TEXTS = st.lists(st.sampled_from(WEB) | st.sampled_from(["\n", " ", "\n\n"]) | st.text(max_size=5), max_size=14).map("".join)


@given(batch=documents(st.none() | WEB_TEXTS))
@example(batch=pa.record_batch({"text": ["Sign-in to see\nx y\n\n", "Read more...", "go on Read more...\u00a0", "a\u0300 A\n\n"]}))
@settings(max_examples=300)
def test_refinedweb_is_the_rules_as_they_are_written_down(batch):
    result, _ = clean(batch, rules="refinedweb", max_removed_word_ratio=None)
    for old, row in zip(batch.column("text").to_pylist(), result.to_pylist(), strict=True):
        text, lost_lines, lost_words, total = refinedweb(old or "")
        assert row["text"] == (None if old is None else text)
        assert row["refinedweb_removed_line_count"] == lost_lines
        assert row["refinedweb_removed_word_count"] == lost_words
        assert row["refinedweb_removed_word_ratio"] == lost_words / max(total, 1)
        assert row["refinedweb_removed_character_count"] == len(old or "") - len(text)


def test_no_letter_lies_beyond_the_table_of_classes():
    assert not any(chr(code).isalnum() for code in range(CLASSED, 0x110000))


def test_a_document_that_loses_much_is_rejected_and_keeps_its_text():
    text = "one two three four five six seven eight nine ten\n" * 2 + "3 likes"
    assert one(text, rules="refinedweb") == (text, ["refinedweb.removed_word_ratio.max"])
    assert one(text, rules="refinedweb", max_removed_word_ratio=0.1) == (text.removesuffix("\n3 likes"), None)
    assert one(text, rules="refinedweb", max_removed_word_ratio=None)[1] is None


def test_value_and_bound_of_a_rejection_are_recorded():
    result, counters = clean(pa.record_batch({"text": ["a b\n3 likes", "a b"]}), rules="refinedweb")
    assert result.column("reject_reason").to_pylist() == ["refinedweb.removed_word_ratio.max", None]
    assert result.column("reject_value").to_pylist() == [0.5, None]
    assert result.column("reject_threshold").to_pylist() == [0.05, None]
    assert not counters


def test_documents_are_rejected_for_what_c4_forbids():
    lorem, code = "Lorem ipsum dolor sit amet.", "Write while (true) { go } and stop."
    assert one(f"{code}\n{lorem}", rules="c4") == (f"{code}\n{lorem}", ["c4.lorem_ipsum", "c4.curly_bracket"])
    assert one(f"{code}\nEnd of it.", rules={"name": "c4", "reject": ["lorem_ipsum"]}) == (f"{code}\nEnd of it.", None)
    assert one("Use { JavaScript } with care.", rules="c4") == ("", None)


def test_rules_can_be_changed():
    text = "\u3053\u308c\u306f \u672c \u3067\u3059\u3002\nA line [1] without end\n\u00dcber unsere Cookies und mehr."
    rules = {"name": "c4", "end_marks": "\u3002.", "min_words": 1, "policy_phrases": ["unsere cookies"], "citations": False}
    assert one(text, rules=rules)[0] == "\u3053\u308c\u306f \u672c \u3067\u3059\u3002"
    assert (
        one("A line [1] that ends\nA line without end", rules={"name": "c4", "end_marks": "", "max_word_length": 5})[0]
        == "A line  that ends"
    )


def test_a_text_in_which_refinedweb_removes_nothing_keeps_every_byte():
    batch = pa.record_batch({"text": ["\n  a line\r\n\n\nand another\t\n", None, ""]})
    result, counters = clean(batch, rules="refinedweb")
    assert result.column("text").equals(batch.column("text"))
    assert not counters


@pytest.mark.parametrize("rules", ["c4", "refinedweb"])
def test_both_keep_the_contract(rules):
    from curation_tasks.catalog import load_catalog

    check_operation(load_catalog().operations["cleaning.lines"], {"rules": rules}, texts=[*FRAGMENTS, "\n".join(WEB)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rules": "c5"}, "c4"),
        ({"rules": {"name": "c4", "max_uppercase_ratio": 0.5}}, "max_uppercase_ratio"),
        ({"rules": {"name": "refinedweb", "anywhere": [" "]}}, "every one"),
        ({}, "rules"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        LinesParameters(**wrong)
