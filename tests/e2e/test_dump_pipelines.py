"""The pipelines `wikipedia` and `arxiv` as they are shipped, from origins of our own to published datasets."""

import gzip
import importlib.util
import json
import os
import random
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = """river town water bridge market wood stone people house spring summer child mill year road field church winter harbour wall garden
    ship bread school letter music forest mountain island station"""


def prose(seed: int, sentences: int = 12) -> str:
    """English of a kind, other sentences for another seed."""
    chance = random.Random(seed)
    noun = WORDS.split()
    pattern = "The {} of the {} was built with the {} that came from a {}, and it is said to have been the first {} in the {}."
    return " ".join(pattern.format(*chance.sample(noun, 6)) for _ in range(sentences))


def load(name: str):
    specification = importlib.util.spec_from_file_location(name, ROOT / "tests" / "sources" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def curate(tmp_path: Path, pipeline: str, snapshot: str, *options: str) -> Path:
    """Runs a shipped pipeline by the command; the folder of its published snapshot."""
    command = [sys.executable, "-m", "curation_tasks.cli", "run", f"dags/pipelines/{pipeline}.yaml", "--snapshot", snapshot]
    command += ["--root", str(tmp_path / "root"), "--workers", "1", "--no-report", *options]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": "plugins"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return tmp_path / "root" / pipeline / snapshot


def exported(folder: Path) -> list[dict]:
    return [json.loads(line) for file in sorted(folder.glob("export-jsonl/*/*.jsonl*")) for line in _lines(file)]


def _lines(file: Path) -> list[str]:
    import zstandard

    data = file.read_bytes()
    if file.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(data).read()
    elif file.suffix == ".gz":
        data = gzip.decompress(data)
    return data.decode().splitlines()


def manifest(folder: Path, stage: str) -> dict:
    [place] = folder.glob(f"{stage}/*/manifest.json")
    return json.loads(place.read_text(encoding="utf-8"))["content"]


def test_wikipedia(tmp_path):
    dump = load("wikipedia_dump")
    pages = [dump.DumpPage(number, f"River {number}", f"'''River {number}''' <ref>x</ref>{prose(number)}") for number in range(10, 16)]
    pages += [
        dump.DumpPage(16, "Copy", pages[0].text),
        dump.DumpPage(17, "Stub", "A ''river''."),
        dump.DumpPage(18, "Fluss", "Der Fluss fließt durch die alte Stadt, und die Menschen haben ihre Häuser mit dem Holz gebaut. " * 8),
        dump.DumpPage(19, "Old", "#REDIRECT [[River 10]]", redirect="River 10"),
        dump.DumpPage(20, "Mail", f"{prose(1)} Write to someone@example.org. {prose(2)}\n== References ==\n* A"),
        dump.DumpPage(21, "Near", f"{prose(1)} Write to nobody. {prose(2)}"),
    ]
    for path, data in dump.origin("enwiki", "20250801", pages, parts=2).items():
        if not path.endswith("/"):
            (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path[1:]).write_bytes(data)
    folder = curate(tmp_path, "wikipedia", "20250801", "--set", f"articles.base_url={tmp_path}")
    documents = exported(folder)
    titles = {row["title"] for row in documents}
    assert len(documents) == len(titles) == 7
    assert titles - {"River 10", "Copy"} == {*(f"River {number}" for number in range(11, 16)), "Mail"}
    mail = next(row["text"] for row in documents if row["title"] == "Mail")
    assert "<EMAIL_ADDRESS>" in mail
    assert "References" not in mail
    assert manifest(folder, "articles")["reasons"] == {"redirect": 1}
    assert manifest(folder, "refine")["reasons"] == {"gopher_quality.plain_word_count.min": 1, "language.unwanted": 1}
    assert manifest(folder, "exact")["reasons"] == {"exact_duplicate": 1}
    assert sum(manifest(folder, "near")["reasons"].values()) == 1


def test_arxiv(tmp_path):
    def paper(number: int) -> bytes:
        body = prose(number)
        return rf"\documentclass{{a}}\title{{On {number}}}\begin{{document}}\section{{S}}{body} $x_{number}$\end{{document}}".encode()

    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        contents = {f"2503/2503.0000{number}.gz": gzip.compress(paper(number)) for number in range(1, 4)}
        contents |= {"2503/2503.00004.gz": contents["2503/2503.00001.gz"], "2503/2503.00005.pdf": b"%PDF-1.5"}
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "arXiv_src_2503_001.tar").write_bytes(stream.getvalue())
    (tmp_path / "src" / "arXiv_src_manifest.xml").write_text(
        f"<arXivSRC><file><filename>src/arXiv_src_2503_001.tar</filename><num_items>5</num_items>"
        f"<size>{len(stream.getvalue())}</size><yymm>2503</yymm></file></arXivSRC>"
    )
    folder = curate(tmp_path, "arxiv", "2025-03+try", "--limit", "100", "--set", f"papers.base_url={tmp_path}")
    documents = exported(folder)
    assert len(documents) == 3
    assert {row["title"] for row in documents} == {"On 1", "On 2", "On 3"}
    assert all(row["text"].startswith("S\n\nThe ") and "$x_" in row["text"] for row in documents)
    assert manifest(folder, "papers")["reasons"] == {"pdf_only": 1}
    assert manifest(folder, "exact")["reasons"] == {"exact_duplicate": 1}
