"""The pipelines `wikipedia` and `arxiv` as they are shipped, from origins of our own to published datasets."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def curate(tmp_path: Path, pipeline: str, snapshot: str, *options: str) -> Path:
    """Runs a shipped pipeline by the command; the folder of its published snapshot."""
    command = [sys.executable, "-m", "curation_tasks.cli", "run", f"dags/pipelines/{pipeline}.yaml", "--snapshot", snapshot]
    command += ["--root", str(tmp_path / "root"), "--workers", "1", "--no-report", *options]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": "plugins"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return tmp_path / "root" / pipeline / snapshot


def exported(folder: Path) -> list[dict]:
    return [json.loads(line) for file in sorted(folder.glob("export-jsonl/*/*.jsonl*")) for line in _lines(file)]


def _lines(file: Path) -> list[str]:
    import zstandard

    data = file.read_bytes()
    if file.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(data).read()
    elif file.suffix == ".gz":
        data = gzip.decompress(data)
    return data.decode().splitlines()


def manifest(folder: Path, stage: str) -> dict:
    [place] = folder.glob(f"{stage}/*/manifest.json")
    return json.loads(place.read_text(encoding="utf-8"))["content"]


def test_wikipedia(tmp_path, laid_out):
    from made_origins import wikipedia

    laid_out(wikipedia(), tmp_path)
    folder = curate(tmp_path, "wikipedia", "20250801", "--set", f"articles.base_url={tmp_path}")
    documents = exported(folder)
    titles = {row["title"] for row in documents}
    assert len(documents) == len(titles) == 7
    assert titles - {"River 10", "Copy"} == {*(f"River {number}" for number in range(11, 16)), "Mail"}
    mail = next(row["text"] for row in documents if row["title"] == "Mail")
    assert "<EMAIL_ADDRESS>" in mail
    assert "References" not in mail
    assert manifest(folder, "articles")["reasons"] == {"redirect": 1}
    assert manifest(folder, "refine")["reasons"] == {"gopher_quality.plain_word_count.min": 1, "language.unwanted": 1}
    assert manifest(folder, "exact")["reasons"] == {"exact_duplicate": 1}
    assert sum(manifest(folder, "near")["reasons"].values()) == 1


def test_arxiv(tmp_path, laid_out):
    from made_origins import arxiv

    laid_out(arxiv(), tmp_path)
    folder = curate(tmp_path, "arxiv", "2025-03+try", "--limit", "100", "--set", f"papers.base_url={tmp_path}")
    documents = exported(folder)
    assert len(documents) == 3
    assert {row["title"] for row in documents} == {"On 1", "On 2", "On 3"}
    assert all(row["text"].startswith("S\n\nThe ") and "$x_" in row["text"] for row in documents)
    assert manifest(folder, "papers")["reasons"] == {"pdf_only": 1}
    assert manifest(folder, "exact")["reasons"] == {"exact_duplicate": 1}
