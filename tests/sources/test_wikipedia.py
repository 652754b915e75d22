"""Dumps of a wiki become documents, from the origin's listing on, and every page is accounted for."""

import bz2
import gzip
import importlib.util
import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faulty_server import answer_busy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError, TransientError
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.catalog import PARTS
from curation_tasks.sources.wikipedia_part import WikipediaParameters

_SPECIFICATION = importlib.util.spec_from_file_location("wikipedia_dump", Path(__file__).with_name("wikipedia_dump.py"))
dump = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules["wikipedia_dump"] = dump
_SPECIFICATION.loader.exec_module(dump)

PART = next(part for part in PARTS if part.name == "wikipedia")
PAGES = dump.pages_of_a_wiki(60)
DATE = "20250801"


def rows_of(units: list[SourceUnit], parameters: WikipediaParameters) -> tuple[list[dict[str, Any]], Counter]:
    counters: Counter = Counter()
    rows = []
    for unit in units:
        context = RunContext("pipeline", DATE, "wiki", "/nowhere", counters=counters)
        rows += [row for batch in PART.load()(unit, parameters, context) for row in batch.to_pylist()]
    return rows, counters


def read(snapshot: str = DATE, **parameters: Any) -> tuple[list[dict[str, Any]], Counter]:
    chosen = WikipediaParameters(**parameters)
    return rows_of(PART.list_units(chosen, snapshot, ""), chosen)


def kept(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if not row.get("reject_reason")]


def reasons(rows: list[dict[str, Any]]) -> Counter:
    return Counter(row.get("reject_reason") for row in rows if row.get("reject_reason"))


@pytest.fixture
def origin(server):
    server.files = dump.origin("dewiki", DATE, PAGES)
    return server


def test_a_document_has_what_the_dump_says_of_it(tmp_path):
    page = dump.DumpPage(
        7, "Haus & Hof?", "'''Haus''' ist ''gut''.<ref>x</ref>\n== Lage ==\n=== Ost ===\nDort.\n[[Kategorie:Häuser|H]][[Datei:a.jpg]]"
    )
    (tmp_path / "dewiki.xml").write_text(dump.xml_dump([page]), encoding="utf-8")
    [row], counters = read(files=str(tmp_path / "dewiki.xml"))
    assert row == {
        "native_id": "dewiki:7",
        "url": "https://de.wikipedia.org/wiki/Haus_%26_Hof%3F",
        "title": "Haus & Hof?",
        "wiki": "dewiki",
        "page_id": 7,
        "revision_id": 1007,
        "revision_time": datetime(2025, 8, 1, 12, 0, 7, tzinfo=UTC),
        "text": "Haus ist gut.\nLage\nOst\nDort.",
        "categories": ["Häuser"],
        "section_titles": ["Lage", "Ost"],
        "section_levels": [2, 3],
    }
    assert counters == {"pages": 1}


def test_pages_before_the_site_are_documents_too(tmp_path):
    """The export format puts ``<siteinfo>`` first; files that were joined or edited need not."""
    xml = dump.xml_dump([dump.DumpPage(number, f"Seite {number}", "Text") for number in (1, 2)])
    first, rest = xml.split("</page>", 1)
    begin, end = first.index("<siteinfo>"), first.index("</siteinfo>") + len("</siteinfo>")
    (tmp_path / "dewiki-1.xml").write_text(first[:begin] + first[end:] + "</page>" + first[begin:end] + rest, encoding="utf-8")
    rows, counters = read(files=str(tmp_path / "dewiki-1.xml"))
    assert [(row["page_id"], row["wiki"], row["url"] is None) for row in rows] == [(1, "dewiki", True), (2, "dewiki", False)]
    assert counters == {"pages": 2}


