"""An index of kept documents: what a later snapshot needs in order to be compared with an earlier one.

    {index}/index.json                content (parameters, documents, files with their hashes) and places; written last: the commit
    {index}/erased/{n}.json           tombstones: all identities that were erased by then; the highest n holds
    {index}/erased.json               the same as the first versions wrote it: still read, no longer written
    {index}/generations/{n}.json      the files as they are without the rows of erased documents; the highest n holds
    {index}/…                         the files of the reduction that wrote it, and of compactions

The digest covers what was written at first and the erasures, not the places. So neither a compaction nor a copy changes it:
who was compared with the index and its tombstones was compared with what is left. An index lists kept documents only: with
all documents in it, removed ones would remove others, and those would have no kept twin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.manifest import canonical_json, key_of
from curation_tasks.storage import filesystem
from curation_tasks.storage.commit import create_if_absent

if TYPE_CHECKING:
    import pyarrow as pa

INDEX_NAME = "index.json"
ERASED, GENERATIONS = "erased", "generations"
_FIRST_ERASED = "erased.json"
FORMAT = "curation-index/1"
_ATTEMPTS = 20


@dataclass(frozen=True)
class Index:
    """An index as its folder describes it.

    Attributes:
        uri: The folder.
        parameters: Everything that decides whether two indexes can be compared.
        documents: Number of documents, those with a tombstone included.
        files: ``{"path", "rows", "hash", …}`` of each file, paths relative to the folder.
        places: Where the texts were read from: URIs of shards, in the order of the files' shard ordinals. Not in the digest,
            and no promise that they are still there.
        erased: Identities (``doc_id``) that no longer count, sorted.
        generation: Number of compactions.
        compacted: Of the erased identities, those of which the files have no row any more, sorted.
        written: The content that ``index.json`` was written with, where a compaction has made it another one.
    """

    uri: str
    parameters: Mapping[str, Any]
    documents: int
    files: Sequence[Mapping[str, Any]]
    places: Sequence[Mapping[str, Any]] = ()
    erased: tuple[str, ...] = field(default=())
    generation: int = 0
    compacted: tuple[str, ...] = ()
    written: Mapping[str, Any] | None = None

    @property
    def digest(self) -> str:
        return key_of({"index": self._content(), "erased": list(self.erased)})

    @property
    def content_digest(self) -> str:
        """The digest without the erasures: two indexes with this one in common differ by erasures only."""
        return key_of(self._content())

    @property
    def written_digest(self) -> str:
        """The digest as it was when the index was committed, before any erasure: the one that a manifest names."""
        return key_of({"index": self._content(), "erased": []})

    @property
    def tombstones(self) -> tuple[str, ...]:
        """Erased identities of which the files may still have rows: readers leave these out."""
        return tuple(sorted({*self.erased} - {*self.compacted}))

    @property
    def bytes(self) -> int:
        return sum(int(file["bytes"]) for file in self.files)

    def _content(self) -> Mapping[str, Any]:
        if self.written is not None:
            return self.written
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
    """Reads what a folder says of its index, as it is now.

    Raises:
        InputError: There is no index, or one of another format.
    """
    content = json.loads(filesystem.read_bytes(f"{uri}/{INDEX_NAME}"))
    if content.pop("format", None) != FORMAT:
        raise InputError("an index of another format", where=uri, expected=FORMAT, remedy="run the snapshot that wrote it again")
    # Tombstones first: a compaction that ends in between has removed some of these, never others.
    _, erased = _newest_erased(uri)
    number, generation = _newest(f"{uri}/{GENERATIONS}")
    index = Index(uri=uri, erased=erased, **content)
    if generation is None:
        return index
    present = {name: generation[name] for name in ("documents", "files", "places")}
    written = index._content()
    erased = tuple(sorted({*index.erased, *generation["erased"]}))
    return Index(uri, index.parameters, erased=erased, generation=number, compacted=tuple(generation["erased"]), written=written, **present)


def _newest_erased(uri: str) -> tuple[int, tuple[str, ...]]:
    """Number of the newest list of tombstones, and all identities that were ever erased, sorted."""
    number, erased = _newest(f"{uri}/{ERASED}")
    first = f"{uri}/{_FIRST_ERASED}"
    before = json.loads(filesystem.read_bytes(first)) if filesystem.exists(first) else []
    return number, tuple(sorted({*(erased or ()), *before}))


def _newest(folder: str) -> tuple[int, Any]:
    """``(number, content)`` of the highest ``{n}.json`` in a folder; ``(0, None)`` where there is none."""
    numbers = [int(name[:-5]) for name in filesystem.list_names(folder) if name.endswith(".json") and name[:-5].isdigit()]
    if not numbers:
        return 0, None
    return max(numbers), json.loads(filesystem.read_bytes(f"{folder}/{max(numbers):06}.json"))


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


def erase(uri: str, doc_ids: Iterable[str]) -> Index:
    """Takes identities out of an index: they no longer remove anything. Their rows go at the next compaction.

    Returns:
        The index with its new digest, by which later snapshots are seen to be stale.

    Raises:
        TransientError: Others keep erasing at the same time.
    """
    wanted = {*doc_ids}
    for _ in range(_ATTEMPTS):
        number, present = _newest_erased(uri)
        if wanted <= {*present}:
            return read_index(uri)
        # Two that erase at once both find the same number free; the second takes what the first wrote along.
        create_if_absent(f"{uri}/{ERASED}/{number + 1:06}.json", canonical_json(sorted({*wanted, *present})))
    raise TransientError("others keep erasing from this index", where=uri, remedy="try again")


def write_generation(index: Index, files: Sequence[Mapping[str, Any]], places: Sequence[Mapping[str, Any]], documents: int) -> bool:
    """Commits the files of a compaction of ``index`` that removed all its tombstones.

    Returns:
        False when another compaction was committed meanwhile; then the index is to be read again.
    """
    content = {"erased": list(index.erased), "documents": documents, "files": list(files), "places": list(places)}
    return create_if_absent(f"{index.uri}/{GENERATIONS}/{index.generation + 1:06}.json", canonical_json(content))


def hashed(table: pa.Table) -> pa.RecordBatch:
    """The rows of a file of an index as their canonical hash is taken: sketches are binary, of whatever size."""
    import pyarrow as pa

    from curation_tasks.storage.shard import one_batch

    fields = [field.with_type(pa.binary()) if pa.types.is_fixed_size_binary(field.type) else field for field in table.schema]
    return one_batch(table.cast(pa.schema(fields)))


def hash_file(uri: str) -> tuple[int, str]:
    """Rows and canonical hash of a file of an index, one row group at a time.

    Raises:
        InputError: It is missing or damaged.
    """
    import pyarrow as pa

    from curation_tasks.storage.shard import CanonicalHash, read_shard

    digest, rows = CanonicalHash(), 0
    for batch in read_shard(uri):
        if len(batch):
            digest.update(hashed(pa.Table.from_batches([batch])))
            rows += len(batch)
    return rows, digest.hexdigest()
