"""The operation `pii.redact`."""

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from curation_tasks.catalog import load_catalog
from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError
from curation_tasks.parts import file_parameters
from curation_tasks.pii import redact as implementation
from curation_tasks.pii.catalog import PARTS, RedactParameters

TEXT = "Lily wrote to ben@example.com; see http://example.com/é. Ring +1 212-555-5555, Tom!"


def run(texts, folder="memory://stage", files=None, kind=None, **parameters):
    context = RunContext("pipeline", "all", "pii", folder, files=files or {})
    batch = pa.record_batch({"doc_id": pa.array(map(str, range(len(texts)))), "text": pa.array(texts, kind or pa.string())})
    result = PARTS[0](batch, RedactParameters(**parameters), context)
    result.validate(full=True)
    return result, context


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "<PERSON> wrote to <EMAIL_ADDRESS>; see <URL> Ring <PHONE_NUMBER>, <PERSON>!"),
        ({"action": "redact"}, " wrote to ; see  Ring , !"),
        ({"entities": ["PERSON"], "replacements": {"PERSON": "jemand"}}, TEXT.replace("Lily", "jemand").replace("Tom", "jemand")),
        ({"score_threshold": 0.61}, TEXT.replace("ben@example.com", "<EMAIL_ADDRESS>")),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_actions(parameters, expected, kind):
    result, _ = run([TEXT, None, "", "nothing"], kind=kind, **parameters)
    assert result.column("text").to_pylist() == [expected, None, "", "nothing"]
    assert result.column("text").type == kind


def test_annotate_leaves_the_text_and_gives_characters():
    result, context = run(["é " + TEXT], action="annotate")
    text, spans = result.column("text")[0].as_py(), result.column("pii_spans")[0].as_py()
    assert text == "é " + TEXT
    assert [(text[span["start"] : span["end"]], span["entity"]) for span in spans] == [
        ("Lily", "PERSON"), ("ben@example.com", "EMAIL_ADDRESS"), ("http://example.com/é.", "URL"),
        ("+1 212-555-5555", "PHONE_NUMBER"), ("Tom", "PERSON"),
    ]  # fmt: skip
    assert result.column("pii_count").to_pylist() == [5]
    assert context.counters["pii.PERSON"] == 2


def test_an_address_inside_a_url_leaves_nothing_behind():
    result, _ = run(["see https://example.com/ben@example.com now"])
    assert result.column("text").to_pylist() == ["see <EMAIL_ADDRESS> now"]


def test_a_batch_without_a_hit_keeps_its_column():
    batch = pa.record_batch({"text": ["nothing", "at all"]})
    result = implementation.redact(batch, RedactParameters(), RunContext("p", "all", "s", "memory://none"))
    assert result.column("text").buffers()[2].address == batch.column("text").buffers()[2].address


@pytest.mark.parametrize("region", ["XX", "UK"])
def test_an_unknown_phone_region_is_refused(region):
    with pytest.raises(ConfigError, match=f"region '{region}'"):
        run(["text"], phone_regions=[region])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"entities": ["PERSN"]}, "did you mean 'PERSON'.*EMAIL_ADDRESS, PHONE_NUMBER, URL"),
        ({"entities": ["US_PASSPORT"]}, "no recognizer for the entity 'US_PASSPORT'"),
        ({"entities": []}, "at least 1"),
        ({"replacements": {"EMAIL": "x"}}, "no recognizer for the entity 'EMAIL'"),
        ({"entities": ["URL"], "replacements": {"PERSON": "x"}}, "not among entities"),
        ({"action": "redact", "replacements": {"PERSON": "x"}}, "no effect"),
        ({"language": "xx"}, "language 'xx'"),
        ({"phone_regions": ["us"]}, "two capital letters"),
        ({"person_engine": "spacy"}, "spacy_model .* or spacy_path"),
        ({"spacy_model": "en_core_web_sm"}, "person_engine is gazetteer"),
    ],
)
def test_parameters_that_would_silently_do_nothing_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        RedactParameters(**parameters)


def test_names_without_a_model_are_told_once_a_stage_and_counted(monkeypatch):
    monkeypatch.setattr(implementation, "_told", set())
    with capture_logs() as events:
        _, first = run([TEXT, "two"], folder="memory://one")
        run([TEXT], folder="memory://one")
        run([TEXT], folder="memory://two")
        run([TEXT], folder="memory://three", entities=["URL"])
    assert [event["log_level"] for event in events] == ["warning", "warning"]
    assert "WITHOUT A LANGUAGE MODEL" in events[0]["event"]
    assert first.counters["pii.person_without_model"] == 2


def test_no_log_shows_a_text(monkeypatch):
    monkeypatch.setattr(implementation, "_told", set())
    with capture_logs() as events:
        run([TEXT])
    assert not any(word in str(events) for word in ("Lily", "ben@", "212"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A spaCy model with one rule: Zaphod is a person."""
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Zaphod"}, {"label": "ORG", "pattern": "Acme"}])
    folder = tmp_path_factory.mktemp("model") / "zaphod"
    pipeline.to_disk(folder)
    return str(folder)


def test_a_saved_spacy_model_finds_the_names(model):
    texts = ["ééé Zaphod, Lily and Acme", None, "", "x " * 40_000 + "Zaphod é Zaphod"]
    with capture_logs() as events:
        result, context = run(texts, entities=["PERSON"], person_engine="spacy", spacy_path="zaphod", files={"zaphod": model})
    assert result.column("text").to_pylist() == ["ééé <PERSON>, Lily and Acme", None, "", "x " * 40_000 + "<PERSON> é <PERSON>"]
    assert events == []
    assert "pii.person_without_model" not in context.counters


def test_a_missing_model_and_one_without_people_are_configuration_errors(tmp_path):
    import spacy

    with pytest.raises(ConfigError, match="cannot be loaded"):
        run([TEXT], entities=["PERSON"], person_engine="spacy", spacy_model="no_such_model")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ConfigError, match="no label for people"):
        run([TEXT], entities=["PERSON"], person_engine="spacy", spacy_path="blank", files={"blank": str(tmp_path / "blank")})


def test_what_decides_the_result_enters_the_key():
    part = load_catalog().operations["pii.redact"]
    assert part.library_names(RedactParameters(entities=["PERSON"])) == ()
    assert part.library_names(RedactParameters(entities=["EMAIL_ADDRESS", "PHONE_NUMBER"])) == (
        "phonenumbers", "presidio-analyzer", "regex", "tldextract",
    )  # fmt: skip
    named = RedactParameters(entities=["PERSON"], person_engine="spacy", spacy_model="en_core_web_sm")
    assert part.library_names(named) == ("en-core-web-sm", "spacy")
    saved = RedactParameters(entities=["PERSON"], person_engine="spacy", spacy_path="models/names")
    assert list(file_parameters(saved)) == ["models/names"]
