"""`curate warm`: compile all kernels before they are needed."""

from __future__ import annotations

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json


def warm(json_: options.Json = False) -> None:
    """Compile all kernels into this node's cache, so that the first stage on it loads them in less than a second.

    Run it where an image is built or a node starts, with the same CURATE_CACHE as the stages. Machine code is for this
    processor: a stage on another one compiles its own.

    [bold]Example[/]: CURATE_CACHE=/var/cache/curate curate warm
    """
    from curation_tasks.kernels.compilation import compile_all

    modules, seconds, folder = compile_all()
    if json_:
        print_json({"modules": list(modules), "seconds": round(seconds, 1), "folder": folder})
        return
    console.print(f"{len(modules)} modules of kernels ready in {seconds:.1f} s, in {folder}", highlight=False)


def register(application: typer.Typer) -> None:
    application.command("warm")(warm)
