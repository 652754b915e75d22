"""What only a real S3 server does: it checks who asks."""

import pytest
from s3fs import S3FileSystem

from curation_tasks.errors import ConfigError
from curation_tasks.storage.commit import create_if_absent
from curation_tasks.storage.filesystem import exists, glob_files, list_names, open_output, read_bytes, write_bytes
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
