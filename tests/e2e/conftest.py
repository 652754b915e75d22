"""Origins of the shipped pipelines (``from made_origins import …``), and how to lay one out in a folder."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def _load(path: str) -> None:
    """Makes a module importable by tests, which are no package."""
    specification = importlib.util.spec_from_file_location(Path(path).stem, TESTS / path)
    sys.modules[specification.name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)


for _path in ("sources/faulty_server.py", "sources/made_archives.py", "sources/wikipedia_dump.py", "e2e/made_origins.py"):
    _load(_path)


@pytest.fixture(scope="session")
def laid_out():
    """Writes an origin's files below a folder; paths that end with a slash are listings of a server."""

    def write(files: Mapping[str, bytes], folder: Path) -> Path:
        for path, content in files.items():
            if not path.endswith("/"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
        return folder

    return write
