"""Kernels are compiled before they are needed, each by one process of the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation_tasks.catalog import load_catalog
from curation_tasks.kernels import machine_code
from curation_tasks.kernels.ahead import all_kernels, compile_ahead, kernels_of, missing
from curation_tasks.kernels.machine_code import compiled_once, imported_by, is_compiled, kernel_names

KERNELS = Path(machine_code.__file__).parent
SMALL = (KERNELS / "newlines.py", KERNELS / "scripts.py", KERNELS / "line_arrays.py")
LOADED = """
import json, sys
import {module}
print(json.dumps([
    (name.rpartition(".")[2], key)
    for name, module in sys.modules.items() if name.startswith("curation_tasks.")
    for key, value in vars(module).items()
    if type(getattr(value, "_cache", None)).__name__ == "FunctionCache" and value.__module__ == name
]))
"""
COLD = """
from curation_tasks.kernels.{module} import {kernel} as kernel
print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return tmp_path


def test_every_kernel_is_found_in_the_sources():
    found = all_kernels()
    names = {f"{path.stem}.{name}" for path, names in found.items() for name in names}
    assert {"wikitext._clean", "fasttext_inference._predict", "gazetteer._find_names", "spans._splice", "prefilter._email_windows"} <= names
    assert sum(map(len, found.values())) == sum(path.read_text("utf-8").count("\n@kernel(") for path in found)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("operation", "filters.quality"), ("operation", "pii.redact"), ("reduction", "dedup.fuzzy"),
        ("reduction", "dedup.sentences"),
    ],
)  # fmt: skip
def test_what_a_part_loads_was_seen_in_its_sources(kind, name):
    """Run in a process of its own: this one has imported everything."""
    module = load_catalog().find(kind, name).module
    loaded = json.loads(
        subprocess.run([sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True).stdout
    )
    seen = {(path.stem, name) for path, names in kernels_of([module]).items() for name in names}
    assert loaded
    assert {tuple(pair) for pair in loaded} <= seen


def test_what_is_missing_is_compiled_by_several_processes_and_counted(cache):
    wanted = {path: kernel_names(path) for path in SMALL}
    total = sum(map(len, wanted.values()))
    assert missing(wanted) == wanted
    told = []
    assert compile_ahead(wanted, 2, lambda ready, of: told.append((ready, of))) == total
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert not missing(wanted)
    assert compile_ahead(wanted, 2, lambda ready, of: told.append("again")) == 0
    assert told[-1] == (total, total)


def test_processes_that_start_together_compile_a_kernel_once(cache):
    program = COLD.format(module="newlines", kernel="_normalize")
    environment = os.environ | {"CURATE_LOG_FORMAT": "json"}
    started = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [process.communicate() for process in started]
    assert sorted(out.split() for out, _ in ends) == [["0", "1"], ["1", "0"], ["1", "0"]]
    for _, err in ends:
        lines = [json.loads(line) for line in err.splitlines()]
        assert [line["event"] for line in lines] in ([], ["compiling text kernels, once per machine"])


def test_a_kernel_whose_code_was_not_written_to_its_end_is_compiled(cache):
    path = KERNELS / "newlines.py"
    with compiled_once(path, "_normalize"):
        pass
    folder = cache / "numba" / f"newlines-{machine_code.machine_code_key(path)}"
    (folder / "newlines._normalize-59.py311.nbi").touch()
    assert not is_compiled(path, "_normalize")
    (folder / "newlines._normalize-59.py311.1.nbc").touch()
    assert is_compiled(path, "_normalize")


def test_imports_are_followed_into_other_rooms():
    package = KERNELS.parent
    seen = imported_by(package / "filters" / "quality.py")
    assert {package / "kernels" / "words.py", package / "storage" / "cache.py"} <= seen
    assert package / "kernels" / "wikitext.py" not in seen
