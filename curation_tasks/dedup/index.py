"""An index of kept documents: what a later snapshot needs in order to be compared with an earlier one.

    {index}/index.json          content (parameters, documents, files with their hashes) and places; written last: the commit
    {index}/erased.json         identities that were erased since; absent when none was
    {index}/…                   the files of the reduction that wrote it

The digest covers the content and the erasures, not the places. An index lists kept documents only: with all documents in
it, removed ones would remove others, and those would have no kept twin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curation_tasks.errors import ConfigError, InputError
from curation_tasks.manifest import canonical_json, key_of
from curation_tasks.storage import filesystem

INDEX_NAME = "index.json"
ERASED_NAME = "erased.json"
FORMAT = "curation-index/1"


@dataclass(frozen=True)
class Index:
    """An index as its folder describes it.

    Attributes:
        uri: The folder.
        parameters: Everything that decides whether two indexes can be compared.
        documents: Number of documents, erased ones included.
        files: ``{"path", "rows", "hash", …}`` of each file, paths relative to the folder.
        places: Where the texts were read from: URIs of shards, in the order of the files' shard ordinals. Not in the digest,
            and no promise that they are still there.
        erased: Identities (``doc_id``) that no longer count, sorted.
    """

    uri: str
    parameters: Mapping[str, Any]
    documents: int
    files: Sequence[Mapping[str, Any]]
    places: Sequence[Mapping[str, Any]] = ()
    erased: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        return key_of({"index": self._content(), "erased": list(self.erased)})

    @property
    def content_digest(self) -> str:
        """The digest without the erasures: two indexes with this one in common differ by erasures only."""
        return key_of(self._content())

    @property
    def bytes(self) -> int:
        return sum(int(file["bytes"]) for file in self.files)

    def _content(self) -> dict[str, Any]:
        files = [{name: value for name, value in file.items() if name != "bytes"} for file in self.files]
        return {"parameters": dict(self.parameters), "documents": self.documents, "files": files}

    def described(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"digest": self.digest, "documents": self.documents, "bytes": self.bytes}


def write_index(index: Index) -> None:
    """Commits an index whose files are in place."""
    content = {"format": FORMAT, "parameters": index.parameters, "documents": index.documents, "files": index.files, "places": index.places}
    filesystem.write_bytes(f"{index.uri}/{INDEX_NAME}", canonical_json(content))


def read_index(uri: str) -> Index:
    """Reads what a folder says of its index.

    Raises:
        InputError: There is no index, or one of another format.
    """
    content = json.loads(filesystem.read_bytes(f"{uri}/{INDEX_NAME}"))
    if content.pop("format", None) != FORMAT:
        raise InputError("an index of another format", where=uri, expected=FORMAT, remedy="run the snapshot that wrote it again")
    return Index(uri=uri, erased=erased(uri), **content)


def require_comparable(index: Index, snapshot: str, parameters: Mapping[str, Any]) -> None:
    """Refuses an index that was made by other rules: nothing would match, and nobody would know.

    Args:
        index: Of an earlier snapshot.
        snapshot: Its name, for the error.
        parameters: Of this run; everything that decides whether documents match.

    Raises:
        ConfigError: They differ; names each one.
    """
    there = dict(index.parameters)
    different = sorted(name for name in {*there, *parameters} if there.get(name) != parameters.get(name))
    if different:
        shown = "; ".join(f"{name}: {there.get(name)} there, {parameters.get(name)} here" for name in different)
        raise ConfigError(
            f"the index of {snapshot} was made with other parameters ({shown})",
            where=index.uri,
            expected="equal parameters: " + ", ".join(different),
            remedy="set these parameters as they were, or run the earlier snapshots again with the new ones",
        )


def erased(uri: str) -> tuple[str, ...]:
    """The identities that were erased from an index."""
    place = f"{uri}/{ERASED_NAME}"
    return tuple(json.loads(filesystem.read_bytes(place))) if filesystem.exists(place) else ()


def erase(uri: str, doc_ids: Iterable[str]) -> Index:
    """Takes identities out of an index: they no longer remove anything. The rows go when the snapshot is run again.

    Returns:
        The index with its new digest, by which later snapshots are seen to be stale.
    """
    present = read_index(uri)
    gone = tuple(sorted({*present.erased, *doc_ids}))
    if gone != present.erased:
        filesystem.write_bytes(f"{uri}/{ERASED_NAME}", canonical_json(list(gone)))
    return read_index(uri)
