"""Generated stories: flaws in exactly the planned number, and nothing wrong with the others."""

import hashlib
import re
from collections import Counter, defaultdict
from itertools import pairwise

import ftfy
import pyarrow as pa
import pytest

from curation_tasks.context import RunContext
from curation_tasks.sources.catalog import StoryGeneratorParameters, planted_counts
from curation_tasks.sources.story_generator import generate_stories, list_units
from curation_tasks.sources.story_words import TEMPLATES, WORDS

CONTEXT = RunContext("pipeline", "all", "stage", "/nowhere")
#: Most that the most frequent n-gram may take of the characters, as the TinyStories pipeline has it.
BOUNDS = {2: 0.20, 3: 0.18, 4: 0.16}


def table(**parameters: object) -> pa.Table:
    chosen = StoryGeneratorParameters(**parameters)
    return pa.Table.from_batches([batch for unit in list_units(chosen, "all") for batch in generate_stories(unit, chosen, CONTEXT)])


@pytest.fixture(scope="module")
def stories() -> pa.Table:
    return table(stories=20_000)


@pytest.fixture(scope="module")
def texts(stories: pa.Table) -> dict[str, list[str]]:
    found = defaultdict(list)
    for text, planted in zip(stories["text"].to_pylist(), stories["planted"].to_pylist(), strict=True):
        found[planted].append(text)
    return found


def exceeded(text: str) -> list[int]:
    """The n for which the most frequent n-gram takes more than its bound."""
    words, found = text.split(), []
    for n, bound in BOUNDS.items():
        counts = Counter(" ".join(words[start : start + n]) for start in range(len(words) - n + 1))
        if max(count * len(gram) for gram, count in counts.items()) / len(text) > bound:
            found.append(n)
    return found


def is_complete(text: str) -> bool:
    return text.strip()[-1:] in tuple('.!?"”')


def test_counts_are_those_of_the_plan(stories: pa.Table):
    planned = planted_counts(StoryGeneratorParameters())
    assert Counter(stories["planted"].to_pylist()) == planned
    assert sum(planned.values()) == 20_000
    assert all(planned.values())


def test_stories_without_a_textual_flaw_pass_every_filter(texts: dict[str, list[str]]):
    sound = [text for planted in ("plain", "exact_duplicate", "curly_quotes", "email", "phone", "url") for text in texts[planted]]
    words = [len(text.split()) for text in sound]
    assert min(words) >= 80
    assert 150 <= sum(words) / len(words) <= 190
    assert all(is_complete(text) for text in sound)
    assert not any(exceeded(text) for text in sound[::4])


def test_all_stories_but_planted_duplicates_differ(texts: dict[str, list[str]]):
    others = [text for planted, found in texts.items() if planted not in ("exact_duplicate", "empty") for text in found]
    assert len(set(others)) == len(others)


def test_duplicates_repeat_an_earlier_plain_story_also_of_another_unit(stories: pa.Table):
    units = [unit.options["first"] for unit in list_units(StoryGeneratorParameters(), "all")]
    first_plain: dict[str, int] = {}
    crossing = 0
    for row, (text, planted) in enumerate(zip(stories["text"].to_pylist(), stories["planted"].to_pylist(), strict=True)):
        if planted == "plain":
            first_plain[text] = row
        elif planted == "exact_duplicate":
            crossing += any(first_plain[text] < first <= row for first in units)
    assert crossing > 100


def test_each_flaw_is_what_it_is_called(texts: dict[str, list[str]]):
    assert all(re.search("[“”’]", text) and not re.search("[\"']", text) for text in texts["curly_quotes"])
    assert not any(is_complete(text) for text in texts["unfinished"])
    assert all(len(text.split()) < 80 and is_complete(text) and not exceeded(text) for text in texts["too_short"])
    assert all(len(text.split()) >= 80 for text in texts["unfinished"])
    assert set(texts["empty"]) == {""}
    for n in BOUNDS:
        assert all(min(exceeded(text)) == n and is_complete(text) for text in texts[f"repetitive_{n}_grams"])
    for planted, pattern in (("email", r"\S+@\S+"), ("phone", r"\(\d{3}\) \d{3}-\d{4}"), ("url", r"https?://\S+")):
        assert all(len(re.findall(pattern, text)) == 1 for text in texts[planted])
        assert not any(re.search(pattern, text) for text in texts["plain"])


def test_mojibake_is_what_ftfy_mends_and_the_rest_is_left_alone(texts: dict[str, list[str]]):
    settings = ftfy.TextFixerConfig(
        normalization=None, uncurl_quotes=False, fix_line_breaks=False, fix_character_width=False, fix_latin_ligatures=False
    )
    for text in texts["mojibake"]:
        mended = ftfy.fix_text(text, settings)
        assert "â" in text
        assert re.search("[“”’]", mended)
        assert not re.search("[âÂ€œ™\x80-\x9f]", mended)
        assert is_complete(mended)
        assert len(mended.split()) >= 80
    assert all(text.isascii() and ftfy.fix_text(text, settings) == text for text in texts["plain"][:500])


def test_empty_stories_are_rejected_by_the_source(stories: pa.Table):
    rejected = [
        planted for planted, reason in zip(stories["planted"].to_pylist(), stories["reject_reason"].to_pylist(), strict=True) if reason
    ]
    assert rejected == ["empty"] * planted_counts(StoryGeneratorParameters())["empty"]


def test_every_story_names_someone(texts: dict[str, list[str]]):
    names = re.compile(rf"\b({'|'.join(WORDS['name'])})\b")
    assert all(names.search(text) for planted, found in texts.items() if planted != "empty" for text in found)


def test_units_are_only_a_way_to_cut():
    whole, cut = table(stories=1000, units=1), table(stories=1000, units=7)
    for column in ("text", "native_id", "planted"):
        assert whole[column].to_pylist() == cut[column].to_pylist()


def test_stories_are_the_same_for_ever(stories: pa.Table):
    digest = hashlib.sha256("\0".join(stories["text"].to_pylist()).encode()).hexdigest()
    assert digest == "84979edf114e0f99eb18c9ff7085da45fb5c28d602602fb23259ef4567951c80", (
        "generated stories have changed: raise data_version of story_generator, then set this hash"
    )


def test_another_seed_gives_other_stories(stories: pa.Table):
    other = table(stories=1000, seed=1)["text"].to_pylist()
    assert len(set(other) & set(stories["text"].to_pylist())) == 1  # the empty one


@pytest.mark.parametrize("count", [1, 2, 10, 50])
def test_few_stories_are_enough(count: int):
    assert Counter(table(stories=count, units=1)["planted"].to_pylist()) == +Counter(
        planted_counts(StoryGeneratorParameters(stories=count, units=1))
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"stories": 3}, "units must not be more"),
        ({"planted": {"empty": 0.9}}, "leave no plain story"),
        ({"planted": {"spam": 0.1}}, "Extra inputs"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(parameters: dict, message: str):
    with pytest.raises(ValueError, match=message):
        StoryGeneratorParameters(**parameters)


def test_templates_name_known_slots_and_body_sentences_can_be_walked_in_a_circle():
    slots = {slot for group in TEMPLATES.values() for template in group for slot in re.findall(r"\{(\w+)\}", template)}
    assert slots == {"friend", *WORDS}
    size = len(TEMPLATES["body"])
    assert all(size % divisor for divisor in range(2, size))
    assert all(first != second for first, second in pairwise(sorted(TEMPLATES["body"])))
