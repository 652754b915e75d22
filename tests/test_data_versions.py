"""No operation changes its output without a new data version."""

import importlib.util
import json
from pathlib import Path

import pytest

_SPECIFICATION = importlib.util.spec_from_file_location("data_versions", Path(__file__).parent / "data_versions.py")
data_versions = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(data_versions)


@pytest.fixture(scope="module")
def found():
    return data_versions.golden_hashes()


def test_every_operation_is_locked(found):
    assert set(found) == set(json.loads(data_versions.LOCK.read_text(encoding="utf-8"))), "run `python tests/data_versions.py --write`"


def test_a_changed_output_has_a_new_data_version(found):
    for name, locked in json.loads(data_versions.LOCK.read_text(encoding="utf-8")).items():
        if found[name]["data_version"] == locked["data_version"]:
            assert found[name]["hash"] == locked["hash"], f"{name} changed its output: raise its data_version, then renew the lock"
        else:
            assert found[name]["hash"] != locked["hash"], f"{name} has a new data_version and the old output"
