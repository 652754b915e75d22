"""Explain: what happened to one document at each stage, from its source to the exported file.

Only identities are read (two columns of a shard, and of those only row groups whose statistics allow a hit). Stages keep
units aligned, so after the source one shard and one ledger a stage are enough; where that finds nothing all are read.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from curation_tasks.errors import InputError
from curation_tasks.lineage.funnel import DOCUMENT_KINDS
from curation_tasks.lineage.tree import ancestors, dataset_parents
from curation_tasks.manifest import Dataset, Manifest, read_list
from curation_tasks.schema import ORIGIN_COLUMNS
from curation_tasks.storage import filesystem

SHOWN_CHARACTERS = 2000
_HINT_SHARDS = 4
_HINT_IDENTITIES = 2000
_THREADS = min(8, 2 * (os.cpu_count() or 1))
_IDENTITY_COLUMNS = ("doc_id", "url")
#: Of a segment: the identity of the document that it was cut from.
_WHOLE = "segment_of"
_NUMBERS = re.compile(r"bool|u?int\d+|float|double")


def explain(manifest: Manifest, document: str, *, show_text: bool = False) -> list[dict[str, Any]]:
    """What happened to a document at each stage that it reached.

    Args:
        manifest: Of the last stage.
        document: A ``doc_id``, or a ``url`` where the source has that column; also of a rejected document.
        show_text: Give the text too, cut to 2,000 characters. It may hold what the pipeline was to remove.

    Returns:
        Rows in the order of the stages: ``stage, kind, outcome, doc_id, url, file, row``, and by ``outcome``
        ``kept``: ``text_bytes, text_hash, text_changed`` (against the stage before; None at the source), ``signals`` (numbers
        that the stage added), and ``cuts`` where spans were cut from the text: ``reason, start, end`` (bytes of the text
        before), ``characters``, ``survivor`` (the document in which the same text stays) and its ``survivor_snapshot`` where that
        is an earlier one;
        ``rejected``: ``operation, reason, value, threshold, failed_rules, evidence`` (``survivor`` names the document kept
        instead), ``signals``, and ``cuts`` where so much was cut that too little was left;
        ``exported``: the document is row ``row`` (from 0) of ``file``;
        ``published``: ``file`` is the entry;
        ``missing``: it came in and no file of the stage knows it, which `curate verify` explains.
        With ``show_text`` also ``text``.

    Raises:
        InputError: No stage knows such a document; names the nearest identity.
    """
    stages = ancestors(manifest)
    tree = {item.uri: item for item in stages}
    datasets = {item.uri: item.dataset() for item in stages}
    places: dict[str, list[_Place]] = {}
    rows: list[dict[str, Any]] = []
    for item in stages:
        parents = dataset_parents(item, tree)
        if item.kind in DOCUMENT_KINDS:
            found = _find_in_stage(datasets[item.uri], [datasets[parent.uri] for parent in parents], places, document, known=bool(rows))
            places[item.uri] = [place for place in found if place.outcome in ("kept", "exported")]
            rows.extend(_described(item, parents, place, show_text) for place in found)
        elif item.kind == "publish":
            rows.extend(_published(item, [place for parent in parents for place in places.get(parent.uri, [])]))
    if not rows:
        raise _unknown_document(stages, document)
    return rows


@dataclass(frozen=True)
class _Place:
    """Where a stage has a document.

    Attributes:
        outcome: As in the rows of ``explain``.
        file: Path in the stage's folder, "" if missing.
        row: Position in the file, −1 if missing.
        shard: Position of the shard in the manifest's list; what follows from it is where the next stage has the document.
        before: Where the stage before has it.
    """

    outcome: str
    identity: Mapping[str, Any]
    file: str = ""
    row: int = -1
    shard: int = -1
    manifest: Manifest | None = None
    before: _Place | None = None

    @property
    def uri(self) -> str:
        return f"{self.manifest.folder}/{self.file}" if self.file else ""

    @cached_property
    def text(self) -> str | None:
        """The whole text, read from its row group; None where the file has none."""
        return _read_row(self.uri, self.row, ["text"]).get("text")


# --- finding ---------------------------------------------------------------------------------------------------------


def _find_in_stage(
    dataset: Dataset, parents: Sequence[Dataset], places: Mapping[str, list[_Place]], document: str, *, known: bool
) -> list[_Place]:
    """The document's places in a stage, in its shards and its ledgers.

    Args:
        dataset: Of the stage.
        parents: What it read.
        places: URI of a manifest → where that stage handed the document on.
        document: The wanted identity.
        known: Whether an earlier stage had the document.
    """
    units: dict[tuple[int, str], list[_Place]] = {}
    first_unit = 0
    for parent in parents:
        for place in places[parent.manifest.uri]:
            units.setdefault((first_unit + place.shard, place.identity["doc_id"]), []).append(place)
        first_unit += len(parent.shards)
    if units:
        found = [found for (unit, _), before in units.items() for found in _follow(dataset, before, f"{unit:06d}")]
        # Several segments may have become one document.
        return list({(place.file, place.row) if place.file else id(place): place for place in found}.values())
    if parents and (known or dataset.manifest.kind == "export"):
        return []  # it was rejected before, or it went another way
    return _search(dataset, range(len(dataset.shards)), None, document)


def _follow(dataset: Dataset, before: Sequence[_Place], unit: str) -> list[_Place]:
    """Where a document went that came into a stage in a known unit; several only where an identity is repeated in it."""
    identity = before[0].identity
    manifest, shards = dataset.manifest, dataset.shards
    aligned = [index for index, shard in enumerate(shards) if re.match(rf"part-{unit}[-.]", shard.path)]
    if manifest.kind == "export":
        # An exported file has the rows of its shard in their order, so nothing has to be read.
        if aligned:
            return [_Place("exported", place.identity, shards[aligned[0]].path, place.row, aligned[0], manifest, place) for place in before]
        return [_Place("missing", identity, manifest=manifest, before=before[0])]
    found: list[_Place] = []
    wanted, columns = identity["doc_id"], _IDENTITY_COLUMNS
    if {"split", "joined"} & set(manifest.counts):
        wanted, columns = (wanted.rpartition("#")[0] or wanted if "joined" in manifest.counts else wanted), (*_IDENTITY_COLUMNS, _WHOLE)
    if manifest.kind in ("operations", "reduction"):
        found = _search(dataset, aligned, {f"ledger-{unit}.parquet"}, wanted, columns)
    found = found or _search(dataset, range(len(shards)), None, wanted, columns) or [_Place("missing", identity, manifest=manifest)]
    return [dataclasses.replace(place, before=before[min(index, len(before) - 1)]) for index, place in enumerate(found)]


def _search(
    dataset: Dataset, shards: Iterable[int], ledgers: set[str] | None, wanted: str, columns: Sequence[str] = _IDENTITY_COLUMNS
) -> list[_Place]:
    """All rows with an identity in some shards (by position) and ledgers (by name; None for all)."""
    manifest, listed = dataset.manifest, dataset.shards
    targets = [("kept", listed[index].path, index) for index in shards]
    targets += [("rejected", row["path"], -1) for row in read_list(manifest, "ledger") if ledgers is None or row["path"] in ledgers]

    def look(target: tuple[str, str, int]) -> list[_Place]:
        outcome, path, index = target
        hits = _matching_rows(f"{manifest.folder}/{path}", wanted, columns)
        return [_Place(outcome, identity, path, row, index, manifest) for row, identity in hits]

    with ThreadPoolExecutor(_THREADS) as pool:
        return [place for places in pool.map(look, targets) for place in places]


def _matching_rows(uri: str, wanted: str, columns: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    """``(row, {"doc_id", "url"})`` of the rows of a Parquet file that have the wanted value in one of some columns."""
    found = []
    for first_row, table in _identities(uri, lambda low, high: low <= wanted <= high, columns):
        hits = {row for name in table.column_names for row in pc.indices_nonzero(pc.equal(table[name], wanted)).to_pylist()}
        for row in sorted(hits):
            values = table.slice(row, 1).to_pylist()[0]
            found.append((first_row + row, {name: values.get(name) for name in _IDENTITY_COLUMNS}))
    return found


def _identities(
    uri: str, possible: Callable[[str, str], bool], columns: Sequence[str] = _IDENTITY_COLUMNS
) -> Iterator[tuple[int, pa.Table]]:
    """``(position of the first row, identity columns)`` of each row group that may hold a hit."""
    with filesystem.storage_errors(uri), filesystem.open_input(uri, exact_ranges=True) as file:
        try:
            parquet = pq.ParquetFile(file)
            names = [name for name in columns if name in parquet.schema_arrow.names]
            first_row = 0
            for group in range(parquet.num_row_groups):
                description = parquet.metadata.row_group(group)
                if _may_hold(description, names, possible):
                    yield first_row, parquet.read_row_group(group, columns=names)
                first_row += description.num_rows
        except pa.ArrowInvalid as error:
            raise InputError(f"not a whole Parquet file: {error}", where=uri, remedy="`curate verify` names what is damaged") from error


def _may_hold(group: pq.RowGroupMetaData, names: Sequence[str], possible: Callable[[str, str], bool]) -> bool:
    """Whether the statistics of a row group leave open that an identity column has the value."""
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema in names:
            statistics = column.statistics
            if statistics is None or not statistics.has_min_max or possible(statistics.min, statistics.max):
                return True
    return False


# --- telling ---------------------------------------------------------------------------------------------------------


def _described(manifest: Manifest, parents: Sequence[Manifest], place: _Place, show_text: bool) -> dict[str, Any]:
    told = {
        "stage": manifest.stage, "kind": manifest.kind, "outcome": place.outcome, "doc_id": place.identity["doc_id"],
        "url": place.identity["url"], "file": place.uri, "row": place.row if place.row >= 0 else None,
    }  # fmt: skip
    if place.outcome == "kept":
        told |= _kept(manifest, parents, place)
    elif place.outcome == "rejected":
        told |= _rejected(manifest, place)
    if show_text and place.outcome in ("kept", "rejected"):
        text = place.text
        told["text"] = text if text is None or len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return told


def _kept(manifest: Manifest, parents: Sequence[Manifest], place: _Place) -> dict[str, Any]:
    earlier = {name for parent in parents for name in parent.schema}
    added = [name for name, kind in manifest.schema.items() if name not in earlier and _NUMBERS.fullmatch(kind)]
    text = place.text or ""
    before = place.before.text if place.before else None
    return {
        "text_bytes": len(text.encode()),
        "text_hash": xxhash.xxh3_128_hexdigest(text.encode()),
        "text_changed": None if place.before is None else before != place.text,
        "signals": _read_row(place.uri, place.row, added) if parents else {},
        **({"cuts": cuts} if (cuts := _cuts(manifest, place)) else {}),
    }


def _cuts(manifest: Manifest, place: _Place) -> list[dict[str, Any]]:
    """What a reduction cut from a document's text, and where the same text stays."""
    unit = re.sub(r"(?:part|ledger)-(\d+)[-.].*", r"cuts-\1.parquet", place.file)
    if unit not in {row["path"] for row in read_list(manifest, "cuts")}:
        return []
    uri = f"{manifest.folder}/{unit}"
    told = ["reason", "start", "end", "characters", "survivor", *ORIGIN_COLUMNS]
    return [_read_row(uri, row, told) for row, _ in _matching_rows(uri, place.identity["doc_id"], _IDENTITY_COLUMNS)]


