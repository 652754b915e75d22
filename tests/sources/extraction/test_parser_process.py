"""Whatever a page does to its parser, its neighbours are parsed and it gets a reason."""

import os
from pathlib import Path

import pytest

from curation_tasks.errors import CurationError
from curation_tasks.sources.extraction import parser_process as module
from curation_tasks.sources.extraction.parser_process import ParserProcess, close_idle, parser_process
from curation_tasks.sources.web import WarcParameters

STRANGE = "strange_engines:make_strange"


def parameters(**limits: float) -> WarcParameters:
    return WarcParameters(files="x", limits={"seconds": 0.5} | limits)


def page(title: str) -> tuple[bytes, None, None]:
    return f"<html><head><title>{title}</title></head><body><article><p>Text of {title}.</p></article></body></html>".encode(), None, None


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch):
    """Makes a parser with an engine of these tests."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    parsers = []

    def make(engines: str = STRANGE, **limits: float) -> ParserProcess:
        parsers.append(ParserProcess(parameters(**limits), engines))
        return parsers[-1]

    yield make
    for parser in parsers:
        parser.close()


def outcomes(parser: ParserProcess, *titles: str) -> list[str | None]:
    """The text or the reason of each page."""
    return [page.reason or page.text for page in parser.parse([page(title) for title in titles])]


def test_pages_come_back_in_their_order(strange):
    parser = strange()
    assert outcomes(parser, *"abc") == ["Text of a.", "Text of b.", "Text of c."]
    assert outcomes(parser) == []
    assert outcomes(parser, "prints", "a") == ["Text of prints.", "Text of a."]  # what an engine prints is no answer
    [found] = parser.parse([page("d")])
    assert (found.columns["title"], found.columns["encoding"]) == ("d", "UTF-8")
    assert parser.restarts == 0


def test_a_page_that_ruins_its_parser_has_a_reason_and_its_neighbours_their_text(strange):
    deeds = {"spins": "parser_timeout"} | dict.fromkeys(("dies", "faults", "raises", "recurses"), "parser_crashed")
    parser = strange()
    titles = [title for deed in deeds for title in (f"before {deed}", deed)]
    assert outcomes(parser, *titles) == [deeds.get(title, f"Text of {title}.") for title in titles]
    assert outcomes(parser, "c") == ["Text of c."]


def test_a_page_that_eats_memory(strange):
    parser = strange(memory_bytes=2**28, seconds=20)
    assert outcomes(parser, "a", "eats", "b") == ["Text of a.", "parser_memory", "Text of b."]


def test_a_page_that_hangs_without_working(strange, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_PATIENCE", 2)
    parser = strange()
    assert outcomes(parser, "a", "sleeps", "b") == ["Text of a.", "parser_timeout", "Text of b."]


def test_an_engine_that_does_not_start_is_an_error_and_not_a_rejection(strange):
    with pytest.raises(CurationError, match="before its first page"):
        outcomes(strange("strange_engines:make_nothing"), "a")


@pytest.mark.parametrize("size", [10, 1_000_000])  # the pipe between the processes holds less than the second
def test_an_engine_that_hangs_before_its_first_page_is_killed(strange, monkeypatch: pytest.MonkeyPatch, size: int):
    monkeypatch.setattr(module, "_START_SECONDS", 1)
    monkeypatch.setattr(module, "_PATIENCE", 1)
    with pytest.raises(CurationError, match="before its first page"):
        strange("strange_engines:make_sleeper").parse([(b"x" * size, None, None)])


def test_an_old_process_is_replaced_between_batches(strange, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "RECYCLE_PAGES", 2)
    parser = strange()
    assert outcomes(parser, "a", "b", "c") == ["Text of a.", "Text of b.", "Text of c."]
    assert parser._process is None
    assert outcomes(parser, "d") == ["Text of d."]


def test_a_process_waits_for_the_next_reader():
    given = WarcParameters(files="x", limits={"seconds": 7})
    with parser_process(given) as first:
        first.parse([page("a")])
        process = first._process
    with parser_process(given) as second:
        assert second._process is process
    with pytest.raises(KeyboardInterrupt), parser_process(given):
        raise KeyboardInterrupt  # with a batch half done, the process is of no use
    assert process.poll() is not None
    close_idle()
