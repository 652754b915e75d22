"""Common Crawl from a snapshot's name to documents, from a server that lays it out as the origin does and fails as it is told."""

import gzip
import itertools
import json
import threading
from collections import Counter
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from made_archives import ArchiveMaker, accounted, crawl_file, page, sentences, snapshot_files, wat_file, wet_file
from s3fs import S3FileSystem

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.parts import Snapshot
from curation_tasks.sources import download
from curation_tasks.sources.archive_documents import read_archive
from curation_tasks.sources.common_crawl import list_files, list_snapshots
from curation_tasks.sources.web import CommonCrawlParameters
from curation_tasks.storage import remote
from curation_tasks.storage.filesystem import write_bytes
from curation_tasks.storage.transfer import Patience

CRAWL = "CC-MAIN-2025-33"
FILES = 4


def urls_of(number: int) -> list[str]:
    return [f"https://site-{number}.example.org/{place}" for place in range(5)]


def warc_files() -> list[bytes]:
    return [crawl_file({url: page(10 * number + place) for place, url in enumerate(urls_of(number))}) for number in range(FILES)]


def snapshot() -> dict[str, bytes]:
    wet = [wet_file({url: " ".join(sentences(number, 5)) for url in urls_of(number)}) for number in range(FILES)]
    wat = [wat_file({url: f"Title {number}" for url in urls_of(number)}) for number in range(FILES)]
    return snapshot_files(CRAWL, {"warc": warc_files(), "wet": wet, "wat": wat})


def parameters(base: str, **more: object) -> CommonCrawlParameters:
    return CommonCrawlParameters(**{"base_url": base} | more)


def documents(given: CommonCrawlParameters, name: str = CRAWL) -> tuple[list[dict], dict[str, int]]:
    rows, counters = [], Counter()
    for unit in list_files(given, name):
        context = RunContext("pipeline", name, "stage", "/nowhere")
        rows += [row for batch in read_archive(unit, given, context) for row in batch.to_pylist()]
        counters += context.counters
    return rows, dict(counters)


