"""Airflow's page as a person uses it, on an Airflow as ``make up`` starts it: the form, what is wrong, and housekeeping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = [pytest.mark.service, pytest.mark.timeout(1800)]

ORCHARD = """
name: orchard
description: Fruit of a season, without what is rotten.
partitions: snapshot
parameters:
  fruit: {{sets: basket.fruit, description: What grows.}}
  rotten: {{sets: "sorted.fruit_parts:ripe.rotten_every", description: Every how manieth is rotten.}}
stages:
  - id: basket
    source: fruit_parts:season
    parameters: {{fruit: apple, origin: "{origin}"}}
  - id: sorted
    operations:
      - fruit_parts:ripe: {{rotten_every: 10}}
  - id: crate
    export: fruit_parts:lines
  - id: published
    publish: {{}}
"""
UNRIPE = """
name: unripe
stages:
  - id: basket
    source: fruit_parts:basket
    parametres: {fruit: pear}
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, origin, airflow_with) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("airflow")
    pipelines = {"orchard": ORCHARD.format(origin=origin[0]), "unripe": UNRIPE}
    with airflow_with(folder, str(folder / "data"), pipelines, "sqlite") as found:
        found.unpause("discovery")
        found.discover()
        found.knows("orchard", "2026-07")
        yield found


class Page:
    """Airflow's page in a browser.

    Args:
        driver: Of the browser.
        address: Of the page.
    """

    def __init__(self, driver: Any, address: str):
        self.driver, self.address = driver, address

    def open(self, path: str) -> None:
        self.driver.get(self.address + path)

    def find(self, xpath: str, seconds: float = 120) -> Any:
        """The first element that is there and shown, waited for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            shown = [element for element in self.driver.find_elements("xpath", xpath) if element.is_displayed()]
            if shown:
                return shown[0]
            time.sleep(0.3)
        raise AssertionError(f"{xpath} is not shown on {self.driver.current_url}; it says:\n{self.text()}")

    def text(self) -> str:
        return self.driver.find_element("tag name", "body").text

    def says(self, text: str, seconds: float = 120) -> None:
        """Waits for a text."""
        end = time.monotonic() + seconds
        while text not in (shown := self.text()):
            assert time.monotonic() < end, f"{text!r} is not shown on {self.driver.current_url}; it says:\n{shown}"
            time.sleep(0.3)

    def number_field(self, name: str) -> Any:
        root = f'//*[@id="number-input:element_{name}:inc"]/ancestor::*[@data-scope="number-input" and @data-part="root"][1]'
        return self.find(f"{root}//input")

    def open_form(self, dag: str) -> None:
        self.open(f"/dags/{dag}")
        self.find('//button[@data-testid="trigger-dag-button"]').click()
        self.find('//input[@name="element_snapshot"]')

    def submit(self) -> None:
        self.find('//button[@data-testid="trigger-dag-submit"]').click()


@pytest.fixture(scope="module")
def page(browser, deployment) -> Page:
    found = Page(browser, deployment.address)
    found.open("/")
    name, password = deployment.login
    found.find('//input[@name="username"]').send_keys(name)
    found.find('//input[@name="password"]').send_keys(password)
    found.find('//button[@type="submit"]').click()
    found.find('//a[contains(@href, "/dags")]')
    return found


@pytest.fixture(scope="module")
def trial(page, deployment) -> dict[str, Any]:
    """A run that was started with the form, all of whose fields were filled in."""
    page.open_form("orchard")
    listed = page.driver.find_elements("xpath", '//datalist[@id="list_snapshot"]/option')
    assert [option.get_attribute("value") for option in listed] == ["2026-07", "2026-05", "2026-02"]
    page.find('//input[@name="element_snapshot"]').send_keys("2026-05+trial")
    page.number_field("limit").send_keys("50")
    page.says("all stages")
    stages = page.find('//input[@name="element_last_stage"]/..//input[@aria-autocomplete="list"]')
    stages.send_keys("crate\n")
    page.find('//button[contains(., "Parameters of the pipeline")]').click()
    fruit = page.find('//input[@name="element_fruit"]')
    assert fruit.get_attribute("value") == "apple"
    fruit.clear()
    fruit.send_keys("pear")
    assert page.number_field("rotten").get_attribute("value") == "10"
    page.number_field("rotten").send_keys("\b\b5")
    page.submit()
    return ended(deployment, lambda run: run["conf"].get("snapshot") == "2026-05+trial")


def ended(deployment: Any, which: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The manual run that fits, when it has ended."""

    def found() -> dict[str, Any] | None:
        runs = [run for run in deployment.runs("orchard") if run["run_type"] == "manual" and which(run)]
        return next((run for run in runs if run["state"] in ("success", "failed")), None)

    return deployment.wait("the run of the form", found)