def test_units_are_ranges_of_streams_and_give_the_same_pages_however_they_are_cut(origin):
    whole, counters = read(languages="de", base_url=origin.base)
    assert [row["page_id"] for row in whole] == [page.number for page in PAGES]
    assert reasons(whole) == {"other_namespace": 3, "redirect": 3, "not_wikitext": 3, "missing_text": 3, "empty_text": 3}
    assert counters == {"pages": len(PAGES), "pages_expected": len(PAGES)}
    for unit_bytes in (1, 1500):
        units = PART.list_units(WikipediaParameters(languages="de", base_url=origin.base, unit_bytes=unit_bytes), DATE, "")
        assert len(units) > 4
        assert len({unit.path for unit in units}) == len(units)
        cut, _ = read(languages="de", base_url=origin.base, unit_bytes=unit_bytes)
        assert [(row["native_id"], row["text"]) for row in cut] == [(row["native_id"], row["text"]) for row in whole]


def test_plain_dumps_have_the_same_pages(origin):
    streams, _ = read(languages="de", base_url=origin.base)
    plain, counters = read(languages="de", base_url=origin.base, dump="plain")
    assert plain == streams
    assert counters == {"pages": len(PAGES)}


def test_only_the_ranges_are_fetched(origin):
    parameters = WikipediaParameters(languages="de", base_url=origin.base, unit_bytes=1)
    units = PART.list_units(parameters, DATE, "")
    origin.served.clear()
    rows_of(units[2:3], parameters)
    assert sum(size for _, _, size in origin.served) == units[2].options["header"] + units[2].bytes


def test_requests_that_fail_are_tried_again(origin):
    expected, _ = read(languages="de", base_url=origin.base)

    data = next(path for path in origin.files if "-multistream1" in path)

    def faults(handler, number):
        if handler.path.endswith("dumpstatus.json") and number == 1:
            return answer_busy(handler)
        if handler.path == data and number == 2:  # the header came; the range breaks off
            first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
            last = min(last, len(origin.files[data]) - 1)
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {first}-{last}/{len(origin.files[data])}")
            handler.send_header("Content-Length", str(last + 1 - first))
            handler.end_headers()
            handler.wfile.write(origin.files[data][first : first + 100])
            handler.close_connection = True
            return True
        return False

    origin.requests.clear()
    origin.faults = faults
    units = PART.list_units(WikipediaParameters(languages="de", base_url=origin.base), DATE, "")
    assert rows_of(units, WikipediaParameters(languages="de", base_url=origin.base))[0] == expected
    assert origin.requests[f"GET {data}"] == 3


def test_mirrors_may_be_folders_and_have_several_wikis(tmp_path):
    for wiki in ("dewiki", "simplewiki"):
        for path, data in dump.origin(wiki, DATE, PAGES, parts=1).items():
            if not path.endswith("/"):
                (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path[1:]).write_bytes(data)
    rows, _ = read(languages=["de", "simple"], base_url=str(tmp_path))
    assert len(rows) == 2 * len(PAGES)


def test_dates_are_those_of_finished_dumps(origin):
    origin.files |= {
        "/dewiki/": b'<a href="20250701/">x</a><a href="20250801/">x</a><a href="20250820/">x</a><a href="20250901/">x</a>',
        "/dewiki/20250820/dumpstatus.json": b'{"jobs": {"articlesmultistreamdump": {"status": "in-progress"}}}',
        "/dewiki/20250901/dumpstatus.json": b"{}",
    }
    [found] = PART.list_snapshots(WikipediaParameters(languages="de", base_url=origin.base), "")
    assert (found.id, found.date, found.available) == (DATE, "2025-08-01", "2025-08-04T10:11:12+00:00")


@pytest.mark.parametrize(
    ("files", "error", "said"),
    [
        ({}, InputError, "404"),
        ({"/dewiki/20250801/dumpstatus.json": b"<html>"}, InputError, "no status"),
        (
            {"/dewiki/20250801/dumpstatus.json": b'{"jobs": {"articlesmultistreamdump": {"status": "waiting"}}}'},
            TransientError,
            "not finished",
        ),
        ({"/dewiki/20250801/dumpstatus.json": b'{"jobs": {"articlesmultistreamdump": {"status": "done"}}}'}, InputError, "lists no file"),
    ],
)
def test_dumps_that_are_not_there_are_said_to_be(server, files, error, said):
    server.files = files
    with pytest.raises(error, match=said):
        read(languages="de", base_url=server.base)


