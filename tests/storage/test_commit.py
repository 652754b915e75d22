"""``create_if_absent``: of all writers of a name exactly one wins, and what is there is whole."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from curation_tasks.errors import ConfigError, InputError
from curation_tasks.storage import commit
from curation_tasks.storage.commit import create_if_absent, require_commit_scheme
from curation_tasks.storage.filesystem import list_names, read_bytes

WRITERS, NAMES = 8, 200
PAYLOAD = "[{writer}:" + "x" * 20_000 + "]"

WRITER = f"""
import sys
from curation_tasks.storage.commit import create_if_absent
root, writer = sys.argv[1:]
data = {PAYLOAD!r}.replace("{{writer}}", writer).encode()
create_if_absent(f"{{root}}/warm-{{writer}}", b"")
print("ready", flush=True)
for name in sys.stdin:
    print(create_if_absent(f"{{root}}/race/{{name.strip()}}", data), flush=True)
"""


def race(root, start_program):
    """Names won by each writer: processes that all begin a name at the same moment, each of them the first in its turn."""
    writers = [start_program(WRITER, root, str(writer)) for writer in range(WRITERS)]
    for process in writers:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    won = [set() for _ in writers]
    for name in range(NAMES):
        for turn in range(WRITERS):
            writer = writers[(name + turn) % WRITERS]
            writer.stdin.write(f"{name}\n")
            writer.stdin.flush()
        for process, names in zip(writers, won, strict=True):
            if process.stdout.readline() == "True\n":
                names.add(name)
    assert [process.communicate() for process in writers] == [("", "")] * WRITERS
    return won


def check_race(root, start_program):
    won = race(root, start_program)
    assert sorted(name for names in won for name in names) == list(range(NAMES))
    assert sum(bool(names) for names in won) > 1, "no race was run: one writer won all"
    assert len(list_names(f"{root}/race")) == NAMES
    for writer, names in enumerate(won):
        for name in names:
            assert read_bytes(f"{root}/race/{name}") == PAYLOAD.replace("{writer}", str(writer)).encode()


def test_one_winner_for_each_name_on_disk(tmp_path, start_program):
    check_race(str(tmp_path), start_program)


# The simulated store looks and then writes, so that two may win there; a real one decides at once.
@pytest.mark.parametrize("s3", [pytest.param("radosgw", marks=pytest.mark.service)], indirect=True)
def test_one_winner_for_each_name_in_object_storage(bucket, start_program):
    check_race(bucket, start_program)


def test_one_winner_for_each_name_in_memory():
    def write(writer):
        return {name for name in range(NAMES) if create_if_absent(f"memory://race/{name}", b"%d" % writer)}

    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(write, range(WRITERS)))
    assert sorted(name for names in won for name in names) == list(range(NAMES))
    assert all(read_bytes(f"memory://race/{name}") == b"%d" % writer for writer, names in enumerate(won) for name in names)


def check_second_call(uri):
    assert create_if_absent(uri, b"first")
    assert not create_if_absent(uri, b"second")
    assert read_bytes(uri) == b"first"


def test_a_second_call_loses_on_disk(tmp_path):
    check_second_call(f"file://{tmp_path}/new/folder/name")
    assert list_names(f"{tmp_path}/new/folder") == ["name"]


def test_a_second_call_loses_in_object_storage(bucket):
    check_second_call(f"{bucket}/new/folder/name")


def test_an_unsafe_scheme_is_refused():
    with pytest.raises(ConfigError, match=r"http:// cannot hold datasets"):
        require_commit_scheme("http://host/root")
    with pytest.raises(ConfigError, match=r"file:// or s3://"):
        create_if_absent("gs://bucket/name", b"")


def test_content_too_large_for_one_conditional_request_is_refused(bucket, monkeypatch):
    monkeypatch.setattr(commit, "_COMMIT_BYTES", 10)
    with pytest.raises(ValueError, match="11 bytes do not fit"):
        create_if_absent(f"{bucket}/name", b"x" * 11)
    assert list_names(bucket) == []


def test_a_missing_bucket_is_an_input_error(s3):
    with pytest.raises(InputError, match="no such file, folder or bucket"):
        create_if_absent("s3://no-such-bucket-here/name", b"")
