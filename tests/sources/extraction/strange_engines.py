"""Engines that do to their process what pages have done to parsers."""

import ctypes
import os
import time

from curation_tasks.sources.extraction.engines import make_engine
from curation_tasks.sources.extraction.pages import ExtractionEngine, Page
from curation_tasks.sources.web import ExtractionParameters


def make_strange(parameters: ExtractionParameters) -> ExtractionEngine:
    """Does what the page's title says, and otherwise extracts its text."""
    ordinary = make_engine(parameters)
    hoard = []

    def extract(page: Page) -> str:
        match page.tree.title:
            case "spins":
                while True:
                    pass
            case "sleeps":
                time.sleep(3600)
            case "dies":
                os._exit(3)
            case "faults":
                ctypes.string_at(0)
            case "raises":
                raise ValueError("a text that no log may hold")
            case "recurses":
                return extract(page)
            case "eats":
                while True:
                    hoard.append(bytearray(os.urandom(1024)) * 65536)
            case "prints":
                print("not an answer", flush=True)
                os.write(1, b"neither")
        return ordinary(page)

    return extract


def make_nothing(parameters: ExtractionParameters) -> ExtractionEngine:
    raise ImportError("no such engine")


def make_sleeper(parameters: ExtractionParameters) -> ExtractionEngine:
    """Hangs before the first page."""
    time.sleep(3600)
    raise AssertionError
