"""The kernel says what fastText says, of any text and with models of all kinds."""

import mmap
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation_tasks.errors import InputError
from curation_tasks.filters.fasttext_library import predict_with_library
from curation_tasks.filters.language import embedded_model
from curation_tasks.filters.language_parameters import LID176_LANGUAGES
from curation_tasks.kernels import fasttext_model
from curation_tasks.kernels.fasttext_features import bucket_of
from curation_tasks.kernels.fasttext_inference import plain_lines, predict, scores_of
from curation_tasks.kernels.fasttext_model import load_model
from curation_tasks.kernels.fasttext_tables import FastTextModel
from curation_tasks.kernels.utf8 import text_buffers
from curation_tasks.testing import TRAPS

sys.path.insert(0, str(Path(__file__).parents[1]))
from fasttext_models import LETTERS, MANY_LABELS, MODELS, labelled_texts

#: Sums in another order, and logarithms of another library, move a probability by this much.
TOLERANCE = 2e-5

letters = st.sampled_from("".join(LETTERS.values()) + " \n\t\0<>/s_")
texts = st.lists(st.text(letters, max_size=80) | st.text(max_size=40) | st.sampled_from(["</s>", "a </s> b", "__label__la x"]), max_size=6)


def buffers(rows: list[str | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offsets, data = text_buffers(pa.array(rows, pa.string()))
    return data, offsets[:-1], offsets[1:]


def assert_as_fasttext(model: FastTextModel, rows: list[str | None], k: int) -> None:
    """Equal labels with equal probabilities; labels may change places only where fastText gives them the same probability."""
    found, wanted = predict(model, *buffers(rows), k=k), predict_with_library(model, *buffers(rows), k=len(model.labels))
    np.testing.assert_array_equal(found.features > 0, wanted.features > 0)
    for row in range(len(rows)):
        ours = {label: score for label, score in zip(found.labels[row], found.scores[row], strict=True) if label >= 0}
        theirs = {label: score for label, score in zip(wanted.labels[row], wanted.scores[row], strict=True) if label >= 0}
        np.testing.assert_allclose(list(ours.values()), sorted(theirs.values(), reverse=True)[: len(ours)], atol=TOLERANCE)
        assert len(ours) == min(k, len(theirs))
        for label, score in ours.items():
            assert theirs[label] == pytest.approx(score, abs=TOLERANCE), (rows[row], model.labels[label])


@pytest.fixture(params=[*MODELS, "coded.ftz", "lid.176.ftz"])
def model(request, fasttext_models, monkeypatch):
    load_model.cache_clear()
    if request.param == "lid.176.ftz":
        return load_model(embedded_model())
    if request.param == "coded.ftz":  # its rows stay codes, as those of a large model
        monkeypatch.setattr(fasttext_model, "DECODED_BYTES", 0)
        model = load_model(str(fasttext_models / "pruned.ftz"))
        assert len(model.matrix) == 0
        return model
    return load_model(str(fasttext_models / request.param))


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=texts, k=st.integers(1, 5))
def test_any_text(model, rows, k):
    assert_as_fasttext(model, rows, k)


def test_trained_on(model):
    rows = [text for _, text in labelled_texts(100, seed=2)]
    assert_as_fasttext(model, [*rows, *(row for row in TRAPS), "\n".join(rows), "word" * 30_000, "a b " * 30_000], 2)
    if not model.path.endswith("lid.176.ftz"):
        found = predict(model, *buffers(rows))
        right = [model.labels[label] == wanted for label, (wanted, _) in zip(found.labels[:, 0], labelled_texts(100, seed=2), strict=True)]
        assert np.mean(right) > 0.9


@pytest.mark.parametrize("name", ["languages.bin", "languages.ftz"])
def test_thousands_of_labels(fasttext_models, name):
    load_model.cache_clear()
    model = load_model(str(fasttext_models / name))
    assert set(model.labels) == set(MANY_LABELS)
    assert len(model.labels) > 2000
    lines = (fasttext_models / "languages.txt").read_text("utf-8").splitlines()[::9]
    rows = [*(line.partition(" ")[2] for line in lines), *labelled_rows(50), *(row or "" for row in TRAPS)]
    found, wanted = predict(model, *buffers(rows)), predict_with_library(model, *buffers(rows))
    np.testing.assert_array_equal(found.labels, wanted.labels)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=TOLERANCE)
    assert found.scores.max() > 0.1
    best = predict(model, *buffers(rows), k=3)
    np.testing.assert_array_equal(best.labels[:, 0], found.labels[:, 0])


