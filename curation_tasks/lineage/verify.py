"""Verify: hashes a dataset again, back to its sources, and names exactly what is not what its manifests say.

The digest of a manifest covers its content: counts, schema and, by ``values``, the canonical hash of each shard and
ledger. The key covers how it was made. The lists beside a manifest name files and their bytes. So a change anywhere in the
tree breaks at least one of the sums below. Nothing stops at the first difference.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import xxhash

from curation_tasks.errors import CurationError, InputError, TransientError
from curation_tasks.index import Index, hash_file, read_index
from curation_tasks.manifest import FORMAT, Manifest, digest_of, key_of, read_list, values_hash
from curation_tasks.storage import filesystem
from curation_tasks.storage.shard import CanonicalHash, read_shard, text_bytes_of

ERROR = "error"
WARNING = "warning"
#: Files hashed at a time. Each holds at most one row group.
THREADS = min(4, os.cpu_count() or 1)
_BLOCK = 2**22

#: Called with (files checked, files known so far, what is being checked).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as a manifest says.

    Attributes:
        severity: ``error``, or ``warning`` where no value differs or nothing can be said.
        stage: Whose manifest says otherwise.
        where: URI of the file.
        what: One sentence.
        expected: As recorded.
        found: As it is.
    """

    severity: str
    stage: str
    where: str
    what: str
    expected: str = ""
    found: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def verify(manifest: Manifest, progress: Progress = lambda done, total, what: None) -> list[Finding]:
    """Checks a dataset and all that it was made from.

    Args:
        manifest: Of the dataset; that of a publish stage covers all datasets that it publishes.
        progress: Told about each file.

    Returns:
        What differs, sources first; an empty list means that every byte is accounted for.

    Raises:
        TransientError: The store failed, so that nothing can be said.
    """
    findings: list[Finding] = []
    tree = _tree(manifest, findings)
    checks = [(item, check) for item in tree for check in _checks(item, tree)]
    with ThreadPoolExecutor(THREADS) as pool:
        for done, found in enumerate(pool.map(_guarded, checks), 1):
            findings.extend(found)
            progress(done, len(checks), checks[done - 1][0].stage)
    return findings


# --- the tree --------------------------------------------------------------------------------------------------------


def _tree(manifest: Manifest, findings: list[Finding]) -> list[Manifest]:
    """The manifests from the sources to this one. What is missing or changed is a finding, and the walk goes on."""
    found: dict[str, Manifest] = {}

    def visit(item: Manifest) -> None:
        found[item.uri] = item
        for parent in item.parents:
            uri = f"{item.root}/{parent['path']}"
            known = found.get(uri) or _read_unchecked(uri, item.stage, findings)
            if known is None:
                continue
            if known.digest != parent["digest"]:
                what = f"the input {parent['stage']!r} is no longer the one that was read"
                findings.append(Finding(ERROR, item.stage, uri, what, f"digest {parent['digest']}", f"digest {known.digest}"))
            if uri not in found:
                visit(known)
            order.setdefault(uri, known)

    order: dict[str, Manifest] = {}
    root = _read_unchecked(manifest.uri, manifest.stage, findings)
    if root is not None:
        visit(root)
        order.setdefault(root.uri, root)
    return list(order.values())


def _read_unchecked(uri: str, stage: str, findings: list[Finding]) -> Manifest | None:
    """A manifest, also one that was changed: ``read_manifest`` would refuse it and leave the rest unseen."""
    try:
        document = json.loads(filesystem.read_bytes(uri))
        manifest = Manifest(uri, document["content"], document["lineage"], document["execution"])
        form, recorded, name, _ = document["format"], document["digest"], manifest.stage, (manifest.key, manifest.parents)
    except InputError as error:
        findings.append(Finding(ERROR, stage, uri, f"the manifest cannot be read: {error.what}"))
        return None
    except (ValueError, KeyError, TypeError) as error:
        findings.append(Finding(ERROR, stage, uri, f"not a manifest ({type(error).__name__})", f"a {FORMAT} file"))
        return None
    if form != FORMAT:
        findings.append(Finding(ERROR, name, uri, "a manifest of another format", FORMAT, str(form)))
        return None
    if recorded != manifest.digest:
        what = "the manifest's content was changed after its commit"
        findings.append(Finding(ERROR, name, uri, what, f"digest {recorded}", f"digest {manifest.digest}"))
    return manifest


# --- the checks of one manifest --------------------------------------------------------------------------------------

_Check = Callable[[], Iterator[Finding]]


