"""Runs one operation of the room."""

from collections import Counter

import pyarrow as pa
import pytest

from curation_tasks.catalog import load_catalog
from curation_tasks.testing import context_for


@pytest.fixture(scope="session")
def clean():
    """``clean(name, batch or texts, **parameters)``: the batch that the operation returns, and its counters."""

    def run(name, given, **parameters) -> tuple[pa.RecordBatch, Counter]:
        part = load_catalog().operations[f"cleaning.{name}"]
        checked = part.parameters(**parameters)
        context = context_for(checked)
        batch = given if isinstance(given, pa.RecordBatch) else pa.record_batch({"text": pa.array(given, pa.string())})
        return part(batch, checked, context), context.counters

    return run


@pytest.fixture(scope="session")
def text_of(clean):
    """``text_of(name, text, **parameters)``: what the operation makes of one text."""
    return lambda name, text, **parameters: clean(name, [text], **parameters)[0].column("text")[0].as_py()
