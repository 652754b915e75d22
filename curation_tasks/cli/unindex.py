"""`curate unindex`: documents that are to be forgotten stop removing others."""

from __future__ import annotations

from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table


def unindex(
    documents: Annotated[list[str], typer.Argument(metavar="DOC_ID...", help="Identities of documents.")],
    pipeline: Annotated[str, typer.Option("--pipeline", help="Whose indexes.")],
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Also remove their rows from the files now, instead of at the next `housekeep --delete`.")
    ] = False,
    root: options.Root = options.DEFAULT_ROOT,
    json_: options.Json = False,
) -> None:
    """Take documents out of the indexes that later snapshots are compared with.

    It takes effect at once: readers leave them out, and their rows go with --rewrite or at the next housekeeping. It says which
    snapshots removed a document in favour of one of these: those are to be run again.

    [bold]What goes[/]: the rows (identity, hashes, sketch) in the newest published indexes of all snapshots. --rewrite writes the
    files without them; `housekeep --delete` deletes the old files after its days.
    [bold]What stays[/]: the identity itself, in the list of what was erased; the texts in the datasets of all stages, in ledgers,
    lists of cuts and samples; the names of survivors there; indexes of older published versions, until they expire. To erase those, take
    the documents out at their source, run and publish their snapshots again, and let `housekeep --delete` delete the old ones.

    [bold]Example[/]: curate unindex crawl:20260114-77 --pipeline crawl
    """
    from curation_tasks.runner.erasure import erase_from_indexes

    rows = erase_from_indexes(root, pipeline, documents, rewrite=rewrite)
    if json_:
        print_json(rows)
        return
    columns = ["snapshot", "stage", "documents", "state"]
    print_table(f"Indexes of {pipeline}", columns, [[row[name] for name in columns] for row in rows], right=["documents"])
    console.print("The datasets still hold the documents: take them out at their source, run and publish their snapshots again.")


def register(application: typer.Typer) -> None:
    application.command("unindex")(unindex)
