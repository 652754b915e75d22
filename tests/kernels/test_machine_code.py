"""Machine code is found again exactly as long as nothing that it was made from has changed."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import curation_tasks.kernels
from curation_tasks.kernels import machine_code
from curation_tasks.kernels.machine_code import MachineCode, machine_code_key, sources_of

PACKAGE = Path(curation_tasks.kernels.__path__[0]).parent
COMPILERS = {"inlined", "inner", "kernel"}
COMPILED = [
    path for path in sorted(PACKAGE.rglob("*.py")) if "kernels.compilation import" in path.read_text("utf-8") and path.parent.name != "cli"
]
PROGRAM = """
import curation_tasks.kernels.newlines as kernel
found = kernel._normalize.stats
print(kernel.__file__, sum(found.cache_hits.values()), sum(found.cache_misses.values()))
"""


@pytest.fixture
def package(tmp_path):
    """A package with kernels that import one another, and a room."""
    files = {
        "kernels/__init__.py": "",
        "kernels/deep.py": 'TABLE = Path(__file__).with_name("table.txt")',
        "kernels/table.txt": "1",
        "kernels/small.py": "from curation_tasks.kernels import deep",
        "kernels/big.py": "from curation_tasks.kernels.small import (\n    one,\n)\nfrom curation_tasks.storage.shard import three",
        "kernels/other.py": "from numpy import sum",
        "storage/shard.py": "",
        "room/spans.py": "",
        "room/hits.py": "from curation_tasks.kernels.small import one\nfrom curation_tasks.room.spans import span",
    }
    for name, text in files.items():
        path = tmp_path / "curation_tasks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "curation_tasks"


SMALL = {"kernels/__init__.py", "kernels/small.py", "kernels/deep.py", "kernels/table.txt"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("kernels/other.py", {"kernels/other.py"}),
        ("kernels/deep.py", {"kernels/deep.py", "kernels/table.txt"}),
        ("kernels/big.py", SMALL | {"kernels/big.py"}),
        ("room/hits.py", SMALL | {"room/hits.py", "room/spans.py"}),
    ],
)
def test_a_kernel_is_made_from_what_its_module_imports(package, module, expected):
    assert {str(path.relative_to(package)) for path in sources_of(package / module, package)} == expected


def test_modules_that_import_one_another_come_to_an_end(package):
    (package / "kernels/deep.py").write_text("from curation_tasks.kernels.big import four")
    assert {path.name for path in sources_of(package / "kernels/big.py", package)} == {"__init__.py", "big.py", "small.py", "deep.py"}


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_all_that_is_compiled_into_a_kernel_is_among_its_sources(path):
    """What a compiled function uses of another module; those functions are held to the same in their own modules."""
    tree = ast.parse(path.read_text("utf-8"))
    imported = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("curation_tasks.")
        for alias in node.names
    }
    compiled = [node for node in tree.body if isinstance(node, ast.FunctionDef) and COMPILERS & names(node.decorator_list)]
    used = {imported[name] for name in names(part for function in compiled for part in function.body) if name in imported}
    files = {PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py") for module in used - {"curation_tasks.kernels"}}
    assert files <= set(sources_of(path))


def names(nodes):
    return {node.id for top in nodes for node in ast.walk(top) if isinstance(node, ast.Name)}


def test_the_processor_is_part_of_the_key(monkeypatch):
    path = PACKAGE / "kernels/newlines.py"
    here = machine_code_key(path)
    monkeypatch.setattr(machine_code, "_processor", lambda: ("another", "+one"))
    assert machine_code_key.__wrapped__(path) != here


def test_another_installation_of_the_same_sources_loads_and_a_changed_part_is_compiled_anew(tmp_path):
    environment = os.environ | {"CURATE_CACHE": str(tmp_path / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)

    def run(installation):
        """Whether the kernel was found, and whether it was compiled."""
        folder = tmp_path / installation
        program = [sys.executable, "-c", PROGRAM]
        output = subprocess.run(
            program, env=environment | {"PYTHONPATH": str(folder)}, cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        file, *found = output.split()
        assert Path(file).is_relative_to(folder)
        return found

    for installation in ("first", "second", "changed"):
        shutil.copytree(PACKAGE, tmp_path / installation / "curation_tasks", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (tmp_path / installation).rglob("*.py"):
            os.utime(path, (0, 0) if installation == "first" else None)
    assert run("first") == ["0", "1"]
    assert run("second") == ["1", "0"]
    small = tmp_path / "changed/curation_tasks/kernels/utf8.py"
    small.write_text(small.read_text() + "\n# Another line.\n")
    assert run("changed") == ["0", "1"]


def test_a_read_only_cache_serves_what_it_has_and_nothing_else(monkeypatch, tmp_path):
    def function():
        """Stands for a kernel."""

    path = PACKAGE / "kernels/newlines.py"
    own = tmp_path / f"curate-{os.getuid()}" / "numba"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "image"))
    monkeypatch.setattr(machine_code.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(machine_code, "_is_writable", lambda folder: folder.is_relative_to(own))
    place = tmp_path / "image" / f"newlines-{machine_code_key(path)}"
    assert MachineCode.from_function(function, str(path)).get_cache_path() == str(own / place.name)
    place.mkdir(parents=True)
    (place / f"newlines.{function.__name__}-1.py311.nbi").touch()
    (place / f"newlines.{function.__name__}-1.py311.1.nbc").touch()
    assert MachineCode.from_function(function, str(path)).get_cache_path() == str(place)


def test_functions_of_others_are_kept_where_numba_keeps_them():
    assert MachineCode.__name__ not in numba.config.CACHE_LOCATOR_CLASSES
