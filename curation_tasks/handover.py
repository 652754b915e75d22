"""A pipeline handed over as text, for a ``resolve`` that runs where its file does not lie, as in a pod.

The text holds the canonical specification, the small local files that it names (rules, block lists), and what the planner
knows of the parts. The receiver refuses to go on when its own parts are of other versions: the two images would plan one
thing and compute another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curation_tasks import __version__
from curation_tasks.catalog import code_hash
from curation_tasks.errors import ConfigError
from curation_tasks.manifest import canonical_json, digest_of
from curation_tasks.parts import file_parameters
from curation_tasks.plan import Plan, plan
from curation_tasks.spec import load_pipeline

#: The text handed over; in a pod an environment variable, which neither a process list nor a rendered template shows.
PIPELINE_VARIABLE = "CURATE_PIPELINE_TEXT"
MAX_BYTES = 64 * 2**10
_VERSION = 1


def pack(planned: Plan, pipeline_file: str | Path) -> str:
    """The text that stands for a pipeline.

    Args:
        planned: The pipeline as read from its file.
        pipeline_file: That file; local files that the pipeline names relative to it are packed as well.

    Raises:
        ConfigError: The text would have more than 64 KB.
    """
    path = Path(pipeline_file)
    document = {
        "v": _VERSION,
        "name": path.name,
        "spec": planned.spec.model_dump(mode="json", exclude_defaults=True),
        "files": _small_files(planned, path.parent),
        "versions": _versions(planned),
        "digest": digest_of(planned.described()),
    }
    data = canonical_json(document)
    if len(data) > MAX_BYTES:
        files = sum(len(text) for text in document["files"].values())
        raise ConfigError(
            f"the pipeline has {len(data):,} bytes with the files that it names ({files:,})",
            where=str(path),
            expected=f"at most {MAX_BYTES:,}",
            remedy="put large files into the object storage and name them by their URI",
        )
    return data.decode()


def unpack(text: str, folder: str | Path) -> Path:
    """Writes a pipeline that was handed over, and its files, below a folder.

    Returns:
        The pipeline file.

    Raises:
        ConfigError: The text is no pipeline, or was packed with other versions of the parts.
    """
    document = _parsed(text)
    path = Path(folder) / document["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML; on several lines, so that errors name a line of some use.
    path.write_text(json.dumps(document["spec"], indent=1, ensure_ascii=False), encoding="utf-8")
    for name, content in document["files"].items():
        place = path.parent / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    _check_versions(document, path)
    return path


def _parsed(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
        if document["v"] != _VERSION:
            raise ValueError(f"its form is {document['v']!r}, this program reads {_VERSION}")
        names = [document["name"], *document["files"]]
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names) or Path(document["name"]).name != document["name"]:
            raise ValueError("a name leads out of its folder")
        document["versions"]["parts"], document["spec"], document["digest"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the text handed over is no pipeline: {error}", where=PIPELINE_VARIABLE, remedy="Airflow and the tasks must be of one version"
        ) from None
    return document


def _check_versions(document: Mapping[str, Any], path: Path) -> None:
    theirs = document["versions"]
    differences = (
        [] if theirs["curation-tasks"] == __version__ else [f"curation-tasks: {theirs['curation-tasks']} there, {__version__} here"]
    )
    try:
        planned = plan(load_pipeline(path))
    except ConfigError as error:
        # Planned where it came from: what is missing here is a difference of the two installations.
        remedy = _same_images(differences)
        raise ConfigError(f"the pipeline cannot be planned here, as it could where it came from: {error}", remedy=remedy) from error
    ours = _versions(planned)["parts"]
    differences += [f"{name}: {known} there, {ours.get(name)} here" for name, known in theirs["parts"].items() if ours.get(name) != known]
    if not differences and digest_of(planned.described()) != document["digest"]:
        differences = ["defaults of parameters"]
    if differences:
        raise ConfigError(
            f"the program that planned {document['spec'].get('name')!r} and this one differ: {'; '.join(differences)}",
            where="versions",
            remedy=_same_images([]),
        )


def _same_images(differences: list[str]) -> str:
    hint = f" ({'; '.join(differences)})" if differences else ""
    return f"build the images of Airflow and of the tasks from one commit, with the same packages of your own{hint}"


def _versions(planned: Plan) -> dict[str, Any]:
    parts = {}
    for call in (call for stage in planned.stages for call in stage.calls):
        # A packaged part has a version; a part named by a path is the same when its module has the same bytes.
        parts[call.use] = [call.part.data_version, code_hash(call.use)]
    return {"curation-tasks": __version__, "parts": dict(sorted(parts.items()))}


def _small_files(planned: Plan, folder: Path) -> dict[str, str]:
    """The local text files that the pipeline names relative to its own. Others are read by resolve, or fail there."""
    found = {}
    for name in sorted({name for stage in planned.stages for call in stage.calls for name in file_parameters(call.parameters)}):
        path = folder / name
        if "://" in name or Path(name).is_absolute() or ".." in Path(name).parts or not path.is_file():
            continue
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"the file {name!r} is too large to travel with the pipeline", where=str(path), expected=f"at most {MAX_BYTES:,} bytes",
                remedy="put it into the object storage and name it by its URI",
            )  # fmt: skip
        try:
            found[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ConfigError(
                f"the file {name!r} is no text, so it cannot travel with the pipeline", where=str(path),
                remedy="put it into the object storage and name it by its URI",
            ) from None  # fmt: skip
    return found
