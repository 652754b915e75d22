"""Files in object storage: atomic, listed at once, usable from threads and processes, with errors by reaction."""

import gc
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from s3fs import S3FileSystem
from s3fs.core import S3File

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.storage import cache
from curation_tasks.storage.filesystem import (
    delete,
    exists,
    glob_files,
    list_folders,
    list_names,
    open_input,
    open_output,
    reached_with,
    read_bytes,
    write_bytes,
)
from curation_tasks.storage.shard import ShardWriter, read_shard

#: More than s3fs gathers before it uploads, so that an upload is under way.
LARGE = 51 * 2**20


def uploads(bucket):
    return S3FileSystem().list_multipart_uploads(bucket.removeprefix("s3://"))


@pytest.mark.parametrize("size", [0, 5, LARGE])
def test_a_file_appears_when_the_block_ends(bucket, size):
    with open_output(f"{bucket}/a/file") as file:
        file.write(b"x" * size)
        assert not exists(f"{bucket}/a/file")
    assert read_bytes(f"{bucket}/a/file") == b"x" * size
    assert uploads(bucket) == []


@pytest.mark.parametrize("size", [0, 5, LARGE])
def test_an_exception_in_the_block_leaves_nothing(bucket, size):

    def fail():
        with open_output(f"{bucket}/a/file") as file:
            file.write(b"x" * size)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    gc.collect()
    assert list_names(f"{bucket}/a") == []
    assert uploads(bucket) == []


def test_a_failed_completion_leaves_nothing(bucket, monkeypatch):
    def refuse(self):
        raise OSError(5, "the store is gone")

    monkeypatch.setattr(S3File, "commit", refuse)
    with pytest.raises(TransientError, match="the store is gone"), open_output(f"{bucket}/file") as file:
        file.write(b"x")
    assert list_names(bucket) == []
    assert uploads(bucket) == []


