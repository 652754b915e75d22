"""Training a quality classifier: the same model every time, measured on documents that it has not seen."""

import random
import sys
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.errors import ConfigError, CurationError
from curation_tasks.filters.classifier_metrics import measure, precision_recall_curve
from curation_tasks.filters.classifier_parameters import TrainingParameters
from curation_tasks.filters.classifier_training import train_classifier
from curation_tasks.kernels.fasttext_inference import plain_lines
from curation_tasks.kernels.utf8 import text_buffers

sys.path.insert(0, str(Path(__file__).parents[1]))
from fasttext_models import good_and_bad_texts

SMALL = {"buckets": 2000, "dimensions": 8, "min_count": 1, "held_out_ratio": 0.25}


def texts_of(label: str, count: int = 400) -> list[str]:
    return [text for found, text in good_and_bad_texts(count, seed=5) if found == label]


def train(folder: Path, good: list[str], other: list[str], name: str = "model.bin", size: int = 50, **given):
    folder.mkdir()
    arrays = [[pa.array(texts[at : at + size]) for at in range(0, len(texts), size)] for texts in (good, other)]
    model = folder / name
    return model, *train_classifier(*arrays, TrainingParameters(**SMALL | given), model, folder)


@pytest.mark.parametrize("name", ["model.bin", "model.ftz"])
def test_the_same_documents_give_the_same_model(tmp_path, name):
    good, other = texts_of("hq"), texts_of("lq")
    given = {"cutoff": 300} if name.endswith("ftz") else {}
    first, *_, held_out = train(tmp_path / "a", good, other, name, **given)
    random.Random(0).shuffle(good)
    again, *_, _ = train(tmp_path / "b", good, other[::-1], name, size=7, **given)
    assert first.read_bytes() == again.read_bytes()
    assert measure(held_out.scores, held_out.positive)["roc_area"] > 0.95
    different, *_, _ = train(tmp_path / "c", good, other, name, seed=7, **given)
    assert different.read_bytes() != first.read_bytes()


def test_held_out_scores_are_those_of_fasttext(tmp_path):
    model, _, _, held_out = train(tmp_path / "a", texts_of("hq"), texts_of("lq"))
    library = fasttext.FastText._FastText(model_path=str(model))
    offsets, data = text_buffers(pa.array([text for _, text in good_and_bad_texts(400, seed=5)]))
    lines = set(plain_lines(data, offsets[:-1], offsets[1:]).to_pylist())
    trained_on = {line.split(" ", 1)[1] for line in (tmp_path / "a" / "lines.txt").read_text().splitlines()}
    unseen = lines - trained_on
    assert 60 < len(held_out.scores) < 140
    theirs = [dict((label, score) for score, label in library.f.predict(f"{line}\n", 2, 0.0, "strict"))["__label__hq"] for line in unseen]
    np.testing.assert_allclose(np.unique(held_out.scores), np.unique(np.minimum(np.float32(theirs), 1)), atol=2e-5)


def test_copies_are_held_out_together_and_lines_are_plain(tmp_path):
    good = [*texts_of("hq"), *texts_of("hq"), "once upon\n\na time </s> __label__lq was there", "", "\n"]
    model, found, other, held_out = train(tmp_path / "a", good, texts_of("lq"))
    lines = (tmp_path / "a" / "lines.txt").read_text().splitlines()
    assert all(line.startswith(("__label__hq ", "__label__lq ")) and line.count("__label__") == 1 for line in lines)
    copies = [line for line in lines if line.startswith("__label__hq ")]
    odd = "__label__hq once upon a time was there"
    assert all(copies.count(line) % 2 == 0 for line in copies if line != odd)
    assert (found.documents, found.empty) == (len(good), 2)
    assert len(lines) + len(held_out.scores) == len(good) - 2 + other.documents
    assert model.exists()


def test_labels_of_ones_own(tmp_path):
    model, *_ = train(tmp_path / "a", texts_of("hq"), texts_of("lq"), positive_label="story", negative_label="shop")
    assert sorted(fasttext.FastText._FastText(model_path=str(model)).labels) == ["__label__shop", "__label__story"]


def test_too_few_documents(tmp_path):
    with pytest.raises(ConfigError, match="the negative set has no document with a word"):
        train(tmp_path / "a", ["once upon"], [" "])
    with pytest.raises(ConfigError, match="too few documents"):
        train(tmp_path / "b", ["once upon a time", "a house"], ["buy now", "buy here"], held_out_ratio=0.01)


def test_what_fasttext_says_is_told(tmp_path):
    with pytest.raises(CurationError, match="too small for quantization"):
        train(tmp_path / "a", texts_of("hq", 60), texts_of("lq", 60), "model.ftz", buckets=1, cutoff=256)


scores = st.lists(st.tuples(st.sampled_from(np.linspace(0, 1, 9).astype(np.float32).tolist()), st.booleans()), min_size=2, max_size=30)


@given(scores.filter(lambda rows: 0 < sum(good for _, good in rows) < len(rows)))
def test_figures_are_those_of_their_definitions(rows):
    values, positive = np.array([score for score, _ in rows], np.float32), np.array([good for _, good in rows])
    found = measure(values, positive)
    pairs = [(good, bad) for good in values[positive] for bad in values[~positive]]
    assert found["roc_area"] == pytest.approx(np.mean([(good > bad) + (good == bad) / 2 for good, bad in pairs]), abs=1e-6)
    area, before = 0.0, 0.0
    for bound in sorted(set(values.tolist()), reverse=True):
        kept = values >= bound
        recall = positive[kept].sum() / positive.sum()
        area, before = area + (recall - before) * positive[kept].mean(), recall
    assert found["average_precision"] == pytest.approx(area, abs=1e-6)
    for row in found["by_bound"]:
        kept = values >= np.float32(row["min_score"])
        assert row["recall"] == pytest.approx(positive[kept].sum() / positive.sum(), abs=1e-6)
        assert row["precision"] == (pytest.approx(positive[kept].mean(), abs=1e-6) if kept.any() else None)
    bounds, precision, recall = precision_recall_curve(values, positive)
    assert bounds.tolist() == sorted(set(values.tolist()), reverse=True)
    assert (recall[-1], precision[-1]) == (1, positive.mean())
