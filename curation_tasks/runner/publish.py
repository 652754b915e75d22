"""Publish: gates passed, then an entry ``published/{n}.json`` that consumers read. The highest ``n`` holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.lineage.published import published_entries, published_folder
from curation_tasks.lineage.tree import ancestors
from curation_tasks.manifest import Manifest, digest_of, key_of, read_manifest
from curation_tasks.storage import filesystem
from curation_tasks.storage.commit import create_if_absent

_ATTEMPTS = 20


def publish(
    uri: str, resolved: Manifest, datasets: Mapping[str, Manifest], options: Mapping[str, Any], *, republish: bool = False
) -> tuple[dict[str, Any], str]:
    """Checks the gates and creates the entry, unless the newest one says the same already.

    Args:
        uri: Where the manifest of the publish stage will be committed.
        resolved: The resolve manifest.
        datasets: Stage → manifest of what is published.
        options: Of the stage: its gates.
        republish: Publish a specification that was superseded.

    Returns:
        The manifest's content, and the URI of the entry.

    Raises:
        InputError: A gate is not passed; names the figure and the bound.
        ConfigError: The specification was published before and superseded since.
    """
    refuse_limited(resolved.content["snapshot"], resolved.content["limit"], resolved.uri)
    check_gates(datasets, options["gates"])
    # Exports of one dataset in several formats hold the same documents, so they are not added up.
    counts = {name: max(manifest.counts.get(name, 0) for manifest in datasets.values()) for name in ("documents", "text_bytes")}
    content = {
        "kind": "publish", "schema": {}, "reasons": {}, "counters": {}, "counts": counts | {"datasets": len(datasets)},
        "datasets": {name: manifest.digest for name, manifest in datasets.items()}, "spec_digest": resolved.content["spec_digest"],
    }  # fmt: skip
    if "earlier" in resolved.content:
        # The same documents may be known to follow from other indexes by now: consumers see that they are fresh again.
        content["earlier"] = {stage: frozen["digest"] for stage, frozen in resolved.content["earlier"].items()}
    folder = published_folder(resolved.root, resolved.content["pipeline"], resolved.content["snapshot"])
    for _ in range(_ATTEMPTS):
        entries = published_entries(folder)
        if entries and _same(entries[-1], content):
            return content, f"{folder}/{entries[-1]['version']:06}.json"
        if not republish:
            _refuse_superseded(entries, content, folder)
        number = entries[-1]["version"] + 1 if entries else 1
        entry = f"{folder}/{number:06}.json"
        if create_if_absent(entry, json.dumps(_entry(number, uri, resolved, datasets, content), indent=1, sort_keys=True).encode()):
            return content, entry
    raise TransientError("other runs keep publishing this snapshot", where=folder, remedy="it is tried again")


def refuse_limited(snapshot: str, limit: int | None, where: str) -> None:
    """Keeps a trial run over the first records from being taken for the snapshot.

    Raises:
        ConfigError: The run has a limit, and the name of its snapshot does not say that it is a trial.
    """
    if limit is not None and "+" not in snapshot:
        raise ConfigError(
            f"a run limited to {limit:,} records is not published as snapshot {snapshot!r}",
            where=where,
            expected="a snapshot with a suffix",
            remedy=f"give --snapshot {snapshot}+trial, or stop before it with --until",
        )


def check_gates(datasets: Mapping[str, Manifest], gates: Mapping[str, Any]) -> None:
    """Raises ``InputError`` for the first gate that a dataset does not pass."""
    for name, manifest in datasets.items():
        documents = manifest.counts["documents"]
        if documents < gates["min_documents"]:
            raise InputError(
                f"{name} has {documents:,} documents",
                where=manifest.uri,
                expected=f"min_documents: {gates['min_documents']:,}",
                remedy="look at the report for what was rejected; lower the gate if the figure is right",
            )
        if gates["min_kept_ratio"] is None and gates["max_kept_ratio"] is None:
            continue
        records = sum(source.counts["records"] for source in ancestors(manifest) if source.kind == "source")
        ratio = documents / records if records else 0.0
        for bound, wrong in (
            ("min_kept_ratio", ratio < (gates["min_kept_ratio"] or 0)),
            ("max_kept_ratio", ratio > (gates["max_kept_ratio"] or 1)),
        ):
            if wrong:
                raise InputError(
                    f"{name} keeps {ratio:.1%} of {records:,} records", where=manifest.uri, expected=f"{bound}: {gates[bound]:.1%}",
                    remedy="look at the report; loosen the gate if the figure is right",
                )  # fmt: skip


def is_newest(manifest: Manifest) -> bool:
    """Whether what a publish stage published is still what consumers read."""
    entries = published_entries(published_folder(manifest.root, manifest.content["pipeline"], manifest.content["snapshot"]))
    return bool(entries) and _same(entries[-1], manifest.content)


def named_manifest(uri: str) -> Manifest:
    """The manifest that a user names: by its own URI, by that of its folder, or by that of a published entry.

    A published entry stands for the manifest of its publish stage, whose ancestors are all datasets it names.

    Raises:
        InputError: It is none of these.
    """
    uri = filesystem.absolute(uri)
    if "/published/" not in uri:
        return read_manifest(uri)
    try:
        entry = json.loads(filesystem.read_bytes(uri))
        return read_manifest(f"{uri.rsplit('/', 4)[0]}/{entry['manifest']}")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("not a published entry", where=uri, expected="published/{n}.json, made by a publish stage") from error


def with_published(result: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The result of a publish stage names its entry; others are unchanged."""
    entry = manifest.execution.get("published")
    return result | {"published": entry} if entry else result


