"""Monthly archives of papers become documents, from the manifest on, and every package is accounted for."""

import gzip
import hashlib
import io
import tarfile
from collections import Counter
from typing import Any

import pytest
from faulty_server import answer_busy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.arxiv_packages import Bounds, package_of, safe_name
from curation_tasks.sources.arxiv_part import ArxivParameters
from curation_tasks.sources.catalog import PARTS

PART = next(part for part in PARTS if part.name == "arxiv")
BOUNDS = Bounds(2**20, 100)


def tar(files: dict[str, bytes | tarfile.TarInfo], kind: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def paper(number: int, body: str = "") -> bytes:
    return (
        rf"\documentclass{{article}}\title{{Paper {number}}}\newcommand{{\n}}{{{number}}}\begin{{document}}"
        rf"\begin{{abstract}}About \n.\end{{abstract}}\section{{Start}}Text of \n{{}} and $x_\n$. {body}\end{{document}}"
    ).encode()


PACKAGES = {
    "2503/2503.00001.gz": gzip.compress(tar({"ms.tex": paper(1, r"\input{more}"), "more.tex": b"More.", "f.pdf": b"%PDF-1.5"})),
    "2503/2503.00002.gz": gzip.compress(paper(2)),
    "2503/2503.00003.pdf": b"%PDF-1.5 ...",
    "2503/2503.00004.gz": gzip.compress(b"%!PS-Adobe-3.0\n"),
    "2503/2503.00005.gz": gzip.compress(b"%auto-ignore\nThis paper has been withdrawn."),
    "2503/2503.00006.gz": gzip.compress(tar({"index.html": b"<html>", "fig.png": b"\x89PNG"})),
    "2503/2503.00007.gz": gzip.compress(paper(7))[:-20],
    "2503/2503.00008.gz": gzip.compress(tar({"main.docx": b"PK\x03\x04"})),
    "2503/2503.00009.gz": gzip.compress(tar({"a.tex": rb"\documentclass{a}\begin{document}\end{document}"})),
    "2503/2503.00010.gz": gzip.compress(tar({"readme.txt": b"nothing"})),
    "2503/2503.00001v2.pdf": b"%PDF",
}
REASONS = {
    "pdf_only": 2, "postscript_only": 1, "withdrawn": 1, "html_only": 1, "damaged_package": 1, "unsupported_format": 1, "empty_text": 1,
    "no_main_file": 1,
}  # fmt: skip


def origin(packages: dict[str, bytes]) -> dict[str, bytes]:
    """What the bucket holds: two archives of March 2025, one of December 1999, and the manifest."""
    names = sorted(packages)
    old = {"9912/astro-ph9912001.gz": gzip.compress(paper(3)), "9912/math.GT9912002.gz": gzip.compress(paper(4))}
    contents = {
        "src/arXiv_src_2503_001.tar": {name: packages[name] for name in names[:6]},
        "src/arXiv_src_2503_002.tar": {name: packages[name] for name in names[6:]},
        "src/arXiv_src_9912_001.tar": old,
    }
    archives = {name: tar(files) for name, files in contents.items()}
    entries = "".join(
        f"<file><content_md5sum>x</content_md5sum><filename>{name}</filename><first_item>a</first_item><last_item>b</last_item>"
        f"<md5sum>{hashlib.md5(data, usedforsecurity=False).hexdigest()}</md5sum><num_items>{len(contents[name])}</num_items>"
        f"<seq_num>1</seq_num><size>{len(data)}</size><timestamp>2025-04-0{k} 00:13:59</timestamp><yymm>{name[14:18]}</yymm></file>"
        for k, (name, data) in enumerate(archives.items(), start=1)
    )
    manifest = f"<?xml version='1.0' standalone='yes'?>\n<arXivSRC>\n{entries}<timestamp>Mon Apr  7</timestamp></arXivSRC>\n"
    return archives | {"src/arXiv_src_manifest.xml": manifest.encode()}


def read(snapshot: str = "2025-03", **parameters: Any) -> tuple[list[dict[str, Any]], Counter]:
    chosen = ArxivParameters(**parameters)
    counters: Counter = Counter()
    rows = []
    for unit in PART.list_units(chosen, snapshot, ""):
        context = RunContext("pipeline", snapshot, "arxiv", "/nowhere", counters=counters)
        rows += [row for batch in PART.load()(unit, chosen, context) for row in batch.to_pylist()]
    return rows, counters


def reasons(rows: list[dict[str, Any]]) -> Counter:
    return Counter(row["reject_reason"] for row in rows if row.get("reject_reason"))


@pytest.mark.parametrize("batches", [1, 2, 9])
def test_an_archive_left_in_the_middle_accounts_for_what_was_taken_of_it(tmp_path, monkeypatch, batches):
    monkeypatch.setattr("curation_tasks.sources.arxiv._BATCH_PAPERS", 3)
    (tmp_path / "arXiv_src_2503_001.tar").write_bytes(tar(PACKAGES))
    unit = SourceUnit(str(tmp_path / "arXiv_src_2503_001.tar"), "arXiv_src_2503_001.tar", -1, "", {"papers": 12})
    context = RunContext("pipeline", "2025-03", "arxiv", "/nowhere")
    reading = PART.load()(unit, ArxivParameters(files=unit.uri), context)
    taken = sum(len(batch) for _, batch in zip(range(batches), reading, strict=False))
    reading.close()
    assert taken == min(3 * batches, len(PACKAGES))
    rest = {"packages_lost": 12 - taken} if batches == 9 else {"archives.unfinished": 1, "packages_unread": 12 - taken}
    assert context.counters == {"packages": taken, "packages_expected": 12} | rest


def check_month(rows: list[dict[str, Any]], counters: Counter) -> None:
    kept = [row for row in rows if not row["reject_reason"]]
    assert [(row["arxiv_id"], row["title"], row["abstract"], row["section_titles"]) for row in kept] == [
        ("2503.00001", "Paper 1", "About 1.", ["Start"]),
        ("2503.00002", "Paper 2", "About 2.", ["Start"]),
    ]
    assert kept[0]["text"] == "About 1.\n\nStart\n\nText of 1 and $x_1$. More."
    assert kept[0]["url"] == "https://arxiv.org/abs/2503.00001"
    assert kept[0]["native_id"] == "2503.00001"
    assert reasons(rows) == REASONS
    assert counters == {"packages": len(PACKAGES), "packages_expected": len(PACKAGES)}


def test_a_month_from_its_bucket_where_the_reader_pays(bucket):
    from s3fs import S3FileSystem

    for name, data in origin(PACKAGES).items():
        S3FileSystem().pipe_file(f"{bucket}/{name}", data)
    check_month(*read(base_url=bucket))
    assert [unit.options["requester_pays"] for unit in PART.list_units(ArxivParameters(base_url=bucket), "2025-03", "")] == [True, True]


def test_an_archive_that_has_not_the_listed_hash_is_an_input_error(server):
    """A changed byte in a figure, which nothing else would notice."""
    server.files = {f"/{name}": data for name, data in origin(PACKAGES).items()}
    archive = bytearray(server.files["/src/arXiv_src_2503_001.tar"])
    archive[-600] ^= 1
    server.files["/src/arXiv_src_2503_001.tar"] = bytes(archive)
    with pytest.raises(InputError, match="has md5"):
        read(base_url=server.base)


def test_a_month_from_a_mirror_with_faults(server):
    server.files = {f"/{name}": data for name, data in origin(PACKAGES).items()}

    def faults(handler, number):
        if handler.path.endswith("_002.tar") and number == 1:
            return answer_busy(handler)
        return False

    server.faults = faults
    check_month(*read(base_url=server.base))


def test_old_papers_tell_their_archive(tmp_path):
    for name, data in origin(PACKAGES).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    rows, _ = read(base_url=str(tmp_path), month="1999-12")
    assert [(row["arxiv_id"], row["categories"]) for row in rows] == [("astro-ph/9912001", ["astro-ph"]), ("math/9912002", ["math"])]
    found = PART.list_snapshots(ArxivParameters(base_url=str(tmp_path)), "")
    assert [(snapshot.id, snapshot.date, snapshot.available) for snapshot in found] == [
        ("1999-12", "1999-12-01", "2025-04-03T00:13:59+00:00"),
        ("2025-03", "2025-03-01", "2025-04-02T00:13:59+00:00"),
    ]


def test_months_that_are_not_there_are_said_to_be(tmp_path):
    (tmp_path / "src").mkdir()
    manifest = tmp_path / "src" / "arXiv_src_manifest.xml"
    manifest.write_bytes(origin(PACKAGES)["src/arXiv_src_manifest.xml"])
    for snapshot, said in (("2024-01", "no archive of 2024-01"), ("all", "is no month")):
        with pytest.raises(InputError, match=said):
            read(snapshot, base_url=str(tmp_path))
    manifest.write_bytes(b"<html>")
    with pytest.raises(InputError, match="no manifest"):
        read(base_url=str(tmp_path))


def test_packages_by_themselves(tmp_path):
    for name, data in PACKAGES.items():
        (tmp_path / name.partition("/")[2]).write_bytes(data)
    (tmp_path / "mine.tex").write_bytes(paper(5))
    rows, _ = read(files=str(tmp_path / "*"))
    assert reasons(rows) == REASONS
    assert [row["arxiv_id"] for row in rows if not row.get("reject_reason")] == ["2503.00001", "2503.00002", None]


@pytest.mark.parametrize("whole", [1, 2, 6])
def test_a_truncated_archive_keeps_what_came_before(tmp_path, whole):
    data = tar(PACKAGES)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        cut = archive.getmembers()[whole].offset_data + 10
    (tmp_path / "arXiv_src_2503_001.tar").write_bytes(data[:cut])
    rows, counters = read(files=str(tmp_path / "*.tar"))
    assert reasons(rows)["damaged_archive"] == 1
    assert counters["packages"] == len(rows) - 1 == whole


@pytest.mark.parametrize("data", [b"", b"no tar" * 500, gzip.compress(b"x")])
def test_what_is_no_archive_is_quarantined(tmp_path, data):
    (tmp_path / "arXiv_src_2503_001.tar").write_bytes(data)
    with pytest.raises(InputError, match="no package"):
        read(files=str(tmp_path / "*.tar"))


def test_a_repeated_paper_is_rejected(tmp_path):
    (tmp_path / "arXiv_src_2503_001.tar").write_bytes(
        tar({"2503/2503.00001.gz": gzip.compress(paper(1)), "x/2503.00001.gz": gzip.compress(paper(2))})
    )
    rows, _ = read(files=str(tmp_path / "*.tar"))
    assert [row["reject_reason"] for row in rows] == [None, "repeated_id"]


def test_options_reach_the_text(tmp_path):
    (tmp_path / "a.tex").write_bytes(paper(1, r"Note\footnote{kept}"))
    [row], _ = read(files=str(tmp_path / "a.tex"), math="drop", footnotes="keep", layout="markdown")
    assert row["text"] == "About 1.\n\n## Start\n\nText of 1 and. Note (kept)"


@pytest.mark.parametrize("parameters", [{"month": "2503"}, {"month": "2025-03", "files": "x"}, {"max_package_bytes": 0}])
def test_parameters_that_mean_nothing_are_refused(parameters):
    with pytest.raises(ValidationError):
        ArxivParameters(**parameters)


# --- packages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x.tex", "a/../../x.tex", "..", ".", "C:/x.tex", "a\\..\\x.tex", "a\0.tex", "x" * 1001, "a/../.."]
)
def test_names_that_lead_out_of_a_package(name):
    assert safe_name(name) is None


