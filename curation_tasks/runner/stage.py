"""What all stages but resolve have in common: inputs read and checked, the key computed, units run, the manifest committed."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curation_tasks.catalog import load_catalog
from curation_tasks.clusters import LOCAL, ClusterSettings, cluster_kind, open_cluster
from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, CurationError, did_you_mean
from curation_tasks.lineage.openlineage import StageEvents
from curation_tasks.logs import logger
from curation_tasks.manifest import MANIFEST_NAME, Dataset, Manifest, key_of, read_manifest, values_hash, write_list
from curation_tasks.parts import Part
from curation_tasks.plan import PART_KIND
from curation_tasks.runner import publish
from curation_tasks.runner.commit import commit, execution_facts
from curation_tasks.runner.fingerprint import stage_fingerprint
from curation_tasks.runner.lease import Lease
from curation_tasks.runner.memory import PeakMemory
from curation_tasks.runner.units import Progress, UnitOrder, run_units, summed
from curation_tasks.runner.work import Work
from curation_tasks.spec import EARLIER, RESOLVE
from curation_tasks.storage import filesystem

if TYPE_CHECKING:
    from distributed import Client

SHARD_LIST = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
SAMPLE_LIST = {"doc_id": "string", "operation": "string", "reason": "string", "value": "double", "text": "string"}
#: Text below which threads do although the work holds the interpreter: starting worker processes would take longer.
PROCESSES_TEXT_BYTES = 64 * 2**20
#: Samples that a manifest keeps of each reason.
SAMPLES_PER_REASON = 5


@dataclass(frozen=True)
class StageRequest:
    """What `curate stage` was asked for; see ``curation_tasks.plan.StageCall`` for the command line.

    Attributes:
        stage: Id of the stage, or ``resolve``.
        pipeline_file, snapshot, root, limit, overrides: For resolve.
        resolved: URI of the resolve manifest, for all other stages.
        inputs: Stage → URI of its manifest.
        settings: Of the cluster; ``threads`` is decided by the stage's parts.
        republish: Publish although this specification was superseded.
    """

    stage: str
    pipeline_file: str | None = None
    snapshot: str = "all"
    root: str | None = None
    limit: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    resolved: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: ClusterSettings = field(default_factory=lambda: ClusterSettings(cluster_kind()))
    republish: bool = False


@dataclass(frozen=True)
class Surroundings:
    """How a stage is run, none of which may change what it gives.

    Attributes:
        progress: Told about each unit.
        order: Order in which units are started.
        client: A client to use instead of opening a cluster.
        prepare: Told before work on this machine begins which modules it needs.
    """

    progress: Progress = lambda done, total, result: None
    order: UnitOrder = list
    client: Callable[[ClusterSettings], Any] | None = None
    prepare: Callable[[Iterable[str]], None] = lambda modules: None


def described_stage(resolved: Manifest, name: str) -> dict[str, Any]:
    """A stage of the frozen pipeline, with all defaults filled in.

    Raises:
        ConfigError: The pipeline has no stage of that name.
    """
    stages = {stage["id"]: stage for stage in resolved.content["pipeline_spec"]["stages"]}
    if name not in stages:
        raise ConfigError(f"the pipeline has no stage {name!r}; {did_you_mean(name, stages)}", where=resolved.uri)
    return stages[name]


class Stage(ABC):
    """A stage other than resolve. Each kind says in ``results`` what its units are and what is done with them.

    Args:
        request: What was asked for.
        surroundings: How it is run.
        resolved: The manifest of resolve.
    """

    #: Whether the snapshot is done with after it, so that others need not wait any more.
    ends_run = False
    #: What a stage adds to its manifest beyond what its units report.
    extra_counters: Mapping[str, int] = {}
    extra_content: Mapping[str, Any] = {}
    extra_lineage: Mapping[str, Any] = {}
    #: Columns of the output; set by ``results``.
    schema: Mapping[str, str]

    def __init__(self, request: StageRequest, surroundings: Surroundings, resolved: Manifest):
        self.request, self.around, self.resolved = request, surroundings, resolved
        self.spec = described_stage(resolved, request.stage)
        self.kind = self.spec["kind"]
        self.snapshot = self.resolved.content["snapshot"]
        self.parents = self._parents()
        earlier = self.resolved.content.get("earlier", {}).get(self.spec["id"], {}).get("digest")
        self.fingerprint = stage_fingerprint(self.spec, self.snapshot, self.digests(), self.resolved.content["files"], earlier=earlier)
        self.key = key_of(self.fingerprint)
        self.root, self.pipeline = self.resolved.root, self.resolved.content["pipeline"]
        self.folder = filesystem.join(self.root, self.pipeline, self.snapshot, self.spec["id"], self.key)
        self.uri = f"{self.folder}/{MANIFEST_NAME}"

    @abstractmethod
    def results(self, client: Client) -> list[dict[str, Any]]:
        """Runs the units; what each reports, in their order."""

    def digests(self) -> dict[str, str]:
        """What the stage's key follows from: input → digest."""
        return {name: parent.digest for name, parent in self.parents.items()}

    def files_read(self) -> list[dict[str, Any]]:
        """Files from outside that the stage reads."""
        return []

    def is_current(self) -> bool:
        """Whether what is committed still holds."""
        return True

    def made(self) -> Manifest:
        """The work itself, up to a manifest that is not yet committed."""
        purpose = {"pipeline": self.resolved.content["pipeline"], "stage": self.spec["id"], "snapshot": self.snapshot, "key": self.key}
        asked = self.request.settings
        settings = dataclasses.replace(asked, threads=not asked.processes and self._threads(), purpose=tuple(purpose.items()))
        if settings.kind == LOCAL:
            self.around.prepare([part.module for part in self._parts()])
        with self._client(settings) as client:
            if settings.dashboard:
                logger().info("dashboard", stage=self.spec["id"], url=client.dashboard_link)
            results = self.results(client)
        return self._manifest(results)

    def clean_up(self) -> None:
        """Deletes what nobody needs after the commit. Done again whenever the stage is found done: a run may have been killed between
        the two."""

    def input_bytes(self) -> int:
        """Bytes to be worked on."""
        return sum(parent.counts.get("text_bytes", 0) for parent in self.parents.values())

    def thresholds(self) -> dict[str, list[Any]]:
        """Reason → signal and bound."""
        return {}

    def counts(self, results: list[dict[str, Any]]) -> dict[str, int]:
        """The sums of what the units counted."""
        return summed(results, "counts")

    def _parents(self) -> dict[str, Manifest]:
        needs = self.spec["needs"]
        for name in needs:
            if name not in self.request.inputs:
                raise ConfigError(
                    f"stage {self.spec['id']!r} reads {name!r}", where=self.spec["id"], remedy=f"give --input {name}=MANIFEST"
                )
        for name in self.request.inputs:
            if name not in needs:
                raise ConfigError(
                    f"stage {self.spec['id']!r} does not read {name!r}; it reads {', '.join(needs) or 'no other stage'}",
                    where=self.spec["id"],
                    remedy=f"leave --input {name}=… out",
                )
        parents = {name: read_manifest(self.request.inputs[name]) for name in needs}
        for name, parent in parents.items():
            if parent.stage != name:
                raise ConfigError(
                    f"the input {name!r} is a manifest of stage {parent.stage!r}",
                    where=parent.uri,
                    remedy=f"give --input {name}= the manifest of the stage {name!r}",
                )
        return parents

    def run(self) -> dict[str, Any]:
        """Runs the stage; a snapshot that others may wait for holds its lease meanwhile, until it is published."""
        if not any(EARLIER in stage["options"].get("against", ()) for stage in self.resolved.content["pipeline_spec"]["stages"]):
            return self._told_of()
        with Lease(self.root, self.pipeline, self.snapshot, self.spec["id"]) as lease:
            result = self._told_of()
            if self.ends_run:
                lease.drop()
            return result

    def _told_of(self) -> dict[str, Any]:
        events = StageEvents(self.pipeline, self.snapshot, self.spec["id"], self.key)
        events.reads(list(self.parents.values()), self.files_read() if events.enabled else ())
        with events:
            manifest, result = self._run()
            events.complete(manifest, reused=result["reused"])
        return result

    def _run(self) -> tuple[Manifest, dict[str, Any]]:
        log = logger().bind(pipeline=self.pipeline, snapshot=self.snapshot, stage=self.spec["id"], key=self.key)
        if filesystem.exists(self.uri) and self.is_current():
            manifest = read_manifest(self.uri)
            log.info("stage was done before", digest=manifest.digest)
            self.clean_up()
            return manifest, publish.with_published(manifest.result(reused=True), manifest)
        started = time.perf_counter()
        log.info("stage starts", kind=self.kind)
        try:
            with PeakMemory() as memory:
                manifest = self.made()
        except CurationError:
            # Another run of the same work may have committed meanwhile and cleared the intermediate files.
            if not filesystem.exists(self.uri) or not self.is_current():
                raise
            winner = read_manifest(self.uri)
            return winner, winner.result(reused=True)
        manifest = dataclasses.replace(manifest, execution=dict(manifest.execution) | execution_facts(started, memory))
        result = commit(manifest)
        log.info("stage done", digest=result["digest"], **result["counts"], seconds=manifest.execution["seconds"])
        self.clean_up()
        return manifest, publish.with_published(result, manifest)

    def _client(self, settings: ClusterSettings) -> Any:
        return self.around.client(settings) if self.around.client else open_cluster(settings)

    def _parts(self) -> list[Part]:
        return [load_catalog().find(PART_KIND[self.kind], call["use"]) for call in self.spec["calls"]]

    def _threads(self) -> bool:
        return all(part.releases_gil for part in self._parts()) or self.input_bytes() < PROCESSES_TEXT_BYTES

    def _work(self, columns: Mapping[str, str], signals: Mapping[str, str] | None = None) -> Work:
        return Work(
            context=self._context(),
            calls=tuple(self.spec["calls"]),
            columns=columns,
            signals=signals or {},
            ledger_text=self.spec["options"]["ledger_text"],
        )

    def _context(self) -> RunContext:
        files = {name: f"{self.resolved.folder}/files/{found['sha256']}" for name, found in self.resolved.content["files"].items()}
        return RunContext(self.pipeline, self.snapshot, self.spec["id"], self.folder, files=files)

    def _units(
        self, client: Client, function: Callable[..., dict[str, Any]], items: Sequence[Any], work: Work, **more: Any
    ) -> list[dict[str, Any]]:
        more = {"progress": self.around.progress, "order": self.around.order} | more
        return run_units(client, self.folder, "unit", function, items, (work,), **more)

    def datasets(self) -> list[Dataset]:
        return [parent.dataset() for parent in self.parents.values()]

    def _shard_items(self, datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
        pairs = [(dataset, shard) for dataset in datasets for shard in dataset.shards]
        return [
            {"index": index, "uri": dataset.uri(shard), "rows": shard.rows, "text_bytes": shard.text_bytes}
            for index, (dataset, shard) in enumerate(pairs)
        ]

    def _manifest(self, results: list[dict[str, Any]]) -> Manifest:
        done = [result for result in results if "quarantined" not in result]
        content: dict[str, Any] = {
            "pipeline": self.pipeline,
            "snapshot": self.snapshot,
            "stage": self.spec["id"],
            "kind": self.kind,
            "schema": dict(self.schema),
            "counts": self.counts(results),
            "reasons": summed(done, "reasons"),
            "counters": dict(sorted((summed(done, "counters") | dict(self.extra_counters)).items())),
        }
        shards = [shard for result in done for shard in result["shards"]]
        ledgers = [result["ledger"] for result in done if result.get("ledger", {}).get("rows")]
        content |= self.extra_content
        cuts = [result["cuts"] for result in done if result.get("cuts", {}).get("rows")]
        content["values"] = values_hash(shards, ledgers, cuts)
        lists: dict[str, Any] = {
            "shards": write_list(self.folder, "shards", shards, SHARD_LIST),
            "ledger": write_list(self.folder, "ledger", ledgers, SHARD_LIST),
        }
        if cuts:
            lists["cuts"] = write_list(self.folder, "cuts", cuts, SHARD_LIST)
        lineage = {"key": self.key, "fingerprint": self.fingerprint, "parents": self.parent_names(), **lists, **self.extra_lineage}
        samples = _first_samples(done)
        execution = {
            "samples": write_list(self.folder, "samples", samples, SAMPLE_LIST),
            "bytes": sum(shard["bytes"] for shard in shards),
            "worker_seconds": round(sum(result["execution"]["seconds"] for result in done), 3),
            "thresholds": self.thresholds(),
        }
        return Manifest(self.uri, content, lineage, execution)

    def parent_names(self) -> list[dict[str, str]]:
        """The parents as a manifest names them."""
        parents = {RESOLVE: self.resolved} | self.parents
        root = self.resolved.root
        return [
            {"stage": name, "path": filesystem.relative_to(parent.uri, root), "key": parent.key, "digest": parent.digest}
            for name, parent in parents.items()
        ]


def common_schema(datasets: Sequence[Dataset]) -> dict[str, str]:
    """The columns that all have with one type."""
    first, *others = [dataset.schema for dataset in datasets]
    return {name: kind for name, kind in first.items() if all(other.get(name) == kind for other in others)}


def _first_samples(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    taken: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        for sample in result.get("samples", []):
            kept = taken.setdefault(sample["reason"], [])
            if len(kept) < SAMPLES_PER_REASON:
                kept.append(sample)
    return [sample for reason in sorted(taken) for sample in taken[reason]]
