"""`curate character-histogram`: which characters a language uses, from documents."""

from __future__ import annotations

from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json
from curation_tasks.errors import InputError


def character_histogram(
    documents: Annotated[list[str], typer.Argument(help="Manifests, published entries, or JSON Lines or Parquet files of one language.")],
    output: Annotated[str, typer.Option("--output", "-o", help="The file to write: a character a line, a tab, its count.")],
    column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    coverage: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Take the most frequent characters that together make up this share of the text.")
    ] = 0.9999,
    json_: options.Json = False,
) -> None:
    """Count the characters of documents, for `filters.character_histogram`.

    [bold]Example[/]: curate character-histogram .curation/data/wikipedia-de/all/published/000001.json -o histograms/de.txt
    """
    from curation_tasks.filters.character_histogram import count_characters
    from curation_tasks.runner.document_sets import open_document_set
    from curation_tasks.storage.filesystem import write_bytes

    sets = [open_document_set(reference, column) for reference in documents]
    found = count_characters((texts for item in sets for texts in item.texts()), coverage)
    if not found:
        raise InputError(
            "the documents have no characters",
            where=", ".join(documents),
            remedy="name documents with texts, or the column that holds them by --column",
        )
    write_bytes(output, "".join(f"{character}\t{count}\n" for character, count in found).encode())
    if json_:
        print_json({"histogram": output, "characters": len(found), "counted": sum(count for _, count in found)})
    else:
        console.print(f"{len(found):,} characters: {output}", soft_wrap=True, highlight=False)


def register(application: typer.Typer) -> None:
    application.command("character-histogram")(character_histogram)
