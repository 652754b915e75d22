"""Rejudge: other rules over the signals that a stage stored, without measuring texts again.

A document that a rule rejected lies in the ledger with its signals, one that was kept in a shard; the stage's input tells the
order of both. So what a run with other rules would give can be put together from what is there, byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from curation_tasks.catalog import load_catalog
from curation_tasks.errors import ConfigError
from curation_tasks.lineage.tree import ancestors, read_parent
from curation_tasks.manifest import Manifest, read_list, read_manifest
from curation_tasks.parts import OperationPart, Parameters
from curation_tasks.runner.operations_stage import OperationsStage
from curation_tasks.runner.rejudged_resolve import resolved_anew
from curation_tasks.runner.rejudged_shards import rejudge_shard, states
from curation_tasks.runner.stage import StageRequest, Surroundings
from curation_tasks.runner.units import unit_name
from curation_tasks.schema import LEDGER_COLUMNS
from curation_tasks.spec import RESOLVE
from curation_tasks.yaml_files import Origin, validation_error


@dataclass
class Verdicts:
    """What other rules make of a stage.

    Attributes:
        stage, operation: Which rules were exchanged.
        documents: That reached the operation.
        kept_before, kept: Of them, by the old and by the new rules.
        admitted: Rejected before, kept now.
        excluded: Kept before, rejected now.
        undecided: Pass now, and operations behind it that never saw them would have to; not counted as kept.
        reasons_before, reasons: Reason → documents, by the first rule missed.
        failed: Reason → documents that miss the new rule, first or not.
    """

    stage: str
    operation: str
    documents: int = 0
    kept_before: int = 0
    kept: int = 0
    admitted: int = 0
    excluded: int = 0
    undecided: int = 0
    reasons_before: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """As plain data."""
        counters = {name: dict(sorted(getattr(self, name).items())) for name in ("reasons_before", "reasons", "failed")}
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | counters


@dataclass(frozen=True)
class Request:
    """What is to be judged anew.

    Attributes:
        rules: Name of a shipped rule set, or a file of rules, for an operation that has rules; None: they stay.
        changes: Parameters of an operation, as ``{"min_score": 0.5}``: bounds, languages to keep.
        operation: Its name; None: the only one that the rest fits.
    """

    rules: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    operation: str | None = None

    def positions(self, calls: Sequence[Mapping[str, Any]]) -> list[int]:
        """The operations of a stage that may be meant."""
        return [index for index, call in enumerate(calls) if self._fits(load_catalog().find("operation", call["use"]))]  # type: ignore[arg-type]

    def _fits(self, part: OperationPart) -> bool:
        if part.judge is None or self.operation not in (None, part.name) or (self.rules and not part.judge.with_rules):
            return False
        return set(self.changes) <= set(part.parameters.model_fields)

    def __str__(self) -> str:
        asked = [f"called {self.operation!r}"] if self.operation else []
        asked += ["with rules"] if self.rules else []
        asked += [f"with the parameters {', '.join(sorted(self.changes))}"] if self.changes else []
        return " and ".join([*asked, "that can be judged again"])


def judged_stage(manifest: Manifest, name: str | None = None, request: Request | None = None) -> Manifest:
    """The stage that is meant: the manifest's own, or the only one before it that can be judged again.

    Args:
        manifest: Of the stage, or of one behind it.
        name: Of the stage.
        request: Leaves out stages without an operation that it fits.

    Raises:
        ConfigError: There is none, or more than one.
    """
    request = request or Request()
    stages = [item for item in ancestors(manifest) if item.kind == "operations" and request.positions(_calls(item))]
    chosen = [item for item in stages if item.stage == (name or manifest.stage)] or ([] if name else stages)
    if len(chosen) != 1:
        known = ", ".join(item.stage for item in stages) or "none"
        raise ConfigError(
            f"{name!r} has no operation {request}" if name else f"{len(chosen)} stages have an operation {request}",
            where=manifest.uri, expected=f"one of: {known}", remedy="name one by --stage",
        )  # fmt: skip
    return chosen[0]


class Rejudgement:
    """Other rules, or other parameters, for one operation of a committed stage.

    Args:
        manifest: Of the stage.
        request: The rules or the parameters.

    Raises:
        ConfigError: The stage cannot be judged again, the rules are wrong, or they need signals that were not stored.
    """

    def __init__(self, manifest: Manifest, request: Request):
        self.manifest = manifest
        inputs = {parent["stage"]: read_parent(manifest, parent) for parent in manifest.parents}
        self.resolved = inputs.pop(RESOLVE)
        self.parents = inputs
        self.calls = _calls(manifest)
        if moved := [part.name for part, _ in self._parts() if part.rows != "kept"]:
            raise ConfigError(
                f"stage {manifest.stage!r} has {', '.join(moved)}, which makes other documents of those that came",
                where=manifest.uri, remedy="run the stage with the new rules, or give that operation a stage of its own",
            )  # fmt: skip
        if not request.rules and not request.changes:
            raise ConfigError(
                "there is nothing to judge by",
                where=manifest.uri,
                remedy="give other rules (--rules FILE) or parameters (--set NAME=VALUE)",
            )
        fits = request.positions(self.calls)
        if len(fits) != 1:
            judged = ", ".join(self.calls[index]["use"] for index in Request().positions(self.calls)) or "none"
            raise ConfigError(
                f"stage {manifest.stage!r} has {len(fits)} operations {request}",
                where=manifest.uri, expected=f"exactly one; it has {judged}", remedy="name one by --operation",
            )  # fmt: skip
        self.target = fits[0]
        self.name = self.calls[self.target]["use"]
        self.part: OperationPart = load_catalog().find("operation", self.name)  # type: ignore[assignment]
        self.old = self.part.parameters.model_validate(self.calls[self.target]["parameters"])
        self.new = self._changed(request.rules, request.changes)
        self._check_signals()

    def _changed(self, rules: str | None, changes: Mapping[str, Any]) -> Parameters:
        judge, new = self.part.judge, self.old
        try:
            if rules:
                new = judge.with_rules(new, rules)
            if changes:
                given = new.model_dump(mode="json", exclude=set(judge.derived))
                new = self.part.parameters.model_validate(given | dict(changes))
        except ValidationError as error:
            raise validation_error(error, Origin(rules or "the new parameters", None), self.part.parameters) from None
        return new

    # --- what is stored ----------------------------------------------------------------------------------------------

    @cached_property
    def input_columns(self) -> set[str]:
        """Columns that every document brought into the stage, and that the stage left as they were."""
        changed = {name for part, parameters in self._parts() for name in (*part.adds_of(parameters), *part.rewrites_of(parameters))}
        schemas = [parent.schema for parent in self.parents.values()]
        return {name for name in schemas[0] if all(name in schema for schema in schemas)} - changed

    @cached_property
    def ledger_columns(self) -> set[str]:
        """Columns that the ledger has besides those."""
        brought = {name for parent in self.parents.values() for name in parent.schema}
        text = {"text"} if self._options()["ledger_text"] else set()
        return (set(self.manifest.schema) - brought) | set(LEDGER_COLUMNS) | text

    def _options(self) -> Mapping[str, Any]:
        return self.manifest.lineage["fingerprint"]["options"]

    def _parts(self) -> Iterator[tuple[OperationPart, Parameters]]:
        for call in self.calls:
            part = load_catalog().find("operation", call["use"])
            yield part, part.parameters.model_validate(call["parameters"])  # type: ignore[misc]

    def _has_ledger(self) -> bool:
        return self.manifest.counts["rejected"] > 0

    def _missing(self, columns: Sequence[str]) -> list[str]:
        stored = set(self.manifest.schema) & (self.ledger_columns if self._has_ledger() else set(self.manifest.schema))
        return [name for name in columns if name not in stored and name not in self.input_columns]

    def _check_signals(self) -> None:
        needed = [*self.part.adds_of(self.new), *(name for name in self.part.reads_of(self.new) if name != "text")]
        stored = ", ".join(sorted(set(self.part.adds_of(self.old)))) or "none"
        if missing := self._missing(needed):
            raise ConfigError(
                f"signals that the rules need were not stored: {', '.join(missing)}", where=self.manifest.uri, expected=f"among: {stored}",
                remedy="run the stage with the new rules; `signals: [...]` records signals before a rule needs them",
            )  # fmt: skip
        before, after = self.part.judge.measured_by(self.old), self.part.judge.measured_by(self.new)
        if other := [name for name in after if name in before and before[name] != after[name]]:
            raise ConfigError(
                f"signals were measured in another way than the rules ask for: {', '.join(other)}", where=self.manifest.uri,
                remedy="run the stage with the new rules",
            )  # fmt: skip

    def _items(self, columns: Sequence[str]) -> list[dict[str, Any]]:
        """What one shard needs: where its documents lie, and which columns to take from where."""
        shards = [(parent.dataset(), shard) for parent in self.parents.values() for shard in parent.dataset().shards]
        kept = self.manifest.dataset()
        ledgers = {row["path"]: f"{self.manifest.folder}/{row['path']}" for row in read_list(self.manifest, "ledger")}
        facts = {
            "target": self.target,
            "later": [call["use"] for call in self.calls[self.target + 1 :]],
            "from_input": [name for name in columns if name in self.input_columns],
            "from_stage": [name for name in columns if name not in self.input_columns],
            "earlier_columns": sorted(self.ledger_columns),
        }
        return [
            facts
            | {
                "index": index, "rows": shard.rows, "text_bytes": shard.text_bytes, "input": dataset.uri(shard),
                "kept": kept.uri(kept.shards[index]), "ledger": ledgers.get(f"ledger-{unit_name(index)}.parquet", ""),
            }
            for index, (dataset, shard) in enumerate(shards)
        ]  # fmt: skip

    # --- verdicts ----------------------------------------------------------------------------------------------------

    def verdicts(self) -> Verdicts:
        """Judges all documents that reached the operation; reads their signals and identities, and no text."""
        found = Verdicts(self.manifest.stage, self.name)
        judge, context = self.part.judge.load(), _context(self.manifest, self.resolved)
        columns = [*self.part.adds_of(self.new), *(name for name in self.part.reads_of(self.new) if name != "text")]
        for item in self._items(list(dict.fromkeys(["doc_id", *columns]))):
            for _, batch in states(item, self.name):
                before = batch.column("_reason")
                by_it = pc.fill_null(pc.equal(batch.column("_operation"), self.name), False).to_numpy(zero_copy_only=False)
                was_kept = before.is_null().to_numpy(zero_copy_only=False)
                judged = judge(batch.drop_columns(["_reason", "_operation"]), self.new, context)
                reasons = judged.column("reject_reason") if "reject_reason" in judged.schema.names else pa.nulls(len(batch), pa.string())
                passes = reasons.is_null().to_numpy(zero_copy_only=False)
                found.documents += len(batch)
                found.kept_before += int(was_kept.sum())
                found.excluded += int((was_kept & ~passes).sum())
                admitted = int((by_it & passes).sum())
                found.kept += int((was_kept & passes).sum()) + (0 if item["later"] else admitted)
                found.admitted += 0 if item["later"] else admitted
                found.undecided += admitted if item["later"] else 0
                found.reasons_before.update(before.filter(pa.array(by_it)).to_pylist())
                found.reasons.update(reasons.drop_null().to_pylist())
                if "failed_rules" in judged.schema.names:
                    found.failed.update(judged.column("failed_rules").flatten().to_pylist())
        return found

    # --- commit ------------------------------------------------------------------------------------------------------

    def commit(self, surroundings: Surroundings, **request: Any) -> dict[str, Any]:
        """Commits the dataset that a run with the new rules would commit, under the same key; the stage's result.

        Args:
            surroundings: As of a stage.
            **request: Further fields of the ``StageRequest``, as ``settings``.

        Raises:
            ConfigError: Something that such a run would need was not stored.
        """
        if self.target != len(self.calls) - 1:
            later = ", ".join(call["use"] for call in self.calls[self.target + 1 :])
            raise ConfigError(
                f"behind {self.name} the stage has {later}, which would have to read documents that pass now",
                where=self.manifest.uri, remedy="run the stage with the new rules, or give those operations a stage of their own",
            )  # fmt: skip
        resolved = resolved_anew(self.resolved, self.manifest.stage, self.target, self.new)
        inputs = {name: parent.uri for name, parent in self.parents.items()}
        return _RejudgedStage(StageRequest(self.manifest.stage, resolved=resolved, inputs=inputs, **request), surroundings, self).run()

    def items_for(self, schema: Mapping[str, str]) -> list[dict[str, Any]]:
        """The units of the stage, with all columns of its output.

        Raises:
            ConfigError: A column of rejected documents was not stored.
        """
        if missing := self._missing(list(schema)):
            raise ConfigError(
                f"the ledger does not have what a kept document needs: {', '.join(missing)}", where=self.manifest.uri,
                remedy="run the stage with the new rules; `ledger_text: true` keeps texts",
            )  # fmt: skip
        return self._items(list(schema))


class _RejudgedStage(OperationsStage):
    """A stage of operations whose units are put together from what an earlier run of it stored."""

    def __init__(self, request: StageRequest, surroundings: Surroundings, rejudgement: Rejudgement):
        super().__init__(request, surroundings, read_manifest(request.resolved))
        self._rejudgement = rejudgement
        # The operations before count what they counted; rules count nothing.
        self.extra_counters = rejudgement.manifest.content["counters"]

    def results(self, client: Any) -> list[dict[str, Any]]:
        work = self.operations_work()
        return self._units(client, rejudge_shard, self._rejudgement.items_for(work.columns), work)


def _calls(manifest: Manifest) -> list[dict[str, Any]]:
    calls = manifest.lineage["fingerprint"]["calls"]
    return [{"use": call["use"], "parameters": call["parameters"]} for call in calls]


def _context(manifest: Manifest, resolved: Manifest) -> Any:
    from curation_tasks.context import RunContext

    files = {name: f"{resolved.folder}/files/{found['sha256']}" for name, found in resolved.content["files"].items()}
    return RunContext(manifest.content["pipeline"], manifest.content["snapshot"], manifest.stage, manifest.folder, files=files)
