"""The report in a real browser: it shows its figures, asks for nothing and runs nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from curation_tasks.lineage.funnel import funnel
from curation_tasks.lineage.report import write_report
from curation_tasks.lineage.tree import ancestors
from curation_tasks.manifest import Manifest

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def trees() -> ModuleType:
    place = Path(__file__).parents[1] / "lineage" / "trees.py"
    specification = importlib.util.spec_from_file_location("lineage_trees_in_chromium", place)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "hostile"])
def dataset(request: pytest.FixtureRequest, trees: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return trees.build_tree(tmp_path_factory.mktemp("tree") / "root", hostile=request.param)


@pytest.fixture(scope="module")
def page(browser: Any, dataset: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The browser with the report open; ``requests`` and ``messages`` are what it asked for and said on the way."""
    import json

    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(dataset, str(path))
    browser.get("about:blank")
    browser.get_log("performance"), browser.get_log("browser")
    browser.get(path.as_uri())
    browser.execute_async_script("const done = arguments[0]; document.fonts.ready.then(() => setTimeout(done, 200))")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    browser.requests = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    browser.messages = browser.get_log("browser")
    browser.expected_uri = path.as_uri()
    return browser


def test_only_the_page_itself_is_asked_for_and_nothing_is_said(page: Any) -> None:
    assert [url for url in page.requests if not url.startswith("data:,")] == [page.expected_uri]
    assert page.messages == []


def test_no_script_of_a_document_has_run(page: Any, dataset: Manifest) -> None:
    assert page.title == "tales · all – curation report"
    assert page.execute_script("return document.scripts.length + document.images.length") == 0


def test_the_funnel_is_visible_and_drawn(page: Any, dataset: Manifest) -> None:
    from selenium.webdriver.common.by import By

    drawing = page.find_element(By.CSS_SELECTOR, "#funnel svg")
    assert drawing.is_displayed()
    assert drawing.size["width"] > 500
    assert drawing.size["height"] > 100
    labels = [element.text for element in drawing.find_elements(By.TAG_NAME, "text")]
    assert [row["stage"] for row in funnel(dataset)] == [label for label in labels if label in {row["stage"] for row in funnel(dataset)}]
    bars = page.execute_script(
        "return [...document.querySelectorAll('#funnel svg path')].filter(p => getComputedStyle(p).fill === arguments[0]).length",
        page.execute_script("""
            const probe = document.createElement('i'); probe.style.color = 'var(--kept)'; document.body.append(probe);
            const colour = getComputedStyle(probe).color; probe.remove(); return colour"""),
    )
    assert bars == len(funnel(dataset))


def test_the_figures_shown_are_those_of_the_manifests(page: Any, dataset: Manifest) -> None:
    from selenium.webdriver.common.by import By

    for row in funnel(dataset):
        shown = page.find_element(By.CSS_SELECTOR, f'#funnel-table tr[data-stage="{row["stage"]}"]')
        for name in ("documents_in", "documents", "rejected"):
            assert shown.find_element(By.CSS_SELECTOR, f'[data-field="{name}"]').text == f"{row[name]:,}"
    for item in ancestors(dataset):
        digest = page.find_element(By.CSS_SELECTOR, f'#lineage-table tr[data-stage="{item.stage}"]').get_attribute("data-digest")
        assert digest == item.digest


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hangs_over_the_page_and_text_stands_out(page: Any, width: int, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    try:
        assert page.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        lowest = page.execute_script(
            """
            const luminance = colour => {
              const [r, g, b] = colour.match(/[0-9.]+/g).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
              return .2126 * r + .7152 * g + .0722 * b };
            const ground = element => {
              for (let e = element; e; e = e.parentElement) {
                const colour = getComputedStyle(e).backgroundColor;
                if (!colour.endsWith(', 0)')) return colour;
              }
              return 'rgb(255, 255, 255)' };
            return Math.min(...[...document.querySelectorAll('h1, h2, p, td, th, caption, a, dt, dd, li, pre, code')].map(element => {
              const [high, low] = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
              return (high + .05) / (low + .05) }))
            """
        )
        assert lowest >= 4.5, "WCAG 2.2 AA"
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
