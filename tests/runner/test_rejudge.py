"""Other rules over stored signals give what a run with those rules gives: same key, same digest."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curation_tasks.cli.run import run_pipeline
from curation_tasks.errors import ConfigError, InputError
from curation_tasks.lineage.explain import explain
from curation_tasks.lineage.verify import verify
from curation_tasks.manifest import read_manifest
from curation_tasks.runner import Surroundings
from curation_tasks.runner.rejudge import Rejudgement, Request, judged_stage
from curation_tasks.runner.rejudged_shards import states
from curation_tasks.storage.shard import ShardWriter

PIPELINE = """
name: small
stages:
  - id: stories
    source: jsonl
    parameters: {files: [FOLDER/a.jsonl, FOLDER/b.jsonl], columns: {id: id, url: url, keep: {language: string}}}
  - id: others
    source: jsonl
    parameters: {files: [FOLDER/c.jsonl], columns: {id: id, url: url, keep: {language: string}}}
  - id: refine
    needs: [stories, others]
    operations:
      - cleaning.quotes
      - cleaning.lines: {rules: refinedweb}
      - filters.quality: RULES
LATER
"""
HOUSE = Request("house.yaml")
OLD = "{extra_rules: [{signal: word_count, min: 30}], signals: [character_count]}"
NEW = """
name: house
rules:
  - {signal: word_count, min: 10, max: 70}
  - {signal: character_count, max: 330}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rejudge")
    for name in "abc":
        rows = [
            {
                "id": f"{name}{n}",
                "url": f"https://example.org/{name}/{n}",
                "language": "de" if n % 2 else "en",
                "text": f"\u201cStory\u201d {n}. {'word ' * n}{chr(10) + '3 likes' if n % 9 == 0 else ''}",
            }
            for n in range(1, 81)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "house.yaml").write_text(NEW)
    return folder


@pytest.fixture
def ran(folder, tmp_path, monkeypatch):
    """Runs a pipeline with given rules; the manifest of ``refine``."""
    monkeypatch.chdir(folder)

    def run(rules=OLD, root="data", later="", **replacements):
        text = PIPELINE.replace("FOLDER", str(folder)).replace("RULES", rules).replace("LATER", later)
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        path = folder / f"{root}.yaml"
        path.write_text(text)
        outcomes = {outcome["stage"]: outcome for outcome in run_pipeline(path, "all", str(tmp_path / root), workers=1)}
        return read_manifest(outcomes["refine"]["manifest"]), outcomes["refine"]

    return run


def test_a_commit_is_what_a_run_with_the_rules_gives(ran):
    old, _ = ran()
    judgement = Rejudgement(old, HOUSE)
    outcome = judgement.commit(Surroundings())
    fresh, _ = ran("{rules_file: house.yaml, signals: [character_count]}", root="fresh")
    assert (outcome["key"], outcome["digest"]) == (fresh.key, fresh.digest)
    assert outcome["digest"] != old.digest
    committed = read_manifest(outcome["manifest"])
    assert [finding.to_dict() for finding in verify(committed)] == []
    assert committed.parents[1:] == old.parents[1:]
    assert Rejudgement(old, HOUSE).commit(Surroundings())["reused"]


def test_a_pipeline_with_the_rules_finds_the_stage_done(ran):
    old, _ = ran()
    Rejudgement(old, HOUSE).commit(Surroundings())
    assert ran("{rules_file: house.yaml, signals: [character_count]}")[1]["reused"]


def test_verdicts_are_the_counts_of_the_commit(ran):
    old, _ = ran()
    judgement = Rejudgement(old, HOUSE)
    verdicts = judgement.verdicts()
    committed = read_manifest(judgement.commit(Surroundings())["manifest"])
    mine = {reason: amount for reason, amount in committed.content["reasons"].items() if reason.startswith("house")}
    assert dict(verdicts.reasons) == mine
    assert verdicts.kept == committed.counts["documents"]
    assert verdicts.kept_before == old.counts["documents"]
    assert verdicts.kept == verdicts.kept_before + verdicts.admitted - verdicts.excluded
    assert min(verdicts.admitted, verdicts.excluded) > 0
    assert verdicts.failed["house.character_count.max"] > verdicts.reasons["house.character_count.max"] > 0


def test_an_admitted_document_is_explained(ran):
    old, _ = ran()
    committed = read_manifest(Rejudgement(old, HOUSE).commit(Surroundings())["manifest"])
    before, after = (explain(item, "stories:a20", show_text=True)[-1] for item in (old, committed))
    assert (before["outcome"], after["outcome"]) == ("rejected", "kept")
    assert after["text"] == before["text"]
    assert after["signals"]["word_count"] == 22


