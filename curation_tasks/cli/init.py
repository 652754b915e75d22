"""`curate init`: a commented pipeline and a custom operation with its test."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Environment, StrictUndefined

from curation_tasks.cli.output import console
from curation_tasks.errors import ConfigError

_FILES = {
    "{name}.yaml": "pipeline.yaml.j2",
    "{package}_operations.py": "operations.py.j2",
    "test_{package}_operations.py": "test_operations.py.j2",
    "documents.jsonl": "documents.jsonl.j2",
}


def init(
    name: Annotated[str, typer.Argument(help="Name of the pipeline: lower case, digits, `-`.")],
    folder: Annotated[Path | None, typer.Option("--folder", help="Where to write; default: a new folder of that name.")] = None,
) -> None:
    """Write a commented pipeline that runs at once, a custom operation, its test and a few documents.

    [bold]Example[/]: curate init news-clean
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,59}", name):
        raise ConfigError(f"{name!r} cannot be a pipeline's name", expected="lower-case letters, digits and `-`, beginning with a letter")
    folder = folder or Path(name)
    package = name.replace("-", "_")
    targets = {folder / path.format(name=name, package=package): template for path, template in _FILES.items()}
    for target in targets:
        if target.exists():
            raise ConfigError(
                "the file exists already, and is not overwritten", where=str(target), remedy="choose another name or --folder"
            )
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    folder.mkdir(parents=True, exist_ok=True)
    for target, template in targets.items():
        source = (files("curation_tasks.cli") / "templates" / template).read_text(encoding="utf-8")
        target.write_text(environment.from_string(source).render(name=name, package=package), encoding="utf-8")
        console.print(f"wrote {target}", highlight=False)
    needs = "" if find_spec("pytest") else "   # needs the package pytest"
    console.print(
        f"\nTry:\n  cd {folder}\n  export CURATE_ALLOWED_PACKAGES={package}_operations PYTHONPATH=.\n"
        f"  {_command('curate')} run {name}.yaml\n  {_command('python')} -m pytest test_{package}_operations.py{needs}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _command(name: str) -> str:
    """How a command of this environment is called: by its name where the shell would find the same one."""
    ours = Path(sys.executable).with_name(name)
    return name if shutil.which(name) == str(ours) else str(ours)


def register(application: typer.Typer) -> None:
    application.command("init")(init)
