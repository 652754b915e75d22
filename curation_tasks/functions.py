"""Functions of a user's own that a pipeline file names: a key for de-duplication, for example.

A name with a colon is a dotted path ``package.module:function`` below a package that the deployment allows; a plain name
is an entry point of the group ``curation_tasks.functions``. Nothing else is ever imported on the word of a pipeline file.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from curation_tasks.errors import ConfigError, did_you_mean

ENTRY_POINT_GROUP = "curation_tasks.functions"
#: Comma-separated packages below which a pipeline file may name code by a dotted path.
ALLOWED_PACKAGES_VARIABLE = "CURATE_ALLOWED_PACKAGES"


def allowed_packages() -> tuple[str, ...]:
    return tuple(name.strip() for name in os.environ.get(ALLOWED_PACKAGES_VARIABLE, "").split(",") if name.strip())


def require_allowed(module: str, where: str | None, kind: str) -> None:
    """Refuses a dotted path outside the packages that the deployment allows.

    Args:
        module: The module that would be imported.
        where: For the error.
        kind: What the code is to be, for the error: ``part`` or ``function``.

    Raises:
        ConfigError: Its package is not allowed.
    """
    package = module.split(".")[0]
    if package not in allowed_packages():
        raise ConfigError(
            f"code of the package {package!r} may not be named by a pipeline file",
            where=where,
            expected=f"one of: {', '.join(allowed_packages()) or '(none is allowed)'}",
            remedy=f"add it to {ALLOWED_PACKAGES_VARIABLE}, or register the {kind} by an entry point of its package",
        )


def check_function(reference: str, where: str | None = None) -> None:
    """Checks that a name may be used, without importing what it names: a plan is made where no engine is installed.

    Raises:
        ConfigError: A dotted path outside the allowed packages, or an entry point that is not there.
    """
    if ":" in reference:
        require_allowed(reference.partition(":")[0], where, "function")
    else:
        _entry_point(reference, where)


def load_function(reference: str, where: str | None = None) -> Callable:
    """Imports a function.

    Raises:
        ConfigError: It may not be named, does not exist, or is not a function.
    """
    check_function(reference, where)
    if ":" not in reference:
        function = _entry_point(reference, where).load()
    else:
        module_name, _, attribute = reference.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"there is no module {error.name!r}", where=where, remedy="install the package, or add its folder to PYTHONPATH"
            ) from error
        if not hasattr(module, attribute):
            names = [name for name, value in vars(module).items() if callable(value)]
            raise ConfigError(f"{module_name} has no {attribute!r}; {did_you_mean(attribute, names)}", where=where)
        function = getattr(module, attribute)
    if not callable(function):
        raise ConfigError(
            f"{reference} is a {type(function).__name__}, not a function", where=where, remedy="name something that can be called"
        )
    return function


def function_hash(reference: str, where: str | None = None) -> str:
    """What changes when the function does: the sha256 of its module's file, or the version of the package of an entry point.

    Raises:
        ConfigError: As ``load_function``.
    """
    function = load_function(reference, where)
    if ":" not in reference:
        distribution = _entry_point(reference, where).dist
        return f"{distribution.name} {distribution.version}" if distribution else ""
    module = importlib.import_module(reference.partition(":")[0])
    return hashlib.sha256(Path(module.__file__ or function.__code__.co_filename).read_bytes()).hexdigest()


def _entry_point(name: str, where: str | None) -> EntryPoint:
    known = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in known:
        raise ConfigError(
            f"no function is registered as {name!r}; {did_you_mean(name, known)}",
            where=where,
            expected=f"an entry point of the group {ENTRY_POINT_GROUP}, or package.module:function",
        )
    return known[name]