def test_rules_by_language_are_kept(ran):
    rules = "{RULES, signals: [character_count], by_language: {de: {extra_rules: [{signal: word_count, min: 50}]}}}"
    old, _ = ran(rules.replace("RULES", "extra_rules: [{signal: word_count, min: 30}]"))
    outcome = Rejudgement(old, HOUSE).commit(Surroundings())
    fresh, _ = ran(rules.replace("RULES", "rules_file: house.yaml"), root="fresh")
    assert (outcome["key"], outcome["digest"]) == (fresh.key, fresh.digest)
    assert "de.extra.word_count.min" in fresh.content["reasons"]


def test_without_texts_in_the_ledger_the_input_has_them_if_nothing_rewrote_them(ran):
    plain = {
        "      - cleaning.quotes\n      - cleaning.lines: {rules: refinedweb}\n": "",
        "id: refine\n": "id: refine\n    ledger_text: false\n",
    }
    old, _ = ran(**plain)
    outcome = Rejudgement(old, HOUSE).commit(Surroundings())
    fresh, _ = ran("{rules_file: house.yaml, signals: [character_count]}", root="fresh", **plain)
    assert (outcome["key"], outcome["digest"]) == (fresh.key, fresh.digest)


def test_without_texts_in_the_ledger_rewritten_ones_are_missed(ran):
    old, _ = ran(**{"id: refine\n": "id: refine\n    ledger_text: false\n"})
    judgement = Rejudgement(old, HOUSE)
    assert judgement.verdicts().admitted > 0
    with pytest.raises(ConfigError, match="kept document needs: text"):
        judgement.commit(Surroundings())


def test_missing_signals_are_named(ran):
    old, _ = ran("{extra_rules: [{signal: word_count, min: 30}]}")
    with pytest.raises(ConfigError, match=r"not stored: character_count(.|\n)*among: word_count"):
        Rejudgement(old, HOUSE)


def test_operations_behind_the_rules_must_see_what_passes(ran):
    later = "      - cleaning.boilerplate: {phrases: [word word], where: anywhere, max_removed_word_ratio: 0.5}"
    old, _ = ran(later=later)
    judgement = Rejudgement(old, HOUSE)
    verdicts = judgement.verdicts()
    assert verdicts.undecided > 0
    assert verdicts.admitted == 0
    with pytest.raises(ConfigError, match=r"cleaning\.boilerplate"):
        judgement.commit(Surroundings())


def test_signals_measured_in_another_way_are_refused(ran):
    old, _ = ran()
    judgement = Rejudgement(old, HOUSE)
    judgement.new = judgement.new.model_copy(update={"words": "wordpunct"})
    with pytest.raises(ConfigError, match="measured in another way"):
        judgement._check_signals()


def test_repeated_identities_are_refused(tmp_path):
    for name in ("input", "kept"):
        with ShardWriter(str(tmp_path), f"{name}.parquet", {"doc_id": "string"}) as writer:
            writer.write(pa.record_batch({"doc_id": ["same", "same"]}))
    item = {"input": f"{tmp_path}/input.parquet", "kept": f"{tmp_path}/kept.parquet", "ledger": "", "later": []}
    item |= {"from_input": ["doc_id"], "from_stage": [], "earlier_columns": []}
    with pytest.raises(InputError, match="identities are repeated"):
        next(states(item, "filters.quality"))


def test_the_stage_is_found_from_what_follows_it(ran):
    later = "  - id: exact\n    reduction: dedup.exact"
    old, _ = ran(later=later)
    [exact] = Path(old.root).glob("small/all/exact/*/manifest.json")
    assert judged_stage(read_manifest(str(exact))).uri == old.uri
    with pytest.raises(ConfigError, match=r"'stories' has no operation(.|\n)*one of: refine"):
        judged_stage(old, "stories")


CLASSIFIED = """
name: small
stages:
  - id: stories
    source: jsonl
    parameters: {files: [FOLDER/languages.jsonl], columns: {id: id}}
  - id: language
    operations:
      - filters.language: LANGUAGE
  - id: score
    operations:
      - filters.fasttext_quality: SCORE
      - filters.character_histogram: HISTOGRAM
"""
SENTENCES = {
    "en": "The committee will meet again next week to talk about the new rules for public schools",
    "de": "Die Kommission wird sich in der n\u00e4chsten Woche wieder treffen, um zu sprechen",
    "fr": "La commission se r\u00e9unira de nouveau la semaine prochaine pour parler des r\u00e8gles",
}
LANGUAGE = "{mode: keep, languages: [en, de], min_score: 0.9, script: true}"
SCORE = "{model: quality.bin, keep: min_score, min_score: 0.2}"
HISTOGRAM = "{histogram: en.txt, min_ratio: 0.95}"