def check_all_pages(rows: list[dict], counters: dict[str, int]) -> None:
    assert [row["url"] for row in rows] == [url for number in range(FILES) for url in urls_of(number)]
    assert {row["reject_reason"] for row in rows} == {None}
    assert all(f"Page {row['title'].removeprefix('Page ')}" in row["text"] for row in rows)
    assert accounted(rows, counters)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of tests are short; how long one waits in earnest is tested with the transfers."""
    patience = Patience(attempts=4, first_wait_seconds=0.01, longest_wait_seconds=2, stall_seconds=5)
    for module in (download, remote):
        monkeypatch.setattr(module, "Patience", lambda: patience)


class TestOverHttp:
    @pytest.fixture(autouse=True)
    def _snapshot(self, server):
        server.files |= {f"/{path}": content for path, content in snapshot().items()}
        self.server, self.base = server, server.base

    def test_every_record_of_a_crawl_is_accounted_for(self):
        rows, counters = documents(parameters(self.base))
        check_all_pages(rows, counters)
        pages = FILES * 5
        assert counters == {
            "records.in_archives": FILES + 3 * pages, "skipped.type.warcinfo": FILES, "skipped.type.request": pages,
            "skipped.type.metadata": pages, "digests.verified": pages,
        }  # fmt: skip
        assert rows[0]["crawled"].isoformat() == "2025-08-02T22:00:03+00:00"
        assert (rows[0]["content_type"], rows[0]["encoding"], rows[0]["language_hint"]) == ("text/html", "UTF-8", "en")
        assert "Copyright" not in rows[0]["text"]

    def test_plain_text_and_metadata_of_the_crawler(self):
        rows, counters = documents(parameters(self.base, kind="wet"))
        assert [row["text"] for row in rows] == [" ".join(sentences(number, 5)) for number in range(FILES) for _ in range(5)]
        assert {row["language_hint"] for row in rows} == {"eng"}
        assert accounted(rows, counters)
        rows, counters = documents(parameters(self.base, kind="wat"))
        assert [(row["title"], row["description"], row["canonical_url"]) for row in rows] == [
            (f"Title {number}", f"About Title {number}", url) for number in range(FILES) for url in urls_of(number)
        ]
        assert accounted(rows, counters)

    def test_a_wanted_language_is_a_first_cut(self):
        files = snapshot_files("CC-MAIN-2025-30", {
            "warc": [crawl_file({"http://a/": page(1, language="en-GB"), "http://b/": page(2, language="de")})],
            "wet": [wet_file({"http://a/": "Text."}, "deu,eng") + wet_file({"http://b/": "Text."}, "deu")],
        })  # fmt: skip
        self.server.files |= {f"/{path}": content for path, content in files.items()}
        for kind in ("warc", "wet"):
            rows, counters = documents(parameters(self.base, kind=kind, languages=["en", "eng"]), "CC-MAIN-2025-30")
            assert [row["url"] for row in rows] == ["http://a/"]
            assert counters["skipped.language"] == 1
            assert accounted(rows, counters)

    def test_the_same_sample_of_files_wherever_it_is_drawn(self):
        paths = [unit.path for unit in list_files(parameters(self.base), CRAWL)]
        assert [unit.path for unit in list_files(parameters(self.base, max_files=2), CRAWL)] == paths[:2]
        samples = [[unit.path for unit in list_files(parameters(self.base, max_files=2, sample_seed=seed), CRAWL)] for seed in range(12)]
        assert samples == [
            [unit.path for unit in list_files(parameters(self.base, max_files=2, sample_seed=seed), CRAWL)] for seed in range(12)
        ]
        assert all(sample == sorted(sample, key=paths.index) for sample in samples)
        assert {path for sample in samples for path in sample} == set(paths)
        larger = [unit.path for unit in list_files(parameters(self.base, max_files=3, sample_seed=5), CRAWL)]
        assert set(samples[5]) < set(larger)

    def test_a_subset_of_the_paths(self):
        [*units] = list_files(parameters(self.base, subset="1754151279521.1/"), CRAWL)
        assert len(units) == 2
        with pytest.raises(InputError, match="no file of the snapshot is wanted"):
            list_files(parameters(self.base, subset="nothing"), CRAWL)

    def test_units_do_not_depend_on_where_the_files_lie(self):
        assert list_files(parameters(self.base), CRAWL)[0].path.startswith(f"crawl-data/{CRAWL}/segments/")

    @pytest.mark.parametrize(("name", "nearest"), [("CC-MAIN-2025-32", CRAWL), ("CC-MAIN-2025-3", CRAWL), ("cc-main-2012", "CC-MAIN-2012")])
    def test_an_unknown_snapshot_is_told_the_nearest(self, name: str, nearest: str):
        with pytest.raises(ConfigError, match=rf"no snapshot '{name}'; did you mean '{nearest}'"):
            list_files(parameters(self.base), name)

    def test_a_crawl_without_such_files_says_so(self):
        with pytest.raises(ConfigError, match="no list of its wet files"):
            list_files(parameters(self.base, kind="wet"), "CC-MAIN-2012")

    def test_a_month_of_news(self):
        maker = ArchiveMaker().info().request("http://news/").response("http://news/", page(1))
        path = "crawl-data/CC-NEWS/2025/08/CC-NEWS-20250801000216-04237.warc.gz"
        self.server.files |= {
            f"/{path}": maker.bytes(),
            "/crawl-data/CC-NEWS/2025/08/warc.paths.gz": gzip.compress(f"{path}\n".encode()),
        }
        rows, counters = documents(parameters(self.base), "CC-NEWS-2025-08")
        assert [row["url"] for row in rows] == ["http://news/"]
        assert accounted(rows, counters)
        with pytest.raises(ConfigError, match="no list of its warc files"):
            list_files(parameters(self.base), "CC-NEWS-2015-01")
        with pytest.raises(ConfigError, match="news crawls have no wet files"):
            list_files(parameters(self.base, kind="wet"), "CC-NEWS-2025-08")

    def test_the_crawls_are_snapshots_on_the_days_they_began(self):
        listed = [
            {"id": "CC-MAIN-2025-33", "from": "2025-08-02T16:47:28", "to": "2025-08-16T08:31:53"},
            {"id": "CC-MAIN-2019-04"},
            {"id": "CC-MAIN-2012"},
            {"id": "CC-MAIN-2008-2009"},
        ]
        self.server.files["/collinfo.json"] = json.dumps(listed).encode()
        assert list_snapshots(parameters(self.base)) == [
            Snapshot("CC-MAIN-2025-33", "2025-08-02", "2025-08-16T08:31:53+00:00"),
            Snapshot("CC-MAIN-2019-04", "2019-01-21"),
            Snapshot("CC-MAIN-2012", "2012-01-01"),
            Snapshot("CC-MAIN-2008-2009", "2008-01-01"),
        ]

    def test_the_months_of_news_are_those_that_are_over_and_listed(self):
        today = datetime.now(UTC).date()
        last = date(today.year - 1, today.month, 1)
        self.server.files[f"/crawl-data/CC-NEWS/{last:%Y}/{last:%m}/warc.paths.gz"] = gzip.compress(b"")
        found = list_snapshots(parameters(self.base, collection="news"))
        assert found[0] == Snapshot("CC-NEWS-2016-08", "2016-08-01")
        assert found[-1] == Snapshot(f"CC-NEWS-{last:%Y-%m}", f"{last:%Y-%m}-01")

    @pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"a/b.warc.gz\n" * 99)[:-20], gzip.compress(b"../../etc/passwd\n")])
    def test_a_damaged_listing_is_an_input_error(self, content: bytes):
        self.server.files[f"/crawl-data/{CRAWL}/warc.paths.gz"] = content
        with pytest.raises(InputError, match="listing"):
            list_files(parameters(self.base), CRAWL)

    def test_a_damaged_list_of_crawls_is_an_input_error(self):
        self.server.files["/collinfo.json"] = b"<html>"
        with pytest.raises(InputError, match="no list of crawls"):
            list_files(parameters(self.base), CRAWL)

    def test_the_digest_of_nothing_depends_on_a_server_that_is_busy_breaks_off_and_lies(self, monkeypatch: pytest.MonkeyPatch):
        """Of every path one request each is answered 503, one is broken off, one announces too much, one trickles."""
        whole, counters = documents(parameters(self.base))
        kinds = itertools.cycle(["busy", "broken", "long", "fine"])
        lock = threading.Lock()

        def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
            content = self.server.files.get(handler.path)
            if number > 4 or content is None:
                return False
            with lock:
                kind = next(kinds)
            if kind == "busy":
                handler.send_response(503)
                handler.send_header("Retry-After", "0")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
            elif kind in ("broken", "long"):
                start, _ = (handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")
                rest = content[int(start) :]
                handler.send_response(206)
                handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                handler.send_header("Content-Length", str(len(rest) + (7 if kind == "long" else 0)))
                handler.end_headers()
                handler.wfile.write(rest if kind == "long" else rest[: len(rest) // 2])
                handler.close_connection = True
            return kind != "fine"

        self.server.faults = fault
        assert documents(parameters(self.base)) == (whole, counters)

    def test_a_server_that_stays_away_is_a_transient_error(self):
        units = list_files(parameters(self.base), CRAWL)

        def gone(handler: BaseHTTPRequestHandler, number: int) -> bool:
            handler.close_connection = True
            return True

        self.server.faults = gone
        with pytest.raises(TransientError):
            list(read_archive(units[0], parameters(self.base), RunContext("p", "s", "s", "/nowhere")))

    def test_files_are_kept_when_asked_for_and_streamed_otherwise(self):
        documents(parameters(self.base, max_files=1, keep_raw=True))
        before = self.server.requests.total()
        documents(parameters(self.base, max_files=1, keep_raw=True))
        assert self.server.requests.total() == before + 2  # the list of crawls and that of files
        documents(parameters(self.base, max_files=1))
        assert self.server.requests.total() == before + 2 + 3


def test_a_folder_is_a_base_as_well(tmp_path: Path):
    for path, content in snapshot().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    check_all_pages(*documents(parameters(str(tmp_path))))
    units = list_files(parameters(str(tmp_path)), CRAWL)
    assert all(unit.bytes > 0 and unit.etag for unit in units)
    Path(units[1].uri).unlink()
    with pytest.raises(InputError, match="names a file that is not there"):
        list_files(parameters(str(tmp_path)), CRAWL)


def test_from_an_object_store(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    for path, content in snapshot().items():
        write_bytes(f"{bucket}/{path}", content)
    check_all_pages(*documents(parameters(bucket)))
    check_all_pages(*documents(parameters(bucket, keep_raw=True)))
    S3FileSystem.clear_instance_cache()
