"""What the task of a stage does wherever the stage runs: its inputs, its command line, its failures, its events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from curation_airflow.exit_codes import ExitCode, may_retry
from curation_airflow.snapshots import chosen_snapshot
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.plan import CommandCall, StageCall
from curation_tasks.spec import RESOLVE

if TYPE_CHECKING:
    from airflow.sdk import Context

RESULT_BYTES = 4096
#: Of every pipeline's form.
_RUN_PARAMETERS = ("snapshot", "limit", "last_stage")
_RESULT_FIELDS = ("manifest", "key", "digest", "counts", "reused")


class StageTask:
    """Mixed into the operators of stages.

    Args:
        call: The stage. Its inputs are filled in from the XComs of the tasks of that name, and for resolve the snapshot
            and the limit from the run.
        datasets: For a publish task: stage that made the dataset → asset that stands for it.
        only_for: The last stages of a run for which this one is needed; the task skips itself in a run that ends before it.
        known_snapshots: For resolve: the ids of the catalogue, of which the run must name one; empty when there is none.
        parameters: For resolve: parameters that the run may set → their values when it does not.
        publish_stages: For resolve: the publish stages of the pipeline.
        **arguments: Of the operator that this is mixed into.
    """

    def __init__(
        self,
        *,
        call: StageCall | CommandCall,
        datasets: Mapping[str, Asset] | None = None,
        only_for: Sequence[str] = (),
        known_snapshots: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        publish_stages: Sequence[str] = (),
        **arguments: Any,
    ):
        super().__init__(outlets=list((datasets or {}).values()), **arguments)
        self.call = call
        self.only_for, self.known_snapshots, self.parameters = tuple(only_for), tuple(known_snapshots), dict(parameters or {})
        self.datasets, self.publish_stages = dict(datasets or {}), tuple(publish_stages)

    def skip_when_not_needed(self, context: Context) -> None:
        """Skips the task in a run that ends with a stage which does not need this one."""
        last = context["params"].get("last_stage")
        if last and self.only_for and last not in self.only_for:
            raise AirflowSkipException(f"this run ends with stage {last!r}, which does not need {self.call.stage!r}")

    def stage_inputs(self, context: Context) -> dict[str, dict[str, Any]]:
        """Stage → its result, for all stages that this one reads."""
        results = {name: context["ti"].xcom_pull(task_ids=name) for name in self.call.inputs}
        for name, result in results.items():
            if not result:
                raise AirflowFailException(f"task {name!r} left no result; clear it with its downstream tasks and run again")
        return results

    def stage_argv(self, context: Context, inputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """``curate stage …``, or another command of ``curate``."""
        if isinstance(self.call, CommandCall):
            return self.call.argv()
        if self.call.stage != RESOLVE:
            return replace(self.call, inputs={name: result["manifest"] for name, result in inputs.items()}).argv()
        parameters = context["params"]
        self.refuse_unknown_parameters(context)
        changed = {name: parameters[name] for name, default in self.parameters.items() if parameters.get(name, default) != default}
        # JSON is YAML, which is what --set reads.
        overrides = {name: json.dumps(value) for name, value in changed.items()}
        snapshot, limit = self.snapshot(context), parameters.get("limit")
        self.refuse_limited(snapshot, limit, parameters.get("last_stage"))
        return replace(self.call, snapshot=snapshot, limit=limit, overrides=overrides).argv()

    def refuse_limited(self, snapshot: str, limit: int | None, last_stage: str | None) -> None:
        """Refuses a run that its publish stage would refuse, after all the work: one with a limit under a whole snapshot's name."""
        if limit is not None and "+" not in snapshot and self.publish_stages and (not last_stage or last_stage in self.publish_stages):
            error = ConfigError(
                f"a run limited to {limit:,} records is not published as snapshot {snapshot!r}",
                where="dag_run.conf",
                expected="a snapshot with a suffix",
                remedy=f"trigger it again with the snapshot {snapshot}+trial, or with a `last_stage` before {self.publish_stages[0]}",
            )
            raise AirflowFailException(str(error))

    def refuse_unknown_parameters(self, context: Context) -> None:
        """Refuses a run whose configuration sets what the form does not have.

        Airflow checks the values of parameters that it knows and takes any other without a word: a misspelled limit would
        curate everything.
        """
        known = [*_RUN_PARAMETERS, *self.parameters]
        unknown = [name for name in getattr(context["dag_run"], "conf", None) or {} if name not in known]
        if unknown:
            error = ConfigError(
                f"the run sets {unknown[0]!r}, which is no parameter of this pipeline; {did_you_mean(unknown[0], known)}",
                where="dag_run.conf",
                remedy="trigger it again with the right name",
            )
            raise AirflowFailException(str(error))

    def snapshot(self, context: Context) -> str:
        """The snapshot of the run.

        From the context, not from a template: a template would render a missing snapshot as the word None.
        """
        if isinstance(self.call, CommandCall):
            return self.call.snapshot
        try:
            key = getattr(context["dag_run"], "partition_key", None)
            return chosen_snapshot(key, context["params"].get("snapshot"), self.known_snapshots)
        except ConfigError as error:
            raise AirflowFailException(str(error)) from None

    def stage_failure(self, what: str, meaning: ExitCode, error: str, context: Context) -> AirflowException:
        """The exception for a stage that failed: one after which Airflow tries again, or one after which it does not.

        Args:
            what: How it ended.
            meaning: What that means.
            error: What the stage said at its end, or "".
            context: Of the run.
        """
        ti = context["ti"]
        # Clearing a task raises max_tries instead of starting try_number again.
        attempt = ti.try_number - (ti.max_tries - (self.retries or 0))  # type: ignore[attr-defined]
        message = f"stage {self.call.stage!r} {what}: {meaning.meaning}"
        message += f"\n{error}" if error else ""
        message += f"\n  what to do: {meaning.remedy}" if meaning.remedy else ""
        return AirflowException(message) if may_retry(meaning.reaction, attempt) else AirflowFailException(message)

    def describe_events(self, context: Context, inputs: Mapping[str, Mapping[str, Any]], result: Mapping[str, Any]) -> None:
        """Tells consumers of the published assets what to read."""
        for name, asset in self.datasets.items():
            dataset = inputs[name]
            context["outlet_events"][asset].extra = {
                "manifest": dataset["manifest"],
                "digest": dataset["digest"],
                "counts": dataset["counts"],
                "published": result.get("published"),
                "reused": result["reused"],
            }


def checked_result(data: bytes | None, call: StageCall | CommandCall) -> dict[str, Any]:
    """The result that a stage, or another command, wrote.

    Raises:
        AirflowException: It wrote none, or something else.
        AirflowFailException: It is too large for an XCom.
    """
    try:
        if not data:
            raise ValueError("there is none")
        result = json.loads(data)
        if isinstance(call, StageCall) and not all(name in result for name in _RESULT_FIELDS):
            raise ValueError(f"it has only {', '.join(result)}")
    except (ValueError, TypeError) as error:
        raise AirflowException(f"stage {call.stage!r} ended well but left no result: {error}; the next try finds its commit") from error
    if len(data) > RESULT_BYTES:
        raise AirflowFailException(f"the result of stage {call.stage!r} has {len(data)} bytes; XComs are at most {RESULT_BYTES}")
    return result
