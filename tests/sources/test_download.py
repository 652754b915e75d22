"""Downloads are whole or fail with the reaction they ask for, whatever the server does."""

import gzip
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from faulty_server import answer_busy

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.parts import Parameters, SourceUnit
from curation_tasks.sources.download import Download, UrlDownloader, open_unit, open_whole
from curation_tasks.storage import remote
from curation_tasks.storage.cache import cache_folder
from curation_tasks.storage.remote import open_remote, read_remote
from curation_tasks.storage.transfer import BusyError, Patience, user_agent

CONTENT = b"content of the file\n" * 1000
LARGE = b"".join(b"line %06d of a larger file\n" % number for number in range(200_000))

Fault = Callable[[BaseHTTPRequestHandler, int], bool]


def patience(attempts: int = 4, **more: float) -> Patience:
    return Patience(**{"attempts": attempts, "first_wait_seconds": 0.01, "longest_wait_seconds": 2.0, "stall_seconds": 5.0} | more)


def downloader(*downloads: Download, attempts: int = 4) -> UrlDownloader:
    return UrlDownloader(lambda parameters, snapshot: downloads, patience=patience(attempts))


def fetched(*downloads: Download, attempts: int = 4) -> list[bytes]:
    using = downloader(*downloads, attempts=attempts)
    return [Path(using.fetch(unit, Parameters())).read_bytes() for unit in using.units(Parameters(), "all")]


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def busy(times: int, status: int = 503, retry_after: str | None = None) -> Fault:
    """Answers so for the first requests."""

    def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
        return number <= times and answer_busy(handler, status, retry_after)

    return fault


def broken(content: bytes, times: int, after: int, announced: int | None = None) -> Fault:
    """Whole answers that break off after so many bytes."""

    def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
        if handler.command != "GET" or number > times:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(content[:after])
        handler.close_connection = True
        return True

    return fault


def redirected(path: str, status: int) -> Fault:
    """Sends who asks for the path to ``/file.txt``."""

    def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
        if handler.path != path:
            return False
        handler.send_response(status)
        handler.send_header("Location", "/file.txt")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