def test_a_snapshot_that_is_no_day_is_an_error():
    with pytest.raises(InputError, match="no day of a dump"):
        read("all", languages="de")


def test_an_index_of_another_file_is_an_error(origin):
    index = next(path for path in origin.files if "-index1" in path)
    origin.files[index] = bz2.compress(b"999999999:1:A\n")
    with pytest.raises(InputError, match="does not belong"):
        read(languages="de", base_url=origin.base)
    for data in (bz2.compress(b"no:index\n"), bz2.compress(b"1:1:A\n")[:-9], b"no bzip2"):
        origin.files[index] = data
        with pytest.raises(InputError, match="index"):
            read(languages="de", base_url=origin.base)


# --- local files and their damage ----------------------------------------------------------------------------------------


def write_multistream(folder: Path, change=lambda data: data) -> str:
    data, index = dump.multistream(PAGES, 10)
    name = "dewiki-20250801-pages-articles-multistream"
    (folder / f"{name}.xml.bz2").write_bytes(change(data))
    (folder / f"{name}-index.txt.bz2").write_bytes(index)
    return str(folder / f"{name}.xml.bz2")


@pytest.mark.parametrize("suffix", [".xml", ".xml.bz2", ".xml.gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_files_by_themselves(tmp_path, suffix, encoding):
    data = dump.xml_dump(PAGES).encode(encoding)
    compressed = {".xml": data, ".xml.bz2": bz2.compress(data), ".xml.gz": gzip.compress(data)}[suffix]
    (tmp_path / f"dewiki{suffix}").write_bytes(compressed)
    rows, _ = read(files=str(tmp_path / f"*{suffix}"))
    assert [row["page_id"] for row in rows] == [page.number for page in PAGES]
    assert kept(rows)[0]["text"] == "Haus 0 Satz 0 über Häuser & Gärten.\nLage\nAm Ende."


def test_a_file_with_and_without_its_index_gives_the_same(tmp_path):
    place = write_multistream(tmp_path)
    with_index, counters = read(files=place)
    assert counters["pages_expected"] == len(PAGES)
    (tmp_path / "dewiki-20250801-pages-articles-multistream-index.txt.bz2").unlink()
    without, counters = read(files=place)
    assert without == with_index
    assert "pages_expected" not in counters


def test_a_damaged_stream_costs_its_own_pages_only(tmp_path):
    data, _ = dump.multistream(PAGES, 10)
    third = [at for at in range(len(data)) if data.startswith(b"BZh91AY&SY", at)][3]
    rows, counters = read(files=write_multistream(tmp_path, lambda data: data[: third + 40] + b"\0" * 8 + data[third + 48 :]))
    assert reasons(rows)["damaged_stream"] == 1
    assert [row["reject_value"] for row in rows if row.get("reject_reason") == "damaged_stream"] == [third]
    assert {page.number for page in PAGES} - {row["page_id"] for row in rows} == {page.number for page in PAGES[20:30]}
    assert counters == {"pages": len(PAGES) - 10, "pages_expected": len(PAGES), "pages_lost": 10}


def test_a_flipped_bit_never_changes_a_text(tmp_path):
    """Blocks have checksums; a stream whose mark is hit is missed by its place."""
    data, _ = dump.multistream(PAGES, 10)
    starts = [at for at in range(len(data)) if data.startswith(b"BZh91AY&SY", at)]
    place = write_multistream(tmp_path)
    parameters = WikipediaParameters(files=place, unit_bytes=starts[3] - starts[1])
    unit = PART.list_units(parameters, DATE, "")[0]
    right = {row["page_id"]: row["text"] for row in rows_of([unit], parameters)[0]}
    assert len(right) > 10
    for bit in [*range(8 * starts[1], 8 * starts[1] + 80, 9), *range(8 * starts[2] - 80, 8 * starts[3], 399)]:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        Path(place).write_bytes(changed)
        rows, counters = rows_of([unit], parameters)
        pages = {row["page_id"]: row["text"] for row in rows if row["page_id"] is not None}
        assert pages.items() <= right.items()
        damages = reasons(rows)["damaged_stream"] + reasons(rows)["malformed_xml"]
        assert damages or pages == right
        assert counters["pages"] + counters["pages_lost"] == counters["pages_expected"]


@pytest.mark.parametrize("batches", [1, 2, 99])
def test_a_unit_left_in_the_middle_accounts_for_what_was_taken_of_it(tmp_path, monkeypatch, batches):
    monkeypatch.setattr("curation_tasks.sources.wikipedia._BATCH_PAGES", 8)
    parameters = WikipediaParameters(files=write_multistream(tmp_path))
    [unit] = PART.list_units(parameters, DATE, "")
    context = RunContext("pipeline", DATE, "wiki", "/nowhere")
    reading = PART.load()(unit, parameters, context)
    rows = [row for _, batch in zip(range(batches), reading, strict=False) for row in batch.to_pylist()]
    reading.close()
    assert len(rows) == min(8 * batches, len(PAGES))
    whole = {"pages": len(rows), "pages_expected": len(PAGES)}
    assert context.counters == whole | ({} if batches == 99 else {"dumps.unfinished": 1, "pages_unread": len(PAGES) - len(rows)})


def test_a_whole_file_is_checked_against_the_listed_hash(origin):
    name = next(path for path in origin.files if "-pages-articles" in path and "multistream" not in path)
    origin.files[name] = bz2.compress(dump.xml_dump(PAGES[:40]).encode())
    status = json.loads(origin.files[f"/dewiki/{DATE}/dumpstatus.json"])
    for entry in status["jobs"]["articlesdump"]["files"].values():
        entry["size"] = len(origin.files[name])
    origin.files[f"/dewiki/{DATE}/dumpstatus.json"] = json.dumps(status).encode()
    with pytest.raises(InputError, match="has sha1"):
        read(languages="de", base_url=origin.base, dump="plain")


def test_a_truncated_file_keeps_what_came_before(tmp_path):
    rows, counters = read(files=write_multistream(tmp_path, lambda data: data[:-400]))
    assert reasons(rows)["damaged_stream"] == 1
    assert counters["pages"] == len(rows) - 1
    assert counters["pages"] + counters["pages_lost"] == len(PAGES)


def test_malformed_xml_keeps_what_came_before(tmp_path):
    text = dump.xml_dump(PAGES)
    for damaged in (text[: len(text) // 2], text.replace("<title>Haus Nr. 30", "<title>\x01Haus Nr. 30")):
        (tmp_path / "dewiki.xml").write_text(damaged, encoding="utf-8")
        rows, _ = read(files=str(tmp_path / "dewiki.xml"))
        assert reasons(rows)["malformed_xml"] == 1
        assert 20 < len(kept(rows)) < 60


BOMB = '<!DOCTYPE a [<!ENTITY a "0123456789">' + "".join(f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 10}">' for k in range(9)) + "]>"


@pytest.mark.parametrize(
    "data", [b"", b"no xml", b"<html><p/></html>", b"BZh9", bz2.compress(b"\0" * 50_000_000), (BOMB + "<m>&j;</m>").encode()]
)
def test_what_is_no_dump_is_quarantined(tmp_path, data):
    place = tmp_path / ("x.xml.bz2" if data.startswith(b"BZh") else "x.xml")
    place.write_bytes(data)
    with pytest.raises(InputError, match="no page"):
        read(files=str(place))


def test_an_entity_of_a_dump_s_own_is_not_expanded(tmp_path):
    text = dump.xml_dump(PAGES[:2]).replace("Am Ende", "&xxe;")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "d.xml").write_text(f'<!DOCTYPE a [<!ENTITY xxe SYSTEM "file://{tmp_path}/secret">]>' + text, encoding="utf-8")
    rows, _ = read(files=str(tmp_path / "d.xml"))
    assert "secret" not in json.dumps(rows, default=str)


def test_repeated_pages_and_unknown_numbers(tmp_path):
    pages = [dump.DumpPage(7, "A", "one"), dump.DumpPage(7, "A", "two")]
    (tmp_path / "d.xml").write_text(dump.xml_dump(pages).replace("<id>1007</id>", "<id>x</id>"), encoding="utf-8")
    rows, _ = read(files=str(tmp_path / "d.xml"))
    assert [(row["text"], row["reject_reason"], row["revision_id"]) for row in rows] == [("one", None, None), ("two", "repeated_id", None)]


def test_options_reach_the_text(tmp_path):
    page = dump.DumpPage(7, "A", "a <math>x</math>\n== Weblinks ==\nb\n== C ==\n{{gruss|Ada}}")
    (tmp_path / "d.xml").write_text(dump.xml_dump([page]), encoding="utf-8")
    options = {"math": "latex", "layout": "markdown", "drop_sections": ["Weblinks"], "templates": {"gruss": "Hallo {1}"}}
    [row], _ = read(files=str(tmp_path / "d.xml"), **options)
    assert row["text"] == "a $x$\n## C\nHallo Ada"


@pytest.mark.parametrize(
    "parameters",
    [{}, {"languages": "de", "files": "x"}, {"languages": "de/../x"}, {"languages": "DE"}, {"files": "x", "date": "2025-08-01"}],
)
def test_parameters_that_mean_nothing_are_refused(parameters):
    with pytest.raises(ValidationError):
        WikipediaParameters(**parameters)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples * 3 // 5)
@given(data=st.data())
def test_any_damage_is_counted_or_refused(tmp_path, data):
    raw, _ = dump.multistream(PAGES[:12], 4) if data.draw(st.booleans()) else (dump.xml_dump(PAGES[:12]).encode(), b"")
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=10))
    place = tmp_path / ("d.xml.bz2" if raw.startswith(b"BZh") else "d.xml")
    place.write_bytes(bytes(damaged))
    try:
        rows, counters = read(files=str(place))
    except InputError:
        return  # not one page was left
    damages = sum(row.get("reject_reason") in ("damaged_stream", "malformed_xml") for row in rows)
    assert len(rows) - damages == counters["pages"]


