"""`curate report`: one HTML file about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json


def report(
    manifest: Annotated[str, typer.Argument(help="URI of a manifest, of its folder, or of a published entry.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path("report.html"),
    json_: options.Json = False,
) -> None:
    """Write a self-contained HTML report: funnel, reasons, signals with thresholds, samples, throughput, lineage.

    [bold]Example[/]: curate report .curation/data/quickstart/all/published/000001.json -o quickstart.html
    """
    from curation_tasks.lineage.report import write_report
    from curation_tasks.runner.publish import named_manifest

    write_report(named_manifest(manifest), str(output))
    if json_:
        print_json({"report": str(output)})
    else:
        console.print(f"Report: {output.absolute()}", soft_wrap=True, highlight=False)


def register(application: typer.Typer) -> None:
    application.command("report")(report)