def labelled_rows(count: int) -> list[str]:
    return [text for _, text in labelled_texts(count, seed=5)]


def test_a_model_stays_in_the_file(fasttext_models):
    load_model.cache_clear()
    model = load_model(str(fasttext_models / "languages.bin"))
    # Mapped, not read: workers of a node share its pages.
    assert np.shares_memory(model.matrix, model.data)
    assert isinstance(model.data.base.obj if isinstance(model.data.base, memoryview) else model.data.base, mmap.mmap)


@given(rows=texts, cut=st.integers(0, 5))
def test_no_text_depends_on_its_neighbours(rows, cut):
    model = load_model(embedded_model())
    whole = predict(model, *buffers(rows), k=3)
    for part, place in ((rows[:cut], slice(None, cut)), (rows[cut:], slice(cut, None))):
        found = predict(model, *buffers(part), k=3)
        np.testing.assert_array_equal(found.labels, whole.labels[place])
        np.testing.assert_array_equal(found.scores, whole.scores[place])


def test_threads_share_a_model(fasttext_models):
    load_model.cache_clear()
    rows = [text for _, text in labelled_texts(300, seed=4)]

    def labels(part: int) -> list[int]:
        model = load_model(str(fasttext_models / "pruned.ftz"))
        return predict(model, *buffers(rows[part::4])).labels[:, 0].tolist()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(labels, range(4)))
    assert found == [labels(part) for part in range(4)]


def test_scores_of_one_label(fasttext_models):
    model = load_model(str(fasttext_models / "tree.bin"))
    rows = [text for _, text in labelled_texts(20, seed=3)]
    found = predict(model, *buffers(["", *rows]), k=len(model.labels))
    total = sum(scores_of(found, label) for label in range(len(model.labels)))
    assert total[0] == 0
    np.testing.assert_allclose(total[1:], 1, atol=1e-3)


def test_labels_of_the_embedded_model():
    assert sorted(load_model(embedded_model()).labels) == sorted(LID176_LANGUAGES)


def test_words_that_are_left_out():
    rows = ["a</s>b </s> c\n__label__x d", " </s>", "", "\0a\x0bb\x0c", "</s> __label__ __label_y", None]
    lines = plain_lines(*buffers(rows)).to_pylist()
    assert lines == ["a</s>b c d", "", "", "a b", "__label_y", ""]


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_bucket_is_the_rest_of_the_division(value, buckets):
    grams = fasttext_model._grams(1, 0, 1, buckets, None, 0, 0)
    numbers = (np.uint64(number) for number in (value, buckets, grams.reciprocal, grams.shift))
    assert bucket_of.py_func(*numbers) == value % buckets


@pytest.mark.parametrize("name", ["pruned.ftz", "each.bin"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_but_never_left(fasttext_models, tmp_path, name, data):
    content = bytearray((fasttext_models / name).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(3):
            content[data.draw(st.integers(0, 200) | st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged"
    damaged.unlink(missing_ok=True)
    damaged.write_bytes(content)
    load_model.cache_clear()
    try:
        model = load_model(str(damaged))
        found = predict(model, *buffers(["abc \u03b1\u03b2 " * 50, ""]), k=4)
    except InputError:
        return
    assert found.labels.max() < len(model.labels)


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "opened"), (b"PK\3\4" + b"\0" * 100, "no fastText model"), (b"\xba\x16\x4f\x2f\x0c\0\0\0", "ends before")]
)
def test_what_is_no_model(tmp_path, content, what):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what):
        load_model(str(path))


def test_word_vectors_are_no_classifier(tmp_path, fasttext_models):
    content = bytearray((fasttext_models / "words.bin").read_bytes())
    content[8 + 4 * 7] = 1  # the kind of model: cbow
    (tmp_path / "vectors.bin").write_bytes(content)
    with pytest.raises(InputError, match="word vectors"):
        load_model(str(tmp_path / "vectors.bin"))


def test_nan_is_told(tmp_path, fasttext_models):
    content = bytearray((fasttext_models / "tree.bin").read_bytes())
    content[-256:] = np.full(64, np.nan, np.float32).tobytes()
    (tmp_path / "nan.bin").write_bytes(content)
    with pytest.raises(InputError, match="NaN"):
        predict(load_model(str(tmp_path / "nan.bin")), *buffers(["abc"]))
