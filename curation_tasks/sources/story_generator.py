"""Made-up children's stories in the manner of TinyStories, with planted flaws whose number is known.

Every choice is a hash of (seed, story, what is chosen): a story depends on nothing else, so that units can be made in any
order, and no generator's stream has to stay the same across versions of a library. The hash is the finaliser of SplitMix64.
Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import reject
from curation_tasks.sources.catalog import StoryGeneratorParameters, planted_counts
from curation_tasks.sources.story_words import REPEATED, STORY_SLOTS, TEMPLATES, WORDS

_BATCH_STORIES = 8192
_BODY_SENTENCES = (8, 16)
_SHORT_BODY_SENTENCES = (1, 3)
#: Share of the characters that a repeated phrase of n words takes, just above the bound for n-grams (.20, .18, .16) and,
#: for the longer ones, below the bounds that shorter n-grams then meet.
_REPEATED_SHARE = {2: 0.25, 3: 0.20, 4: 0.18}

_PLAIN, _CURLY, _MOJIBAKE = range(3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def list_units(parameters: StoryGeneratorParameters, snapshot: str) -> list[SourceUnit]:
    """Neighbouring stories, as equal in number as can be."""
    bounds = [parameters.stories * unit // parameters.units for unit in range(parameters.units + 1)]
    return [
        SourceUnit(f"generated://stories/{unit}", f"stories-{unit:05}", options={"first": first, "stories": end - first})
        for unit, (first, end) in enumerate(pairwise(bounds))
    ]


def generate_stories(unit: SourceUnit, parameters: StoryGeneratorParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """Makes the stories of a unit.

    Adds: ``planted``: the story's flaw, or ``plain``; ``native_id``: ``story-{n}``. An exact duplicate repeats a plain story
    that comes earlier, in any unit; all other stories differ from each other.

    Rejects:
        empty_story: The planted story without text.
    """
    plan = _plan(parameters)
    first, end = unit.options["first"], unit.options["first"] + unit.options["stories"]
    for start in range(first, end, _BATCH_STORIES):
        stories = np.arange(start, min(end, start + _BATCH_STORIES))
        texts = _texts(plan.content[stories], plan.kinds[stories], parameters)
        names = pc.binary_join_element_wise("story", pa.array(stories).cast(pa.string()), "-")
        planted = pa.array([*plan.names]).take(pa.array(plan.kinds[stories]))
        batch = pa.RecordBatch.from_arrays([texts, names, planted], names=["text", "native_id", "planted"])
        yield reject(batch, plan.kinds[stories] == plan.names.index("empty"), "empty_story")


@dataclass(frozen=True)
class _Plan:
    """Which story has which flaw.

    Attributes:
        names: The flaws; the last is ``plain``.
        kinds: int8, shape (stories,): index into ``names``.
        content: int64, shape (stories,): the story whose text this one has; itself, but for exact duplicates.
    """

    names: tuple[str, ...]
    kinds: np.ndarray
    content: np.ndarray


@lru_cache(maxsize=2)
def _plan(parameters: StoryGeneratorParameters) -> _Plan:
    counts = planted_counts(parameters)
    names = tuple(counts)
    plain = names.index("plain")
    content = np.arange(parameters.stories)
    chance = _hashes(parameters.seed, content, "kind")
    # The first story stays plain, so that there is an earlier one for every duplicate.
    order = 1 + np.argsort(chance[1:], kind="stable")
    kinds = np.full(parameters.stories, plain, np.int8)
    planted = np.repeat(np.arange(plain), [counts[name] for name in names[:-1]])
    kinds[order[: len(planted)]] = planted
    originals = np.flatnonzero(kinds == plain)
    duplicates = np.flatnonzero(kinds == names.index("exact_duplicate"))
    earlier = np.searchsorted(originals, duplicates)
    content[duplicates] = originals[_below(_hashes(parameters.seed, duplicates, "original"), earlier)]
    return _Plan(names, kinds, content)


def _texts(stories: np.ndarray, kinds: np.ndarray, parameters: StoryGeneratorParameters) -> pa.Array:
    """The texts of stories with the given flaws; shapes (stories,)."""
    names = list(planted_counts(parameters))

    def has(*flaws: str) -> np.ndarray:
        return np.isin(kinds, [names.index(flaw) for flaw in flaws])

    seed, sentences = parameters.seed, _sentences()
    low, high = (np.where(has("too_short"), short, usual) for short, usual in zip(_SHORT_BODY_SENTENCES, _BODY_SENTENCES, strict=True))
    body_count = low + _below(_hashes(seed, stories, "sentences"), high - low)
    grid = np.full((len(stories), 4 + _BODY_SENTENCES[1]), -1)
    grid[:, 0] = sentences.choose("opening", _hashes(seed, stories, "opening"))
    grid[:, 1] = sentences.choose("speech", _hashes(seed, stories, "speech"))
    grid[:, 2:-2] = _body(sentences, seed, stories, body_count)
    for flaw in ("email", "phone", "url"):
        grid[has(flaw), -2] = sentences.choose(flaw, _hashes(seed, stories[has(flaw)], flaw))
    grid[:, -1] = sentences.choose("ending", _hashes(seed, stories, "ending"))
    grid[has("unfinished"), -1] = sentences.choose("unfinished", _hashes(seed, stories[has("unfinished")], "unfinished"))
    grid[has("empty")] = -1
    spelling = np.select([has("curly_quotes"), has("mojibake")], [_CURLY, _MOJIBAKE], _PLAIN)
    texts = sentences.joined(grid, seed, stories, spelling)
    for words in _REPEATED_SHARE:
        texts = _with_repetition(texts, has(f"repetitive_{words}_grams"), words, _hashes(seed, stories, "repeated"))
    return texts


def _body(sentences: _Sentences, seed: int, stories: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Templates of the body, none twice in a story: steps of equal width round a circle of prime length."""
    first, size = sentences.ranges["body"]
    start = _below(_hashes(seed, stories, "start"), size)[:, None]
    step = 1 + _below(_hashes(seed, stories, "step"), size - 1)[:, None]
    position = np.arange(_BODY_SENTENCES[1])[None, :]
    return np.where(position < count[:, None], first + (start + step * position) % size, -1)


