"""What once broke something, by fuzzing or by hand, stays mended: the files below ``tests/corpus`` and what comes of each."""

import json
from pathlib import Path

import pytest

from curation_tasks.sources.archives import ArchiveReader
from curation_tasks.sources.extraction.engines import ENGINES
from curation_tasks.sources.extraction.extract import extract_page
from curation_tasks.sources.web import ExtractionParameters, PageLimits

CORPUS = Path(__file__).parent.parent / "corpus"


def files(kind: str) -> list[str]:
    return sorted(path.name for path in (CORPUS / kind).iterdir() if path.name not in ("README.md", "expected.json"))


def expected(kind: str) -> dict:
    return json.loads((CORPUS / kind / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["html", "warc"])
def test_each_file_is_described(kind: str):
    assert sorted(expected(kind)) == files(kind)
    readme = (CORPUS / kind / "README.md").read_text(encoding="utf-8")
    assert all(name in readme for name in files(kind))


@pytest.mark.parametrize("name", files("warc"))
def test_archive(name: str):
    with open(CORPUS / "warc" / name, "rb") as file:
        reader = ArchiveReader(file, name, frozenset({"response"}))
        list(reader)
    assert {"records": reader.kinds.total(), "lost": dict(reader.unreadable)} == expected("warc")[name]


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("name", files("html"))
def test_page(name: str, engine: str):
    made = ENGINES[engine](ExtractionParameters(engine=engine))
    extracted = extract_page((CORPUS / "html" / name).read_bytes(), None, "http://a/", made, PageLimits())
    assert extracted.reason == expected("html")[name][engine]
