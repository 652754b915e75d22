"""Every operation of the catalogue keeps the contract of operations."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation_tasks.catalog import load_catalog
from curation_tasks.testing import check_operation

sys.path.insert(0, str(Path(__file__).parent))
from data_versions import example_files

OPERATIONS = load_catalog().operations

FINGERPRINTS = """
from curation_tasks.catalog import load_catalog
from curation_tasks.testing import fingerprint
from data_versions import example_files
for name, part in sorted(load_catalog().operations.items()):
    print(name, fingerprint(part, files=example_files(part)))
"""


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operation_keeps_the_contract(name):
    check_operation(OPERATIONS[name], files=example_files(OPERATIONS[name]))


def test_no_result_hangs_on_the_order_of_a_set():
    def fingerprints(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.run(
            [sys.executable, "-c", FINGERPRINTS], env=environment, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    first = fingerprints("1")
    assert [line.split()[0] for line in first] == sorted(OPERATIONS)
    assert first == fingerprints("2")
