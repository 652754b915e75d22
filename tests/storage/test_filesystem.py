"""Files on disk: atomic, and each failure is the error that asks for the right reaction."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.storage.cache import localize
from curation_tasks.storage.filesystem import (
    absolute,
    delete,
    exists,
    filesystem,
    glob_files,
    join,
    list_folders,
    list_names,
    open_input,
    open_output,
    read_bytes,
    relative_to,
    scheme_of,
    write_bytes,
)


def test_a_path_and_its_uri_are_one_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("data") == absolute(f"file://{tmp_path}/data") == absolute(f"{tmp_path}/data/") == f"{tmp_path}/data"
    assert absolute("s3://bucket/data/") == "s3://bucket/data"
    assert [scheme_of(uri) for uri in ("data", "/data", "C:data", "file:///data", "s3://b/k")] == ["file", "file", "file", "file", "s3"]
    assert join("s3://bucket/", "a", "b") == "s3://bucket/a/b"
    assert relative_to("data/a/b", f"file://{tmp_path}/data") == "a/b"
    with pytest.raises(ConfigError, match="outside the storage root"):
        relative_to("database/a", "data")


def test_a_file_appears_when_the_block_ends(tmp_path):
    with open_output(f"{tmp_path}/new/file") as file:
        file.write(b"whole")
        assert not exists(f"{tmp_path}/new/file")
    assert read_bytes(f"{tmp_path}/new/file") == b"whole"
    assert os.listdir(tmp_path / "new") == ["file"]


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_an_exception_in_the_block_leaves_the_old_file(tmp_path, scheme):
    place = f"{tmp_path}/file" if scheme == "file" else f"memory:/{tmp_path}/file"
    write_bytes(place, b"old")

    def fail():
        with open_output(place) as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert read_bytes(place) == b"old"
    assert os.listdir(tmp_path) == (["file"] if scheme == "file" else [])


def test_a_killed_writer_leaves_no_visible_file(tmp_path, start_program):
    code = (
        "import os, signal, sys\nfrom curation_tasks.storage.filesystem import open_output\n"
        "with open_output(sys.argv[1]) as file:\n"
        "    file.write(b'x' * 100_000)\n    file.flush()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = start_program(code, f"{tmp_path}/file")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not exists(f"{tmp_path}/file")
    assert glob_files(f"{tmp_path}/*") == []
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".file.")


def test_what_is_missing_is_an_input_error_with_its_place(tmp_path):
    for read in (read_bytes, open_input):
        with pytest.raises(InputError, match=f"{tmp_path}/none: there is no such file"):
            read(f"{tmp_path}/none")
    assert list_names(f"{tmp_path}/none") == list_folders(f"{tmp_path}/none") == glob_files(f"{tmp_path}/none/*") == []
    delete(f"{tmp_path}/none")
    delete(f"{tmp_path}/none", recursive=True)


def test_a_file_where_a_folder_is_needed_is_a_configuration_error(tmp_path):
    write_bytes(f"{tmp_path}/file", b"")
    with pytest.raises(ConfigError, match=f"{tmp_path}/file/part"):
        write_bytes(f"{tmp_path}/file/part", b"")


def test_a_folder_that_may_not_be_written_is_a_configuration_error():
    # Nobody may make folders in the kernel's file system, not even root.
    with pytest.raises(ConfigError, match="access was refused"):
        write_bytes("/sys/kernel/curation/file", b"")


FULL_DISK = """
import sys
import pyarrow as pa
from curation_tasks.errors import CurationError
from curation_tasks.storage.commit import create_if_absent
from curation_tasks.storage.filesystem import open_output, write_bytes
from curation_tasks.storage.shard import ShardWriter
folder = sys.argv[1]

def shard():
    import random
    with ShardWriter(folder, "part.parquet", {"text": "string"}) as writer:
        writer.write(pa.record_batch({"text": [random.randbytes(400_000).hex()]}))

attempts = {
    "write": lambda: write_bytes(f"{folder}/file", bytes(10**6)),
    "commit": lambda: create_if_absent(f"{folder}/manifest.json", bytes(10**6)),
    "shard": shard,
}
import gc, os
for name, attempt in attempts.items():
    try:
        attempt()
    except CurationError as error:
        print(name, type(error).__name__, error.what)
    gc.collect()
    assert os.listdir(folder) == [], os.listdir(folder)