class TestDownload:
    @pytest.fixture(autouse=True)
    def _file(self, server):
        server.files["/data/file.txt"] = CONTENT
        self.server, self.url = server, f"{server.base}/data/file.txt"

    def cached(self) -> list[Path]:
        return [place for place in (cache_folder() / "downloads").rglob("*") if place.is_file() and place.suffix == ".txt"]

    def test_units_carry_size_version_and_names_below_the_common_address(self):
        self.server.files["/data/more/other.txt"] = b"x"
        units = downloader(Download(self.url), Download(f"{self.server.base}/data/more/other.txt")).units(Parameters(), "all")
        assert [(unit.path, unit.bytes) for unit in units] == [("file.txt", len(CONTENT)), ("more/other.txt", 1)]
        assert all(unit.etag for unit in units)

    def test_a_file_is_fetched_once(self):
        assert fetched(Download(self.url)) == fetched(Download(self.url)) == [CONTENT]
        assert self.server.requests["GET /data/file.txt"] == 1

    def test_a_copy_of_the_wrong_size_is_fetched_again(self):
        fetched(Download(self.url))
        [copy] = self.cached()
        copy.write_bytes(b"cut")
        assert fetched(Download(self.url)) == [CONTENT]

    def test_a_new_version_is_another_copy(self):
        fetched(Download(self.url))
        self.server.files["/data/file.txt"] = CONTENT[::-1]
        assert fetched(Download(self.url)) == [CONTENT[::-1]]

    def test_with_a_hash_and_a_copy_the_server_is_not_asked(self):
        pinned = Download(self.url, digest=sha256(CONTENT))
        fetched(pinned)
        self.server.requests.clear()
        assert fetched(pinned) == [CONTENT]
        assert not self.server.requests

    def test_with_a_hash_and_a_size_the_server_is_not_asked_before(self):
        [unit] = downloader(Download(self.url, len(CONTENT), sha256(CONTENT))).units(Parameters(), "all")
        assert unit.bytes == len(CONTENT)
        assert not self.server.requests

    @pytest.mark.parametrize("digest", ["sha257:00", "sha256:00", "0" * 64])
    def test_a_digest_that_is_none_is_a_configuration_error(self, digest: str):
        with pytest.raises(ConfigError, match="is no digest"):
            downloader(Download(self.url, digest=digest)).units(Parameters(), "all")

    def test_a_server_that_is_busy_twice_is_asked_again(self):
        self.server.faults = busy(2)
        assert fetched(Download(self.url)) == [CONTENT]

    def test_a_server_that_stays_busy_is_a_transient_error(self):
        self.server.faults = busy(99)
        with pytest.raises(TransientError, match=r"file\.txt: the server answered HTTP 503"):
            fetched(Download(self.url))

    def test_a_body_that_breaks_off_is_gone_on_with(self):
        self.server.faults = broken(CONTENT, times=1, after=100)
        assert fetched(Download(self.url)) == [CONTENT]
        assert self.server.served == [("/data/file.txt", 100, len(CONTENT) - 100)]

    def test_a_server_without_ranges_is_asked_for_all_of_it_again(self):
        self.server.ranges = False
        self.server.faults = broken(CONTENT, times=1, after=100)
        assert fetched(Download(self.url)) == [CONTENT]
        assert [served[1:] for served in self.server.served][-1] == (0, len(CONTENT))

    def test_what_came_before_an_error_is_kept_for_the_next_try(self):
        self.server.faults = lambda handler, number: (
            handler.command == "GET" and (broken(CONTENT, 1, 100)(handler, number) or busy(3)(handler, number))
        )
        with pytest.raises(TransientError, match="HTTP 503"):
            fetched(Download(self.url), attempts=2)
        assert self.cached() == []
        assert fetched(Download(self.url)) == [CONTENT]
        assert self.server.served == [("/data/file.txt", 100, len(CONTENT) - 100)]

    def test_a_body_that_always_breaks_off_at_once_is_a_transient_error_and_never_kept(self):
        self.server.ranges = False
        self.server.faults = broken(CONTENT, times=99, after=100)
        with pytest.raises(TransientError, match=r"file\.txt: the transfer failed"):
            fetched(Download(self.url))
        assert self.cached() == []

    @pytest.mark.parametrize("announced", [3, len(CONTENT) + 7])
    def test_a_body_of_another_length_than_listed_is_a_transient_error(self, announced: int):
        self.server.faults = broken(CONTENT, times=99, after=3, announced=announced)
        with pytest.raises(TransientError, match=rf"{announced:,} bytes[\s\S]*20,000 bytes"):
            fetched(Download(self.url), attempts=2)
        assert self.cached() == []

    def test_a_body_longer_than_announced_is_cut_where_it_was_announced(self):
        self.server.files["/short"] = b"abc"
        self.server.faults = broken(b"abcdef", times=1, after=6, announced=3)
        assert fetched(Download(f"{self.server.base}/short")) == [b"abc"]

    def test_a_body_that_trickles_has_stalled(self):
        def trickle(handler: BaseHTTPRequestHandler, number: int) -> bool:
            if handler.command != "GET":
                return False
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CONTENT)))
            handler.end_headers()
            for place in range(20):
                time.sleep(0.02)
                handler.wfile.write(CONTENT[place : place + 1])
                handler.wfile.flush()
            handler.close_connection = True
            return True

        self.server.faults = trickle
        with pytest.raises(TransientError, match="the transfer failed: TimeoutError"):
            open_remote(self.url, patience=patience(1, stall_seconds=0.2)).read()

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_retry_after_is_honoured(self, form: str):
        def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
            asked.append(time.time())
            text = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
            return busy(1, 429, text)(handler, number)

        asked: list[float] = []
        self.server.faults = fault
        assert open_remote(self.url, patience=patience(2)).read() == CONTENT
        assert asked[1] - asked[0] >= 0.9

    def test_retry_after_longer_than_ones_patience_is_given_up_at_once(self):
        self.server.faults = busy(99, 503, "3600")
        with pytest.raises(BusyError, match="3,600 seconds of patience"):
            fetched(Download(self.url))
        assert self.server.requests.total() == 1

    def test_a_host_that_asked_for_patience_is_left_alone_by_all(self):
        self.server.files["/other"] = b"other"
        self.server.faults = lambda handler, number: handler.path != "/other" and busy(1, 503, "1")(handler, number)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(read_remote, self.url, patience=patience())
            while not self.server.requests:
                time.sleep(0.01)
            time.sleep(0.1)
            started = time.time()
            assert read_remote(f"{self.server.base}/other") == b"other"
            assert time.time() - started > 0.5
            assert first.result() == CONTENT

    def test_a_missing_file_is_an_input_error_at_once(self):
        with pytest.raises(InputError, match="HTTP 404"):
            fetched(Download(f"{self.server.base}/data/none.txt"))
        assert self.server.requests["HEAD /data/none.txt"] == 1

    def test_a_refusal_asks_for_a_login(self):
        self.server.faults = lambda handler, number: handler.send_error(403) is None
        with pytest.raises(ConfigError, match="HTTP 403"):
            fetched(Download(self.url))

    def test_a_refusal_because_of_too_many_requests_is_waited_for(self):
        body = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

        def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
            if number > 2:
                return False
            handler.send_response(403)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return True

        self.server.faults = fault
        assert read_remote(self.url, patience=patience()) == CONTENT
        assert self.server.requests[f"GET {self.url.removeprefix(self.server.base)}"] == 3

    def test_a_server_is_told_whom_to_write_to(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("CURATE_CONTACT", "curators@example.org\r\nX: y")
        assert user_agent() == "curation-tasks/0.1 (curators@example.orgX: y; honours Retry-After)"

    def test_nobody_there_is_a_transient_error(self):
        with pytest.raises(TransientError):
            fetched(Download("http://127.0.0.1:1/file.txt"), attempts=2)

    def test_an_unexpected_size_or_hash_is_an_input_error(self):
        with pytest.raises(InputError, match=r"has 20,000 bytes[\s\S]*expected: 5 bytes"):
            fetched(Download(self.url, bytes=5))
        with pytest.raises(InputError, match="has sha256"):
            fetched(Download(self.url, digest=f"sha256:{0:064}"))
        assert self.cached() == []


def test_a_local_file_is_read_in_place_and_its_hash_checked(tmp_path: Path):
    place = tmp_path / "file.txt"
    place.write_bytes(b"x")
    using = downloader(Download(str(place)))
    [unit] = using.units(Parameters(), "all")
    assert (unit.path, unit.bytes, using.fetch(unit, Parameters())) == ("file.txt", 1, str(place))
    wrong = downloader(Download(str(place), digest=f"sha256:{0:064}"))
    with pytest.raises(InputError, match="has sha256"):
        wrong.fetch(wrong.units(Parameters(), "all")[0], Parameters())


@pytest.mark.parametrize("read", [0, 100, len(CONTENT)])
def test_a_file_that_is_read_once_is_checked_against_its_listed_hash(tmp_path: Path, read: int):
    place = tmp_path / "file.txt"
    place.write_bytes(CONTENT)
    right = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    for digest, error in ((right, nullcontext()), (f"md5:{0:032}", pytest.raises(InputError, match="has md5"))):
        unit = SourceUnit(str(place), "file.txt", len(CONTENT), digest, {"digest": digest})
        with error, open_whole(unit) as file:
            assert file.read(read) == CONTENT[:read]


def test_a_missing_local_file_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError):
        downloader(Download(f"{tmp_path}/none")).units(Parameters(), "all")


