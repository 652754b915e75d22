"""`curate train-classifier`: a quality classifier from good and other documents."""

from __future__ import annotations

import hashlib
import json
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import console, print_json, print_table
from curation_tasks.errors import ConfigError
from curation_tasks.yaml_files import read_overrides

if TYPE_CHECKING:
    import pyarrow as pa

    from curation_tasks.filters.classifier_parameters import TrainingParameters
    from curation_tasks.filters.classifier_training import HeldOut, TrainingSet
    from curation_tasks.runner.document_sets import DocumentSet

_Documents = "Manifest, published entry, or JSON Lines or Parquet files, also as a pattern in quotes; may be repeated."


def train_classifier(
    positive: Annotated[list[str], typer.Option("--positive", help=f"Good examples. {_Documents}")],
    negative: Annotated[list[str], typer.Option("--negative", help=f"Other documents, as a rule from raw web text. {_Documents}")],
    output: Annotated[str, typer.Option("--output", "-o", help="The model to write: .bin, or quantized .ftz.")],
    positive_column: Annotated[str, typer.Option(help="Column of the text of the good examples.")] = "text",
    negative_column: Annotated[str, typer.Option(help="Column of the text of the others.")] = "text",
    set_: Annotated[list[str] | None, typer.Option("--set", help="PARAMETER=VALUE of the training, as epochs=10.")] = None,
    json_: options.Json = False,
) -> None:
    """Train a fastText quality classifier, and measure it on documents that were held out.

    Beside the model it writes NAME.json (figures, parameters, digests) and NAME.html (precision over recall, a table of bounds). The
    same documents and parameters give the same model. Use it in a pipeline:

        - filters.fasttext_quality: {model: models/quality.bin, keep: min_score, min_score: 0.5}

    [bold]Example[/]: curate train-classifier --positive books.jsonl.gz --negative 'crawl/*.parquet' -o models/quality.bin
    """
    from curation_tasks.filters.classifier_training import train_classifier as train
    from curation_tasks.runner.document_sets import open_document_set
    from curation_tasks.storage.cache import cache_folder

    name = posixpath.basename(output)
    if not name.endswith((".bin", ".ftz")):
        raise ConfigError(f"the model's name is {name!r}", where="--output", expected="a name that ends with .bin, or .ftz to quantize it")
    parameters = _parameters(set_)
    sets = {
        "positive": [open_document_set(item, positive_column) for item in positive],
        "negative": [open_document_set(item, negative_column) for item in negative],
    }
    with tempfile.TemporaryDirectory(prefix="train-", dir=cache_folder()) as workspace:
        model = Path(workspace, name)
        good, bad, held_out = train(_texts(sets["positive"]), _texts(sets["negative"]), parameters, model, Path(workspace))
        metadata = _metadata(model, parameters, sets, {"positive": good, "negative": bad}, held_out)
        _write(model, output, metadata, held_out)
    if json_:
        print_json({"output": output, **metadata})
        return
    figures = metadata["held_out"]
    console.print(
        f"Average precision {figures['average_precision']:.4f}, ROC area {figures['roc_area']:.4f} on {figures['documents']:,} held-out "
        "documents\n",
        soft_wrap=True,
        highlight=False,
    )
    columns = ["min_score", "precision", "recall", "kept_ratio", "kept_negative_ratio"]
    rows = [[str(row["min_score"]), *(_ratio(row[name]) for name in columns[1:])] for row in figures["by_bound"]]
    print_table(posixpath.basename(output), columns, rows, right=columns)
    console.print(f"\nReport: {_beside(output, '.html')}", soft_wrap=True, highlight=False)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _parameters(items: list[str] | None) -> TrainingParameters:
    from pydantic import ValidationError

    from curation_tasks.filters.classifier_parameters import TrainingParameters
    from curation_tasks.yaml_files import Origin, validation_error

    given = read_overrides(items or [])
    try:
        return TrainingParameters.model_validate(given)
    except ValidationError as error:
        raise validation_error(error, Origin("--set", given), TrainingParameters) from None


def _texts(sets: Sequence[DocumentSet]) -> Iterator[pa.Array]:
    for documents in sets:
        yield from documents.texts()


def _metadata(
    model: Path,
    parameters: TrainingParameters,
    sets: dict[str, list[DocumentSet]],
    found: dict[str, TrainingSet],
    held_out: HeldOut,
) -> dict[str, Any]:
    """What is known of the model; no time and no host, so that it too is the same every time."""
    from curation_tasks.filters.classifier_metrics import measure

    labels = {"positive": parameters.positive_label, "negative": parameters.negative_label}
    with model.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "format": "curation-classifier/1",
        "model": {"file": model.name, "bytes": model.stat().st_size, "sha256": sha256},
        "labels": labels,
        "held_out": measure(held_out.scores, held_out.positive),
        "data": {
            side: {
                "label": labels[side],
                **asdict(found[side]),
                "sources": [{"reference": item.reference, "kind": item.kind, "digests": list(item.digests)} for item in sets[side]],
            }
            for side in sets
        },
        "parameters": parameters.model_dump(),
        "versions": {name: version(name) for name in ("curation-tasks", "fasttext")},
    }


def _write(model: Path, output: str, metadata: dict[str, Any], held_out: HeldOut) -> None:
    """Each file appears whole; the figures, which name the model's hash, last."""
    from curation_tasks.filters.classifier_metrics import precision_recall_curve
    from curation_tasks.lineage.classifier_report import render_classifier_report
    from curation_tasks.storage.filesystem import open_output, write_bytes

    page = render_classifier_report(
        metadata, held_out.scores, held_out.positive, precision_recall_curve(held_out.scores, held_out.positive)
    )
    with model.open("rb") as source, open_output(output) as target:
        shutil.copyfileobj(source, target, 2**22)
    write_bytes(_beside(output, ".html"), page.encode())
    write_bytes(_beside(output, ".json"), json.dumps(metadata, indent=1, ensure_ascii=False).encode())


def _beside(output: str, suffix: str) -> str:
    return output[:-4] + suffix


def register(application: typer.Typer) -> None:
    application.command("train-classifier")(train_classifier)
