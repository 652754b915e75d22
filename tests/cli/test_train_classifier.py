"""`curate train-classifier`: from a published dataset and plain files to a model that a pipeline uses."""

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_tasks.cli.train_classifier import train_classifier
from curation_tasks.errors import ConfigError, InputError

sys.path.insert(0, str(Path(__file__).parents[1]))
from fasttext_models import good_and_bad_texts

STORIES = """
name: stories
stages:
  - {id: stories, source: story_generator, parameters: {stories: 300, units: 2}}
  - {id: clean, operations: [cleaning.quotes]}
  - {id: export, export: jsonl}
  - {id: publish, publish: {}}
"""

MIXED = """
name: mixed
stages:
  - {id: mixed, source: jsonl, parameters: {files: [FOLDER/mixed.jsonl]}}
  - {id: refine, operations: [{filters.fasttext_quality: {model: MODEL, keep: min_score, min_score: 0.5}}]}
"""


def curate(*arguments, check=0):
    process = subprocess.run(
        [sys.executable, "-m", "curation_tasks.cli", *map(str, arguments)], capture_output=True, text=True, env=os.environ
    )
    assert process.returncode == check, process.stderr
    return process


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    shops = [text for label, text in good_and_bad_texts(500, seed=9) if label == "lq"]
    with gzip.open(folder / "shops.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"content": text}) + "\n" for text in [*shops[:100], *["\ud800"]])
    (folder / "more").mkdir()
    pq.write_table(pa.table({"content": shops[100:]}), folder / "more" / "shops.parquet")
    (folder / "stories.yaml").write_text(STORIES)
    curate("run", folder / "stories.yaml", "--root", folder / "data", "--json")
    return folder


def test_from_documents_to_a_pipeline(folder):
    published, model = folder / "data/stories/all/published/000001.json", folder / "models" / "quality.ftz"
    sets = ["--positive", published, "--negative", folder / "shops.jsonl.gz", "--negative", folder / "more", "--negative-column", "content"]
    small = [item for setting in ("buckets=5000", "dimensions=8", "min_count=1", "cutoff=500") for item in ("--set", setting)]
    metadata = json.loads(curate("train-classifier", *sets, "-o", model, *small, "--json").stdout)
    assert metadata["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert metadata["data"]["positive"]["documents"] == 298  # two of the generated stories are empty
    assert metadata["data"]["negative"]["documents"] == sum(label == "lq" for label, _ in good_and_bad_texts(500, seed=9))
    assert [source["kind"] for source in metadata["data"]["negative"]["sources"]] == ["jsonl", "parquet"]
    assert len(metadata["data"]["positive"]["sources"][0]["digests"]) == 1
    assert metadata["held_out"]["roc_area"] > 0.99
    assert json.loads((folder / "models/quality.json").read_text()) == {name: metadata[name] for name in metadata if name != "output"}
    page = (folder / "models/quality.html").read_text()
    assert page.count("<svg") == 2
    assert "once upon" not in page.lower()

    exported = sorted(folder.glob("data/stories/all/export/*/part-*.jsonl"))[0].read_text().splitlines()[:20]
    shops = [text for label, text in good_and_bad_texts(40, seed=3) if label == "lq"]
    rows = [{"text": text} for text in [*(json.loads(line)["text"] for line in exported), *shops]]
    (folder / "mixed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "mixed.yaml").write_text(MIXED.replace("FOLDER", str(folder)).replace("MODEL", "models/quality.ftz"))
    outcome = json.loads(curate("run", folder / "mixed.yaml", "--root", folder / "data", "--json").stdout)
    assert outcome["stages"][-1]["reasons"] == {"quality_score.min": len(shops)}


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"output": "quality.model"}, ConfigError, "ends with .bin, or .ftz"),
        ({"positive": "nothing.jsonl"}, InputError, "no such file, folder or manifest"),
        ({"positive": "stories.yaml"}, ConfigError, "of no known format"),
        ({"negative_column": "txt"}, InputError, "txt"),
        ({"set_": ["epoch=3"]}, ConfigError, "unknown key 'epoch'; did you mean 'epochs'"),
    ],
)
def test_mistakes(folder, changes, kind, message):
    given = {"positive": "more", "positive_column": "content", "negative": "shops.jsonl.gz", "negative_column": "content"}
    given |= {"output": str(folder / "never.bin"), **changes}
    given |= {name: [str(folder / given[name])] for name in ("positive", "negative")}
    with pytest.raises(kind, match=re.escape(message)):
        train_classifier(**given)
    assert not (folder / "never.bin").exists()