def test_links_devices_and_unsafe_names_are_passed_over():
    data = tar({
        "ok.tex": b"ok",
        "link.tex": member("link.tex", tarfile.SYMTYPE, "/etc/passwd"),
        "hard.tex": member("hard.tex", tarfile.LNKTYPE, "ok.tex"),
        "device": member("device", tarfile.CHRTYPE),
        "pipe.tex": member("pipe.tex", tarfile.FIFOTYPE),
        "../up.tex": b"up",
        "/abs.tex": b"abs",
        "folder": member("folder", tarfile.DIRTYPE),
        "._ok.tex": b"a Mac's notes",
    })  # fmt: skip
    package = package_of(data, "x.tar", BOUNDS)
    assert package.files == {"ok.tex": b"ok"}
    assert (package.unsafe, package.other_names, package.reason) == (6, ["._ok.tex"], "")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"\\a" * (2 * 2**20)), "too_large"),
        (gzip.compress(b"\0" * (64 * 2**20)), "unsupported_format"),
        (gzip.compress(tar({"fig.eps": b"x" * (20 * 2**20), "a.tex": b"a"})), "too_large"),
        (tar({f"{k}.tex": b"x" for k in range(101)}), "too_many_files"),
        (tar({f"{k}.tex": b"x" * 2**18 for k in range(5)}), "too_large"),
        (gzip.compress(tar({"a.tex": b"a"}))[:60], "damaged_package"),
        (tar({"a.tex": b"a" * 5000})[:2000], "damaged_package"),
        (b"\x1f\x8b\x08garbage", "damaged_package"),
        (b"", "no_main_file"),
        (b"\0" * 10240, "unsupported_format"),
        (gzip.compress(gzip.compress(paper(1))), "unsupported_format"),
    ],
)
def test_packages_that_cannot_be_had(data, reason):
    package = package_of(data, "2503.00001.gz", BOUNDS)
    assert package.reason == reason or (reason == "no_main_file" and not any(package.files.values()))


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_kinds_of_archives(kind):
    name = "f/" + "long" * 20 + ".tex"
    assert package_of(tar({name: b"x", "ä.tex": b"y"}, kind), "x", BOUNDS).files == {name: b"x", "ä.tex": b"y"}


WHOLE = [gzip.compress(tar({"ms.tex": paper(1), "b/c.tex": b"\\input{ms}"})), tar({"ms.tex": paper(1)}), paper(2), tar(PACKAGES)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples * 3 // 2)
@given(data=st.data())
def test_any_damage_gives_a_reason_or_a_document(tmp_path, data):
    raw = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 600))] = data.draw(st.binary(max_size=20))
    name = data.draw(st.sampled_from(["2503.00001.gz", "arXiv_src_2503_001.tar"]))
    (tmp_path / name).write_bytes(bytes(raw))
    try:
        rows, _ = read(files=str(tmp_path / name))
    except InputError:
        assert name.endswith(".tar")
    else:
        assert rows
