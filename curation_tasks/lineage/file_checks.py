"""The files that a manifest names, hashed again: shards, ledgers, exports, indexes, sources, frozen copies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import xxhash

from curation_tasks.errors import InputError
from curation_tasks.index import Index, hash_file, read_index
from curation_tasks.lineage.finding import WARNING, Finding, broken
from curation_tasks.manifest import Manifest
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import CanonicalHash, read_shard, text_bytes_of

_BLOCK = 2**22

Check = Callable[[], Iterator[Finding]]


def check_shard(manifest: Manifest, row: Mapping[str, Any], *, always_parquet: bool) -> Iterator[Finding]:
    """A shard, ledger or exported file: its bytes, and where it is ours to read, its values."""
    uri = f"{manifest.folder}/{row['path']}"
    try:
        size, sha256 = _hash_file(uri, hashlib.sha256())
    except InputError as error:
        yield broken(manifest, uri, f"the file is missing: {error.what}", f"{row['rows']:,} rows, {row['bytes']:,} bytes")
        return
    same_bytes = sha256 == row["sha256"] and size == row["bytes"]
    if same_bytes and not always_parquet:
        return  # what an export's library wrote may not read back as the same Arrow types: its bytes are the proof
    if not always_parquet and not uri.endswith(".parquet"):
        expected = f"{row['bytes']:,} bytes, sha256 {row['sha256']}"
        yield broken(manifest, uri, "the file was changed", expected, f"{size:,} bytes, sha256 {sha256}")
        return
    try:
        rows, text_bytes, values = _hash_values(uri)
    except InputError as error:
        yield broken(manifest, uri, f"the file is damaged: {error.what}", f"sha256 {row['sha256']}", f"sha256 {sha256}")
        return
    if values != row["hash"] or rows != row["rows"]:
        found = f"{rows:,} rows, hash {values}"
        yield broken(manifest, uri, "the file holds other values", f"{row['rows']:,} rows, hash {row['hash']}", found)
    elif not same_bytes:
        what = "the values are the same, the bytes are not (written again by another Parquet library?)"
        yield Finding(WARNING, manifest.stage, uri, what, f"sha256 {row['sha256']}", f"sha256 {sha256}")
    elif text_bytes is not None and text_bytes != row["text_bytes"]:
        yield broken(manifest, uri, "the list gives another amount of text", f"{row['text_bytes']:,} bytes", f"{text_bytes:,} bytes")


def _hash_file(uri: str, digest: Any) -> tuple[int, str]:
    """Size and hash of a file, read once in blocks."""
    size = 0
    with filesystem.storage_errors(uri), filesystem.open_input(uri) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _hash_values(uri: str) -> tuple[int, int | None, str]:
    """Rows, bytes of text (None without the column) and canonical hash of a Parquet file, one row group at a time."""
    values = CanonicalHash()
    rows, text_bytes = 0, None
    for batch in read_shard(uri):
        values.update(batch)
        rows += len(batch)
        if "text" in batch.schema.names:
            text_bytes = (text_bytes or 0) + text_bytes_of(batch.column("text"))
    return rows, text_bytes, values.hexdigest()


def index_checks(manifest: Manifest, earlier: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The index that a reduction left, and those of earlier snapshots that it was compared with."""
    checks: list[Check] = [lambda row=row: _earlier_index(manifest, row) for row in earlier if row["path"]]
    if not manifest.index:
        return checks
    try:
        index = read_index(manifest.index)
    except (InputError, ValueError, KeyError, TypeError) as error:
        what = error.what if isinstance(error, InputError) else f"it is not an index ({type(error).__name__})"
        finding = broken(manifest, manifest.index, f"the index cannot be read: {what}")
        return [*checks, lambda: iter([finding])]
    recorded, found = manifest.content["index"]["digest"], index.written_digest
    if found != recorded:
        finding = broken(manifest, index.uri, "the index is not the one that was committed", f"digest {recorded}", f"digest {found}")
        checks.append(lambda: iter([finding]))
    return checks + [lambda file=file: _index_file(manifest, index, file) for file in index.files]


