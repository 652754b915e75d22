"""Manifests: what a stage hands on, and the commit that makes a dataset exist.

A manifest has three sections. ``content`` says what the data is (schema, counts, hashes) and is what the digest covers.
``lineage`` says what it was made from and how; it is what the key was computed from. ``execution`` says when, where and
at what cost; two runs of the same work differ only there.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from curation_tasks.errors import InputError
from curation_tasks.storage import filesystem

if TYPE_CHECKING:
    import pyarrow as pa

    from curation_tasks.storage.shard import Shard

FORMAT = "curation-manifest/1"
MANIFEST_NAME = "manifest.json"
#: Reasons of rejection that a result names.
RESULT_REASONS = 20


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space: equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """sha256 of the canonical JSON, hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def key_of(fingerprint: Mapping[str, Any]) -> str:
    """The key of a stage: 32 hex digits of the hash of everything that decides its output."""
    return digest_of(fingerprint)[:32]


@dataclass(frozen=True)
class Manifest:
    """One committed dataset.

    Attributes:
        uri: Where the manifest lies; not part of it.
        content: ``pipeline, snapshot, stage, kind, schema, counts, reasons, counters, shards, ledger, quarantine, index``.
        lineage: ``key, fingerprint, parents, files, earlier, cuts``.
        execution: Times, versions, hosts, memory, samples.
    """

    uri: str
    content: Mapping[str, Any]
    lineage: Mapping[str, Any]
    execution: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def key(self) -> str:
        return self.lineage["key"]

    @property
    def stage(self) -> str:
        return self.content["stage"]

    @property
    def kind(self) -> str:
        return self.content["kind"]

    @property
    def schema(self) -> dict[str, str]:
        return dict(self.content["schema"])

    @property
    def counts(self) -> Mapping[str, int]:
        return self.content["counts"]

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.uri)

    @property
    def root(self) -> str:
        """The storage root: four folders (pipeline, snapshot, stage, key) above the manifest's own."""
        return self.folder.rsplit("/", 4)[0]

    @property
    def index(self) -> str | None:
        """URI of the index that a reduction left, None for other stages."""
        if not self.content.get("index"):
            return None
        return index_folder(self.root, self.content["pipeline"], self.content["snapshot"], self.key)

    @property
    def parents(self) -> list[Mapping[str, str]]:
        """``stage, path, key, digest`` of each input; ``path`` is relative to the storage root."""
        return list(self.lineage["parents"])

    def to_bytes(self) -> bytes:
        document = {"format": FORMAT, "digest": self.digest, "content": self.content, "lineage": self.lineage, "execution": self.execution}
        return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True).encode()

    def result(self, *, reused: bool = False) -> dict[str, Any]:
        """What a stage hands to the orchestrator: an XCom of at most 4 KB, so only the most frequent reasons."""
        reasons = sorted(self.content["reasons"].items(), key=lambda item: (-item[1], item[0]))[:RESULT_REASONS]
        return {
            "v": 1, "manifest": self.uri, "key": self.key, "digest": self.digest, "stage": self.stage, "counts": dict(self.counts),
            "reasons": dict(reasons), "seconds": self.execution.get("seconds"),
            "peak_memory_bytes": self.execution.get("peak_memory_bytes"), "reused": reused,
        }  # fmt: skip

    def dataset(self) -> Dataset:
        return Dataset(self)


def index_folder(root: str, pipeline: str, snapshot: str, key: str) -> str:
    """Where a reduction of some key leaves its index: beside the snapshots, since later ones read it."""
    return filesystem.join(root, pipeline, "index", snapshot, key)


