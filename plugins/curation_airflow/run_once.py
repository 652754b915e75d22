"""Runs one pipeline as an Airflow DAG, in this process, and leaves no server behind.

    PYTHONPATH=plugins python -m curation_airflow.run_once quickstart --pipelines dags/pipelines --root .curation/data

It is Airflow all through (DAG, tasks, retries' rules, XCom, assets), on an embedded database in a folder of its own. The
tasks run the same commands as on a cluster, so the datasets have the same digests.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from curation_airflow.settings import REPOSITORY, airflow_environment
from curation_tasks.errors import ConfigError, CurationError, did_you_mean
from curation_tasks.plan import override, plan
from curation_tasks.spec import ALL, PipelineSpec, load_pipeline
from curation_tasks.yaml_files import read_overrides

if TYPE_CHECKING:
    from airflow.sdk import DAG

_HOME = REPOSITORY / ".curation" / "airflow"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, 1 when a stage or the report failed, or that of a wrong pipeline."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        spec = find_pipeline(options.pipelines, options.pipeline)
        spec.check_snapshot(options.snapshot)
        given = run_overrides(spec, options.set)
    except CurationError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        return error.exit_code
    started = time.monotonic()
    console.print(f"[bold]{spec.name}[/]: {_first_sentence(spec.description)}")
    _compile_kernels(console, spec)
    with console.status("starting Airflow (embedded database, no server) …"):
        dag = _start_airflow(options, spec)
    watch = StageWatch(console, len(dag.tasks))
    state = _run(dag, {"snapshot": options.snapshot, "limit": options.limit} | given, watch)
    if state != "success":
        _say_failure(console, watch, options)
        return 1
    return 0 if _say_outcome(console, watch, spec, options, time.monotonic() - started) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m curation_airflow.run_once", description="Run one pipeline as an Airflow DAG, without a server."
    )
    parser.add_argument("pipeline", help="name of the pipeline")
    parser.add_argument("--pipelines", type=Path, default=REPOSITORY / "dags" / "pipelines", help="folder of pipeline files")
    parser.add_argument("--root", default=str(REPOSITORY / ".curation" / "data"), help="storage root (a folder or s3://bucket/prefix)")
    parser.add_argument("--snapshot", default=ALL, help="the partition to curate")
    parser.add_argument("--limit", type=int, default=None, help="read at most so many records of each source")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter that the pipeline declares; YAML")
    parser.add_argument("--home", type=Path, default=_HOME, help="folder of Airflow's embedded database")
    parser.add_argument("--verbose", action="store_true", help="print the tasks' logs")
    return parser


def find_pipeline(folder: Path, name: str) -> PipelineSpec:
    """The pipeline of a name among the files of a folder.

    Raises:
        ConfigError: There is none, or its file is wrong.
    """
    broken: list[ConfigError] = []
    for path in sorted(folder.glob("*.y*ml")):
        try:
            spec = load_pipeline(path)
        except ConfigError as error:
            if path.stem == name:
                raise
            broken.append(error)
            continue
        if spec.name == name:
            return spec
    if broken:
        raise ConfigError(f"no pipeline is called {name!r}, but some files cannot be read", where=str(folder), remedy=str(broken[0]))
    known = ", ".join(path.stem for path in sorted(folder.glob("*.y*ml"))) or "none"
    raise ConfigError(f"no pipeline is called {name!r}", where=str(folder), expected=f"one of: {known}")


def run_overrides(spec: PipelineSpec, items: Sequence[str]) -> dict[str, Any]:
    """Parameter → value from ``NAME=VALUE`` items: those that the form of the pipeline's DAG has.

    Raises:
        ConfigError: The pipeline declares no such parameter, its value does not fit, or the pipeline itself is wrong.
    """
    given = read_overrides(items)
    for name in given:
        if name not in spec.parameters:
            raise ConfigError(
                f"pipeline {spec.name!r} declares no parameter {name!r}; {did_you_mean(name, spec.parameters)}",
                where=spec.origin.path,
                remedy="declare it under `parameters` in the file: runs of a DAG set nothing else. `curate run --set` does",
            )
    plan(override(spec, given))
    return given


# --- Airflow -------------------------------------------------------------------------------------------------------------


def _start_airflow(options: argparse.Namespace, spec: PipelineSpec) -> DAG:
    """Sets Airflow up in this process and loads the DAG."""
    home = options.home.resolve()
    root = options.root if "://" in options.root else str(Path(options.root).resolve())
    os.environ["CURATE_PIPELINES"] = str(options.pipelines.resolve())
    os.environ["CURATE_ROOT"] = root
    level = "INFO" if options.verbose else "CRITICAL"
    environment = airflow_environment(home, LOGGING__LOGGING_LEVEL=level, LOGGING__FAB_LOGGING_LEVEL=level)
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    warnings.simplefilter("ignore")
    _prepare_database(home)
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(environment["AIRFLOW__CORE__DAGS_FOLDER"])
    dag = bag.dags.get(spec.name)
    if dag is None:
        raise RuntimeError(f"the DAG files did not give a DAG {spec.name!r}: {bag.import_errors}")
    for task in dag.tasks:
        # A person waits: say what failed instead of trying again after a pause.
        task.retries = 0
    return dag


def _prepare_database(home: Path) -> None:
    """Makes the embedded database, unless this version of Airflow has made it before."""
    made_by, wanted = home / "database-version", f"airflow {version('apache-airflow')}\n"
    if made_by.exists() and made_by.read_text() == wanted and (home / "airflow.db").exists():
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    from airflow.utils.db import initdb

    initdb()
    made_by.write_text(wanted)


def _run(dag: DAG, parameters: Mapping[str, Any], watch: StageWatch) -> str:
    """Runs the DAG in this process and returns the state that the run ends in."""
    for task in dag.tasks:
        task.on_execute_callback = [watch.started]
        task.on_success_callback = [watch.succeeded]
        task.on_failure_callback = [watch.failed]
    try:
        # Without a logical date, as runs that are triggered by hand.
        return str(dag.test(logical_date=None, run_conf={name: value for name, value in parameters.items() if value is not None}).state)
    finally:
        watch.close()


# --- what the reader sees ------------------------------------------------------------------------------------------------


class StageWatch:
    """Prints one line a stage, and a spinner for the one that runs. Its methods are callbacks of Airflow's tasks.

    Args:
        console: Where to.
        total: Number of stages.
    """

    def __init__(self, console: Console, total: int):
        self.console, self.total = console, total
        self.results: dict[str, Mapping[str, Any]] = {}
        self.failures: dict[str, str] = {}
        self._since = time.monotonic()
        self._status: Any = None

    def started(self, context: Mapping[str, Any]) -> None:
        self.close()
        self._since = time.monotonic()
        name = context["ti"].task_id
        self._status = self.console.status(f"[bold]{name}[/] ({len(self.results) + 1} of {self.total}) …")
        self._status.start()

    def succeeded(self, context: Mapping[str, Any]) -> None:
        name = context["ti"].task_id
        result = context["ti"].xcom_pull(task_ids=name)
        self.results[name] = result
        self._line("[green]done[/]  " if not result["reused"] else "[cyan]reused[/]", name, _flow(result["counts"]))

    def failed(self, context: Mapping[str, Any]) -> None:
        name = context["ti"].task_id
        self.failures[name] = str(context.get("exception") or "")
        self._line("[red]failed[/]", name, "")

    def close(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _line(self, state: str, name: str, flow: str) -> None:
        self.close()
        seconds = time.monotonic() - self._since
        self.console.print(f"  {state} [bold]{name:<16}[/] {flow:<44} {seconds:6.1f} s")


def _flow(counts: Mapping[str, int]) -> str:
    """Documents in and out of a stage, from the counts of its manifest."""
    if "documents" not in counts:
        return f"{counts['units']:,} units to read" if "units" in counts else ""
    if "datasets" in counts:
        return f"{counts['datasets']} dataset{'s' if counts['datasets'] != 1 else ''} published"
    read = counts.get("documents_in", counts.get("records", counts["documents"]))
    return f"{read:>10,} in {counts['documents']:>10,} out"


def _say_failure(console: Console, watch: StageWatch, options: argparse.Namespace) -> None:
    for name, error in watch.failures.items():
        console.print(f"\n[bold red]stage {escape(name)} failed[/]\n{escape(error)}")
    if not watch.failures:
        console.print("\n[bold red]Airflow could not run the tasks[/]")
    if not options.verbose:
        console.print("\nThe same command with --verbose prints the logs. Stages that are done are not done again.")


def _say_outcome(console: Console, watch: StageWatch, spec: PipelineSpec, options: argparse.Namespace, seconds: float) -> bool:
    """Prints the funnel, the report's place and what to try next; false when one of them could not be made."""
    last = watch.results[spec.stages[-1].id]
    outcome = last.get("published") or last["manifest"]
    report = options.home.resolve().parent / "reports" / f"{spec.name}-{options.snapshot}.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    console.print()
    shown = _curate(console, "show", outcome, "--funnel")
    reported = _curate(console, "report", outcome, "--output", str(report), quiet=True)
    console.print()
    if all(result["reused"] for result in watch.results.values()):
        console.print("[bold]Nothing had to be done:[/] every stage was done before with the same inputs and parameters.")
    console.print(f"Finished in {seconds:.0f} s. Dataset: {escape(outcome)}")
    if reported:
        console.print(f"[bold]Report:[/] {escape(str(report))}")
    curate, published = escape(os.path.relpath(Path(sys.executable).with_name("curate"))), escape(shlex.quote(outcome))
    console.print(f"""
What to try next
  {curate} show {published} --documents 3
      the first documents of the dataset
  {curate} explain DOC_ID --in {published}
      what happened to one document, stage by stage
  change a threshold in {escape(spec.origin.path)} and run this again
      only what depends on it is computed
  make up
      the Airflow page, with this pipeline as a DAG""")
    return shown and reported


