"""A pipeline of two languages: found, routed to rules and stop words of their own, others rejected, all of it accounted for."""

import json
import os
import subprocess
import sys

from curation_tasks.manifest import read_manifest

PIPELINE = """
name: languages
stages:
  - id: pages
    source: jsonl
    parameters: {files: [FOLDER/pages.jsonl], columns: {id: id}}
  - id: refine
    operations:
      - filters.language: {mode: keep, languages: [de, en], min_score: 0.5, script: true, scripts: [Latn]}
      - filters.character_histogram: {histograms: {de: FOLDER/de.txt, en: FOLDER/en.txt}}
      - filters.quality:
          by_language:
            en: {extra_rules: [{signal: distinct_stop_word_count, min: 3}, {signal: mean_word_length, max: 6}]}
            de: {extra_rules: [{signal: distinct_stop_word_count, min: 3}, {signal: mean_word_length, max: 10}]}
"""

PAGES = {
    "en-prose": "The committee met to talk about the rules that schools have, and it will meet again with the teachers next week.",
    "en-list": "Blue cotton shirt, large size, free shipping, add to cart, customer reviews, similar products, newsletter signup page",
    "en-long-words": "The implementation of constitutional responsibilities and the characterization of governmental organizations, that "
    "necessitates internationalization with institutional participation.",
    "de-prose": "Die Bundesregierung hat den Gesetzentwurf zur Lebensmittelüberwachung beschlossen, und der Bundesrat ist nicht damit "
    "zufrieden, weil die Landwirtschaftsministerien nicht gefragt wurden.",
    "de-list": "Blaues Baumwollhemd, große Größe, kostenloser Versand, Warenkorb, Kundenbewertungen, ähnliche Produkte, Newsletter",
    "de-signs": "Das ist der Preis für die Ware und nicht mehr: ★★★★★ ☎☎☎☎☎☎☎ ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ ★★★★★★",
    "fr-prose": "La commission se réunira de nouveau la semaine prochaine pour parler des nouvelles règles avec les professeurs.",
    "ru-prose": "Комиссия снова соберётся на следующей неделе, чтобы обсудить новые правила для школ вместе с учителями.",
    "blank": " \n ",
}
EXPECTED = {
    "en-prose": None,
    "en-list": "en.extra.distinct_stop_word_count.min",
    "en-long-words": "en.extra.mean_word_length.max",
    "de-prose": None,
    "de-list": "de.extra.distinct_stop_word_count.min",
    "de-signs": "character_histogram_ratio.min",
    "fr-prose": "language.unwanted",
    "ru-prose": "language.unwanted",
    "blank": "language.score.min",
}


def curate(*arguments):
    process = subprocess.run(
        [sys.executable, "-m", "curation_tasks.cli", *map(str, arguments)], capture_output=True, text=True, env=os.environ
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_two_languages(tmp_path):
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in PAGES.items()))
    for language in ("de", "en"):
        documents = tmp_path / f"{language}.jsonl"
        texts = [text for name, text in PAGES.items() if name.startswith(language) and not name.endswith("signs")]
        documents.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        curate("character-histogram", documents, "-o", tmp_path / f"{language}.txt", "--coverage", "1")
    (tmp_path / "languages.yaml").write_text(PIPELINE.replace("FOLDER", str(tmp_path)))
    stages = json.loads(curate("run", tmp_path / "languages.yaml", "--root", tmp_path / "data", "--json"))["stages"]
    manifest = read_manifest(stages[-1]["manifest"])
    dataset = manifest.dataset()
    kept = [row for shard in dataset.shards for batch in dataset.read(shard) for row in batch.to_pylist()]
    ledger = curate("explain", "pages:de-list", "--in", stages[-1]["manifest"])
    assert {row["doc_id"]: (row["language"], row["language_script"]) for row in kept} == {
        "pages:en-prose": ("en", "Latn"),
        "pages:de-prose": ("de", "Latn"),
    }
    reasons = [reason for reason in EXPECTED.values() if reason]
    assert manifest.content["reasons"] == {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    assert "de.extra.distinct_stop_word_count.min" in ledger