write_bytes(f"{folder}/small", b"fits")
"""


@pytest.fixture(scope="module")
def own_mounts() -> list[str]:
    """A command that runs a program with mounts of its own."""
    command = ["unshare", "--mount", "--map-root-user"]
    try:
        done = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no program `unshare` (Debian package util-linux)")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    return command


def run_on_mount(own_mounts, folder, options, code):
    script = f'mount -t tmpfs -o {options} tmpfs "$1" && exec "$2" -c "$3" "$1"'
    root = Path(__file__).parents[2]
    return subprocess.run([*own_mounts, "sh", "-c", script, "sh", folder, sys.executable, code], cwd=root, capture_output=True, text=True)


def test_a_full_disk_is_transient_says_so_and_leaves_nothing(own_mounts, tmp_path):
    done = run_on_mount(own_mounts, str(tmp_path), "size=128k", FULL_DISK)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{name} TransientError the disk is full" for name in ("write", "commit", "shard")]


def test_a_read_only_disk_is_a_configuration_error(own_mounts, tmp_path):
    code = (
        "import sys\nfrom curation_tasks.errors import ConfigError\nfrom curation_tasks.storage.filesystem import write_bytes\n"
        "try:\n    write_bytes(sys.argv[1] + '/file', b'')\nexcept ConfigError as error:\n    print(error.what)\n"
    )
    done = run_on_mount(own_mounts, str(tmp_path), "ro", code)
    assert (done.stdout, done.stderr) == ("the file system can only be read\n", "")


def test_listings_are_sorted_and_apart(tmp_path):
    for name in ("b", "a", "deep/er/c"):
        write_bytes(f"{tmp_path}/{name}", b"")
    assert list_names(str(tmp_path)) == ["a", "b"]
    assert list_folders(f"file://{tmp_path}") == ["deep"]
    delete(f"{tmp_path}/deep", recursive=True)
    assert list_folders(str(tmp_path)) == []


def test_globs_give_sorted_paths_with_sizes_and_versions(tmp_path):
    for name in ("in/b.txt", "in/a.txt", "in/sub/c.txt", "in/d.json"):
        write_bytes(f"{tmp_path}/{name}", name.encode())
    write_bytes(f"{tmp_path}/in/empty", b"")
    assert [file.uri for file in glob_files(f"{tmp_path}/in/?.txt")] == [f"{tmp_path}/in/a.txt", f"{tmp_path}/in/b.txt"]
    assert [file.uri for file in glob_files(f"{tmp_path}/in/**/*.txt")] == [f"{tmp_path}/in/{name}.txt" for name in ("a", "b", "sub/c")]
    assert len(glob_files(f"file://{tmp_path}/in")) == 5
    assert [file.bytes for file in glob_files(f"{tmp_path}/in/empty")] == [0]
    (before,) = glob_files(f"{tmp_path}/in/a.txt")
    os.utime(tmp_path / "in/a.txt", (1, 1))
    (after,) = glob_files(f"{tmp_path}/in/a.txt")
    assert before.bytes == after.bytes == len("in/a.txt")
    assert before.etag != after.etag


def test_an_unknown_scheme_is_a_configuration_error():
    with pytest.raises(ConfigError, match="no file system for nowhere://"):
        filesystem("nowhere://host/file")


def test_a_package_that_is_not_installed_is_a_configuration_error():
    program = "import sys; sys.modules['aiohttp'] = None; from curation_tasks.storage.filesystem import filesystem; filesystem('http://host/file')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ConfigError: http://host/file: no file system for http://" in done.stderr


def test_local_files_are_used_where_they_are(tmp_path):
    write_bytes(f"{tmp_path}/model", b"m")
    assert localize(f"file://{tmp_path}/model") == str(tmp_path / "model")


def test_a_failure_of_the_store_keeps_its_own_words(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TransientError, match="Input/output error"):
        write_bytes(f"{tmp_path}/file", b"")
    assert os.listdir(tmp_path) == []
