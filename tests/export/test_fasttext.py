"""The fastText export: what fastText reads of it, and who trains with it."""

import io
import json
import os
import subprocess
import sys

import fasttext
import pyarrow as pa
import pytest
from pydantic import ValidationError

from curation_tasks.errors import InputError
from curation_tasks.export.catalog import FastTextExportParameters
from curation_tasks.export.fasttext import write_fasttext


def written(*batches, **parameters):
    output = io.BytesIO()
    write_fasttext(iter(batches), output, FastTextExportParameters(**parameters))
    return output.getvalue().decode()


def test_a_document_is_a_line_behind_its_label():
    batch = pa.record_batch({"text": ["One.\n\nTwo\tthree \u00e9", None, "__label__x stays out </s>"]})
    assert written(batch, batch.slice(2), label="hq") == (
        "__label__hq One. Two three \u00e9\n__label__hq \n__label__hq stays out\n__label__hq stays out\n"
    )


def test_labels_of_a_column():
    batch = pa.record_batch({"text": ["a", "b"], "topic": ["art", "New\u00a0 York"]})
    assert written(batch, label_column="topic") == "__label__art a\n__label__New_York b\n"
    assert written(pa.record_batch({"text": ["a"], "score": [3]}), label_column="score") == "__label__3 a\n"


@pytest.mark.parametrize("missing", [None, ""])
def test_a_document_without_a_label_is_an_error(missing):
    batch = pa.record_batch({"text": ["a", "b"], "topic": pa.array(["art", missing], pa.string())})
    with pytest.raises(InputError, match="1 of 2 documents have no label in column 'topic'"):
        written(batch, label_column="topic")


@pytest.mark.parametrize("given", [{}, {"label": "a", "label_column": "b"}, {"label": "a b"}])
def test_exactly_one_label_is_wanted(given):
    with pytest.raises(ValidationError):
        FastTextExportParameters(**given)


def test_fasttext_trains_with_it(tmp_path):
    path = tmp_path / "train.txt"
    good, bad = pa.record_batch({"text": ["a fine tale"] * 20}), pa.record_batch({"text": ["buy\nnow"] * 20})
    path.write_text(written(good, label="hq") + written(bad, label="cc"))
    call = {"lines": str(path), "model": str(tmp_path / "model.bin"), "training": {"epoch": 20, "minCount": 1}, "quantization": None}
    # As `curate train-classifier` has it trained: what fastText does not set is zero.
    command = [sys.executable, "-m", "curation_tasks.filters.fasttext_process"]
    subprocess.run(command, input=json.dumps(call), env=os.environ | {"MALLOC_PERTURB_": "255"}, text=True, check=True)
    model = fasttext.load_model(call["model"])
    assert sorted(model.labels) == ["__label__cc", "__label__hq"]
    assert model.f.predict("a fine tale\n", 1, 0.0, "strict")[0][1] == "__label__hq"