@pytest.fixture
def classified(tmp_path, monkeypatch):
    """Runs a pipeline of classifiers; the manifests by stage."""
    words = [word for sentence in SENTENCES.values() for word in sentence.split()]
    rows = [" ".join(sentence.split()[:n]) for sentence in SENTENCES.values() for n in range(1, 15)]
    rows += [" ".join(words[n::7]) + " once upon a time story little" * (n % 3) for n in range(7)] + ["", "12 34"]
    (tmp_path / "languages.jsonl").write_text("".join(json.dumps({"id": f"{n}", "text": text}) + "\n" for n, text in enumerate(rows)))
    corpus = Path(__file__).parents[1] / "corpus"
    (tmp_path / "quality.bin").write_bytes((corpus / "models" / "quality.bin").read_bytes())
    (tmp_path / "en.txt").write_bytes((corpus / "histograms" / "en.txt").read_bytes())
    monkeypatch.chdir(tmp_path)

    def run(root, language=LANGUAGE, score=SCORE, histogram=HISTOGRAM):
        text = CLASSIFIED.replace("FOLDER", str(tmp_path)).replace("LANGUAGE", language).replace("SCORE", score)
        (tmp_path / f"{root}.yaml").write_text(text.replace("HISTOGRAM", histogram))
        outcomes = run_pipeline(tmp_path / f"{root}.yaml", "all", str(tmp_path / root), workers=1)
        return {outcome["stage"]: read_manifest(outcome["manifest"]) for outcome in outcomes}

    return run


@pytest.mark.parametrize(
    ("old", "changes", "new"),
    [
        (LANGUAGE, {"min_score": 0.3}, LANGUAGE.replace("0.9", "0.3")),
        (LANGUAGE, {"min_score": 0.99, "languages": ["deu_Latn", "fr"]}, LANGUAGE.replace("0.9", "0.99").replace("en, de", "deu_Latn, fr")),
        (LANGUAGE, {"mode": "drop", "min_scores": {"fr": 0.2}}, LANGUAGE.replace("keep", "drop, min_scores: {fr: 0.2}")),
        (LANGUAGE, {"mode": "annotate", "languages": []}, "{min_score: 0.9, script: true}"),
        (
            "{mode: keep, languages: [en], by: paragraph}",
            {"languages": ["fr"], "min_language_ratio": 0.8},
            "{mode: keep, languages: [fr], by: paragraph, min_language_ratio: 0.8}",
        ),
    ],
)
def test_other_languages_and_bounds_are_what_a_run_with_them_gives(classified, old, changes, new):
    judgement = Rejudgement(classified("old", language=old)["language"], Request(changes=changes))
    verdicts, outcome = judgement.verdicts(), judgement.commit(Surroundings())
    fresh = classified("fresh", language=new)["language"]
    assert (outcome["key"], outcome["digest"]) == (fresh.key, fresh.digest)
    assert verdicts.kept == fresh.counts["documents"] != verdicts.kept_before
    assert dict(verdicts.reasons) == {name: count for name, count in fresh.content["reasons"].items() if count}


def test_other_bounds_on_scores_are_what_a_run_with_them_gives(classified):
    [old] = [classified("old", histogram="{histogram: en.txt, min_ratio: null}")["score"]]
    request = Request(changes={"keep": "pareto", "min_score": None, "alpha": 1.5})
    with pytest.raises(ConfigError, match=r"filters\.character_histogram"):
        Rejudgement(old, request).commit(Surroundings())
    assert Rejudgement(old, request).verdicts().reasons["quality_score.pareto"] > 0
    outcome = Rejudgement(old, Request(changes={"min_ratio": 1})).commit(Surroundings())
    fresh = classified("fresh", histogram="{histogram: en.txt, min_ratio: 1}")["score"]
    assert (outcome["key"], outcome["digest"]) == (fresh.key, fresh.digest)
    assert fresh.content["reasons"]["character_histogram_ratio.min"] > 0


def test_what_is_meant_is_found_or_asked_for(classified):
    manifests = classified("old")
    for changes, stage in (({"languages": ["fr"]}, "language"), ({"min_ratio": 0.5}, "score"), ({"alpha": 2}, "score")):
        assert judged_stage(manifests["score"], None, Request(changes=changes)).stage == stage
    with pytest.raises(ConfigError, match=r"has 2 operations with the parameters column(.|\n)*it has filters.fasttext_quality, filters.ch"):
        Rejudgement(manifests["score"], Request(changes={"column": "other"}))
    with pytest.raises(ConfigError, match="not stored: other"):
        Rejudgement(manifests["score"], Request(changes={"column": "other"}, operation="filters.character_histogram"))
    with pytest.raises(ConfigError, match="measured in another way"):
        Rejudgement(manifests["language"], Request(changes={"window": "middle"}))
    with pytest.raises(ConfigError, match="nothing to judge by"):
        Rejudgement(manifests["language"], Request())
    with pytest.raises(ConfigError, match="no language 'xx'"):
        Rejudgement(manifests["language"], Request(changes={"languages": ["xx"]}))
