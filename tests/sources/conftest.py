"""A web server that fails as it is told (``from faulty_server import …``), and archives to serve (``from made_archives import …``)."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _load(name: str) -> None:
    """Makes a module beside this file importable by tests, which are no package."""
    specification = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    sys.modules[name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)


_load("made_archives")
_load("faulty_server")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A ``FaultyServer`` without files."""
    from faulty_server import serving

    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    with serving() as state:
        yield state