class TestWays:
    """Redirects, codings that nobody asked for, proxies."""

    @pytest.fixture(autouse=True)
    def _file(self, server):
        server.files["/file.txt"] = LARGE
        self.server, self.url = server, f"{server.base}/file.txt"

    def test_a_redirect_is_followed_by_parts_too(self):
        self.server.faults = redirected("/moved", 302)
        moved = f"{self.server.base}/moved"
        assert fetched(Download(moved)) == [LARGE]
        with open_remote(moved) as file:
            file.seek(4_000_000)
            assert file.read(50) == LARGE[4_000_000:4_000_050]

    def test_redirects_without_end_are_an_input_error(self):
        self.server.faults = redirected("/file.txt", 301)
        with pytest.raises(InputError, match="redirects again and again"):
            fetched(Download(self.url))

    @staticmethod
    def coded(body: bytes, coding: str = "gzip", announced: bool = True) -> Fault:
        def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
            handler.send_response(200)
            handler.send_header("Content-Encoding", coding)
            if announced:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if handler.command == "GET":
                handler.wfile.write(body)
            handler.close_connection = True
            return True

        return fault

    @pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
    def test_a_body_that_is_compressed_unasked_is_the_file(self, coding: str):
        self.server.faults = self.coded(gzip.compress(LARGE), coding)
        assert fetched(Download(self.url)) == [LARGE]
        with open_remote(self.url) as file:
            file.seek(-20, 2)
            assert file.read() == LARGE[-20:]
        assert read_remote(self.url) == LARGE

    def test_a_gzip_file_that_is_said_to_be_coded_stays_as_it_is(self):
        content = gzip.compress(CONTENT)
        self.server.faults = self.coded(content)
        assert fetched(Download(f"{self.server.base}/file.txt.gz")) == [content]

    def test_a_coded_body_that_is_cut_is_tried_again_and_another_coding_refused(self):
        self.server.faults = self.coded(gzip.compress(LARGE)[:-9], announced=False)
        with pytest.raises(TransientError, match="ends too soon"):
            fetched(Download(self.url), attempts=2)
        self.server.faults = self.coded(b"x", "br")
        with pytest.raises(InputError, match="'br', unasked"):
            fetched(Download(self.url))

    def test_a_proxy_of_the_environment_is_asked(self, monkeypatch: pytest.MonkeyPatch):
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", self.server.base)
        address = "http://crawl.invalid/file.txt"  # a proxy is asked for the whole address
        self.server.files[address] = CONTENT
        assert fetched(Download(address)) == [CONTENT]
        assert self.server.requests[f"GET {address}"] == 1


