"""One stage from its inputs to its commit. ``run_stage`` is what `curate stage` runs, here as in a pod."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation_tasks import __version__
from curation_tasks.catalog import load_catalog
from curation_tasks.clusters import ClusterSettings, cluster_kind, memory_per_task, open_cluster
from curation_tasks.context import ReductionContext, RunContext
from curation_tasks.errors import ConfigError, CurationError, InputError, did_you_mean
from curation_tasks.lineage.openlineage import StageEvents
from curation_tasks.logs import logger
from curation_tasks.manifest import (
    MANIFEST_NAME,
    Dataset,
    Manifest,
    index_folder,
    key_of,
    read_list,
    read_manifest,
    values_hash,
    write_list,
)
from curation_tasks.plan import PART_KIND, Plan, override, plan
from curation_tasks.runner import documents, publish, resolve
from curation_tasks.runner.earlier import frozen_indexes, opened, write_earlier
from curation_tasks.runner.fingerprint import stage_fingerprint
from curation_tasks.runner.lease import Lease, wait_for_earlier
from curation_tasks.runner.memory import PeakMemory
from curation_tasks.runner.units import Progress, UnitOrder, run_units, summed
from curation_tasks.schema import DOCUMENT_COLUMNS
from curation_tasks.spec import EARLIER, RESOLVE, load_pipeline
from curation_tasks.storage import filesystem
from curation_tasks.storage.commit import create_if_absent, require_commit_scheme

if TYPE_CHECKING:
    from distributed import Client

SHARD_LIST = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}
QUARANTINE_LIST = {"unit": "int64", "path": "string", "error": "string"}
SAMPLE_LIST = {"doc_id": "string", "operation": "string", "reason": "string", "value": "double", "text": "string"}
SOURCE_LIST = resolve.UNIT_COLUMNS | {"hash": "string", "records": "int64", "documents": "int64", "rejected": "int64"}
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
    """

    progress: Progress = lambda done, total, result: None
    order: UnitOrder = list
    client: Callable[[ClusterSettings], Any] | None = None


def run_stage(request: StageRequest, surroundings: Surroundings | None = None) -> dict[str, Any]:
    """Runs one stage, or finds that it was done.

    Returns:
        ``{"manifest", "key", "digest", "stage", "counts", "reused"}``, and ``published`` for a publish stage.

    Raises:
        CurationError: By reaction; finished units are kept for the next try.
    """
    surroundings = surroundings or Surroundings()
    if request.stage == RESOLVE:
        return _run_resolve(request)
    if not request.resolved:
        raise ConfigError(f"stage {request.stage!r} needs the manifest of resolve", remedy="give --resolved URI, or use `curate run`")
    return Stage(request, surroundings).run()


def stage_uri(request: StageRequest) -> str:
    """Where the manifest of a stage lies, or will lie once it has run."""
    return Stage(request, Surroundings()).uri


def operations_work(request: StageRequest) -> tuple[documents.Work, list[Dataset]]:
    """What a stage of operations would do, and the datasets that it would read; nothing is run.

    Raises:
        ConfigError: It is a stage of another kind.
    """
    stage = Stage(request, Surroundings())
    if stage.kind != "operations":
        raise ConfigError(f"{request.stage!r} is a stage of kind {stage.kind}", expected="a stage of operations")
    return stage.operations_work(), stage.datasets()


def _run_resolve(request: StageRequest) -> dict[str, Any]:
    if not request.pipeline_file or not request.root:
        raise ConfigError("resolve needs a pipeline file and a storage root", remedy="give --pipeline FILE and --root URI")
    require_commit_scheme(request.root)
    if request.limit is not None and request.limit < 1:
        raise ConfigError(f"a limit of {request.limit} records leaves nothing", expected="--limit of 1 or more")
    planned = plan(override(load_pipeline(request.pipeline_file), request.overrides))
    snapshot = planned.spec.check_snapshot(request.snapshot)
    started = time.perf_counter()
    root = filesystem.absolute(request.root)
    incremental = any(EARLIER in stage.against for stage in planned.spec.stages)
    if incremental:
        wait_for_earlier(root, planned.spec.name, snapshot)
    lease = Lease(root, planned.spec.name, snapshot, RESOLVE) if incremental else nullcontext()
    with lease, StageEvents(planned.spec.name, snapshot, RESOLVE) as events:
        return _resolved(request, planned, root, snapshot, started, events)


