"""What only a real S3 server does: it checks who asks."""

import os
import subprocess
import sys

import pytest
from s3fs import S3FileSystem

from curation_tasks.errors import ConfigError
from curation_tasks.sources.arxiv_listing import list_archives
from curation_tasks.sources.arxiv_part import ArxivParameters
from curation_tasks.storage.commit import create_if_absent
from curation_tasks.storage.filesystem import exists, filesystem, glob_files, list_names, open_output, read_bytes, write_bytes
from curation_tasks.storage.remote import read_remote
from curation_tasks.storage.shard import read_shard

pytestmark = pytest.mark.service


@pytest.mark.parametrize("s3", ["radosgw"], indirect=True)
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_a_configuration_error_for_each_access(bucket, monkeypatch, variable):
    write_bytes(f"{bucket}/file", b"x")
    monkeypatch.setenv(variable, "wrong")
    S3FileSystem.clear_instance_cache()

    def write_in_parts(uri):
        with open_output(uri) as file:
            file.write(b"x")

    accesses = (
        exists, read_bytes, list_names, glob_files, write_in_parts, lambda uri: write_bytes(uri, b""),
        lambda uri: create_if_absent(uri, b""), lambda uri: next(read_shard(uri)), lambda uri: glob_files(f"{uri}*"),
    )  # fmt: skip
    for access in accesses:
        with pytest.raises(ConfigError, match="access was refused") as caught:
            access(f"{bucket}/file")
        assert "wrong" not in str(caught.value)
        assert "AWS_SECRET_ACCESS_KEY" in str(caught.value)


@pytest.fixture
def of_another_owner(bucket) -> str:
    """A file that everybody may read, in a bucket of the first user."""
    store = S3FileSystem()
    store.chmod(bucket, "public-read")
    store.pipe_file(f"{bucket}/file", b"content", ACL="public-read")
    return f"{bucket}/file"


def become(monkeypatch, key: str | None) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", f"{key}-secret")):
        monkeypatch.setenv(name, value) if key else monkeypatch.delenv(name)
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("s3", ["radosgw"], indirect=True)
def test_a_bucket_whose_readers_pay(of_another_owner, monkeypatch):
    store, path = filesystem(of_another_owner)
    payer = {"RequestPaymentConfiguration": {"Payer": "Requester"}}
    store.call_s3("put_bucket_request_payment", Bucket=path.partition("/")[0], **payer)
    become(monkeypatch, sys.modules["services_ceph"].READER)
    with pytest.raises(ConfigError, match="requester_pays: true"):
        read_remote(of_another_owner)
    assert read_remote(of_another_owner, requester_pays=True) == b"content"
    pattern = of_another_owner.replace("/file", "/f*")
    with pytest.raises(ConfigError, match="requester_pays: true"):
        glob_files(pattern)
    for files in (pattern, of_another_owner):
        [unit] = list_archives(ArxivParameters(files=files), "all")
        assert (unit.uri, unit.bytes, unit.options) == (of_another_owner, 7, {"requester_pays": True})


@pytest.mark.parametrize("s3", ["radosgw"], indirect=True)
def test_a_bucket_that_is_open_to_everybody(of_another_owner, monkeypatch):
    become(monkeypatch, None)
    with pytest.raises(ConfigError, match="FSSPEC_S3_ANON=true"):
        read_remote(of_another_owner)
    command = [sys.executable, "-c", f"from curation_tasks.storage.remote import *; print(read_remote({of_another_owner!r}))"]
    done = subprocess.run(command, env=os.environ | {"FSSPEC_S3_ANON": "true"}, capture_output=True, text=True, check=True)
    assert done.stdout == "b'content'\n"