class TestStream:
    """``open_remote`` and ``open_unit``."""

    @pytest.fixture(autouse=True)
    def _file(self, server):
        server.files["/large"] = LARGE
        self.server, self.url = server, f"{server.base}/large"

    def test_it_comes_in_blocks_of_which_a_few_are_held(self):
        with open_remote(self.url) as file:
            assert b"".join(iter(lambda: file.read(100_003), b"")) == LARGE
        sizes = [size for _, _, size in self.server.served]
        assert sizes[0] == remote.FIRST_BLOCK_BYTES
        assert max(sizes) <= remote.LARGEST_BLOCK_BYTES
        assert sum(sizes) == len(LARGE)

    def test_a_reader_that_stops_soon_has_fetched_little(self):
        with open_remote(self.url) as file:
            assert file.read(10) == LARGE[:10]
        assert sum(size for _, _, size in self.server.served) <= 2 * remote.FIRST_BLOCK_BYTES

    def test_any_place_of_it_can_be_read(self):
        with open_remote(self.url) as file:
            for place in (5_000_000, 12, len(LARGE) - 5, 3_000_000):
                file.seek(place)
                assert file.read(20) == LARGE[place : place + 20]
            assert file.seek(-7, 2) == len(LARGE) - 7
            assert file.read() == LARGE[-7:]
            assert file.seek(10, 2) == len(LARGE) + 10
            assert file.read() == b""

    def test_breaks_in_the_middle_of_blocks_are_not_seen(self):
        def cut(handler: BaseHTTPRequestHandler, number: int) -> bool:
            asked = handler.headers.get("Range")
            if number % 2 == 0 or not asked:
                return False
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, len(LARGE))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(LARGE)}")
            handler.send_header("Content-Length", str(stop - start))
            handler.end_headers()
            handler.wfile.write(LARGE[start : start + (stop - start) // 3])
            handler.close_connection = True
            return True

        self.server.faults = cut
        with open_remote(self.url, patience=patience()) as file:
            assert file.read() == LARGE

    def test_a_server_without_ranges_is_read_whole(self):
        self.server.ranges = False
        with open_remote(self.url) as file:
            assert file.read(10) == LARGE[:10]
            file.seek(100)
            assert file.read() == LARGE[100:]

    def test_a_file_that_is_replaced_while_it_is_read_is_a_transient_error(self):
        with open_remote(self.url, patience=patience(2)) as file:
            file.read(10)
            self.server.files["/large"] = LARGE[::-1]
            file.seek(4_000_000)
            with pytest.raises(TransientError, match="replaced"):
                file.read(10)

    def test_an_empty_file(self):
        self.server.files["/empty"] = b""
        assert open_remote(f"{self.server.base}/empty").read() == b""
        self.server.ranges = False
        assert open_remote(f"{self.server.base}/empty").read() == b""

    def test_a_unit_whose_size_is_another_now(self):
        [unit] = downloader(Download(self.url)).units(Parameters(), "all")
        self.server.files["/large"] = LARGE[:-1]
        with open_unit(unit, patience(2)) as file, pytest.raises(TransientError, match="as announced before"):
            file.read()

    def test_a_listing_larger_than_its_limit(self):
        with pytest.raises(InputError, match="larger than a listing"):
            read_remote(self.url, limit_bytes=1000)

    def test_transfers_at_once_are_few(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("CURATE_TRANSFERS_PER_HOST", "2")
        open_now, most = set(), []

        def watch(handler: BaseHTTPRequestHandler, number: int) -> bool:
            open_now.add(handler)
            most.append(len(open_now))
            time.sleep(0.05)
            open_now.discard(handler)
            return False

        self.server.faults = watch
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(lambda _: len(read_remote(self.url)), range(6))) == [len(LARGE)] * 6
        assert max(most) == 2

    def test_an_odd_number_of_transfers_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("CURATE_TRANSFERS_PER_HOST", "0")
        with pytest.raises(ConfigError, match="CURATE_TRANSFERS_PER_HOST"):
            read_remote(self.url)