def test_a_killed_writer_leaves_no_visible_file(bucket, start_program):
    code = (
        "import os, signal, sys\nfrom curation_tasks.storage.filesystem import open_output\n"
        "with open_output(sys.argv[1]) as file:\n"
        f"    file.write(b'x' * {LARGE})\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = start_program(code, f"{bucket}/file")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list_names(bucket) == []
    assert len(uploads(bucket)) == 1, "the upload was not under way: the test shows nothing"


def test_an_existing_file_stays_until_its_successor_is_whole(bucket):
    write_bytes(f"{bucket}/file", b"old")
    with open_output(f"{bucket}/file") as file:
        file.write(b"new")
        assert read_bytes(f"{bucket}/file") == b"old"
    assert read_bytes(f"{bucket}/file") == b"new"


def test_a_shard_is_the_same_as_on_disk(bucket, tmp_path):
    batch = pa.record_batch(
        {"doc_id": [str(number) for number in range(1000)], "text": ["story " * (number % 50) for number in range(1000)]}
    )
    shards = []
    for folder in (bucket, str(tmp_path)):
        with ShardWriter(folder, "part.parquet", {"doc_id": "string", "text": "string"}) as writer:
            writer.write(batch)
        shards.append(writer.shard)
        assert pa.Table.from_batches(read_shard(f"{folder}/part.parquet")) == pa.Table.from_batches([batch])
        assert next(read_shard(f"{folder}/part.parquet", ["doc_id"])).schema.names == ["doc_id"]
    assert shards[0] == shards[1]


def test_a_shard_whose_writer_fails_leaves_nothing(bucket):
    def fail():
        with ShardWriter(bucket, "part.parquet", {"text": "string"}) as writer:
            writer.write(pa.record_batch({"text": ["story"]}))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    gc.collect()
    assert list_names(bucket) == []
    assert uploads(bucket) == []


def test_listings_show_what_other_processes_did(bucket, start_program):
    assert list_names(f"{bucket}/folder") == []
    for name in ("folder/b", "folder/a", "folder/deep/er/c", "other"):
        write_bytes(f"{bucket}/{name}", b"x")
    assert list_names(f"{bucket}/folder") == ["a", "b"]
    assert list_folders(f"{bucket}/folder") == ["deep"]
    process = start_program("import sys; from curation_tasks.storage.filesystem import *; delete(sys.argv[1])", f"{bucket}/folder/a")
    assert process.communicate() == ("", "")
    assert list_names(f"{bucket}/folder") == ["b"]
    delete(f"{bucket}/folder", recursive=True)
    assert list_folders(bucket) == []
    assert list_names(bucket) == ["other"]
    delete(f"{bucket}/never-there")


def test_globs_give_sorted_uris_with_sizes_and_versions(bucket):
    for name in ("in/b.txt", "in/a.txt", "in/sub/c.txt", "in/d.json"):
        write_bytes(f"{bucket}/{name}", name.encode())
    assert [file.uri for file in glob_files(f"{bucket}/in/*.txt")] == [f"{bucket}/in/a.txt", f"{bucket}/in/b.txt"]
    assert [file.uri for file in glob_files(f"{bucket}/in/**/*.txt")] == [f"{bucket}/in/{name}.txt" for name in ("a", "b", "sub/c")]
    assert [file.uri for file in glob_files(f"{bucket}/in")] == [
        f"{bucket}/in/{name}" for name in ("a.txt", "b.txt", "d.json", "sub/c.txt")
    ]
    (before,) = glob_files(f"{bucket}/in/a.txt")
    assert before.bytes == len("in/a.txt")
    write_bytes(f"{bucket}/in/a.txt", b"changed!")
    (after,) = glob_files(f"{bucket}/in/a.txt")
    assert before.etag
    assert after.etag
    assert before.etag != after.etag
    assert glob_files(f"{bucket}/in/*.none") == glob_files(f"{bucket}/none") == []


def test_exact_ranges_are_all_that_is_fetched(bucket, monkeypatch):
    write_bytes(f"{bucket}/file", np.arange(2**18, dtype=np.int32).tobytes())
    fetched = []
    fetch = S3File._fetch_range
    monkeypatch.setattr(S3File, "_fetch_range", lambda self, start, end: (fetched.append(end - start), fetch(self, start, end))[1])
    with open_input(f"{bucket}/file", exact_ranges=True) as file:
        file.seek(4 * 1000)
        assert np.frombuffer(file.read(8), np.int32).tolist() == [1000, 1001]
    assert fetched == [8]


def test_threads_share_a_store(bucket):
    def work(number):
        write_bytes(f"{bucket}/{number}", b"%d" % number)
        with open_output(f"{bucket}/out/{number}") as file:
            file.write(b"%d" % number)
        return read_bytes(f"{bucket}/{number}"), read_bytes(f"{bucket}/out/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [(b"%d" % number, b"%d" % number) for number in range(40)]


def test_a_forked_process_opens_a_store_of_its_own(bucket):
    write_bytes(f"{bucket}/parent", b"x")
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that waits for its parent's event loop would wait for ever
        write_bytes(f"{bucket}/child", read_bytes(f"{bucket}/parent"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert read_bytes(f"{bucket}/child") == b"x"


def test_files_and_folders_are_copied_once(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    write_bytes(f"{bucket}/model/a.bin", b"a")
    write_bytes(f"{bucket}/model/sub/b.bin", b"b")
    assert Path(cache.localize(f"{bucket}/model/a.bin")).read_bytes() == b"a"
    folder = cache.localize(f"{bucket}/model")
    assert Path(f"{folder}/sub/b.bin").read_bytes() == b"b"
    delete(f"{bucket}/model", recursive=True)
    assert cache.localize(f"{bucket}/model") == folder


def test_a_missing_bucket_is_an_input_error(s3):
    place = "s3://no-such-bucket-here/file"
    with pytest.raises(InputError, match="no such file, folder or bucket"):
        write_bytes(place, b"")
    with pytest.raises(InputError, match="no such file, folder or bucket"), open_output(place) as file:
        file.write(b"x")
    with pytest.raises(InputError, match="no such file, folder or bucket"):
        read_bytes(place)
    with pytest.raises(InputError, match="no such file, folder or bucket"):
        next(read_shard(place))
    assert not exists(place)


def test_an_unreachable_store_is_transient_after_a_few_attempts(s3, monkeypatch):
    attempts = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                attempts.append(1)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        S3FileSystem.clear_instance_cache()
        with pytest.raises(TransientError, match="storage failed"):
            write_bytes("s3://bucket/file", b"")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert 2 <= len(attempts) <= 15


def test_no_credentials_is_a_configuration_error(s3, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        write_bytes("s3://bucket/file", b"")


def test_credentials_that_are_given_serve_one_block_and_leave_the_environment_alone(bucket, monkeypatch):
    write_bytes(f"{bucket}/a", b"x")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
    given = {name: os.environ[name] for name in names}
    for name in names:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    S3FileSystem.clear_instance_cache()
    with reached_with(given):
        assert read_bytes(f"{bucket}/a") == b"x"
    with pytest.raises((ConfigError, TransientError)):
        read_bytes(f"{bucket}/a")