def test_the_form_starts_a_run_with_what_was_filled_in(trial, deployment):
    assert trial["conf"] == {"snapshot": "2026-05+trial", "limit": 50, "last_stage": "crate", "fruit": "pear", "rotten": 5}
    assert trial["state"] == "success"
    place = f"/dags/orchard/dagRuns/{trial['dag_run_id']}/taskInstances"
    states = {task["task_id"]: task["state"] for task in deployment.get(place)["task_instances"]}
    assert states == {"resolve": "success", "basket": "success", "sorted": "success", "crate": "success", "published": "skipped"}
    result = deployment.get(f"{place}/crate/xcomEntries/return_value", deserialize=True)["value"]
    # Of fifty every fifth is rotten.
    assert result["counts"]["documents"] == 40
    [file] = Path(result["manifest"]).parent.glob("*.jsonl")
    assert '"pear number 1"' in file.read_text()


def test_a_value_that_cannot_be_is_refused_before_there_is_a_run(page, deployment):
    before = [run["dag_run_id"] for run in deployment.runs("orchard") if run["run_type"] == "manual"]
    page.open_form("orchard")
    page.find('//input[@name="element_snapshot"]').send_keys("2026/05")
    page.submit()
    page.says("Invalid input for param snapshot: '2026/05' does not match")
    assert [run["dag_run_id"] for run in deployment.runs("orchard") if run["run_type"] == "manual"] == before


def test_a_snapshot_that_nobody_knows_is_named_by_the_log_with_the_nearest(page, deployment):
    page.open_form("orchard")
    page.find('//input[@name="element_snapshot"]').send_keys("2026-06")
    page.submit()
    run = ended(deployment, lambda run: run["conf"].get("snapshot") == "2026-06")
    assert run["state"] == "failed"
    page.open(f"/dags/orchard/runs/{quote(run['dag_run_id'])}/tasks/resolve")
    page.says("no snapshot is called '2026-06'; did you mean")


def test_an_invalid_pipeline_says_so_beside_valid_ones(page):
    page.open("/dags")
    for name in ("orchard", "unripe", "invalid", "discovery", "housekeeping"):
        page.find(f'//a[normalize-space()="{name}"]')
    page.open("/dags/unripe")
    page.find('//button[@data-testid="markdown-button"]').click()
    page.says("unknown key 'parametres'; did you mean 'parameters'?")


def test_housekeeping_deletes_what_retention_no_longer_keeps(trial, deployment):
    deployment.wait(
        "the scheduled run", lambda: any(run["run_type"] == "scheduled" and run["state"] == "success" for run in deployment.runs("orchard"))
    )
    root = Path(deployment.root) / "orchard"
    unfinished = root / "2026-02" / "basket" / "0123456789abcdef" / "units"
    unfinished.mkdir(parents=True)
    (unfinished / "basket-0.json").write_text("{}")
    recent = root / "2026-02" / "basket" / "fedcba9876543210" / "units"
    recent.mkdir(parents=True)
    (recent / "basket-0.json").write_text("{}")
    long_ago = time.time() - 40 * 86_400
    for path in (path for path in root.rglob("*") if recent.parent not in (path, *path.parents)):
        os.utime(path, (long_ago, long_ago))
    published = {path: path.read_bytes() for path in (root / "2026-07").rglob("*") if path.is_file()}
    assert any(path.name == "manifest.json" for path in published)

    deployment.unpause("housekeeping")
    run = deployment.client.post("/api/v2/dags/housekeeping/dagRuns", json={"logical_date": None}).raise_for_status().json()["dag_run_id"]
    deployment.wait("housekeeping", lambda: deployment.get(f"/dags/housekeeping/dagRuns/{run}")["state"] in ("success", "failed"))
    assert deployment.get(f"/dags/housekeeping/dagRuns/{run}")["state"] == "success"

    result = deployment.get(f"/dags/housekeeping/dagRuns/{run}/taskInstances/retention/xcomEntries/return_value", deserialize=True)["value"]
    # The trial, which was never published, stage by stage, and the folder that nobody finished.
    assert (result["folders"], result["deleted"]) == (5, True)
    assert not list((root / "2026-05+trial").rglob("manifest.json"))
    assert not unfinished.exists()
    assert recent.exists()
    assert {path: path.read_bytes() for path in (root / "2026-07").rglob("*") if path.is_file()} == published