def _checks(manifest: Manifest, tree: Sequence[Manifest]) -> list[_Check]:
    checks: list[_Check] = [lambda: _key(manifest, tree)]
    lists: dict[str, list[dict[str, Any]]] = {}
    problems: list[Finding] = []
    for name in _list_names(manifest):
        try:
            lists[name] = read_list(manifest, name)
        except InputError as error:
            problems.append(_error(manifest, f"{manifest.folder}/{_reference(manifest, name)['file']}", error.what))
    checks.append(lambda: iter(problems))
    checks.append(lambda: _counts(manifest, lists))
    for row in lists.get("shards", []):
        checks.append(lambda row=row: _shard(manifest, row, always_parquet=manifest.kind != "export"))
    for row in [*lists.get("ledger", []), *lists.get("cuts", [])]:
        checks.append(lambda row=row: _shard(manifest, row, always_parquet=True))
    for uri, rows in _by_uri(lists.get("source_files", [])).items():
        checks.append(lambda uri=uri, rows=rows: _source_file(manifest, uri, rows))
    checks += _index_checks(manifest, lists.get("earlier", []))
    if manifest.kind == "resolve":
        checks.append(lambda: _resolved_units(manifest, lists))
        for name, frozen in manifest.content.get("files", {}).items():
            checks.append(lambda name=name, frozen=frozen: _frozen_file(manifest, name, frozen))
    return checks


def _guarded(check: tuple[Manifest, _Check]) -> list[Finding]:
    manifest, function = check
    try:
        return list(function())
    except TransientError:
        raise
    except (CurationError, KeyError, TypeError) as error:
        # A manifest changed by hand may lack anything; that is a finding, not a failure of ours.
        what = error.what if isinstance(error, CurationError) else f"the manifest is not complete ({type(error).__name__}: {error})"
        return [_error(manifest, getattr(error, "where", None) or manifest.uri, what)]


def _error(manifest: Manifest, where: str, what: str, expected: str = "", found: str = "") -> Finding:
    return Finding(ERROR, manifest.stage, where, what, expected, found)


def _list_names(manifest: Manifest) -> list[str]:
    sections = (manifest.content, manifest.lineage, manifest.execution)
    return sorted({name for section in sections for name, value in section.items() if _is_reference(value)})


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"file", "count", "hash"}


def _reference(manifest: Manifest, name: str) -> Mapping[str, Any]:
    return manifest.content.get(name) or manifest.lineage.get(name) or manifest.execution[name]


def _key(manifest: Manifest, tree: Sequence[Manifest]) -> Iterator[Finding]:
    """The key is that of the fingerprint, the folder is named by it, and the fingerprint names the parents' digests."""
    fingerprint = manifest.lineage["fingerprint"]
    if manifest.key != key_of(fingerprint):
        yield _error(manifest, manifest.uri, "the key is not that of the fingerprint", manifest.key, key_of(fingerprint))
    if posixpath.basename(manifest.folder) != manifest.key:
        where = posixpath.basename(manifest.folder)
        yield _error(manifest, manifest.uri, "the folder is not named by the key", manifest.key, where)
    if manifest.kind == "resolve":
        return
    resolved = {item.uri: item for item in tree if item.kind == "resolve"}
    for parent in manifest.parents:
        resolve = resolved.get(f"{manifest.root}/{parent['path']}")
        expected = fingerprint["parents"].get(parent["stage"])
        digest = parent["digest"]
        if manifest.kind == "source":
            digest = resolve.content["sources"][manifest.stage]["digest"] if resolve else expected
        elif parent["stage"] == "resolve" and manifest.kind != "publish":
            continue
        if expected != digest:
            what = f"the fingerprint names another input {parent['stage']!r}"
            yield _error(manifest, manifest.uri, what, str(expected), str(digest))
    if manifest.kind == "publish":
        read = {parent["stage"]: parent["digest"] for parent in manifest.parents if parent["stage"] != "resolve"}
        if dict(manifest.content["datasets"]) != read:
            yield _error(manifest, manifest.uri, "the published datasets are not its inputs")


