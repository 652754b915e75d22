"""What once broke something, by fuzzing or by hand, stays mended: the files below ``tests/corpus`` and what comes of each."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curation_tasks.kernels.wikitext import WikitextCleaner
from curation_tasks.sources.archives import ArchiveReader
from curation_tasks.sources.arxiv_packages import Bounds, package_of
from curation_tasks.sources.extraction.engines import ENGINES
from curation_tasks.sources.extraction.extract import extract_page
from curation_tasks.sources.tex_files import source_of
from curation_tasks.sources.tex_text import paper_of
from curation_tasks.sources.web import ExtractionParameters, PageLimits

CORPUS = Path(__file__).parent.parent / "corpus"


def files(kind: str) -> list[str]:
    return sorted(path.name for path in (CORPUS / kind).iterdir() if path.name not in ("README.md", "expected.json"))


def expected(kind: str) -> dict:
    return json.loads((CORPUS / kind / "expected.json").read_text(encoding="utf-8"))


def archive(name: str) -> dict:
    with open(CORPUS / "warc" / name, "rb") as file:
        reader = ArchiveReader(file, name, frozenset({"response"}))
        list(reader)
    return {"records": reader.kinds.total(), "lost": dict(reader.unreadable)}


def reason(name: str, engine: str) -> str | None:
    made = ENGINES[engine](ExtractionParameters(engine=engine))
    return extract_page((CORPUS / "html" / name).read_bytes(), None, "http://a/", made, PageLimits()).reason


def paper(name: str) -> dict:
    package = package_of((CORPUS / "tex" / name).read_bytes(), name, Bounds(2**24, 100))
    source = source_of(package.files)
    made = paper_of(source.text)
    counted = {"missing": source.missing, "unsafe": package.unsafe, "bounded": source.bounded or made.bounded}
    return {"text": made.text, "abstract": made.abstract} | counted


def page(name: str) -> str:
    return WikitextCleaner().clean(pa.array([(CORPUS / "wikitext" / name).read_text(encoding="utf-8")])).texts[0].as_py()


@pytest.mark.parametrize("kind", ["html", "tex", "warc", "wikitext"])
def test_each_file_is_described(kind: str):
    assert sorted(expected(kind)) == files(kind)
    readme = (CORPUS / kind / "README.md").read_text(encoding="utf-8")
    assert all(name in readme for name in files(kind))


@pytest.mark.parametrize("name", files("warc"))
def test_archive(name: str):
    assert archive(name) == expected("warc")[name]


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("name", files("html"))
def test_page(name: str, engine: str):
    assert reason(name, engine) == expected("html")[name][engine]


@pytest.mark.parametrize("name", files("tex"))
def test_paper(name: str):
    """The time limit of tests is an assertion too: of most of these no other one could fail."""
    assert paper(name) == expected("tex")[name]


@pytest.mark.parametrize("name", files("wikitext"))
def test_wikitext(name: str):
    assert page(name) == expected("wikitext")[name]