def _with_repetition(texts: pa.Array, mask: np.ndarray, words: int, hashes: np.ndarray) -> pa.Array:
    """Appends a sentence to the masked stories in which a phrase of so many words is repeated until it has its share."""
    if not mask.any():
        return texts
    choice = _below(hashes, len(REPEATED[words]))
    made = []
    for row in np.flatnonzero(mask).tolist():
        base, phrase = f"{texts[row].as_py()} The song went ", REPEATED[words][choice[row]]
        share = _REPEATED_SHARE[words]
        # k·L / (base + k·(L + 1)) = share, solved for k.
        times = int(share * len(base) / (len(phrase) - share * (len(phrase) + 1))) + 1
        made.append(f"{base}{' '.join([phrase] * times)} until they slept.")
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(made, pa.string()))


@dataclass(frozen=True)
class _Sentences:
    """The templates as tables, so that stories are gathered from a pool of pieces without a loop over sentences.

    Attributes:
        ranges: Group of templates → (first template, number of templates).
        pieces: All literals and words, in three spellings one behind the other.
        spelling_pieces: Number of pieces of one spelling.
        literals: int64, shape (templates, slots + 1): piece before each slot and behind the last; piece 0 is empty.
        slots: int64, shape (templates, slots): which slot, −1 where there are fewer.
        first_word: int64, shape (slot kinds,): piece of a slot's first word.
        word_count: int64, shape (slot kinds,).
    """

    ranges: dict[str, tuple[int, int]]
    pieces: pa.Array
    spelling_pieces: int
    literals: np.ndarray
    slots: np.ndarray
    first_word: np.ndarray
    word_count: np.ndarray

    def choose(self, group: str, hashes: np.ndarray) -> np.ndarray:
        first, size = self.ranges[group]
        return first + _below(hashes, size)

    def joined(self, grid: np.ndarray, seed: int, stories: np.ndarray, spelling: np.ndarray) -> pa.Array:
        """The texts.

        Args:
            grid: int64, shape (stories, sentences): templates; −1 for none.
            seed: Of the whole.
            stories: int64, shape (stories,): their numbers.
            spelling: int64, shape (stories,): plain, curly or mojibake.
        """
        present = grid >= 0
        slots = self.slots[grid]
        words = self._drawn(slots, seed, stories)
        pieces = np.zeros((*grid.shape, 2 * slots.shape[2] + 2), np.int64)
        pieces[:, :, 1::2] = self.literals[grid]
        pieces[:, :, 2::2] = words
        # A space before every sentence but a story's first.
        pieces[:, :, 0] = present & (np.cumsum(present, axis=1) > 1)
        pieces += (spelling * self.spelling_pieces)[:, None, None]
        counts = present.sum(axis=1) * pieces.shape[2]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), self.pieces.take(pa.array(pieces[present].ravel()))), "")

    def _drawn(self, slots: np.ndarray, seed: int, stories: np.ndarray) -> np.ndarray:
        """The piece for each slot: drawn once a story, or for each place."""
        fixed = np.stack([_below(_hashes(seed, stories, slot), len(_words(slot))) for slot in STORY_SLOTS], axis=1)
        # The friend is someone else.
        name, friend = STORY_SLOTS.index("name"), STORY_SLOTS.index("friend")
        others = len(WORDS["name"]) - 1
        fixed[:, friend] = (fixed[:, name] + 1 + _below(_hashes(seed, stories, "friend"), others)) % (others + 1)
        flat = np.arange(slots.shape[1] * slots.shape[2], dtype=np.uint64)
        chance = _mix(_hashes(seed, stories, "word")[:, None] + _GOLDEN * (flat[None, :] + np.uint64(1))).reshape(slots.shape)
        drawn = _below(chance, self.word_count[slots])
        same = fixed[np.arange(len(stories))[:, None, None], np.clip(slots, 0, len(STORY_SLOTS) - 1)]
        return np.where(slots < 0, 0, self.first_word[slots] + np.where(slots < len(STORY_SLOTS), same, drawn))