def _counts(manifest: Manifest, lists: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    """The counts, which the digest covers, against the lists, which it covers by ``values`` only."""
    counts = manifest.counts
    if "values" in manifest.content and {"shards", "ledger"} <= set(lists):
        found = values_hash(lists["shards"], lists["ledger"], lists.get("cuts", ()))
        if found != manifest.content["values"]:
            what = "the lists of shards, ledgers and cuts are not those that the digest covers"
            yield _error(manifest, manifest.uri, what, manifest.content["values"], found)
        listed_rows = {"documents": lists["shards"], "rejected": lists["ledger"], "cut_spans": lists.get("cuts", ())}
        for name, rows in listed_rows.items():
            recorded, listed = counts.get(name, 0), sum(row["rows"] for row in rows)
            recorded += counts.get("cut_spans_of_rejected", 0) if name == "cut_spans" else 0
            if listed != recorded:
                yield Finding(
                    ERROR,
                    manifest.stage,
                    manifest.uri,
                    f"the count {name!r} is not that of the files",
                    f"{recorded:,}",
                    f"{listed:,}",
                )
    rejected, reasons = counts.get("rejected", 0), sum(manifest.content["reasons"].values())
    if reasons != rejected:
        yield Finding(
            ERROR,
            manifest.stage,
            manifest.uri,
            "the reasons do not add up to the rejected documents",
            f"{counts.get('rejected', 0):,}",
            f"{reasons:,}",
        )
    if manifest.kind == "source" and ("quarantine" in lists or "quarantine" not in manifest.content):
        expected, listed = counts["quarantined_units"], len(lists.get("quarantine", []))
        if listed != expected:
            yield _error(manifest, manifest.uri, "the quarantined units are not those listed", f"{expected:,}", f"{listed:,}")


# --- files -----------------------------------------------------------------------------------------------------------


def _shard(manifest: Manifest, row: Mapping[str, Any], *, always_parquet: bool) -> Iterator[Finding]:
    """A shard, ledger or exported file: its bytes, and where it is ours to read, its values."""
    uri = f"{manifest.folder}/{row['path']}"
    try:
        size, sha256 = _hash_file(uri, hashlib.sha256())
    except InputError as error:
        yield _error(manifest, uri, f"the file is missing: {error.what}", f"{row['rows']:,} rows, {row['bytes']:,} bytes")
        return
    same_bytes = sha256 == row["sha256"] and size == row["bytes"]
    if same_bytes and not always_parquet:
        return  # what an export's library wrote may not read back as the same Arrow types: its bytes are the proof
    if not always_parquet and not uri.endswith(".parquet"):
        yield _changed(manifest, uri, row, f"{size:,} bytes, sha256 {sha256}")
        return
    try:
        rows, text_bytes, values = _hash_values(uri)
    except InputError as error:
        yield _error(manifest, uri, f"the file is damaged: {error.what}", f"sha256 {row['sha256']}", f"sha256 {sha256}")
        return
    if values != row["hash"] or rows != row["rows"]:
        found = f"{rows:,} rows, hash {values}"
        yield _error(manifest, uri, "the file holds other values", f"{row['rows']:,} rows, hash {row['hash']}", found)
    elif not same_bytes:
        what = "the values are the same, the bytes are not (written again by another Parquet library?)"
        yield Finding(WARNING, manifest.stage, uri, what, f"sha256 {row['sha256']}", f"sha256 {sha256}")
    elif text_bytes is not None and text_bytes != row["text_bytes"]:
        yield Finding(
            ERROR, manifest.stage, uri, "the list gives another amount of text", f"{row['text_bytes']:,} bytes", f"{text_bytes:,} bytes"
        )


def _changed(manifest: Manifest, uri: str, row: Mapping[str, Any], found: str) -> Finding:
    return _error(manifest, uri, "the file was changed", f"{row['bytes']:,} bytes, sha256 {row['sha256']}", found)


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


def _index_checks(manifest: Manifest, earlier: Sequence[Mapping[str, Any]]) -> list[_Check]:
    """The index that a reduction left, and those of earlier snapshots that it was compared with."""
    checks: list[_Check] = [lambda row=row: _earlier_index(manifest, row) for row in earlier if row["path"]]
    if not manifest.index:
        return checks
    try:
        index = read_index(manifest.index)
    except (InputError, ValueError, KeyError, TypeError) as error:
        what = error.what if isinstance(error, InputError) else f"it is not an index ({type(error).__name__})"
        finding = _error(manifest, manifest.index, f"the index cannot be read: {what}")
        return [*checks, lambda: iter([finding])]
    recorded, found = manifest.content["index"]["digest"], index.written_digest
    if found != recorded:
        finding = _error(manifest, index.uri, "the index is not the one that was committed", f"digest {recorded}", f"digest {found}")
        checks.append(lambda: iter([finding]))
    return checks + [lambda file=file: _index_file(manifest, index, file) for file in index.files]


def _index_file(manifest: Manifest, index: Index, file: Mapping[str, Any]) -> Iterator[Finding]:
    """A file of an index. Its values are promised, not its bytes, which another Parquet library may write otherwise."""
    uri = f"{index.uri}/{file['path']}"
    expected = f"{file['rows']:,} rows, hash {file['hash']}"
    try:
        size, (rows, values) = _size(uri), hash_file(uri)
    except InputError as error:
        yield _error(manifest, uri, f"a file of the index is missing or damaged: {error.what}", expected)
        return
    if rows != file["rows"] or (rows and values != file["hash"]):
        yield _error(manifest, uri, "a file of the index holds other values", expected, f"{rows:,} rows, hash {values}")
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
            yield _error(manifest, uri, what, f"digest {row['content']}", f"digest {index.content_digest}")
        for file in index.files:
            uri = f"{index.uri}/{file['path']}"
            if (size := _size(uri)) != file["bytes"]:
                what = f"a file of the index of {row['snapshot']!r} has another size"
                yield _error(manifest, uri, what, f"{file['bytes']:,} bytes", f"{size:,} bytes")
    except InputError as error:
        what = f"the index of {row['snapshot']!r}, with which this was compared, is not there any more: {error.what}"
        yield Finding(WARNING, manifest.stage, uri, what, f"digest {row['digest']}")


def _size(uri: str) -> int:
    with filesystem.storage_errors(uri), filesystem.open_input(uri) as file:
        return file.seek(0, 2)


def _by_uri(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Units by file: a file that was read in ranges is checked once."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["uri"], []).append(row)
    return grouped


def _source_file(manifest: Manifest, uri: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """A file that a source read is still the one it read. Generated data has no file: its seed is in the key."""
    first = rows[0]
    if not first["hash"] and first["bytes"] < 0 and not first["etag"]:
        return
    listed = filesystem.glob_files(_literal(uri))
    if len(listed) != 1:
        yield _error(manifest, uri, "the source file is gone", f"{first['bytes']:,} bytes")
        return
    if first["hash"]:
        size, found = _hash_file(uri, xxhash.xxh3_128())
        if found != first["hash"]:
            yield Finding(
                ERROR, manifest.stage, uri, "the source file was changed", f"xxh3-128 {first['hash']}", f"{size:,} bytes, xxh3-128 {found}"
            )
        return
    [file] = listed
    whole = not any(json.loads(row["options"]) for row in rows)
    if whole and first["bytes"] >= 0 and file.bytes >= 0 and file.bytes != first["bytes"]:
        yield _error(manifest, uri, "the source file has another size", f"{first['bytes']:,} bytes", f"{file.bytes:,} bytes")
    elif first["etag"] and file.etag and file.etag != first["etag"]:
        yield _error(manifest, uri, "the source file was replaced", f"etag {first['etag']}", f"etag {file.etag}")
    elif first["etag"] and not file.etag:
        yield Finding(WARNING, manifest.stage, uri, "the store gives no version of the source file any more", f"etag {first['etag']}")


def _literal(uri: str) -> str:
    """A URI as a pattern that names it alone."""
    return uri if filesystem.scheme_of(uri) in ("http", "https") else "".join(f"[{c}]" if c in "*?[" else c for c in uri)


def _resolved_units(manifest: Manifest, lists: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    """The listings of the sources, which lie beside the manifest, are those that the digest covers."""
    for stage, expected in manifest.content["sources"].items():
        rows = lists.get(f"units-{stage}")
        if rows is None:
            continue  # a list that cannot be read was named already
        units = [[row["uri"], row["path"], row["bytes"], row["etag"], json.loads(row["options"])] for row in rows]
        found = digest_of({"units": units, "limit": manifest.content["limit"]})
        if found != expected["digest"]:
            what = f"the listing of the source {stage!r} is not the one that the digest covers"
            yield _error(manifest, f"{manifest.folder}/units-{stage}.parquet", what, expected["digest"], found)
    for stage, expected in manifest.content.get("earlier", {}).items():
        rows = [row for row in lists.get(f"earlier-{stage}", []) if row["digest"] is not None]
        found = digest_of([[row["snapshot"], row["digest"]] for row in rows])
        if f"earlier-{stage}" in lists and found != expected["digest"]:
            what = f"the list of earlier indexes of {stage!r} is not the one that the digest covers"
            yield _error(manifest, f"{manifest.folder}/earlier-{stage}.parquet", what, expected["digest"], found)
    if digest_of(manifest.content["pipeline_spec"]) != manifest.content["spec_digest"]:
        yield _error(manifest, manifest.uri, "the pipeline is not the one of `spec_digest`")


def _frozen_file(manifest: Manifest, name: str, frozen: Mapping[str, str]) -> Iterator[Finding]:
    """The copy of a file that the pipeline names (a model, a list); a folder is hashed with the names in it."""
    place = f"{manifest.folder}/files/{frozen['sha256']}"
    total = hashlib.sha256()
    members = filesystem.glob_files(place)
    for member in members:
        total.update(f"{member.uri.removeprefix(place)}\0".encode())
        _hash_file(member.uri, total)
    if not members:
        yield _error(manifest, place, f"the frozen copy of {name!r} is gone", f"sha256 {frozen['sha256']}")
    elif total.hexdigest() != frozen["sha256"]:
        yield Finding(
            ERROR, manifest.stage, place, f"the frozen copy of {name!r} was changed", f"sha256 {frozen['sha256']}", total.hexdigest()
        )
