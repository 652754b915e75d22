"""Documents that a user names on the command line: a dataset of ours, or plain files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.lineage.tree import ancestors, dataset_parents
from curation_tasks.manifest import MANIFEST_NAME, Manifest
from curation_tasks.runner.publish import named_manifest
from curation_tasks.storage import filesystem

_FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".jsonl.gz": "jsonl", ".jsonl.zst": "jsonl", ".json.gz": "jsonl", ".json.zst": "jsonl",
    ".parquet": "parquet",
}  # fmt: skip


@dataclass(frozen=True)
class DocumentSet:
    """Documents to be read, possibly more than once.

    Attributes:
        reference: As the user gave it.
        kind: ``dataset``, ``published``, ``jsonl`` or ``parquet``.
        digests: Of the manifests behind it; none for plain files.
        texts: Yields them, string or large_string arrays without nulls, at most a row group or block at a time.
    """

    reference: str
    kind: str
    digests: tuple[str, ...]
    texts: Callable[[], Iterator[pa.Array]]


def open_document_set(reference: str, column: str = "text") -> DocumentSet:
    """What a reference stands for.

    Args:
        reference: URI of a manifest, of its folder or of a published entry; or path, pattern or folder of JSON Lines or Parquet files.
        column: Name of the column of the text.

    Raises:
        InputError: There is nothing of that name, or it has no such column.
        ConfigError: It is of no known format.
    """
    uri = filesystem.absolute(reference)
    published = "/published/" in uri and uri.endswith(".json")
    if published or uri.endswith(f"/{MANIFEST_NAME}") or filesystem.exists(f"{uri}/{MANIFEST_NAME}"):
        return _of_manifests(reference, "published" if published else "dataset", _datasets(named_manifest(uri)), column)
    kind = _format_of(reference, uri)
    return DocumentSet(reference, kind, (), lambda: _file_texts(kind, reference, column))


def _datasets(manifest: Manifest) -> list[Manifest]:
    """The datasets of documents behind a manifest: itself, or what was published or exported, each once."""
    tree = {item.uri: item for item in ancestors(manifest)}
    found, waiting = {}, [manifest]
    while waiting:
        item = waiting.pop(0)
        if item.kind in ("publish", "export"):
            waiting += dataset_parents(item, tree)
        else:
            found[item.uri] = item
    return list(found.values())


def _of_manifests(reference: str, kind: str, manifests: Sequence[Manifest], column: str) -> DocumentSet:
    for manifest in manifests:
        if column not in manifest.schema:
            raise InputError(f"the dataset has no column {column!r}; {did_you_mean(column, manifest.schema)}", where=manifest.uri)

    def texts() -> Iterator[pa.Array]:
        for manifest in manifests:
            dataset = manifest.dataset()
            for shard in dataset.shards:
                for batch in dataset.read(shard, [column]):
                    yield pc.drop_null(batch.column(column))

    return DocumentSet(reference, kind, tuple(manifest.digest for manifest in manifests), texts)


def _format_of(reference: str, uri: str) -> str:
    found = filesystem.glob_files(uri)
    if not found:
        raise InputError(
            "there is no such file, folder or manifest", where=reference, expected="a manifest, a published entry, JSON Lines or Parquet"
        )
    kinds = Counter(next((kind for suffix, kind in _FORMATS.items() if file.uri.endswith(suffix)), "") for file in found)
    if len(kinds) > 1 or "" in kinds:
        raise ConfigError(
            "the files are of no known format, or of more than one",
            where=reference,
            expected=f"a manifest, a published entry, or files that end with one of {', '.join(_FORMATS)}",
        )
    return next(iter(kinds))


def _file_texts(kind: str, reference: str, column: str) -> Iterator[pa.Array]:
    part = load_catalog().sources[kind]
    parameters = part.parameters.model_validate({"files": [reference], "columns": {"text": column}})
    context = RunContext("documents", "all", "documents", "memory://documents")
    for unit in part.list_units(parameters, "all", ""):
        for batch in part.load()(unit, parameters, context):
            if "reject_reason" in batch.schema.names:
                batch = batch.filter(pc.is_null(batch.column("reject_reason")))
            yield pc.drop_null(batch.column("text"))