def _words(slot: str) -> Sequence[str]:
    return WORDS["name" if slot == "friend" else slot]


@cache
def _sentences() -> _Sentences:
    kinds = [*STORY_SLOTS, *(slot for slot in WORDS if slot not in STORY_SLOTS)]
    # Piece 1 is the space between sentences.
    pieces = ["", " "]
    first_word = []
    for kind in kinds:
        first_word.append(len(pieces))
        pieces.extend(_words(kind))
    templates = [re.split(r"\{(\w+)\}", template) for group in TEMPLATES.values() for template in group]
    width = max(len(parts) // 2 for parts in templates)
    literals, slots = np.zeros((len(templates), width + 1), np.int64), np.full((len(templates), width), -1)
    for number, parts in enumerate(templates):
        for place, literal in enumerate(parts[0::2]):
            literals[number, place] = len(pieces)
            pieces.append(literal)
        slots[number, : len(parts) // 2] = [kinds.index(slot) for slot in parts[1::2]]
    sizes = [len(group) for group in TEMPLATES.values()]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist()
    spelled = [spell(piece) for spell in (_straight, str, _misread) for piece in pieces]
    return _Sentences(
        ranges=dict(zip(TEMPLATES, zip(starts, sizes, strict=True), strict=True)),
        pieces=pa.array(spelled, pa.string()),
        spelling_pieces=len(pieces),
        literals=literals,
        slots=slots,
        first_word=np.array(first_word),
        word_count=np.array([len(_words(kind)) for kind in kinds]),
    )


def _straight(piece: str) -> str:
    return piece.translate(str.maketrans("“”‘’", "\"\"''"))


def _misread(piece: str) -> str:
    """UTF-8 read as Windows-1252, with the five bytes that it leaves undefined as control characters, as browsers do."""
    return "".join(bytes([byte]).decode("cp1252" if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else "latin-1") for byte in piece.encode())


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 over uint64, shape kept."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _hashes(seed: int, stories: np.ndarray, purpose: str) -> np.ndarray:
    """uint64, shape (stories,): a hash of each story's number for one purpose."""
    salt = np.array([seed, *purpose.encode()], np.uint64)
    state = np.zeros(1, np.uint64)
    for value in salt:
        state = _mix(state + _GOLDEN + value)
    return _mix(_mix(state + _GOLDEN * (stories.astype(np.uint64) + np.uint64(1))) + state)


def _below(hashes: np.ndarray, bound: np.ndarray | int) -> np.ndarray:
    """int64 in [0, bound), shape of ``hashes``: the upper 32 bits, scaled."""
    return (((hashes >> np.uint64(32)) * np.asarray(bound, np.uint64)) >> np.uint64(32)).astype(np.int64)
