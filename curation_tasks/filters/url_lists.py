"""Lists of domains, URLs and words: read from files of several habits, hashed once for a node."""

from __future__ import annotations

import fcntl
import gzip
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation_tasks.errors import ConfigError
from curation_tasks.kernels.hash_tables import HashTable
from curation_tasks.kernels.url_parts import hashed_addresses, hashed_domains, hashed_words
from curation_tasks.storage.cache import cache_folder

#: Raised when the hashes of a list change.
_FORMAT = 1
_GZIP = b"\x1f\x8b"
_HASHED: dict[str, Callable[[pa.Array], np.ndarray]] = {
    "domains": hashed_domains, "urls": hashed_addresses, "words": hashed_words, "soft_words": hashed_words,
}  # fmt: skip
_HOST = re.compile(r"^\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?(?:[^/?#]*@)?([^/?#:@]+)")
#: What stands before a domain in a hosts file.
_HOSTS_LINE = r"^(?:0\.0\.0\.0|127\.\d+\.\d+\.\d+|255\.255\.255\.255|::1?|::ffff:0:0|fe80::\S*)[ \t]+(\S+).*$"


@lru_cache(maxsize=32)
def list_table(kind: str, entries: tuple[str, ...], paths: tuple[str, ...]) -> HashTable:
    """The set of the entries of a list.

    The hashes of files are kept in the node's cache folder by content and mapped, so that a list of millions is read and sorted once a
    node and not once a worker.

    Args:
        kind: ``domains``, ``urls``, ``words`` or ``soft_words``.
        entries: Given in the pipeline.
        paths: Of files.

    Raises:
        ConfigError: A file is not UTF-8 text.
    """
    if not paths:
        return HashTable.of(_hashes(kind, pa.array(entries, pa.large_string())))
    digest = xxhash.xxh3_128(f"{_FORMAT}\0{kind}\0".encode() + "\0".join(entries).encode())
    for path in paths:
        digest.update(b"\0" + xxhash.xxh3_128_digest(Path(path).read_bytes()))
    place = cache_folder() / "url-lists" / f"{digest.hexdigest()}.npy"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        # The workers of a node come here at the same moment; one of them does the work.
        with place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                lists = [pa.array(entries, pa.large_string()), *(_lines(path, kind) for path in paths)]
                HashTable.of(np.concatenate([_hashes(kind, entries) for entries in lists], axis=1)).save(place)
    return HashTable.load(place)


def read_entries(paths: Sequence[str]) -> tuple[str, ...]:
    """The entries of short lists as they are."""
    return tuple(entry for path in paths for entry in _lines(path, "words").to_pylist())


def ascii_host(text: str) -> str:
    """A URL or domain with its host in ASCII (IDNA 2003); as it is, where that cannot be done."""
    found = _HOST.match(text)
    if found is None or found[1].isascii():
        return text
    try:
        host = found[1].rstrip(".").encode("idna").decode()
    except UnicodeError:
        return text
    return text[: found.start(1)] + host + text[found.end(1) :]


def _hashes(kind: str, entries: pa.Array) -> np.ndarray:
    others = pc.invert(pc.string_is_ascii(entries))
    if others.true_count and kind in ("domains", "urls"):
        replaced = pa.array([ascii_host(text) for text in entries.filter(others).to_pylist()], entries.type)
        entries = pc.replace_with_mask(entries, others, replaced)
    hashes = _HASHED[kind](entries)
    return hashes[:, hashes.any(axis=0)]


def _lines(path: str, kind: str) -> pa.Array:
    """The entries of a file: large_string, shape (entries,)."""
    lines = _split(path)
    trimmed = pc.utf8_trim_whitespace(lines)
    remark = pc.or_(pc.starts_with(trimmed, "#"), pc.starts_with(trimmed, "!"))
    trimmed = trimmed.filter(pc.and_(pc.invert(remark), pc.greater(pc.binary_length(trimmed), 0)))
    trimmed = _replaced(trimmed, "#", r"[ \t]+#.*$", "")
    if kind == "domains":
        trimmed = _replaced(trimmed, " ", _HOSTS_LINE, r"\1")
        trimmed = _replaced(trimmed, "\t", _HOSTS_LINE, r"\1")
        trimmed = _replaced(trimmed, "||", r"^\|\|([^\^/$]+).*$", r"\1")
        trimmed = _replaced(trimmed, "*.", r"^\*\.", "")
        trimmed = pc.utf8_ltrim(trimmed, characters=".")
    return trimmed


def _replaced(lines: pa.Array, needed: str, pattern: str, replacement: str) -> pa.Array:
    mask = pc.match_substring(lines, needed)
    if not mask.true_count:
        return lines
    return pc.replace_with_mask(lines, mask, pc.replace_substring_regex(lines.filter(mask), pattern, replacement))


def _split(path: str) -> pa.Array:
    """The lines of a file, as an array over its bytes."""
    data = Path(path).read_bytes()
    try:
        data = gzip.decompress(data) if data[:2] == _GZIP else data
        data.decode("utf-8-sig") if not data.isascii() else None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError("the list cannot be read", where=path, expected="UTF-8 text, one entry a line, or that in gzip") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == 10) + 1
    offsets = np.concatenate([[0], breaks, [len(data)]]).astype(np.int64)
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
