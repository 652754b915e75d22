"""Programs run as processes of their own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def start_program() -> Callable[..., subprocess.Popen]:
    """``start_program(code, *arguments)``: a Python process with pipes for text."""

    def start(code: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(command, cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start
