"""The words by which names are found: lists as a hash table, with what each word means."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import numpy as np

#: What a word of the table may be.
NAME, COMMON_WORD, PLACE, TITLE, NO_SURNAME, OPENER, CLOSER, PARTICLE, DETERMINER = (1 << bit for bit in range(9))
FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


def languages() -> tuple[str, ...]:
    """Languages that have titles and function words here."""
    return tuple(_words()["languages"])


@cache
def _words() -> dict:
    return tomllib.loads(_read("person_words.toml"))


def _read(name: str) -> str:
    return files("curation_tasks.pii").joinpath("data", name).read_text("utf-8")


@cache
def word_table(language: str) -> tuple[np.ndarray, np.ndarray]:
    """An open-addressing hash table: uint64 keys (0: empty) and int64 flags, both of a power of two."""
    words, meanings = _words(), {}
    given = [line for line in _read("given_names.txt").splitlines() if line and not line.startswith("#")]
    own = words["languages"][language]
    for flag, members in (
        (NAME, given),
        (NAME | COMMON_WORD, words["common_word_names"].split()),
        (NAME | PLACE, words["place_and_month_names"].split()),
        (TITLE | NO_SURNAME, own["titles"].split()),
        (NO_SURNAME, own["not_surnames"].split()),
        (OPENER, words["place_openers"].split()),
        (CLOSER, words["place_closers"].split()),
        (PARTICLE, words["particles"].split()),
        (DETERMINER, own["determiners"].split()),
        (DETERMINER | NO_SURNAME, [word.capitalize() for word in own["determiners"].split()]),
    ):
        for word in members:
            meanings[word] = meanings.get(word, 0) | flag
    size = 1 << (4 * len(meanings)).bit_length()
    keys, flags = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for word in sorted(meanings):
        key = _hash_of(word)
        slot = key & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], flags[slot] = key, meanings[word]
    return keys, flags


def _hash_of(word: str) -> int:
    """What the recognizer computes of the bytes of a text: FNV-1a, 64 bits, never 0."""
    key = int(FNV_OFFSET)
    for byte in word.encode():
        key = (key ^ byte) * int(FNV_PRIME) % 2**64
    return key or 1