def _index_file(manifest: Manifest, index: Index, file: Mapping[str, Any]) -> Iterator[Finding]:
    """A file of an index. Its values are promised, not its bytes, which another Parquet library may write otherwise."""
    uri = f"{index.uri}/{file['path']}"
    expected = f"{file['rows']:,} rows, hash {file['hash']}"
    try:
        size, (rows, values) = _size(uri), hash_file(uri)
    except InputError as error:
        yield broken(manifest, uri, f"a file of the index is missing or damaged: {error.what}", expected)
        return
    if rows != file["rows"] or (rows and values != file["hash"]):
        yield broken(manifest, uri, "a file of the index holds other values", expected, f"{rows:,} rows, hash {values}")
    elif size != file["bytes"]:
        what = "the values of a file of the index are the same, the bytes are not"
        yield Finding(WARNING, manifest.stage, uri, what, f"{file['bytes']:,} bytes", f"{size:,} bytes")


def _earlier_index(manifest: Manifest, row: Mapping[str, Any]) -> Iterator[Finding]:
    """An index that a reduction was compared with: what it says of itself, and that its files are there.

    Their values are checked with the snapshot that wrote them. Erasures since are no damage: `curate status` tells what follows.
    """
    uri = f"{manifest.root}/{row['path']}"
    try:
        index = read_index(uri)
        if index.content_digest != row["content"]:
            what = f"the index of {row['snapshot']!r} is not the one with which this was compared"
            yield broken(manifest, uri, what, f"digest {row['content']}", f"digest {index.content_digest}")
        for file in index.files:
            uri = f"{index.uri}/{file['path']}"
            if (size := _size(uri)) != file["bytes"]:
                what = f"a file of the index of {row['snapshot']!r} has another size"
                yield broken(manifest, uri, what, f"{file['bytes']:,} bytes", f"{size:,} bytes")
    except InputError as error:
        what = f"the index of {row['snapshot']!r}, with which this was compared, is not there any more: {error.what}"
        yield Finding(WARNING, manifest.stage, uri, what, f"digest {row['digest']}")


def _size(uri: str) -> int:
    with filesystem.storage_errors(uri), filesystem.open_input(uri) as file:
        return file.seek(0, 2)


def by_uri(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Units by file: a file that was read in ranges is checked once."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["uri"], []).append(row)
    return grouped


def check_source_file(manifest: Manifest, uri: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """A file that a source read is still the one it read. Generated data has no file: its seed is in the key."""
    first = rows[0]
    if not first["hash"] and first["bytes"] < 0 and not first["etag"]:
        return
    listed = filesystem.glob_files(_literal(uri))
    if len(listed) != 1:
        yield broken(manifest, uri, "the source file is gone", f"{first['bytes']:,} bytes")
        return
    if first["hash"]:
        size, found = _hash_file(uri, xxhash.xxh3_128())
        if found != first["hash"]:
            yield broken(manifest, uri, "the source file was changed", f"xxh3-128 {first['hash']}", f"{size:,} bytes, xxh3-128 {found}")
        return
    [file] = listed
    whole = not any(json.loads(row["options"]) for row in rows)
    if whole and first["bytes"] >= 0 and file.bytes >= 0 and file.bytes != first["bytes"]:
        yield broken(manifest, uri, "the source file has another size", f"{first['bytes']:,} bytes", f"{file.bytes:,} bytes")
    elif first["etag"] and file.etag and file.etag != first["etag"]:
        yield broken(manifest, uri, "the source file was replaced", f"etag {first['etag']}", f"etag {file.etag}")
    elif first["etag"] and not file.etag:
        yield Finding(WARNING, manifest.stage, uri, "the store gives no version of the source file any more", f"etag {first['etag']}")


def _literal(uri: str) -> str:
    """A URI as a pattern that names it alone."""
    return uri if filesystem.scheme_of(uri) in ("http", "https") else "".join(f"[{c}]" if c in "*?[" else c for c in uri)


def check_frozen_file(manifest: Manifest, name: str, frozen: Mapping[str, str]) -> Iterator[Finding]:
    """The copy of a file that the pipeline names (a model, a list); a folder is hashed with the names in it."""
    place = f"{manifest.folder}/files/{frozen['sha256']}"
    total = hashlib.sha256()
    members = filesystem.glob_files(place)
    for member in members:
        total.update(f"{member.uri.removeprefix(place)}\0".encode())
        _hash_file(member.uri, total)
    if not members:
        yield broken(manifest, place, f"the frozen copy of {name!r} is gone", f"sha256 {frozen['sha256']}")
    elif total.hexdigest() != frozen["sha256"]:
        what = f"the frozen copy of {name!r} was changed"
        yield broken(manifest, place, what, f"sha256 {frozen['sha256']}", f"sha256 {total.hexdigest()}")
