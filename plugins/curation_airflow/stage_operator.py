"""The task of every stage: runs ``curate stage``, logs what it says, and turns its exit code into Airflow's reaction."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from curation_airflow.exit_codes import exit_code, may_retry, normalized
from curation_airflow.snapshots import chosen_snapshot
from curation_airflow.stage_output import StageOutput
from curation_airflow.stage_process import StageProcess
from curation_tasks.errors import ConfigError
from curation_tasks.plan import StageCall
from curation_tasks.spec import RESOLVE

if TYPE_CHECKING:
    from airflow.sdk import Context

#: The command in front of ``stage …``, split as a shell does; default: the ``curate`` beside this Python.
COMMAND_VARIABLE = "CURATE_COMMAND"
RESULT_BYTES = 4096


class StageOperator(BaseOperator):
    """One stage of a pipeline as a process of this machine.

    The result, ``{"manifest", "key", "digest", "stage", "counts", "reused"}``, is the task's XCom; the tasks of the next
    stages take the manifests of their inputs from there.

    Args:
        call: The stage. Its inputs are filled in from the XComs of the tasks of that name, and for resolve the snapshot
            and the limit from the run.
        datasets: For a publish task: stage that made the dataset → asset that stands for it.
        only_for: The last stages of a run for which this one is needed; the task skips itself in a run that ends before it.
        known_snapshots: For resolve: the ids of the catalogue, of which the run must name one; empty when there is none.
        parameters: For resolve: parameters that the run may set → their values when it does not.
    """

    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        call: StageCall,
        datasets: Mapping[str, Asset] | None = None,
        only_for: Sequence[str] = (),
        known_snapshots: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        **arguments: Any,
    ):
        super().__init__(outlets=list((datasets or {}).values()), **arguments)
        self.call = call
        self.only_for, self.known_snapshots, self.parameters = tuple(only_for), tuple(known_snapshots), dict(parameters or {})
        self.datasets = dict(datasets or {})
        self.process: StageProcess | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Runs the stage.

        Returns:
            The result that the command wrote.

        Raises:
            AirflowFailException: Trying again cannot help.
            AirflowException: It may.
        """
        last = context["params"].get("last_stage")
        if last and self.only_for and last not in self.only_for:
            raise AirflowSkipException(f"this run ends with stage {last!r}, which does not need {self.call.stage!r}")
        inputs = self._inputs(context)
        argv = self._argv(context, inputs)
        self.log.info("%s", shlex.join(argv))
        with tempfile.TemporaryDirectory(prefix="curate-") as folder:
            place = Path(folder) / "result.json"
            output = StageOutput(self.log)
            self.process = StageProcess([*_command(), *argv[1:], "--result", str(place)], _environment())
            code = normalized(self.process.run(output.line))
            if code:
                raise self._failure(code, output.error(), context)
            result = _read_result(place, self.call.stage)
        self._describe_events(context, inputs, result)
        return result

    def on_kill(self) -> None:
        """Airflow ends the task: the command is asked to stop and ``execute`` sees it end."""
        if self.process is not None:
            self.process.stop()

    def _inputs(self, context: Context) -> dict[str, dict[str, Any]]:
        results = {name: context["ti"].xcom_pull(task_ids=name) for name in self.call.inputs}
        for name, result in results.items():
            if not result:
                raise AirflowFailException(f"task {name!r} left no result; clear it with its downstream tasks and run again")
        return results

    def _argv(self, context: Context, inputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        if self.call.stage != RESOLVE:
            return replace(self.call, inputs={name: result["manifest"] for name, result in inputs.items()}).argv()
        parameters = context["params"]
        try:
            # From the context, not from a template: a template would render the missing snapshot as the word None.
            key = getattr(context["dag_run"], "partition_key", None)
            snapshot = chosen_snapshot(key, parameters.get("snapshot"), self.known_snapshots)
        except ConfigError as error:
            raise AirflowFailException(str(error)) from None
        changed = {name: parameters[name] for name, default in self.parameters.items() if parameters.get(name, default) != default}
        # JSON is YAML, which is what --set reads.
        overrides = {name: json.dumps(value) for name, value in changed.items()}
        return replace(self.call, snapshot=snapshot, limit=parameters.get("limit"), overrides=overrides).argv()

    def _failure(self, code: int, error: str, context: Context) -> AirflowException:
        meaning = exit_code(code)
        ti = context["ti"]
        # Clearing a task raises max_tries instead of starting try_number again.
        attempt = ti.try_number - (ti.max_tries - (self.retries or 0))
        retry = may_retry(meaning.reaction, attempt)
        message = f"stage {self.call.stage!r} ended with exit code {code}: {meaning.meaning}"
        message += f"\n{error}" if error else ""
        message += f"\n  what to do: {meaning.remedy}" if meaning.remedy else ""
        return AirflowException(message) if retry else AirflowFailException(message)

    def _describe_events(self, context: Context, inputs: Mapping[str, Mapping[str, Any]], result: Mapping[str, Any]) -> None:
        for name, asset in self.datasets.items():
            dataset = inputs[name]
            context["outlet_events"][asset].extra = {
                "manifest": dataset["manifest"],
                "digest": dataset["digest"],
                "counts": dataset["counts"],
                "published": result.get("published"),
                "reused": result["reused"],
            }


def _command() -> Sequence[str]:
    given = os.environ.get(COMMAND_VARIABLE)
    return shlex.split(given) if given else [str(Path(sys.executable).with_name("curate"))]


def _environment() -> dict[str, str]:
    """The task's environment without Airflow's settings and connections, which are none of a stage's business."""
    kept = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW_")}
    return kept | {"CURATE_LOG_FORMAT": "json"}


def _read_result(place: Path, stage: str) -> dict[str, Any]:
    try:
        data = place.read_bytes()
        result = json.loads(data)
        if not all(name in result for name in ("manifest", "key", "digest", "counts", "reused")):
            raise ValueError(f"it has only {', '.join(result)}")
    except (OSError, ValueError, TypeError) as error:
        raise AirflowException(f"stage {stage!r} ended well but left no result: {error}; the next try finds its commit") from error
    if len(data) > RESULT_BYTES:
        raise AirflowFailException(f"the result of stage {stage!r} has {len(data)} bytes; XComs are at most {RESULT_BYTES}")
    return result
