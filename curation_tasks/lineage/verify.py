"""Verify: hashes a dataset again, back to its sources, and names exactly what is not what its manifests say.

The digest of a manifest covers its content: counts, schema and, by ``values``, the canonical hash of each shard and
ledger. The key covers how it was made. The lists beside a manifest name files and their bytes. So a change anywhere in the
tree breaks at least one of the sums below. Nothing stops at the first difference.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from curation_tasks.errors import CurationError, InputError, TransientError
from curation_tasks.lineage.file_checks import Check, by_uri, check_frozen_file, check_shard, check_source_file, index_checks
from curation_tasks.lineage.finding import ERROR, Finding, broken
from curation_tasks.manifest import FORMAT, Manifest, digest_of, key_of, read_list, values_hash
from curation_tasks.storage import filesystem

#: Files hashed at a time. Each holds at most one row group.
THREADS = min(4, os.cpu_count() or 1)

#: Called with (files checked, files known so far, what is being checked).
Progress = Callable[[int, int, str], None]


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


def _checks(manifest: Manifest, tree: Sequence[Manifest]) -> list[Check]:
    checks: list[Check] = [lambda: _key(manifest, tree)]
    lists: dict[str, list[dict[str, Any]]] = {}
    problems: list[Finding] = []
    for name in _list_names(manifest):
        try:
            lists[name] = read_list(manifest, name)
        except InputError as error:
            problems.append(broken(manifest, f"{manifest.folder}/{_reference(manifest, name)['file']}", error.what))
    checks.append(lambda: iter(problems))
    checks.append(lambda: _counts(manifest, lists))
    for row in lists.get("shards", []):
        checks.append(lambda row=row: check_shard(manifest, row, always_parquet=manifest.kind != "export"))
    for row in [*lists.get("ledger", []), *lists.get("cuts", [])]:
        checks.append(lambda row=row: check_shard(manifest, row, always_parquet=True))
    for uri, rows in by_uri(lists.get("source_files", [])).items():
        checks.append(lambda uri=uri, rows=rows: check_source_file(manifest, uri, rows))
    checks += index_checks(manifest, lists.get("earlier", []))
    if manifest.kind == "resolve":
        checks.append(lambda: _resolved_units(manifest, lists))
        for name, frozen in manifest.content.get("files", {}).items():
            checks.append(lambda name=name, frozen=frozen: check_frozen_file(manifest, name, frozen))
    return checks


def _guarded(check: tuple[Manifest, Check]) -> list[Finding]:
    manifest, function = check
    try:
        return list(function())
    except TransientError:
        raise
    except (CurationError, KeyError, TypeError) as error:
        # A manifest changed by hand may lack anything; that is a finding, not a failure of ours.
        what = error.what if isinstance(error, CurationError) else f"the manifest is not complete ({type(error).__name__}: {error})"
        return [broken(manifest, getattr(error, "where", None) or manifest.uri, what)]


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
        yield broken(manifest, manifest.uri, "the key is not that of the fingerprint", manifest.key, key_of(fingerprint))
    if posixpath.basename(manifest.folder) != manifest.key:
        where = posixpath.basename(manifest.folder)
        yield broken(manifest, manifest.uri, "the folder is not named by the key", manifest.key, where)
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
            yield broken(manifest, manifest.uri, what, str(expected), str(digest))
    if manifest.kind == "publish":
        read = {parent["stage"]: parent["digest"] for parent in manifest.parents if parent["stage"] != "resolve"}
        if dict(manifest.content["datasets"]) != read:
            yield broken(manifest, manifest.uri, "the published datasets are not its inputs")


def _counts(manifest: Manifest, lists: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    """The counts, which the digest covers, against the lists, which it covers by ``values`` only."""
    counts = manifest.counts
    if "values" in manifest.content and {"shards", "ledger"} <= set(lists):
        found = values_hash(lists["shards"], lists["ledger"], lists.get("cuts", ()))
        if found != manifest.content["values"]:
            what = "the lists of shards, ledgers and cuts are not those that the digest covers"
            yield broken(manifest, manifest.uri, what, manifest.content["values"], found)
        listed_rows = {"documents": lists["shards"], "rejected": lists["ledger"], "cut_spans": lists.get("cuts", ())}
        for name, rows in listed_rows.items():
            recorded, listed = counts.get(name, 0), sum(row["rows"] for row in rows)
            recorded += counts.get("cut_spans_of_rejected", 0) if name == "cut_spans" else 0
            if listed != recorded:
                yield broken(manifest, manifest.uri, f"the count {name!r} is not that of the files", f"{recorded:,}", f"{listed:,}")
    rejected, reasons = counts.get("rejected", 0), sum(manifest.content["reasons"].values())
    if reasons != rejected:
        yield broken(manifest, manifest.uri, "the reasons do not add up to the rejected documents", f"{rejected:,}", f"{reasons:,}")
    if manifest.kind == "source" and ("quarantine" in lists or "quarantine" not in manifest.content):
        expected, listed = counts["quarantined_units"], len(lists.get("quarantine", []))
        if listed != expected:
            yield broken(manifest, manifest.uri, "the quarantined units are not those listed", f"{expected:,}", f"{listed:,}")


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
            yield broken(manifest, f"{manifest.folder}/units-{stage}.parquet", what, expected["digest"], found)
    for stage, expected in manifest.content.get("earlier", {}).items():
        rows = [row for row in lists.get(f"earlier-{stage}", []) if row["digest"] is not None]
        found = digest_of([[row["snapshot"], row["digest"]] for row in rows])
        if f"earlier-{stage}" in lists and found != expected["digest"]:
            what = f"the list of earlier indexes of {stage!r} is not the one that the digest covers"
            yield broken(manifest, f"{manifest.folder}/earlier-{stage}.parquet", what, expected["digest"], found)
    if digest_of(manifest.content["pipeline_spec"]) != manifest.content["spec_digest"]:
        yield broken(manifest, manifest.uri, "the pipeline is not the one of `spec_digest`")
