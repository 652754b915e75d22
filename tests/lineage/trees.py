"""Small whole datasets, written with the functions of the frame as the stages of a run write them.

Two sources, one with a quarantined unit, a filter, a deduplication, a rewriting operation, an export and a publish stage.
All figures are known: see ``build_tree``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from curation_tasks.manifest import Manifest, digest_of, key_of, read_manifest, values_hash, write_list
from curation_tasks.schema import DOCUMENT_COLUMNS, LEDGER_COLUMNS, arrow_type
from curation_tasks.storage import filesystem
from curation_tasks.storage.commit import create_if_absent
from curation_tasks.storage.shard import ShardWriter

UNITS = {"uri": "string", "path": "string", "bytes": "int64", "etag": "string", "options": "string"}
SHARDS = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
SOURCE_FILES = UNITS | {"hash": "string", "records": "int64", "documents": "int64", "rejected": "int64"}
SAMPLES = {"doc_id": "string", "operation": "string", "reason": "string", "value": "double", "text": "string"}
HOSTILE = '</pre><script>document.title="owned"</script><img src="https://evil.example/x.png" onerror="document.title=\'owned\'">\x00\u202e'
HOSTILE_REASON = "evil</text></svg><script>document.title='owned'</script>$x$"

SOURCE_COLUMNS = dict(DOCUMENT_COLUMNS) | {"url": "string"}
REFINED = SOURCE_COLUMNS | {"word_count": "int64", "symbol_ratio": "double", "has_title": "bool"}


class Tree:
    """Writes stages one after the other below a root and remembers their manifests."""

    def __init__(self, root: str):
        self.root = root
        self.manifests: dict[str, Manifest] = {}

    def commit(
        self, stage: str, kind: str, *, content: Mapping[str, Any], execution: Mapping[str, Any] | None = None,
        fingerprint: Mapping[str, Any], parents: Sequence[str] = (), lists: Mapping[str, Sequence[Any]] | None = None,
    ) -> Manifest:  # fmt: skip
        """Writes lists and manifest of a stage whose files lie in ``self.folder(stage, fingerprint)``."""
        folder = self.folder(stage, fingerprint)
        written = {name: write_list(folder, name, rows, schema) for name, (rows, schema) in (lists or {}).items()}
        content = {"pipeline": "tales", "snapshot": "all", "stage": stage, "kind": kind, "counters": {}, "reasons": {}, **content}
        execution = {
            "seconds": 1.5, "peak_memory_bytes": 300_000_000, "finished": "2026-01-01T00:00:00+00:00",
            "versions": {"python": "3.11", "pyarrow": "26.0"}, **(execution or {}),
        }  # fmt: skip
        for name, section in (("quarantine", content), ("samples", execution)):
            if name in written:
                section[name] = written.pop(name)
        named = [
            {"stage": name, "path": filesystem.relative_to(self.manifests[name].uri, self.root),
             "key": self.manifests[name].key, "digest": self.manifests[name].digest}
            for name in parents
        ]  # fmt: skip
        lineage = {"key": key_of(fingerprint), "fingerprint": dict(fingerprint), "parents": named, **written}
        manifest = Manifest(f"{folder}/manifest.json", content, lineage, execution)
        assert create_if_absent(manifest.uri, manifest.to_bytes())
        self.manifests[stage] = read_manifest(manifest.uri)
        return self.manifests[stage]

    def folder(self, stage: str, fingerprint: Mapping[str, Any]) -> str:
        return f"{self.root}/tales/all/{stage}/{key_of(fingerprint)}"

    def fingerprint(self, stage: str, kind: str, parents: Mapping[str, str], libraries: Mapping[str, str] | None = None) -> dict[str, Any]:
        calls = [{"use": stage, "parameters": {}, "libraries": dict(libraries or {})}]
        return {"stage": stage, "kind": kind, "snapshot": "all", "calls": calls, "parents": dict(parents)}

    def digests(self, *names: str) -> dict[str, str]:
        return {name: self.manifests[name].digest for name in names}


def build_tree(root: str | Path, *, stories: int = 120, hostile: bool = False) -> Manifest:
    """A published dataset.

    Source ``stories`` yields ``stories`` documents in 3 units (a fourth is quarantined), ``essays`` 30 in one. ``refine``
    rejects each document whose number is divisible by 10 (``words.min``), ``unique`` every one that leaves 5 when divided
    by 10 (a duplicate of its predecessor), ``private`` replaces names in those that leave 1. Nothing else is removed.

    Args:
        root: Storage root, a folder or a URI; the files read lie in ``input`` beside it.
        stories: Documents of the first source, a multiple of 30.
        hostile: Texts and a reason try to break out of a page.
    """
    tree = Tree(str(root))
    inputs = f"{tree.root.rsplit('/', 1)[0]}/input"
    units = {
        "stories": [_input_file(f"{inputs}/stories-{index}.jsonl", _lines(stories // 3)) for index in range(3)]
        + [_input_file(f"{inputs}/broken.jsonl", b"\xff\xfe broken")],
        "essays": [_input_file(f"{inputs}/essays.jsonl", _lines(30))],
    }
    _resolve(tree, units)
    _source(tree, "stories", units["stories"], [stories // 3] * 3, hostile)
    _source(tree, "essays", units["essays"], [30], hostile)
    _operations(tree, "refine", ["stories", "essays"], _refine, REFINED, {"words.min": ["word_count", 40.0]}, hostile)
    _operations(tree, "unique", ["refine"], _unique, REFINED, {}, hostile, kind="reduction")
    _operations(tree, "private", ["unique"], _private, REFINED, {}, hostile)
    _export(tree)
    exported = tree.manifests["export"]
    fingerprint = tree.fingerprint("publish", "publish", tree.digests("export", "resolve"))
    counts = {"documents": exported.counts["documents"], "text_bytes": exported.counts["text_bytes"], "datasets": 1}
    content = {"schema": {}, "counts": counts, "datasets": tree.digests("export")}
    entry = f"{tree.root}/tales/all/published/000001.json"
    return tree.commit(
        "publish", "publish", content=content, fingerprint=fingerprint, parents=["resolve", "export"], execution={"published": entry}
    )


def _lines(records: int) -> bytes:
    return b"".join(json.dumps({"n": number}).encode() + b"\n" for number in range(records))


def _input_file(uri: str, data: bytes) -> dict[str, Any]:
    """Writes a source file and lists it as resolve does."""
    filesystem.write_bytes(uri, data)
    [file] = filesystem.glob_files(uri)
    return {"uri": file.uri, "path": uri.rsplit("/", 1)[1], "bytes": file.bytes, "etag": file.etag, "options": "{}"}


def _hash(unit: Mapping[str, Any]) -> str:
    is_local = filesystem.scheme_of(unit["uri"]) == "file"
    return xxhash.xxh3_128_hexdigest(filesystem.read_bytes(unit["uri"])) if is_local else ""


def _resolve(tree: Tree, units: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    listed = {
        name: digest_of({"units": [[row["uri"], row["path"], row["bytes"], row["etag"], {}] for row in rows], "limit": None})
        for name, rows in units.items()
    }
    model = b"a model"
    sha256 = hashlib.sha256(b"\0" + model).hexdigest()
    specification = {"name": "tales", "stages": []}
    frozen = {
        "pipeline_spec": specification, "spec_digest": digest_of(specification), "limit": None, "files": {"model.bin": {"sha256": sha256}},
        "sources": {name: {"count": len(rows), "digest": listed[name]} for name, rows in units.items()},
    }  # fmt: skip
    filesystem.write_bytes(f"{tree.folder('resolve', frozen)}/files/{sha256}", model)
    tree.commit(
        "resolve", "resolve", content={"schema": {}, "counts": {"units": 5}, **frozen}, fingerprint=frozen,
        lists={f"units-{name}": (rows, UNITS) for name, rows in units.items()}, execution={"description": "Tales & essays <for> tests"},
    )  # fmt: skip


def _text(source: str, number: int, hostile: bool) -> str:
    if hostile and number % 10 == 0:
        return HOSTILE
    words = 12 if number % 10 == 0 else 60 + number % 40
    return " ".join([f"{source} {number}: Anna met Paul", *["word"] * words]) + "."


def _source(tree: Tree, stage: str, units: Sequence[Mapping[str, Any]], sizes: Sequence[int], hostile: bool) -> None:
    digest = tree.manifests["resolve"].content["sources"][stage]["digest"]
    fingerprint = tree.fingerprint(stage, "source", {"resolve": digest})
    first, shards = 0, []
    for unit, size in enumerate(sizes):
        numbers = range(first, first + size)
        batch = _batch(SOURCE_COLUMNS, {
            "doc_id": [f"{stage}:{number}" for number in numbers], "text": [_text(stage, number, hostile) for number in numbers],
            "source": [stage] * size, "snapshot": ["all"] * size, "url": [f"https://{stage}.example/{number}" for number in numbers],
        })  # fmt: skip
        shards.append(write_file(tree.folder(stage, fingerprint), f"part-{unit:06d}-0.parquet", batch, SOURCE_COLUMNS))
        first += size
    files = [
        dict(unit) | {"hash": _hash(unit), "records": size, "documents": size, "rejected": 0}
        for unit, size in zip(units, [*sizes, 0], strict=False)
    ]
    lists = {"shards": (shards, SHARDS), "ledger": ([], SHARDS), "source_files": (files, SOURCE_FILES)}
    broken = len(units) - len(sizes)
    if broken:
        rows = [{"unit": len(sizes), "path": units[-1]["path"], "error": "not UTF-8 <at> byte 0"}]
        lists["quarantine"] = (rows, {"unit": "int64", "path": "string", "error": "string"})
    counts = {"records": first, "documents": first, "rejected": 0, "text_bytes": sum(row["text_bytes"] for row in shards)}
    counts |= {"units": len(units), "quarantined_units": broken}
    content = {"schema": SOURCE_COLUMNS, "counts": counts, "values": values_hash(shards, [])}
    tree.commit(stage, "source", content=content, fingerprint=fingerprint, parents=["resolve"], lists=lists)


def _operations(tree: Tree, stage: str, needs: Sequence[str], function: Any, columns: Mapping[str, str], thresholds: Mapping[str, Any],
                hostile: bool, *, kind: str = "operations") -> None:  # fmt: skip
    fingerprint = tree.fingerprint(stage, kind, tree.digests(*needs), {"ftfy": "6.3.1"})
    folder = tree.folder(stage, fingerprint)
    parents = [tree.manifests[name] for name in needs]
    signals = {name: kind for name, kind in columns.items() if name not in parents[0].schema}
    ledger_columns = dict(LEDGER_COLUMNS) | signals | {"text": "string"}
    shards, ledgers, samples = [], [], []
    documents_in = bytes_in = 0
    reasons: dict[str, int] = {}
    pairs = [(parent, shard) for parent in parents for shard in parent.dataset().shards]
    for unit, (dataset, shard) in enumerate(pairs):
        documents_in, bytes_in = documents_in + shard.rows, bytes_in + shard.text_bytes
        kept, rejected = [], []
        for batch in dataset.dataset().read(shard):
            for row in batch.to_pylist():
                row = function(row, stage, hostile)
                (rejected if row.get("reason") else kept).append(row)
        shards.append(write_file(folder, f"part-{unit:06d}-0.parquet", _rows(kept, columns), columns))
        if rejected:
            ledgers.append(write_file(folder, f"ledger-{unit:06d}.parquet", _rows(rejected, ledger_columns), ledger_columns))
        for row in rejected:
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
            if reasons[row["reason"]] <= 3:
                samples.append({name: row.get(name) for name in SAMPLES} | {"operation": stage})
    documents = sum(row["rows"] for row in shards)
    counts = {
        "documents_in": documents_in, "text_bytes_in": bytes_in, "documents": documents, "rejected": documents_in - documents,
        "text_bytes": sum(row["text_bytes"] for row in shards),
    }  # fmt: skip
    counters = {"replaced_names": 15, "warning_old_list": 1, "pii.person_without_model": 120} if stage == "private" else {}
    content = {"schema": columns, "counts": counts, "reasons": reasons, "counters": counters, "values": values_hash(shards, ledgers)}
    tree.commit(
        stage, kind, content=content, fingerprint=fingerprint, parents=["resolve", *needs], execution={"thresholds": thresholds},
        lists={"shards": (shards, SHARDS), "ledger": (ledgers, SHARDS), "samples": (samples, SAMPLES)},
    )  # fmt: skip


def _number(row: Mapping[str, Any]) -> int:
    return int(row["doc_id"].split(":")[1])


def _refine(row: dict[str, Any], stage: str, hostile: bool) -> dict[str, Any]:
    words = len(row["text"].split())
    row |= {"word_count": words, "symbol_ratio": (_number(row) % 97) / 970, "has_title": _number(row) % 3 == 0}
    if _number(row) % 10 == 0:
        reason = HOSTILE_REASON if hostile else "words.min"
        row |= {"stage": stage, "operation": "filters.words", "reason": reason, "value": float(words), "threshold": 40.0}
        row |= {"failed_rules": [reason, "symbols.max"], "evidence": None}
    return row


def _unique(row: dict[str, Any], stage: str, hostile: bool) -> dict[str, Any]:
    if _number(row) % 10 == 5:
        survivor = f"{row['source']}:{_number(row) - 1}"
        evidence = {"cluster": "c1", "survivor": survivor, "similarity": 1.0, "similarity_kind": "exact"}
        row |= {"stage": stage, "operation": "dedup.exact", "reason": "exact_duplicate", "value": 1.0, "threshold": None}
        row |= {"failed_rules": None, "evidence": evidence}
    return row


def _private(row: dict[str, Any], stage: str, hostile: bool) -> dict[str, Any]:
    if _number(row) % 10 == 1:
        row["text"] = row["text"].replace("Anna", "[PERSON]").replace("Paul", "[PERSON]")
    return row


def _export(tree: Tree) -> None:
    parent = tree.manifests["private"]
    fingerprint = tree.fingerprint("export", "export", tree.digests("private"))
    folder = tree.folder("export", fingerprint)
    shards = []
    for unit, shard in enumerate(parent.dataset().shards):
        data = b"".join(json.dumps(row).encode() + b"\n" for batch in parent.dataset().read(shard) for row in batch.to_pylist())
        path = f"part-{unit:06d}.jsonl"
        filesystem.write_bytes(f"{folder}/{path}", data)
        changed = {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        shards.append(dataclasses.asdict(shard) | changed)
    counts = {"documents_in": parent.counts["documents"], "documents": parent.counts["documents"], "rejected": 0}
    counts |= {"text_bytes_in": parent.counts["text_bytes"], "text_bytes": parent.counts["text_bytes"]}
    content = {"schema": parent.schema, "counts": counts, "values": values_hash(shards, [])}
    lists = {"shards": (shards, SHARDS), "ledger": ([], SHARDS)}
    tree.commit("export", "export", content=content, fingerprint=fingerprint, parents=["resolve", "private"], lists=lists)


def write_file(folder: str, path: str, batch: pa.RecordBatch, columns: Mapping[str, str]) -> dict[str, Any]:
    """Writes a shard or ledger and describes it as a list does."""
    with ShardWriter(folder, path, columns) as writer:
        writer.write(batch)
    return dataclasses.asdict(writer.shard)


def _rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.RecordBatch:
    return _batch(columns, {name: [row.get(name) for row in rows] for name in columns})


def _batch(columns: Mapping[str, str], values: Mapping[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values[name], arrow_type(kind)) for name, kind in columns.items()], names=list(columns))
