"""A small published dataset for the tests of the lineage; ``trees.py`` says what is in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from curation_tasks.manifest import Manifest


def load_trees() -> ModuleType:
    specification = importlib.util.spec_from_file_location("lineage_trees", Path(__file__).with_name("trees.py"))
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def trees() -> ModuleType:
    return load_trees()


@pytest.fixture(scope="session")
def published(trees: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A published dataset that no test changes."""
    return trees.build_tree(tmp_path_factory.mktemp("tree") / "root")


@pytest.fixture
def spoilable(trees: ModuleType, tmp_path: Path) -> Manifest:
    """A published dataset of the test's own."""
    return trees.build_tree(tmp_path / "root", stories=30)


@pytest.fixture
def manifests(spoilable: Manifest) -> dict[str, Manifest]:
    """Stage → manifest of the test's own dataset."""
    from curation_tasks.lineage.tree import ancestors

    return {item.stage: item for item in ancestors(spoilable)}