# --- a real dump -----------------------------------------------------------------------------------------------------------

REAL_DUMP, REAL_INDEX = (os.environ.get(f"CURATION_WIKIPEDIA_{name}") for name in ("DUMP", "INDEX"))


@pytest.mark.parametrize("unit_bytes", [1, 2**25])
def test_a_cut_of_a_dump_has_its_pages(server, unit_bytes):
    """Of the dump that ``CURATION_WIKIPEDIA_DUMP`` (and ``_INDEX``) names; of our own where none is."""
    data, index = dump.multistream(PAGES, 10)
    if REAL_DUMP:
        data, index = Path(REAL_DUMP).read_bytes(), Path(REAL_INDEX).read_bytes() if REAL_INDEX else None
    most = 300 if REAL_DUMP else 25
    wiki, server.files, pages = dump.cut_of_a_real_dump(data, DATE, index, most)
    rows, counters = read(languages=wiki.removesuffix("wiki"), base_url=server.base, unit_bytes=unit_bytes)
    assert counters == {"pages": pages, "pages_expected": pages}
    assert len(rows) == len({row["page_id"] for row in rows}) == pages
    assert pages == (30 if not REAL_DUMP else pages)
    assert not reasons(rows).keys() & {"damaged_stream", "malformed_xml"}


def test_pages_of_a_plain_dump_are_cut_into_streams_of_a_hundred(server):
    made = dump.pages_of_a_wiki(200)
    wiki, server.files, pages = dump.cut_of_a_real_dump(bz2.compress(dump.xml_dump(made).encode()), DATE)
    index = bz2.decompress(next(data for path, data in server.files.items() if "-index" in path)).decode()
    assert Counter(Counter(line.split(":")[0] for line in index.splitlines()).values()) == {100: 2, 50: 1}
    rows, _ = read(languages=wiki.removesuffix("wiki"), base_url=server.base)
    assert [row["page_id"] for row in rows] == [page.number for page in made]
    assert pages == 250
