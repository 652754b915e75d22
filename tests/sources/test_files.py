"""Files of a source: patterns become units whose names do not depend on where the data lies."""

import gc
import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.sources import files
from curation_tasks.sources.catalog import FileParameters
from curation_tasks.sources.files import common_folder, list_files, open_decompressed


def listed(folder: Path, *patterns: str, snapshot: str = "all", **more: str) -> list[str]:
    parameters = FileParameters(files=[f"{folder}/{pattern}" for pattern in patterns], **more)
    return [unit.path for unit in list_files(parameters, snapshot)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/1.jsonl", "a/2.jsonl", "b/1.jsonl", "b/c/3.jsonl", "b/readme.md"):
        place = tmp_path / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    return tmp_path / "data"


def test_units_are_sorted_and_named_below_the_common_folder(tree: Path):
    assert listed(tree, "b/*.jsonl", "a/*.jsonl") == ["a/1.jsonl", "a/2.jsonl", "b/1.jsonl"]
    assert listed(tree, "**/*.jsonl") == ["a/1.jsonl", "a/2.jsonl", "b/1.jsonl", "b/c/3.jsonl"]


def test_a_file_that_two_patterns_name_is_one_unit(tree: Path):
    assert listed(tree, "a/1.jsonl", "a/*.jsonl") == ["1.jsonl", "2.jsonl"]


def test_units_carry_size_and_version(tree: Path):
    [unit] = list_files(FileParameters(files=f"{tree}/a/1.jsonl"), "all")
    assert unit.bytes == len("a/1.jsonl")
    assert unit.etag
    assert unit.uri == f"{tree}/a/1.jsonl"


def test_names_do_not_depend_on_which_files_exist(tree: Path):
    before = listed(tree, "*/*.jsonl")
    (tree / "a/1.jsonl").unlink()
    (tree / "a/2.jsonl").unlink()
    assert listed(tree, "*/*.jsonl") == [name for name in before if name.startswith("b/")]


def test_the_snapshot_fills_its_place_and_stays_in_the_name(tree: Path):
    assert listed(tree, "{snapshot}/1.jsonl", snapshot="a") == ["a/1.jsonl"]
    assert listed(tree, "{snapshot}/1.jsonl", snapshot="b") == ["b/1.jsonl"]


def test_a_base_of_ones_own_decides_the_names(tree: Path):
    assert listed(tree, "b/c/*.jsonl", base=str(tree)) == ["b/c/3.jsonl"]
    with pytest.raises(ConfigError, match="outside `base`"):
        listed(tree, "a/*.jsonl", base=f"{tree}/b")


def test_no_match_names_the_pattern(tree: Path):
    with pytest.raises(InputError, match=r"no file matches '.*/a/\*\.json'"):
        listed(tree, "a/*.jsonl", "a/*.json")


@pytest.mark.parametrize(
    ("patterns", "folder"),
    [
        (["s3://bucket/x/y/*.jsonl", "s3://bucket/x/z.jsonl"], "s3://bucket/x"),
        (["s3://bucket/x/part-[0-9]/*.jsonl"], "s3://bucket/x"),
        (["/data/ab/1.jsonl", "/data/abc/1.jsonl"], "/data"),
        (["https://example.org/a/1.jsonl"], "https://example.org/a"),
        (["/data/crawl-{snapshot}/1.jsonl"], "/data"),
    ],
)
def test_the_common_folder_ends_before_what_varies(patterns: list[str], folder: str):
    assert common_folder(patterns) == folder


def read(place: Path, **options: str) -> bytes:
    with open_decompressed(str(place), **options) as stream:
        return b"".join(iter(lambda: stream.read(1000), b""))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstd)])
class TestCompressed:
    data = b"".join(b"%d " % number for number in range(50_000))

    def test_several_members_are_one_stream(self, tmp_path: Path, suffix: str, compress, capfd: pytest.CaptureFixture):
        place = tmp_path / f"x{suffix}"
        place.write_bytes(compress(self.data) + compress(b"") + compress(b"end"))
        assert read(place) == self.data + b"end"
        gc.collect()
        assert capfd.readouterr().err == "", "Arrow complains there of files that it cannot close"

    def test_no_bytes_at_all_are_an_empty_file(self, tmp_path: Path, suffix: str, compress):
        place = tmp_path / f"x{suffix}"
        place.write_bytes(b"")
        assert read(place) == b""

    @pytest.mark.parametrize("damage", ["cut", "cut by one byte", "garbage behind", "not compressed"])
    def test_damage_is_an_input_error_that_names_the_file(self, tmp_path: Path, suffix: str, compress, damage: str):
        place, whole = tmp_path / f"x{suffix}", compress(self.data)
        middle = len(whole) // 2
        place.write_bytes(
            {
                "cut": whole[:middle],
                "cut by one byte": whole[:-1],
                "garbage behind": whole + b"garbage",
                "not compressed": self.data,
            }[damage]
        )
        with pytest.raises(InputError, match=rf"x\{suffix}: damaged (gzip|zstd) data"):
            read(place)

    def test_a_failing_store_is_not_taken_for_damaged_data(self, tmp_path: Path, suffix: str, compress, monkeypatch: pytest.MonkeyPatch):
        place = tmp_path / f"x{suffix}"
        place.write_bytes(compress(self.data))

        class Failing:
            closed = False

            def __enter__(self):
                return self

            def __exit__(self, *error: object) -> None:
                pass

            def read(self, size: int) -> bytes:
                raise ConnectionResetError(104, "connection reset")

        monkeypatch.setattr(files, "open_input", lambda uri, **options: Failing())
        with pytest.raises(TransientError):
            read(place)


def test_a_wrong_checksum_is_damage(tmp_path: Path):
    place, whole = tmp_path / "x.gz", bytearray(gzip.compress(b"data" * 1000))
    whole[-6] ^= 1
    place.write_bytes(whole)
    with pytest.raises(InputError, match="damaged gzip"):
        read(place)


def test_the_compression_can_be_stated_against_the_name(tmp_path: Path):
    place = tmp_path / "x.gz"
    place.write_bytes(b"plain")
    assert read(place, compression="none") == b"plain"