def _compile_kernels(console: Console, spec: PipelineSpec) -> None:
    """The first run on a machine compiles for a while, and shows that. Where it fails, the stages try and say why."""
    environment = {"CURATE_LOG_FORMAT": "console"} | os.environ
    told = subprocess.run(
        [*_curate_command(), "warm", spec.origin.path, "--json"], stdout=subprocess.PIPE, text=True, check=False, env=environment
    )
    if told.returncode == 0 and (done := json.loads(told.stdout))["compiled"]:
        console.print(f"  [green]done[/]   {done['compiled']} text kernels compiled, once per machine{done['seconds']:>29.1f} s")


def _curate_command() -> list[str]:
    given = os.environ.get("CURATE_COMMAND")
    return shlex.split(given) if given else [str(Path(sys.executable).with_name("curate"))]


def _curate(console: Console, *arguments: str, quiet: bool = False) -> bool:
    """Runs a command of the tasks as its own process: this one never imports an engine."""
    sys.stdout.flush()
    done = subprocess.run(
        [*_curate_command(), *arguments], stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        console.print(f"\n[bold red]`curate {arguments[0]}` failed:[/]\n{escape(done.stderr[-2000:])}")
    return done.returncode == 0


def _first_sentence(text: str) -> str:
    return escape(" ".join(text.split()).split(". ")[0].rstrip("."))


if __name__ == "__main__":
    sys.exit(main())
