"""Hosts, addresses and words of URLs, hashed and looked up in compiled loops over Arrow buffers.

A host is hashed from its end to its beginning, so that one pass gives the hash of each domain above it: ``com``, ``example.com``,
``www.example.com``. Blocked domains are hashed the same way, and so block what lies below them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.hash_tables import SECOND_SEED, SEED, TABLE, HashTable, add, holds, mixed
from curation_tasks.kernels.phrases import lower
from curation_tasks.kernels.utf8 import text_buffers

#: Columns of what is found of each URL.
FOUND = ("domain", "address", "words", "soft_words", "beyond_ascii")
_DOMAIN, _ADDRESS, _WORDS, _SOFT_WORDS, _BEYOND_ASCII = range(5)
_COLON, _SLASH, _QUESTION, _HASH, _AT, _DOT, _BRACKET, _BACKSLASH = 58, 47, 63, 35, 64, 46, 93, 92
_MOST_SOFT_WORDS = 64


def find_urls(urls: pa.Array, domains: HashTable, addresses: HashTable, words: HashTable, soft_words: HashTable) -> dict[str, np.ndarray]:
    """What lists say of URLs.

    Args:
        urls: string or large_string, shape (rows,); a null is in no list.
        domains: Of ``hashed_domains``: a URL whose host is one of them or lies below one is found.
        addresses: Of ``hashed_addresses``: whole URLs, scheme, user, default port, fragment and a slash at the end aside.
        words: Of ``hashed_words``: runs of ASCII letters and digits, whatever their case.
        soft_words: Likewise.

    Returns:
        The names of ``FOUND`` → int64, shape (rows,): 1 where the domain or the address is found, the number of words and of distinct
        soft words found (at most 64), and 1 where the host holds a character beyond ASCII, so that it has to be put into ASCII first.
    """
    offsets, data = text_buffers(urls)
    found = np.zeros((len(urls), len(FOUND)), np.int64)
    _find(data, offsets, *(tuple(table) for table in (domains, addresses, words, soft_words)), found)
    return {name: found[:, column] for column, name in enumerate(FOUND)}


def hashed_domains(entries: pa.Array) -> np.ndarray:
    """Hashes of domains: uint64, shape (2, rows). An entry may be a URL; what is none, or has no dot, hashes to 0."""
    return _hashed(entries, 0)


def hashed_addresses(entries: pa.Array) -> np.ndarray:
    """Hashes of whole URLs: uint64, shape (2, rows)."""
    return _hashed(entries, 1)


def hashed_words(entries: pa.Array) -> np.ndarray:
    """Hashes of words, taken as they are but for the case of ASCII letters: uint64, shape (2, rows)."""
    return _hashed(entries, 2)


def _hashed(entries: pa.Array, kind: int) -> np.ndarray:
    offsets, data = text_buffers(entries)
    hashes = np.zeros((2, len(entries)), np.uint64)
    _hash(data, offsets, kind, hashes)
    return hashes


@inlined
def _trimmed(data, start, end):
    while start < end and data[start] <= 32:
        start += 1
    while end > start and data[end - 1] <= 32:
        end -= 1
    return start, end


@inlined
def _authority(data, start, end):
    """``(begin, finish)`` of what stands between the slashes of a URL: user, host and port. Without a scheme it begins at once."""
    at = start
    while at < end and data[at] not in (_COLON, _SLASH, _QUESTION, _HASH):
        at += 1
    begin = start
    if at + 2 < end and data[at] == _COLON and data[at + 1] in (_SLASH, _BACKSLASH) and data[at + 2] in (_SLASH, _BACKSLASH):
        begin = at + 3
    elif at == start and at + 1 < end and data[at] == _SLASH and data[at + 1] == _SLASH:
        begin = at + 2
    finish = begin
    while finish < end and data[finish] not in (_SLASH, _QUESTION, _HASH, _BACKSLASH):
        finish += 1
    return begin, finish


@inlined
def _host(data, begin, finish):
    """``(begin, finish, port)``: the host without user, port and dots at its end; where the port begins, or the authority ends."""
    for at in range(begin, finish):
        if data[at] == _AT:
            begin = at + 1
    end = finish
    while end > begin and 48 <= data[end - 1] <= 57:
        end -= 1
    port = finish
    if end > begin and data[end - 1] == _COLON:
        port, end = end, end - 1
    else:
        end = finish
    while end > begin and data[end - 1] == _DOT:
        end -= 1
    return begin, end, port


@inlined
def _is_default_port(data, port, finish):
    if finish - port == 2:
        return data[port] == 56 and data[port + 1] == 48  # 80
    return finish == port or (finish - port == 3 and data[port] == 52 and data[port + 1] == 52 and data[port + 2] == 51)  # 443


@inlined
def _address_hash(data, begin, end, authority_end, stop, port):
    """Hashes of a URL from its host on, without a default port, a fragment, and a slash at the end."""
    first, second = SEED, SECOND_SEED
    for at in range(begin, end):
        first, second = add(first, second, lower(data[at]))
    if not _is_default_port(data, port, authority_end):
        for at in range(port - 1, authority_end):
            first, second = add(first, second, data[at])
    last = authority_end
    while last < stop and data[last] != _HASH:
        last += 1
    if last > authority_end and data[last - 1] == _SLASH:
        last -= 1
    for at in range(authority_end, last):
        first, second = add(first, second, data[at])
    return mixed(first), mixed(second)


@inlined
def _is_word_byte(byte):
    return 48 <= byte <= 57 or 97 <= lower(byte) <= 122


@inlined
def _look_at_words(data, at, end, words, soft_words, seen, found):
    distinct = 0
    while at < end:
        if not _is_word_byte(data[at]):
            at += 1
            continue
        first, second = SEED, SECOND_SEED
        while at < end and _is_word_byte(data[at]):
            first, second = add(first, second, lower(data[at]))
            at += 1
        first, second = mixed(first), mixed(second)
        found[_WORDS] += holds(words, first, second)
        if distinct < _MOST_SOFT_WORDS and holds(soft_words, first, second):
            known = False
            for k in range(distinct):
                known |= seen[k] == first
            if not known:
                seen[distinct] = first
                distinct += 1
    found[_SOFT_WORDS] = distinct


@kernel(f"void({BYTES}, {OFFSETS}, {TABLE}, {TABLE}, {TABLE}, {TABLE}, int64[:, ::1])")
def _find(data, offsets, domains, addresses, words, soft_words, found):
    seen = np.zeros(_MOST_SOFT_WORDS, np.uint64)
    for row in range(offsets.shape[0] - 1):
        start, stop = _trimmed(data, offsets[row], offsets[row + 1])
        authority, authority_end = _authority(data, start, stop)
        begin, end, port = _host(data, authority, authority_end)
        first, second = SEED, SECOND_SEED
        for step in range(end - begin):
            at = end - 1 - step
            byte = data[at]
            if byte >= 0x80:
                found[row, _BEYOND_ASCII] = 1
            if byte == _DOT and holds(domains, mixed(first), mixed(second)):
                found[row, _DOMAIN] = 1
            first, second = add(first, second, lower(byte))
        if end > begin:
            if holds(domains, mixed(first), mixed(second)):
                found[row, _DOMAIN] = 1
            first, second = _address_hash(data, begin, end, authority_end, stop, port)
            found[row, _ADDRESS] = holds(addresses, first, second)
        _look_at_words(data, start, stop, words, soft_words, seen, found[row])


@kernel(f"void({BYTES}, {OFFSETS}, int64, uint64[:, ::1])")
def _hash(data, offsets, kind, hashes):
    for row in range(offsets.shape[0] - 1):
        start, stop = _trimmed(data, offsets[row], offsets[row + 1])
        first, second = SEED, SECOND_SEED
        if kind == 2:
            for at in range(start, stop):
                first, second = add(first, second, lower(data[at]))
            hashes[0, row], hashes[1, row] = mixed(first), mixed(second)
            continue
        authority, authority_end = _authority(data, start, stop)
        begin, end, port = _host(data, authority, authority_end)
        if kind == 1:
            hashes[0, row], hashes[1, row] = _address_hash(data, begin, end, authority_end, stop, port)
            continue
        dots = 0
        for step in range(end - begin):
            byte = data[end - 1 - step]
            dots += byte == _DOT
            first, second = add(first, second, lower(byte))
        if dots:
            hashes[0, row], hashes[1, row] = mixed(first), mixed(second)