def read_manifest(uri: str) -> Manifest:
    """Reads a manifest and checks that its digest is that of its content.

    Raises:
        InputError: It is missing, not a manifest, of an unknown format, or was changed by hand.
    """
    uri = filesystem.absolute(uri)
    if not uri.endswith(".json"):
        uri = f"{uri}/{MANIFEST_NAME}"
    try:
        data = filesystem.read_bytes(uri)
    except InputError as error:
        raise InputError(
            "no manifest lies there", where=uri, expected="a manifest, its folder, or a published entry",
            remedy="`curate status` lists what a storage root holds",
        ) from error  # fmt: skip
    try:
        document = json.loads(data)
        manifest = Manifest(uri, document["content"], document["lineage"], document["execution"])
        form, digest = document["format"], document["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("not a manifest", where=uri, expected=f"a {FORMAT} file, made by a stage", remedy=str(error)) from error
    if form != FORMAT:
        raise InputError(f"a manifest of format {form!r}", where=uri, expected=FORMAT, remedy="read it with the version that wrote it")
    if digest != manifest.digest:
        raise InputError(
            "the manifest's content does not match its digest", where=uri, remedy="it was changed after its commit; run the stage again"
        )
    return manifest


class Dataset:
    """The shards that a manifest lists, and nothing else that may lie in its folder."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest

    @cached_property
    def shards(self) -> list[Shard]:
        """In the order of units, which is the order of the documents."""
        from curation_tasks.storage.shard import Shard

        rows = read_list(self.manifest, "shards")
        return [Shard(**{name: row[name] for name in Shard.__dataclass_fields__}) for row in rows]

    @property
    def schema(self) -> dict[str, str]:
        return self.manifest.schema

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    def uri(self, shard: Shard) -> str:
        return f"{self.manifest.folder}/{shard.path}"

    def read(self, shard: Shard, columns: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The shard's row groups, one batch each."""
        from curation_tasks.storage.shard import read_shard

        return read_shard(self.uri(shard), columns)


@dataclass(frozen=True)
class Decisions:
    """What a reduction decided, cut by shard so that applying it needs no join.

    Attributes:
        uris: One Parquet file a shard of the dataset, in the order of its shards; "" where nothing in it is removed. Its
            rows are the documents to remove, sorted by ``row``, with the columns ``schema.DECISION_FIELDS``.
        cuts: Likewise one file a shard with the columns ``schema.CUT_FIELDS``: spans to cut from the texts of documents that stay,
            sorted by ``row`` and ``start``, not overlapping. Empty for a reduction that cuts nothing.
        counters: For the manifest, and so for its digest: only what the data decides.
        effort: What it took, for logs and benchmarks: may hang on memory and workers.
        index: Of the index written to ``context.index``: ``{"digest", "documents", "bytes"}``; None when none was.
    """

    uris: Sequence[str]
    counters: Mapping[str, int] = field(default_factory=dict)
    index: Mapping[str, Any] | None = None
    cuts: Sequence[str] = ()
    effort: Mapping[str, int] = field(default_factory=dict)


def values_hash(shards: Iterable[Mapping[str, Any]], ledgers: Iterable[Mapping[str, Any]], cuts: Iterable[Mapping[str, Any]] = ()) -> str:
    """One hash over the canonical hashes of a dataset's shards, and of its ledgers and lists of cuts that have rows, in the order of units.

    It stands in ``content``, so the digest of a manifest covers every value of its documents.
    """
    named = {"shards": shards, "ledgers": ledgers, "cuts": cuts}
    hashes = {name: [[file["path"], file["rows"], file["hash"]] for file in files] for name, files in named.items()}
    # Without cuts there is no word of them: most stages have none.
    return key_of({name: listed for name, listed in hashes.items() if listed or name != "cuts"})


def write_list(folder: str, name: str, rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str]) -> dict[str, Any]:
    """Writes a long list of a manifest as Parquet beside it.

    Returns:
        What the manifest says of it: ``{"file", "count", "hash"}``.
    """
    import pyarrow as pa

    from curation_tasks.storage.shard import ShardWriter, arrow_schema

    with ShardWriter(folder, f"{name}.parquet", schema) as writer:
        writer.write(pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=arrow_schema(schema)))
    return {"file": f"{name}.parquet", "count": len(rows), "hash": writer.shard.hash}


def read_list(manifest: Manifest, name: str) -> list[dict[str, Any]]:
    """The rows of a list that ``write_list`` wrote, checked against the manifest.

    Raises:
        InputError: The file is missing or is not the one that the manifest names.
    """
    from curation_tasks.storage.shard import CanonicalHash, read_shard

    reference = manifest.content.get(name) or manifest.lineage.get(name) or manifest.execution.get(name)
    if reference is None:
        return []
    found = CanonicalHash()
    rows: list[dict[str, Any]] = []
    for batch in read_shard(f"{manifest.folder}/{reference['file']}"):
        found.update(batch)
        rows.extend(batch.to_pylist())
    if found.hexdigest() != reference["hash"]:
        raise InputError(f"{reference['file']} is not the file that the manifest names", where=manifest.uri, remedy="run the stage again")
    return rows
