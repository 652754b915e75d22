"""YAML files with the lines of their keys, so that an error names file, line and the nearest valid name.

A file is read as YAML 1.2, in which ``no`` is a language and not a Boolean, and a key that stands twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from curation_tasks.errors import ConfigError, did_you_mean


class MisplacedError(ValueError):
    """What a validator of a whole model found wrong with something inside it.

    Args:
        message: What is wrong.
        location: Where that stands, relative to the model.
    """

    def __init__(self, message: str, location: Sequence[str | int]):
        super().__init__(message)
        self.location = location


class Origin:
    """Where a value of a spec stands in the file that it was read from."""

    def __init__(self, path: str, tree: Any):
        self.path, self._tree = path, tree

    def where(self, location: Sequence[str | int]) -> str:
        """``file:line`` of a value, or of the nearest thing around it that has a line."""
        node, line = self._tree, None
        for step in location:
            found = _line(node, step)
            if found is None:
                continue  # a step that only the model knows, as the name of a union's branch
            line, node = found, node[step]
        return f"{self.path}:{line + 1}" if line is not None else self.path

    def __reduce__(self):
        return Origin, (self.path, None)


def read_text(path: Path, what: str) -> str:
    """The text of a YAML file.

    Args:
        path: Where it is.
        what: What it is meant to be, for the message: ``pipeline file``.

    Raises:
        ConfigError: It is missing, or cannot be read; names the nearest file.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no such {what}", where=str(path), remedy=_nearest(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the {what} cannot be read: {error}", where=str(path), expected="UTF-8 text") from error


def _nearest(path: Path) -> str:
    """What to give in place of a file that is missing: one beside it, else one where repositories keep their pipelines."""
    beside = [other.name for other in path.parent.glob("*.y*ml")]
    if beside:
        return did_you_mean(path.name, beside)
    kept = {other.stem: other for other in path.parent.glob("dags/pipelines/*.y*ml")}
    if path.stem in kept:
        return f"did you mean {str(kept[path.stem])!r}?"
    return did_you_mean(path.name, map(str, kept.values())) if kept else f"give the path of a YAML file; there is none in {path.parent}"


def read_yaml(text: str, path: str) -> Any:
    """YAML 1.2 with the lines of its keys, for ``Origin``.

    Raises:
        ConfigError: Not YAML, or a key that stands twice; names file and line.
    """
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        return yaml.load(StringIO(text))
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        tab = "\\t" in str(error.problem)
        raise ConfigError(
            f"not valid YAML: {error.problem or error.context}", where=f"{path}{line}",
            remedy="indent by spaces: YAML allows no tabs there" if tab else None,
        ) from None  # fmt: skip
    except Exception as error:  # ruamel raises several bare kinds on odd characters
        raise ConfigError(
            f"not valid YAML: {error}", where=path, remedy="look for characters that no text has, and for quotes that stay open"
        ) from None


def plain(node: Any) -> Any:
    """Built-in types for the tree of ``read_yaml``."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def read_overrides(items: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` items, as ``--set`` takes them, as a mapping; values are YAML.

    Raises:
        ConfigError: An item has no ``=``, or its value is no YAML.
    """
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(f"--set {item!r} sets nothing", expected="--set STAGE.PARAMETER=VALUE")
        found[name] = plain(read_yaml(value, f"--set {name}"))
    return found


def validation_error(error: ValidationError, origin: Origin, model: type[BaseModel], prefix: Sequence[str | int] = ()) -> ConfigError:
    """All problems that pydantic found, each with file, line and the nearest valid name.

    A list with a wrong item is also said to be too short, as if the item were not there: where something inside is wrong, the
    whole is not listed.
    """
    problems = []
    found = error.errors(include_url=False)
    inner = {item["loc"][:length] for item in found for length in range(len(item["loc"]))}
    for item in found:
        if item["type"] == "too_short" and item["loc"] in inner:
            continue
        location = (*prefix, *item["loc"], *getattr(item.get("ctx", {}).get("error"), "location", ()))
        problems.append(f"{origin.where(location)}: {_problem(item, model)}")
    first, _, what = problems[0].partition(": ")
    return ConfigError("\n".join([what, *problems[1:]]), where=first)


def _problem(item: Any, model: type[BaseModel]) -> str:
    name = ".".join(str(step) for step in item["loc"] if not isinstance(step, int)) or "pipeline"
    last = str(item["loc"][-1]) if item["loc"] else ""
    if item["type"] == "extra_forbidden":
        return f"unknown key {last!r}; {did_you_mean(last, _fields(model, item['loc'][:-1]))}"
    if item["type"] == "missing":
        return f"{name} is missing"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "literal_error" and isinstance(item["input"], str):
        known = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return f"{name}: {item['input']!r} is not allowed; {did_you_mean(item['input'], known)}"
    if item["type"] in ("model_type", "model_attributes_type"):
        return f"{name}: a mapping is expected ({', '.join(_fields(model, item['loc']))}), got {item['input']!r}"
    if item["type"] in ("value_error", "assertion_error"):
        return message if not item["loc"] else f"{name}: {message}"
    return f"{name}: {message[0].lower()}{message[1:]}, got {item['input']!r}"


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The field names of the model at a location."""
    for step in location:
        if isinstance(step, int) or step not in model.model_fields:
            continue
        inner = _model_in(model.model_fields[step].annotation)
        if inner is not None:
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _line(node: Any, step: str | int) -> int | None:
    if isinstance(node, CommentedMap) and step in node:
        return node.lc.key(step)[0]
    if isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
        return node.lc.item(step)[0]
    return None