def _rejected(manifest: Manifest, place: _Place) -> dict[str, Any]:
    fixed = ["operation", "reason", "value", "threshold", "failed_rules", "evidence", *ORIGIN_COLUMNS]
    row = _read_row(place.uri, place.row, [*fixed, *manifest.schema], numbers_only=fixed)
    told = {name: row.pop(name, None) for name in fixed}
    if origin := {name: value for name in ORIGIN_COLUMNS if (value := told.pop(name))}:
        told["evidence"] = told["evidence"] | origin
    told |= {"signals": {name: value for name, value in row.items() if value is not None}}
    return told | ({"cuts": cuts} if (cuts := _cuts(manifest, place)) else {})


def _published(manifest: Manifest, places: Sequence[_Place]) -> list[dict[str, Any]]:
    return [
        {
            "stage": manifest.stage, "kind": "publish", "outcome": "published", "doc_id": place.identity["doc_id"],
            "url": place.identity["url"], "file": manifest.execution.get("published", ""), "row": None,
        }
        for place in places[:1]
    ]  # fmt: skip


def _read_row(uri: str, row: int, columns: Sequence[str], *, numbers_only: Sequence[str] | None = None) -> dict[str, Any]:
    """Some columns of one row; what the file does not have is left out.

    Args:
        uri: A Parquet file of ours.
        row: Position in the file.
        columns: Names.
        numbers_only: If given, all columns but these are left out unless they are numbers: text is never told unasked.
    """
    with filesystem.storage_errors(uri), filesystem.open_input(uri, exact_ranges=True) as file:
        parquet = pq.ParquetFile(file)
        kinds = {field.name: str(field.type) for field in parquet.schema_arrow}
        names = [name for name in dict.fromkeys(columns) if name in kinds]
        if numbers_only is not None:
            names = [name for name in names if name in numbers_only or _NUMBERS.fullmatch(kinds[name])]
        if not names:
            return {}
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if row < rows:
                return parquet.read_row_group(group, columns=names).slice(row, 1).to_pylist()[0]
            row -= rows
    raise InputError("the file is shorter than its manifest says", where=uri, remedy="`curate verify` names what is damaged")


def _unknown_document(stages: Sequence[Manifest], document: str) -> InputError:
    """The error for an identity that no stage knows, with the nearest one that was looked at."""
    known = [name for item in stages if item.kind == "source" for name in _some_identities(item)]
    near = difflib.get_close_matches(document, known, n=1, cutoff=0.6)
    example = f"did you mean {near[0]!r}?" if near else (f"identities look like {known[0]!r}" if known else "the sources gave no document")
    return InputError(
        f"no stage knows a document {document!r}",
        where=stages[-1].uri,
        expected="a doc_id or url of a document that a source read",
        remedy=example,
    )


def _some_identities(source: Manifest) -> list[str]:
    """The first identities of a few shards, spread over a source."""
    shards = source.dataset().shards
    found: list[str] = []
    for shard in shards[:: max(1, len(shards) // _HINT_SHARDS)][:_HINT_SHARDS]:
        for _, table in _identities(f"{source.folder}/{shard.path}", lambda low, high: True):
            for name in table.column_names:
                found += [value for value in table[name].slice(0, _HINT_IDENTITIES).to_pylist() if value]
            break
    return found
