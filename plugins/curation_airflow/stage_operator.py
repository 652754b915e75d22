"""The task of a stage as a process of this machine; ``stage_operator`` says which operator a deployment uses."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from curation_airflow.exit_codes import exit_code, normalized
from curation_airflow.lineage_parent import lineage_parent, lineage_transport
from curation_airflow.stage_output import StageOutput
from curation_airflow.stage_process import StageProcess
from curation_airflow.stage_task import StageTask, checked_result
from curation_airflow.storage_connection import storage_credentials
from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.plan import CommandCall, StageCall

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Where stages run: ``process`` of the Airflow worker, or ``pod`` of a Kubernetes cluster.
RUNNER_VARIABLE = "CURATE_STAGE_RUNNER"
#: The command in front of ``stage …``, split as a shell does; default: the ``curate`` beside this Python.
COMMAND_VARIABLE = "CURATE_COMMAND"


def stage_runner() -> str:
    """Where this deployment runs stages.

    Raises:
        ConfigError: The variable has another value.
    """
    runner = os.environ.get(RUNNER_VARIABLE) or "process"
    if runner not in ("process", "pod"):
        raise ConfigError(f"stages cannot run as {runner!r}; {did_you_mean(runner, ('process', 'pod'))}", where=RUNNER_VARIABLE)
    return runner


def stage_operator() -> type[StageTask]:
    """The operator for stages. The one for pods is imported only where it is used: it takes seconds."""
    if stage_runner() == "pod":
        from curation_airflow.stage_pod_operator import StagePodOperator

        return StagePodOperator
    return StageOperator


class StageOperator(StageTask, BaseOperator):
    """One stage of a pipeline as a process of this machine.

    The result, ``{"manifest", "key", "digest", "stage", "counts", "reused"}``, is the task's XCom; the tasks of the next
    stages take the manifests of their inputs from there.
    """

    ui_color = "#e8f4ea"

    # Airflow wants each operator to have an initializer of its own.
    def __init__(self, *, call: StageCall | CommandCall, **arguments: Any):
        super().__init__(call=call, **arguments)
        self.process: StageProcess | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Runs the stage.

        Returns:
            The result that the command wrote.

        Raises:
            AirflowFailException: Trying again cannot help.
            AirflowException: It may.
        """
        self.skip_when_not_needed(context)
        inputs = self.stage_inputs(context)
        argv = self.stage_argv(context, inputs)
        self.log.info("%s", shlex.join(argv))
        with tempfile.TemporaryDirectory(prefix="curate-") as folder:
            place = Path(folder) / "result.json"
            output = StageOutput(self.log)
            self.process = StageProcess([*_command(), *argv[1:], "--result", str(place)], _environment() | lineage_parent(context))
            code = normalized(self.process.run(output.line))
            if code:
                raise self.stage_failure(f"ended with exit code {code}", exit_code(code), output.error(), context)
            result = checked_result(place.read_bytes() if place.exists() else None, self.call)
        self.describe_events(context, inputs, result)
        return result

    def on_kill(self) -> None:
        """Airflow ends the task: the command is asked to stop and ``execute`` sees it end."""
        if self.process is not None:
            self.process.stop()


def _command() -> Sequence[str]:
    given = os.environ.get(COMMAND_VARIABLE)
    return shlex.split(given) if given else [str(Path(sys.executable).with_name("curate"))]


def _environment() -> dict[str, str]:
    """The task's environment without Airflow's settings and connections, which are none of a stage's business.

    But for the one connection that the deployment names for the storage.
    """
    kept = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW_")}
    return kept | {"CURATE_LOG_FORMAT": "json"} | storage_credentials() | lineage_transport()