def _resolved(request: StageRequest, planned: Plan, root: str, snapshot: str, started: float, events: StageEvents) -> dict[str, Any]:
    units = resolve.list_units(planned, snapshot, root)
    base = str(Path(request.pipeline_file).parent)
    files = {name: resolve.hash_file(name, base) for name in resolve.referenced_files(planned)}
    earlier = frozen_indexes(planned, root, snapshot)
    frozen = resolve.resolved_content(planned, snapshot, request.limit, units, files, earlier)
    key = resolve.resolve_key(frozen)
    folder = filesystem.join(root, planned.spec.name, snapshot, RESOLVE, key)
    uri = f"{folder}/{MANIFEST_NAME}"
    events.key = key
    events.reads(files=[dataclasses.asdict(unit) for listed in units.values() for unit in listed] if events.enabled else ())
    if filesystem.exists(uri):
        known = read_manifest(uri)
        events.complete(known, reused=True)
        return known.result(reused=True)
    for found in files.values():
        resolve.freeze_file(found, f"{folder}/files")
    content = {
        "pipeline": planned.spec.name, "stage": RESOLVE, "kind": RESOLVE, "schema": {}, "reasons": {}, "counters": {},
        "counts": {"units": sum(len(listed) for listed in units.values())}, **frozen,
    }  # fmt: skip
    lineage = {"key": key, "fingerprint": frozen, "parents": [], **resolve.write_units(folder, units)}
    lineage |= {f"earlier-{stage}": write_earlier(folder, f"earlier-{stage}", rows) for stage, rows in earlier.items()}
    execution = execution_facts(started, None) | {"pipeline_file": str(request.pipeline_file), "description": planned.spec.description}
    manifest = Manifest(uri, content, lineage, execution)
    result = commit(manifest)
    events.complete(manifest, reused=result["reused"])
    return result


