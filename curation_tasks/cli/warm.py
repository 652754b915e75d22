"""`curate warm`: compile kernels before they are needed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import UnitProgress, console, counted, print_json, unit_progress

if TYPE_CHECKING:
    from curation_tasks.plan import Plan


def warm(
    pipeline: Annotated[Path | None, typer.Argument(help="Pipeline file, to compile only what it uses; default: all kernels.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Compilers at once; default: one a core.")] = None,
    json_: options.Json = False,
) -> None:
    """Compile kernels into this node's cache, so that the first stage on it loads them in less than a second.

    Run it where an image is built or a node starts, with the same CURATE_CACHE as the stages. Machine code is for this
    processor: a stage on another one compiles its own. Stages that find a kernel missing compile it themselves.

    [bold]Examples[/]:

      curate warm
      CURATE_CACHE=/var/cache/curate curate warm dags/pipelines/quickstart.yaml
    """
    from dask.system import CPU_COUNT

    from curation_tasks.kernels.ahead import all_kernels, compile_ahead, kernels_of
    from curation_tasks.kernels.machine_code import machine_code_root
    from curation_tasks.plan import plan
    from curation_tasks.spec import load_pipeline

    kernels = kernels_of(modules_of(plan(load_pipeline(pipeline)))) if pipeline else all_kernels()
    started = time.perf_counter()
    with unit_progress("") as progress:
        compiled = compile_ahead(kernels, processes or CPU_COUNT, progress.kernels)
    total, seconds, folder = sum(map(len, kernels.values())), time.perf_counter() - started, str(machine_code_root())
    if json_:
        print_json({"kernels": total, "compiled": compiled, "seconds": round(seconds, 1), "folder": folder})
        return
    news = f"{compiled} compiled in {seconds:.0f} s" if compiled else "nothing to compile"
    console.print(f"{counted(total, 'kernel')} ready, {news}, in {folder}", highlight=False, soft_wrap=True)


def compile_for(modules: Iterable[str], progress: UnitProgress) -> None:
    """Compiles the kernels that modules use, of which the implementation of a part is one."""
    from dask.system import CPU_COUNT

    from curation_tasks.kernels.ahead import compile_ahead, kernels_of

    compile_ahead(kernels_of(modules), CPU_COUNT, progress.kernels)


def modules_of(planned: Plan, until: str | None = None) -> set[str]:
    """The modules in which the parts of a pipeline are implemented; of its stages up to one."""
    modules: set[str] = set()
    for stage in planned.stages:
        modules.update(call.part.module for call in stage.calls)
        if stage.id == until:
            break
    return modules


def register(application: typer.Typer) -> None:
    application.command("warm")(warm)