def _entry(number: int, uri: str, resolved: Manifest, datasets: Mapping[str, Manifest], content: Mapping[str, Any]) -> dict[str, Any]:
    indexes = _published_indexes(datasets, resolved)
    return {
        "format": "curation-published/1",
        "version": number,
        "published": datetime.now(UTC).isoformat(timespec="seconds"),
        "pipeline": resolved.content["pipeline"],
        "snapshot": resolved.content["snapshot"],
        "spec_digest": content["spec_digest"],
        "manifest": filesystem.relative_to(uri, resolved.root),
        "resolve": {"path": filesystem.relative_to(resolved.uri, resolved.root), "digest": resolved.digest},
        "datasets": {
            name: {"path": filesystem.relative_to(item.uri, item.root), "key": item.key, "digest": item.digest, "counts": dict(item.counts)}
            for name, item in datasets.items()
        },
        **({"indexes": indexes} if indexes else {}),
        "digest": _digest(content),
    }


def _published_indexes(datasets: Mapping[str, Manifest], resolved: Manifest) -> dict[str, dict[str, str]]:
    """The indexes behind the published datasets: stage → ``path`` and ``manifest``, relative to the root, and ``reduction``."""
    stages = {item.stage: item for dataset in datasets.values() for item in ancestors(dataset) if item.index}
    found = {}
    for name, item in sorted(stages.items()):
        item = _of_this_run(item, resolved)
        found[name] = {
            "path": filesystem.relative_to(item.index or "", item.root),
            "manifest": filesystem.relative_to(item.uri, item.root),
            "reduction": item.lineage["fingerprint"]["calls"][0]["use"],
        }
    return found


def _of_this_run(item: Manifest, resolved: Manifest) -> Manifest:
    """The manifest of a reduction as this run made it.

    Where other indexes led to the same documents, the stages after it were reused, and their lineage leads to a manifest
    of the same digest that records the indexes of back then.
    """
    frozen = resolved.content.get("earlier", {}).get(item.stage)
    fingerprint = dict(item.lineage["fingerprint"])
    if frozen is None or frozen["digest"] == fingerprint["earlier"]:
        return item
    key = key_of(fingerprint | {"earlier": frozen["digest"]})
    found = read_manifest(filesystem.join(item.folder.rpartition("/")[0], key))
    return found if found.digest == item.digest else item


def _digest(content: Mapping[str, Any]) -> str:
    return digest_of({name: content[name] for name in ("datasets", "spec_digest", "earlier") if name in content})


def _same(entry: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    return entry["digest"] == _digest(content)


def _refuse_superseded(entries: list[dict[str, Any]], content: Mapping[str, Any], folder: str) -> None:
    old = [entry["version"] for entry in entries[:-1] if entry["spec_digest"] == content["spec_digest"]]
    if old and entries[-1]["spec_digest"] != content["spec_digest"]:
        raise ConfigError(
            f"this specification was published as version {old[-1]} and superseded by version {entries[-1]['version']}",
            where=folder,
            expected="a newer specification",
            remedy="give --republish if going back is meant",
        )