class Stage:
    """A stage other than resolve: inputs read and checked, key computed, units run, manifest committed."""

    def __init__(self, request: StageRequest, surroundings: Surroundings):
        self.request, self.around = request, surroundings
        self.resolved = read_manifest(request.resolved)
        stages = {stage["id"]: stage for stage in self.resolved.content["pipeline_spec"]["stages"]}
        if request.stage not in stages:
            raise ConfigError(
                f"the pipeline has no stage {request.stage!r}; {did_you_mean(request.stage, stages)}", where=self.resolved.uri
            )
        self.spec = stages[request.stage]
        self.kind = self.spec["kind"]
        self.snapshot = self.resolved.content["snapshot"]
        self.parents = self._parents()
        digests = {name: parent.digest for name, parent in self.parents.items()}
        if self.kind == "source":
            digests = {RESOLVE: self.resolved.content["sources"][self.spec["id"]]["digest"]}
        if self.kind == "publish":
            digests |= {RESOLVE: self.resolved.digest}
        earlier = self.resolved.content.get("earlier", {}).get(self.spec["id"], {}).get("digest")
        self.fingerprint = stage_fingerprint(self.spec, self.snapshot, digests, self.resolved.content["files"], earlier=earlier)
        self.key = key_of(self.fingerprint)
        self.root, self.pipeline = self.resolved.root, self.resolved.content["pipeline"]
        self.folder = filesystem.join(self.root, self.pipeline, self.snapshot, self.spec["id"], self.key)
        self.uri = f"{self.folder}/{MANIFEST_NAME}"

    def _parents(self) -> dict[str, Manifest]:
        needs = self.spec["needs"]
        for name in needs:
            if name not in self.request.inputs:
                raise ConfigError(
                    f"stage {self.spec['id']!r} reads {name!r}", where=self.spec["id"], remedy=f"give --input {name}=MANIFEST"
                )
        for name in self.request.inputs:
            if name not in needs:
                raise ConfigError(f"stage {self.spec['id']!r} does not read {name!r}; it reads {', '.join(needs) or 'no other stage'}")
        parents = {name: read_manifest(self.request.inputs[name]) for name in needs}
        for name, parent in parents.items():
            if parent.stage != name:
                raise ConfigError(f"the input {name!r} is a manifest of stage {parent.stage!r}", where=parent.uri)
        return parents

    def run(self) -> dict[str, Any]:
        """Runs the stage; a snapshot that others may wait for holds its lease meanwhile, until it is published."""
        if not any(EARLIER in stage["options"].get("against", ()) for stage in self.resolved.content["pipeline_spec"]["stages"]):
            return self._told_of()
        with Lease(self.root, self.pipeline, self.snapshot, self.spec["id"]) as lease:
            result = self._told_of()
            if self.kind == "publish":
                lease.drop()
            return result

    def _told_of(self) -> dict[str, Any]:
        events = StageEvents(self.pipeline, self.snapshot, self.spec["id"], self.key)
        events.reads(list(self.parents.values()), self._source_units() if events.enabled and self.kind == "source" else ())
        with events:
            manifest, result = self._run()
            events.complete(manifest, reused=result["reused"])
        return result

    def _run(self) -> tuple[Manifest, dict[str, Any]]:
        log = logger().bind(pipeline=self.pipeline, snapshot=self.snapshot, stage=self.spec["id"], key=self.key)
        if filesystem.exists(self.uri) and self._is_current():
            manifest = read_manifest(self.uri)
            log.info("stage was done before", digest=manifest.digest)
            return manifest, publish.with_published(manifest.result(reused=True), manifest)
        started = time.perf_counter()
        log.info("stage starts", kind=self.kind)
        try:
            with PeakMemory() as memory:
                manifest = self._published() if self.kind == "publish" else self._computed()
        except CurationError:
            # Another run of the same work may have committed meanwhile and cleared the intermediate files.
            if self.kind == "publish" or not filesystem.exists(self.uri):
                raise
            winner = read_manifest(self.uri)
            return winner, winner.result(reused=True)
        manifest = dataclasses.replace(manifest, execution=dict(manifest.execution) | execution_facts(started, memory))
        result = commit(manifest)
        log.info("stage done", digest=result["digest"], **result["counts"], seconds=manifest.execution["seconds"])
        if self.kind == "reduction":
            filesystem.delete(f"{self.folder}/work", recursive=True)
        return manifest, publish.with_published(result, manifest)

    def _is_current(self) -> bool:
        """What is committed stays; only a publication may have been superseded since."""
        return self.kind != "publish" or publish.is_newest(read_manifest(self.uri))

    # --- work on documents -------------------------------------------------------------------------------------------

    def _computed(self) -> Manifest:
        purpose = {"pipeline": self.resolved.content["pipeline"], "stage": self.spec["id"], "snapshot": self.snapshot, "key": self.key}
        settings = dataclasses.replace(self.request.settings, threads=self._threads(), purpose=tuple(purpose.items()))
        with self._client(settings) as client:
            if settings.dashboard:
                logger().info("dashboard", stage=self.spec["id"], url=client.dashboard_link)
            results = getattr(self, f"_run_{self.kind}")(client)
        return self._manifest(results)

    def _client(self, settings: ClusterSettings) -> Any:
        return self.around.client(settings) if self.around.client else open_cluster(settings)

    def _threads(self) -> bool:
        if not self.spec["calls"]:
            return True
        if all(load_catalog().find(PART_KIND[self.kind], call["use"]).releases_gil for call in self.spec["calls"]):
            return True
        return self._input_bytes() < PROCESSES_TEXT_BYTES

    def _input_bytes(self) -> int:
        """Bytes to be worked on. A source's file of unknown size is taken for a large one; a trial reads next to nothing."""
        if self.kind != "source":
            return sum(parent.counts.get("text_bytes", 0) for parent in self.parents.values())
        if self.resolved.content["limit"] is not None:
            return 0
        return sum(PROCESSES_TEXT_BYTES if unit["bytes"] < 0 else unit["bytes"] for unit in self._source_units())

    def _work(self, columns: Mapping[str, str], signals: Mapping[str, str] | None = None) -> documents.Work:
        return documents.Work(
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
        self, client: Client, function: Callable[..., dict[str, Any]], items: Sequence[Any], work: documents.Work, **more: Any
    ) -> list[dict[str, Any]]:
        more = {"progress": self.around.progress, "order": self.around.order} | more
        return run_units(client, self.folder, "unit", function, items, (work,), **more)

    def _run_source(self, client: Client) -> list[dict[str, Any]]:
        part = load_catalog().find("source", self.spec["calls"][0]["use"])
        parameters = part.parameters.model_validate(self.spec["calls"][0]["parameters"])
        self.schema = dict(DOCUMENT_COLUMNS) | part.provides_of(parameters)
        self.units = self._source_units()
        items = [{"index": index, "unit": unit} for index, unit in enumerate(self.units)]
        work, limit = self._work(self.schema), self.resolved.content["limit"]
        if limit is None:
            results = self._units(client, documents.read_source, items, work, quarantine=True)
        else:
            # The first records in the order of the units, so one unit after the other.
            results = []
            for item in items:
                remaining = limit - sum(result["counts"]["records"] for result in results if "counts" in result)
                if remaining <= 0:
                    break
                step = f"unit{item['index']}"
                [result] = run_units(
                    client, self.folder, step, documents.read_source, [item | {"limit": remaining}], (work,), quarantine=True
                )
                results.append(result)
        self._check_quarantine(results)
        return results

    def _source_units(self) -> list[dict[str, Any]]:
        rows = read_list(self.resolved, f"units-{self.spec['id']}")
        return [row | {"options": json.loads(row["options"])} for row in rows]

    def _run_operations(self, client: Client) -> list[dict[str, Any]]:
        work = self.operations_work()
        return self._units(client, documents.run_operations, self._shard_items(self.datasets()), work)

    def operations_work(self) -> documents.Work:
        columns = _common_schema(self.datasets())
        self.schema, signals = dict(columns), {}
        for call in self.spec["calls"]:
            part = load_catalog().find("operation", call["use"])
            added = part.adds_of(part.parameters.model_validate(call["parameters"]))
            signals |= {name: kind for name, kind in added.items() if name not in columns}
            self.schema |= added
        return self._work(self.schema, signals)

    def _run_reduction(self, client: Client) -> list[dict[str, Any]]:
        [dataset] = self.datasets()
        self.schema = dict(dataset.schema)
        call = self.spec["calls"][0]
        part = load_catalog().find("reduction", call["use"])
        context = self._context()
        work = f"{self.folder}/work"

        def run_step(step: str, function: Callable[..., dict[str, Any]], items: Sequence[Any], *arguments: Any) -> list[dict[str, Any]]:
            return run_units(client, work, step, function, items, arguments, progress=self.around.progress, order=self.around.order)

        fields = {name.name: getattr(context, name.name) for name in dataclasses.fields(context)}
        options, earlier = self.spec["options"], read_list(self.resolved, f"earlier-{self.spec['id']}")
        reduction = ReductionContext(
            **fields,
            map=run_step,
            work=work,
            memory_per_task=memory_per_task(client),
            earlier=opened(self.root, earlier),
            index=index_folder(self.root, self.pipeline, self.snapshot, self.key) if options.get("index") else "",
        )
        decisions = part.load()(dataset, part.parameters.model_validate(call["parameters"]), reduction)
        self.extra_counters = dict(decisions.counters)
        if options.get("index"):
            self.extra_content = {"index": {name: decisions.index[name] for name in ("digest", "documents")}}
        if earlier:
            self.extra_lineage = {"earlier": write_earlier(self.folder, "earlier", earlier)}
        items = [item | {"decisions": uri} for item, uri in zip(self._shard_items([dataset]), decisions.uris, strict=True)]
        if decisions.cuts:
            items = [item | {"cuts": uri} for item, uri in zip(items, decisions.cuts, strict=True)]
        return self._units(client, documents.apply_decisions, items, self._work(self.schema))

    def _run_blend(self, client: Client) -> list[dict[str, Any]]:
        ratios = blend_ratios(self.spec["options"], {name: parent.counts for name, parent in self.parents.items()})
        self.schema = _common_schema(self.datasets())
        items = []
        for name, parent in self.parents.items():
            shards = self._shard_items([parent.dataset()])
            items += [item | {"index": len(items) + item["index"], "ratio": ratios[name]} for item in shards]
        seed = self.spec["options"]["seed"]
        work = dataclasses.replace(self._work(self.schema), ledger_text=False)
        return run_units(
            client, self.folder, "unit", documents.sample_shard, items, (work, seed), progress=self.around.progress, order=self.around.order
        )

    def _run_compact(self, client: Client) -> list[dict[str, Any]]:
        parents = self.datasets()
        self.schema = _common_schema(parents)
        target = self.spec["options"]["shard_text_bytes"]
        groups: list[list[str]] = [[]]
        size = 0
        for dataset in parents:
            for shard in dataset.shards:
                if groups[-1] and size + shard.text_bytes > target:
                    groups.append([])
                    size = 0
                groups[-1].append(dataset.uri(shard))
                size += shard.text_bytes
        items = [{"index": index, "uris": uris, "shard_text_bytes": target} for index, uris in enumerate(groups) if uris]
        return self._units(client, documents.merge_shards, items, self._work(self.schema))

    def _run_export(self, client: Client) -> list[dict[str, Any]]:
        parents = self.datasets()
        self.schema = _common_schema(parents)
        return self._units(client, documents.export_shard, self._shard_items(parents), self._work(self.schema))

    def datasets(self) -> list[Dataset]:
        return [parent.dataset() for parent in self.parents.values()]

    def _shard_items(self, datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
        pairs = [(dataset, shard) for dataset in datasets for shard in dataset.shards]
        return [
            {"index": index, "uri": dataset.uri(shard), "rows": shard.rows, "text_bytes": shard.text_bytes}
            for index, (dataset, shard) in enumerate(pairs)
        ]

    def _check_quarantine(self, results: list[dict[str, Any]]) -> None:
        bad = [(index, result["quarantined"]) for index, result in enumerate(results) if "quarantined" in result]
        allowed = self.spec["options"]["max_quarantined_ratio"]
        if len(bad) > allowed * len(results):
            shown = "\n".join(f"  {self.units[index]['path']}: {error}" for index, error in bad[:5])
            raise InputError(
                f"{len(bad)} of {len(results)} units cannot be read:\n{shown}",
                where=f"stage {self.spec['id']}",
                expected=f"at most {allowed:.1%} (max_quarantined_ratio)",
                remedy="mend or remove the files, or raise max_quarantined_ratio to go on without them",
            )

    # --- commit ------------------------------------------------------------------------------------------------------

    extra_counters: Mapping[str, int] = {}
    extra_content: Mapping[str, Any] = {}
    extra_lineage: Mapping[str, Any] = {}
    schema: Mapping[str, str]
    units: list[dict[str, Any]]

    def _manifest(self, results: list[dict[str, Any]]) -> Manifest:
        done = [result for result in results if "quarantined" not in result]
        quarantined = [
            {"unit": index, "path": self.units[index]["path"], "error": result["quarantined"]}
            for index, result in enumerate(results)
            if "quarantined" in result
        ]
        counts = summed(done, "counts")
        if self.kind == "source":
            counts = (
                {"records": 0, "documents": 0, "rejected": 0, "text_bytes": 0}
                | counts
                | {"units": len(results), "quarantined_units": len(quarantined)}
            )
        counts["bytes"] = sum(shard["bytes"] for result in done for shard in result["shards"])
        content = {
            "pipeline": self.pipeline,
            "snapshot": self.snapshot,
            "stage": self.spec["id"],
            "kind": self.kind,
            "schema": dict(self.schema),
            "counts": {name: amount for name, amount in counts.items() if name != "bytes"},
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
        if quarantined:
            content["quarantine"] = write_list(self.folder, "quarantine", quarantined, QUARANTINE_LIST)
        if self.kind == "source":
            lists["source_files"] = write_list(self.folder, "source_files", self._source_files(results), SOURCE_LIST)
        lineage = {"key": self.key, "fingerprint": self.fingerprint, "parents": self._parent_names(), **lists, **self.extra_lineage}
        samples = _first_samples(done)
        execution = {
            "samples": write_list(self.folder, "samples", samples, SAMPLE_LIST),
            "bytes": counts["bytes"],
            "worker_seconds": round(sum(result["execution"]["seconds"] for result in done), 3),
            "thresholds": self._thresholds(),
        }
        return Manifest(self.uri, content, lineage, execution)

    def _source_files(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = []
        for unit, result in zip(self.units, results, strict=False):
            counts = result.get("counts", {})
            numbers = {name: counts.get(name, 0) for name in ("records", "documents", "rejected")}
            rows.append(unit | {"options": json.dumps(unit["options"], sort_keys=True), "hash": result.get("source_hash", "")} | numbers)
        return rows

    def _parent_names(self) -> list[dict[str, str]]:
        parents = {RESOLVE: self.resolved} | self.parents
        root = self.resolved.root
        return [
            {"stage": name, "path": filesystem.relative_to(parent.uri, root), "key": parent.key, "digest": parent.digest}
            for name, parent in parents.items()
        ]

    def _thresholds(self) -> dict[str, list[Any]]:
        if self.kind != "operations":
            return {}
        found: dict[str, list[Any]] = {}
        for call in self.spec["calls"]:
            part = load_catalog().find("operation", call["use"])
            bounds = part.thresholds_of(part.parameters.model_validate(call["parameters"]))
            found |= {reason: list(bound) for reason, bound in bounds.items()}
        return found

    def _published(self) -> Manifest:
        content, entry = publish.publish(self.uri, self.resolved, self.parents, self.spec["options"], republish=self.request.republish)
        content |= {"pipeline": self.pipeline, "snapshot": self.snapshot, "stage": self.spec["id"]}
        lineage = {"key": self.key, "fingerprint": self.fingerprint, "parents": self._parent_names()}
        return Manifest(self.uri, content, lineage, {"published": entry})


def _common_schema(datasets: Sequence[Dataset]) -> dict[str, str]:
    first, *others = [dataset.schema for dataset in datasets]
    return {name: kind for name, kind in first.items() if all(other.get(name) == kind for other in others)}


def blend_ratios(options: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """The share of each input's documents that a blend takes, at most 1.

    Args:
        options: Of the stage, see ``curation_tasks.spec.Blend``.
        counts: Input → counts of its manifest.

    Raises:
        InputError: An input is empty, or the blend is to be larger than the inputs allow without taking a document twice.
    """
    unit, weights = options["unit"], options["weights"]
    sizes = {name: counts[name][unit] for name in counts}
    for name, size in sizes.items():
        if size == 0:
            raise InputError(f"the input {name!r} of the blend has no documents", remedy="leave it out of `weights`, or loosen its filters")
    total = sum(weights.values())
    largest, limiting = min((sizes[name] * total / weights[name], name) for name in sizes)
    wanted = options["size"] or largest
    if wanted > largest:
        raise InputError(
            f"a blend of {wanted:,} {unit} would take documents of {limiting!r} more than once",
            expected=f"`size` of at most {int(largest):,}, which takes all of {limiting!r}",
            remedy=f"lower `size` or the weight of {limiting!r}, or add more of it",
        )
    return {name: min(1.0, wanted * weights[name] / total / sizes[name]) for name in sizes}


def _first_samples(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    taken: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        for sample in result.get("samples", []):
            kept = taken.setdefault(sample["reason"], [])
            if len(kept) < SAMPLES_PER_REASON:
                kept.append(sample)
    return [sample for reason in sorted(taken) for sample in taken[reason]]


def execution_facts(started: float, memory: PeakMemory | None) -> dict[str, Any]:
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started, 3),
        "peak_memory_bytes": memory.peak if memory else None,
        "host": platform.node(),
        "versions": {"curation-tasks": __version__, "python": platform.python_version(), "pyarrow": version("pyarrow")},
    }


def commit(manifest: Manifest) -> dict[str, Any]:
    """Creates the manifest; the loser of a race takes the winner's, which must be equal."""
    if create_if_absent(manifest.uri, manifest.to_bytes()):
        return manifest.result()
    winner = read_manifest(manifest.uri)
    if winner.digest != manifest.digest:
        raise InputError(
            "another run committed other data under the same key",
            where=manifest.uri,
            expected=f"digest {manifest.digest}",
            remedy="an operation is not deterministic, or its data_version was not raised: `curate verify` names the shards",
        )
    return winner.result(reused=True)


@contextmanager
def shared_clusters():
    """A ``Surroundings.client`` that opens one cluster of each shape and keeps it for all stages of a run."""
    with ExitStack() as stack:
        clients: dict[ClusterSettings, Any] = {}

        @contextmanager
        def client(settings: ClusterSettings):
            if settings not in clients:
                clients[settings] = stack.enter_context(open_cluster(settings))
            yield clients[settings]

        yield client
