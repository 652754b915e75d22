from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from curation_tasks.lineage.funnel import funnel
from curation_tasks.lineage.report import render_report, write_report
from curation_tasks.lineage.tree import ancestors
from curation_tasks.manifest import Manifest

_VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; fails where elements are not closed in their order."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def html(published: Manifest) -> str:
    return render_report(published)


@pytest.fixture(scope="module")
def hostile(trees: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    return render_report(trees.build_tree(tmp_path_factory.mktemp("hostile") / "root", stories=30, hostile=True))


def test_the_figures_are_those_of_the_manifests(html: str, published: Manifest) -> None:
    shown: dict[str, dict[str, int]] = {}
    stage = ""
    for tag, attributes in Page(html).elements:
        if tag == "tr":
            stage = attributes.get("data-stage") or ""
        elif "data-field" in attributes:
            shown.setdefault(stage, {})[attributes["data-field"]] = int(attributes["data-value"])

    names = ("documents_in", "documents", "rejected", "text_bytes")
    assert shown == {row["stage"]: {name: row[name] for name in names} for row in funnel(published)}
    for item in ancestors(published):
        assert item.digest in html


def test_the_page_needs_no_other_file_and_runs_no_script(html: str, hostile: str) -> None:
    for page in (html, hostile):
        for tag, attributes in Page(page).elements:
            assert tag not in ("script", "img", "iframe", "object", "embed", "base", "form")
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("src", "href", "xlink:href", "action", "srcset"):
                assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
        assert "@import" not in page
        assert not re.search(r"url\((?!#)", page)
        assert "default-src 'none'" in page


def test_hostile_texts_are_shown_as_text_with_controls_made_visible(hostile: str, trees: Any) -> None:
    text = "".join(Page(hostile).texts)

    visible = trees.HOSTILE.replace("\x00", "␀").replace("\u202e", "⟨U+202E⟩")
    assert visible in text
    assert trees.HOSTILE_REASON in text
    assert "\x00" not in hostile
    assert "\u202e" not in hostile


def test_the_same_dataset_gives_the_same_page(html: str, published: Manifest) -> None:
    assert render_report(published) == html


def test_identities_of_elements_are_unique_and_links_lead_somewhere(html: str) -> None:
    elements = Page(html).elements
    identities = [attributes["id"] for _, attributes in elements if "id" in attributes]

    assert len(identities) == len(set(identities))
    targets = {attributes["href"][1:] for _, attributes in elements if (attributes.get("href") or "").startswith("#")}
    assert targets <= set(identities)


def test_a_reader_cannot_overlook_quarantine_and_warning_counters(html: str) -> None:
    alert = html[html.index('role="alert"') : html.index('id="summary"')]

    assert "1 of 4 units could not be read" in alert
    assert "Stage private: old list (1)." in alert
    assert "names of persons in 120 documents were looked for without a language model" in alert


def test_each_section_has_what_the_run_has(html: str) -> None:
    text = " ".join("".join(Page(html).texts).split())

    assert "Tales & essays <for> tests" in text
    assert "words.min at 40: 15 rejected" in text
    assert "stories 0: Anna met Paul word" in text, "a stored sample"
    assert "not UTF-8 <at> byte 0" in text
    assert re.search(r'data-counter="replaced_names">.*data-value="15"', html)
    assert re.search(r"ftfy</th><td[^>]*>6.3.1", html)
    assert "All 150 documents of 4 shards" in text
    assert html.count("<svg ") == 1 + 2 + 3


def test_texts_come_from_the_stored_samples_and_not_from_ledgers(html: str) -> None:
    assert "stories 30: Anna" not in html, "the fourth rejected document of its reason; samples hold three"


@pytest.mark.parametrize("stage", ["resolve", "stories", "unique"])
def test_an_unfinished_run_has_a_report_too(published: Manifest, stage: str) -> None:
    item = next(item for item in ancestors(published) if item.stage == stage)

    page = render_report(item)

    Page(page)
    assert "Not published" in page


def test_the_report_is_written_where_asked(published: Manifest, html: str, tmp_path: Path) -> None:
    write_report(published, str(tmp_path / "new" / "report.html"))

    assert (tmp_path / "new" / "report.html").read_text() == html
