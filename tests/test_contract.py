"""Every operation of the catalogue keeps the contract of operations."""

import pytest

from curation_tasks.catalog import load_catalog
from curation_tasks.testing import check_operation

OPERATIONS = load_catalog().operations


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operation_keeps_the_contract(name):
    check_operation(OPERATIONS[name])
