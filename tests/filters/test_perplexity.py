"""Perplexity by an n-gram model, which the test writes."""

import pyarrow as pa
import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers

from curation_tasks.errors import ConfigError
from curation_tasks.filters.catalog import PARTS, QualityParameters
from curation_tasks.filters.quality import quality
from curation_tasks.parts import file_parameters
from curation_tasks.testing import check_operation, context_for

PART = next(part for part in PARTS if part.name == "filters.quality")
#: Log probabilities to the base of 10, and weights with which a word that does not go on as listed is begun anew.
ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1.0\t<unk>\t0
-99\t<s>\t-0.3
-0.7\t</s>\t0
-0.5\tdog\t-0.2
-0.6\tthe\t-0.1

\\2-grams:
-0.2\t<s> the
-0.3\tthe dog
-0.1\tdog </s>

\\end\\
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text(ARPA)
    return str(path)


def perplexities(texts, **given):
    parameters = QualityParameters(signals=["perplexity"], **given)
    batch = quality(pa.record_batch({"text": pa.array(texts, pa.string())}), parameters, context_for(parameters))
    return batch.column("perplexity").to_pylist()


def test_perplexity_is_that_of_the_model(model):
    known = 0.2 + 0.3 + 0.1  # the listed pairs
    unknown = 0.3 + 1.0 + 0.7  # <s> begins anew, then a word that is not listed, then </s>
    assert perplexities(["the dog", "zebra", "the dog\n\n zebra \n", " \n", "", None], language_model=model) == [
        round(10 ** (known / 3), 1), round(10 ** (unknown / 2), 1), round(10 ** ((known + unknown) / 5), 1), 0, 0, 0
    ]  # fmt: skip


def test_the_pieces_of_a_tokenizer_are_the_words(model, tmp_path):
    tokenizer = Tokenizer(models.WordPiece({"the": 0, "##dog": 1, "dog": 2, "?": 3}, unk_token="?", continuing_subword_prefix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert perplexities(["thedog"], language_model=model) == [10.0]
    assert perplexities(["thedog"], language_model=model, tokenizer=str(tmp_path / "tokenizer.json")) == perplexities(
        ["the dog"], language_model=model
    )


def test_documents_are_judged(model, tmp_path):
    (tmp_path / "strange.arpa").write_text(ARPA.replace("-1.0\t<unk>", "-9.0\t<unk>"))
    parameters = QualityParameters(rules="data_juicer_perplexity", language_model=str(tmp_path / "strange.arpa"))
    batch = pa.record_batch({"text": ["the dog", "zebra"]})
    assert quality(batch, parameters, context_for(parameters)).column("reject_reason").to_pylist() == [
        None,
        "data_juicer_perplexity.perplexity.max",
    ]
    assert list(file_parameters(parameters)) == [str(tmp_path / "strange.arpa")]
    assert PART.library_names(parameters) == ("kenlm", "tokenizers")
    check_operation(PART, parameters, huge=False)


def test_what_is_no_model_is_named(tmp_path):
    (tmp_path / "model.arpa").write_text("nothing")
    with pytest.raises(ConfigError, match="a language model cannot be read") as caught:
        perplexities(["a"], language_model=str(tmp_path / "model.arpa"))
    assert "model.arpa" in str(caught.value)
    with pytest.raises(ValidationError, match="needs `language_model`"):
        QualityParameters(rules="data_juicer_perplexity")
