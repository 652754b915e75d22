"""``filters.fasttext_quality``: scores, bounds, and keeping by chance."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import PARTS
from curation_tasks.filters.classifier_parameters import FastTextQualityParameters
from curation_tasks.filters.fasttext_quality import fasttext_quality
from curation_tasks.testing import check_operation, context_for

MODEL = str(Path(__file__).parents[1] / "corpus" / "models" / "quality.bin")
PART = next(part for part in PARTS if part.name == "filters.fasttext_quality")
STORY, SHOP = "Once upon a time there was a little girl who lived in a house", "buy now cheap price best offer free shipping click here"


def run(texts: list[str | None], **given: object) -> dict[str, list]:
    parameters = FastTextQualityParameters(model=MODEL, **given)
    batch = pa.record_batch({"doc_id": [f"d:{row}" for row in range(len(texts))], "text": pa.array(texts, pa.string())})
    return fasttext_quality(batch, parameters, context_for(parameters)).to_pydict()


def test_scores():
    good, bad, empty, null, unheard = run([STORY, SHOP, "", None, "\u4eca\u65e5"])["quality_score"]
    assert good > 0.9
    assert bad < 0.1
    assert (empty, null, unheard) == (0, 0, 0)
    of_other_label = run([STORY, SHOP], label="__label__lq")["quality_score"]
    assert np.add(of_other_label, [good, bad]).tolist() == pytest.approx([1, 1], abs=1e-4)


def test_bound_is_inclusive():
    [score] = run([STORY])["quality_score"]
    found = run([STORY, SHOP], keep="min_score", min_score=score)
    assert found["reject_reason"] == [None, "quality_score.min"]
    assert found["reject_threshold"] == [None, score]


def test_library_says_the_same():
    texts = [STORY, SHOP, None, f"{STORY}\n{SHOP}", "</s> __label__hq " + SHOP]
    assert run(texts)["quality_score"] == pytest.approx(run(texts, engine="fasttext")["quality_score"], abs=2e-5)


def test_pareto_keeps_by_chance_and_the_better_the_likelier():
    texts = [STORY, SHOP, "the a"] * 3000
    found = run(texts, keep="pareto", column="like_stories")
    kept = np.array([reason is None for reason in found["reject_reason"]]).reshape(-1, 3)
    scores = np.array(found["like_stories"][:3])
    assert set(found["reject_reason"]) == {None, "like_stories.pareto"}
    np.testing.assert_allclose(kept.mean(axis=0), (2 - scores) ** -3, atol=0.03)
    assert run(texts, keep="pareto", seed=1)["reject_reason"] != found["reject_reason"]


def test_pareto_looks_at_nothing_but_the_document():
    parameters = FastTextQualityParameters(model=MODEL, keep="pareto")
    batch = pa.record_batch({"doc_id": [f"d:{row}" for row in range(500)], "text": ["the a of"] * 500})
    whole = fasttext_quality(batch, parameters, context_for(parameters))
    order = np.random.default_rng(0).permutation(500)
    shuffled = fasttext_quality(batch.take(pa.array(order)), parameters, context_for(parameters))
    assert shuffled.column("reject_reason").equals(whole.column("reject_reason").take(pa.array(order)))


def test_a_label_that_the_model_lacks():
    with pytest.raises(ConfigError, match="no label 'good'; known: hq, lq"):
        run([STORY], label="good")


def test_keeps_the_contract_with_a_bound():
    check_operation(PART, {"model": MODEL, "keep": "min_score", "min_score": 0.5}, huge=False)


@pytest.mark.parametrize("given", [{"min_score": 0.5}, {"keep": "min_score"}, {"keep": "pareto", "alpha": 0}])
def test_mistakes_are_found_when_planning(given):
    with pytest.raises(ValidationError):
        FastTextQualityParameters(model=MODEL, **given)
