"""Downloads from S3: in a store, and from a server that fails as it is told."""

from http.server import BaseHTTPRequestHandler

import fsspec
import pytest
from s3fs import S3FileSystem

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.parts import Parameters, SourceUnit
from curation_tasks.sources.arxiv_listing import list_archives
from curation_tasks.sources.arxiv_part import ArxivParameters
from curation_tasks.sources.download import Download, UrlDownloader, open_unit
from curation_tasks.storage.filesystem import write_bytes
from curation_tasks.storage.remote import open_remote, read_remote
from curation_tasks.storage.remote_file import RemoteFile
from curation_tasks.storage.transfer import Patience

CONTENT = b"".join(b"line %06d of a larger file\n" % number for number in range(100_000))
QUICK = Patience(attempts=3, first_wait_seconds=0.01, longest_wait_seconds=2.0)


class TestStore:
    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CURATE_CACHE", str(tmp_path))

    def test_whole_in_pieces_and_from_the_middle(self, bucket):
        write_bytes(f"{bucket}/folder/file", CONTENT)
        using = UrlDownloader(lambda parameters, snapshot: [Download(f"{bucket}/folder/file", requester_pays=True)])
        [unit] = using.units(Parameters(), "all")
        assert (unit.path, unit.bytes) == ("file", len(CONTENT))
        with open(using.fetch(unit, Parameters()), "rb") as file:
            assert file.read() == CONTENT
        with open_unit(unit) as file:
            file.seek(1_500_000)
            assert file.read(30) == CONTENT[1_500_000:1_500_030]
            file.seek(0)
            assert file.read() == CONTENT

    def test_an_empty_object_and_a_missing_one(self, bucket):
        write_bytes(f"{bucket}/empty", b"")
        assert read_remote(f"{bucket}/empty") == b""
        for uri in (f"{bucket}/none", "s3://no-such-bucket-anywhere/none"):
            with pytest.raises(InputError):
                read_remote(uri, patience=QUICK)
            with pytest.raises(InputError):
                RemoteFile(uri, patience=QUICK).stat()

    def test_an_object_that_is_replaced_while_it_is_read(self, bucket):
        write_bytes(f"{bucket}/file", CONTENT)
        with open_remote(f"{bucket}/file", patience=QUICK) as file:
            file.read(10)
            write_bytes(f"{bucket}/file", CONTENT[::-1])
            file.seek(2_000_000)
            with pytest.raises(TransientError, match="replaced"):
                file.read(10)


class TestFaults:
    @pytest.fixture(autouse=True)
    def _endpoint(self, server, monkeypatch):
        for name, value in {
            "AWS_ENDPOINT_URL": server.base, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1",
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        S3FileSystem.clear_instance_cache()
        server.files["/bucket/file"] = CONTENT
        self.server = server
        yield
        S3FileSystem.clear_instance_cache()

    def test_the_reader_pays_when_told_to(self):
        seen = []

        def note(handler: BaseHTTPRequestHandler, number: int) -> bool:
            seen.append(handler.headers.get("x-amz-request-payer"))
            return False

        self.server.faults = note
        assert read_remote("s3://bucket/file", requester_pays=True) == CONTENT
        assert set(seen) == {"requester"}
        seen.clear()
        assert read_remote("s3://bucket/file") == CONTENT
        assert set(seen) == {None}

    @pytest.mark.parametrize("pays", [True, False])
    def test_patterns_of_archives_in_a_bucket_whose_readers_pay(self, pays):
        seen = []
        contents = "".join(
            f"<Contents><Key>src/arXiv_src_2503_00{k}.tar</Key><ETag>&quot;e{k}&quot;</ETag><Size>{k}</Size></Contents>" for k in (1, 2)
        )
        listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()

        def store(handler: BaseHTTPRequestHandler, number: int) -> bool:
            seen.append(handler.headers.get("x-amz-request-payer"))
            if "list-type" not in handler.path:
                return False
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(listing)))
            handler.end_headers()
            handler.wfile.write(listing)
            return True

        self.server.faults = store
        parameters = ArxivParameters(files="s3://bucket/src/arXiv_src_2503_*.tar", requester_pays=pays)
        units = list_archives(parameters, "all")
        assert [(unit.path, unit.bytes, dict(unit.options)) for unit in units] == [
            (f"arXiv_src_2503_00{k}.tar", k, {"requester_pays": True} if pays else {}) for k in (1, 2)
        ]
        self.server.files["/bucket/src/arXiv_src_2503_002.tar"] = b"ab"
        with open_unit(SourceUnit(units[1].uri, units[1].path, 2, "", units[1].options)) as file:
            assert file.read() == b"ab"
        assert set(seen) == {"requester" if pays else None}

    def test_requests_are_signed_and_anonymous_only_when_told_to(self, monkeypatch):
        seen = []

        def note(handler: BaseHTTPRequestHandler, number: int) -> bool:
            seen.append(handler.headers.get("Authorization"))
            return False

        self.server.faults = note
        assert read_remote("s3://bucket/file", patience=QUICK) == CONTENT
        assert all(header.startswith("AWS4-HMAC-SHA256 Credential=x/") for header in seen)
        seen.clear()
        S3FileSystem.clear_instance_cache()
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(ConfigError, match="NoCredentials") as caught:
            read_remote("s3://bucket/file", patience=QUICK)
        assert "FSSPEC_S3_ANON=true" in str(caught.value)
        monkeypatch.setitem(fsspec.config.conf, "s3", {"anon": "true"})  # what FSSPEC_S3_ANON=true sets
        assert read_remote("s3://bucket/file", patience=QUICK) == CONTENT
        assert set(seen) == {None}

    def test_a_store_that_asks_to_slow_down_and_breaks_bodies(self):
        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>"

        def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
            if number == 1:
                handler.send_response(503)
                handler.send_header("Retry-After", "1")
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)
            elif number == 2:
                handler.send_response(206)
                handler.send_header("Content-Range", f"bytes 0-1048575/{len(CONTENT)}")
                handler.send_header("Content-Length", "1048576")
                handler.end_headers()
                handler.wfile.write(CONTENT[:100_000])
                handler.close_connection = True
            return number < 3

        self.server.faults = fault
        assert read_remote("s3://bucket/file", patience=QUICK) == CONTENT
        assert self.server.served[0][1] == 100_000

    def test_a_store_that_stays_busy_and_one_that_refuses(self):
        def answer(status: int, code: str):
            def fault(handler: BaseHTTPRequestHandler, number: int) -> bool:
                body = f"<Error><Code>{code}</Code></Error>".encode()
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)
                return True

            return fault

        self.server.faults = answer(503, "ServiceUnavailable")
        with pytest.raises(TransientError, match="slow down"):
            read_remote("s3://bucket/file", patience=QUICK)
        self.server.faults = answer(403, "AccessDenied")
        with pytest.raises(ConfigError, match="access was refused"):
            read_remote("s3://bucket/file", patience=QUICK)
