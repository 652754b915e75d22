"""The catalogue of a pipeline's snapshots: which ones its source has published, kept in the storage root.

Discovery asks the origin and writes the catalogue; schedulers and people read it. So nothing that schedules runs ever
waits for a crawl's or a dump's server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.parts import Snapshot
from curation_tasks.plan import Plan, PlannedStage
from curation_tasks.storage import filesystem

FORMAT = "curation-snapshots/1"


@dataclass(frozen=True)
class Discovery:
    """What asking the origin came to.

    Attributes:
        uri: Of the catalogue.
        snapshots: All that are known now, oldest first.
        found: Ids that were not known before.
        missing: Ids that the origin no longer lists; they stay known, since datasets made of them stay.
    """

    uri: str
    snapshots: tuple[Snapshot, ...]
    found: tuple[str, ...]
    missing: tuple[str, ...]


def catalogue_uri(root: str, pipeline: str) -> str:
    return filesystem.join(filesystem.absolute(root), pipeline, "snapshots.json")


def read_catalogue(uri: str) -> tuple[Snapshot, ...]:
    """The snapshots of a catalogue, oldest first; none when it was never written.

    Raises:
        InputError: It is no catalogue.
    """
    if not filesystem.exists(uri):
        return ()
    return parse_catalogue(filesystem.read_bytes(uri), uri)


def parse_catalogue(data: bytes, uri: str) -> tuple[Snapshot, ...]:
    """``read_catalogue`` for bytes already read; ``uri`` stands in error messages."""
    try:
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}")
        return in_order(Snapshot(**item) for item in document["snapshots"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"not a catalogue of snapshots: {error}",
            where=uri,
            expected=FORMAT,
            remedy="`curate snapshots PIPELINE --refresh` writes it anew",
        ) from error


def discover(planned: Plan, root: str, now: datetime | None = None) -> Discovery:
    """Asks the origin of a pipeline's source which snapshots there are, and writes the catalogue.

    Two discoveries at once do no harm: each writes the whole catalogue, and what one missed the next finds.

    Args:
        planned: A pipeline partitioned by snapshots.
        root: Storage root.
        now: Noted as the time since when a new snapshot can be read, where the origin does not say.

    Raises:
        ConfigError: The pipeline has no such source.
        InputError: The origin lists none, or two of one date that differ.
        TransientError: The origin cannot be reached.
    """
    stage = required_source(planned)
    call = stage.calls[0]
    uri = catalogue_uri(root, planned.spec.name)
    known = {item.id: item for item in read_catalogue(uri)}
    listed = {item.id: item for item in call.part.list_snapshots(call.parameters, root)}
    if not listed and not call.part.reads_root:  # other pipelines may have published nothing yet
        raise InputError(f"the source {stage.id!r} lists no snapshots", where=planned.spec.origin.path, remedy="look at its `parameters`")
    moment = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    fresh = {name: _available(item, moment) for name, item in listed.items() if name not in known}
    merged = in_order([*known.values(), *fresh.values()])
    if fresh or not known:
        document = {"format": FORMAT, "pipeline": planned.spec.name, "snapshots": [asdict(item) for item in merged]}
        filesystem.write_bytes(uri, json.dumps(document, indent=1).encode())
    return Discovery(uri, merged, tuple(sorted(fresh)), tuple(sorted(known.keys() - listed.keys())))


def required_source(planned: Plan) -> PlannedStage:
    """The source stage whose snapshots a pipeline curates.

    Raises:
        ConfigError: There is none.
    """
    if planned.snapshot_source is None:
        raise ConfigError(
            f"no source of pipeline {planned.spec.name!r} publishes snapshots",
            where=planned.spec.origin.path,
            expected="`partitions: snapshot` and a source that lists some (`curate operations --kind source`)",
        )
    return planned.snapshot_source


def in_order(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Snapshots by date, then by id."""
    return tuple(sorted(snapshots, key=lambda item: (item.date, item.id)))


def require_known(snapshot: str, known: Sequence[str], where: str) -> None:
    """Refuses a snapshot that the catalogue does not list; a suffix behind ``+`` (a trial) does not count.

    Raises:
        ConfigError: It is unknown; names the nearest.
    """
    name = snapshot.partition("+")[0]
    if known and name not in known:
        raise ConfigError(
            f"no snapshot is called {name!r}; {did_you_mean(name, known)}",
            where=where,
            remedy="if it is new, let discovery find it: `curate snapshots PIPELINE --refresh`",
        )


def _available(item: Snapshot, moment: str) -> Snapshot:
    try:
        date.fromisoformat(item.date)
        if item.available:
            datetime.fromisoformat(item.available)
    except ValueError as error:
        raise InputError(f"snapshot {item.id!r} has no valid date: {error}", expected="YYYY-MM-DD, and an ISO time") from error
    return item if item.available else Snapshot(item.id, item.date, moment)
