"""The application: commands, logs and exit codes."""

from __future__ import annotations

import atexit
import inspect
import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from curation_tasks.cli import (
    character_histogram,
    explain,
    housekeep,
    init,
    lineage,
    operations,
    options,
    plan,
    preview,
    rejudge,
    report,
    run,
    show,
    signals,
    snapshots,
    stage,
    status,
    train_classifier,
    unindex,
    verify,
    warm,
)
from curation_tasks.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, CurationError
from curation_tasks.logs import configure_logs, logger

application = typer.Typer(
    name="curate",
    help="Curates text for language-model training. Every stage is one command, here as in a pod.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="First step: [bold]curate init my-pipeline[/] writes a pipeline that runs at once, and says how.",
)

for _module in (
    run, plan, preview, rejudge, stage, operations, show, verify, explain, lineage, status, housekeep, snapshots, report, train_classifier,
    character_histogram, unindex, signals, warm, init,
):  # fmt: skip
    _module.register(application)


def _flowing(help_: str) -> str:
    """A docstring whose lines end where the terminal's do; examples, which are indented, stay as they are."""
    paragraphs = help_.split("\n\n")
    return "\n\n".join(text if "\n " in text or text.startswith(" ") else text.replace("\n", " ") for text in paragraphs)


def _print_version(wanted: bool) -> None:
    if wanted:
        from curation_tasks import __version__

        print(f"curate {__version__}")
        raise typer.Exit


@application.command()
def version(json_: options.Json = False) -> None:
    """Print the versions that decide outputs.

    [bold]Example[/]: curate version --json
    """
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from curation_tasks import __version__
    from curation_tasks.cli.output import print_json

    versions = {"curation-tasks": __version__, "python": sys.version.split()[0]}
    for name in ("pyarrow", "dask", "distributed", "numba", "ftfy", "presidio-analyzer", "apache-airflow"):
        try:
            versions[name] = installed(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    if json_:
        print_json(versions)
    else:
        for name, value in versions.items():
            print(f"{name} {value}")


@application.callback()
def _curate(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)] = False,
) -> None:
    pass


for _command in application.registered_commands:
    _command.help = _flowing(inspect.getdoc(_command.callback) or "")


def main() -> None:
    """The entry point: runs a command and ends the process with its exit code (see ``curation_tasks.errors``).

    The interpreter is not taken down on the way. A thread of Arrow's may still let go of a file that Python has opened, and when
    that happens while the interpreter ends, the process aborts although the command has done its work (apache/arrow#39162).
    """
    code = _exit_code()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # whoever read has enough
    except OSError as error:
        _say(f"what was printed is not complete: {error}")
        code = code or EXIT_INTERNAL
    sys.stderr.flush()
    os._exit(code)


def _exit_code() -> int:
    """Runs the command; what it raises becomes an exit code."""
    configure_logs()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        application()
        return 0
    except CurationError as error:
        _say(str(error))
        return error.exit_code
    except MemoryError:
        _say("out of memory\n  what to do: give the stage more `resources.memory`, or fewer --workers")
        return EXIT_INTERNAL
    except KeyboardInterrupt:
        return _stopped()
    except SystemExit as end:
        # What a key press has become by the time it leaves a command.
        if end.code == EXIT_INTERRUPTED:
            return _stopped()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BrokenPipeError:
        return 0
    except Exception:
        logger().error("stopped by an unexpected error", exc_info=True)
        return EXIT_INTERNAL


def _say(message: str) -> None:
    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {message.replace('[', chr(92) + '[')}", soft_wrap=True)


def _stopped() -> int:
    _say("stopped; finished units are kept, the same command goes on there")
    return EXIT_INTERRUPTED


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
