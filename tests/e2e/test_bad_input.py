"""Bad input as a user meets it: a clear error with the right exit code, or a counted rejection; never a traceback."""

import gzip
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

GOOD = b"".join(json.dumps({"id": f"g{n}", "text": f"A good story, number {n}."}).encode() + b"\n" for n in range(20))


def run(folder, files, source="jsonl", root=None, columns="{id: id}", **environment):
    """Writes a pipeline of a source and an export, and runs it."""
    pipeline = folder / "p.yaml"
    pipeline.write_text(f"""
name: bad
stages:
  - id: documents
    source: {source}
    max_quarantined_ratio: 0.5
    parameters: {{files: {json.dumps(files)}, columns: {columns}}}
  - id: export
    export: jsonl
  - id: publish
    publish: {{}}
""")
    argv = [
        sys.executable,
        "-m",
        "curation_tasks.cli",
        "run",
        str(pipeline),
        "--root",
        str(root or folder / "data"),
        "--json",
        "--no-report",
    ]
    process = subprocess.run(argv, capture_output=True, text=True, env=os.environ | environment, timeout=120)
    assert "Traceback" not in process.stderr
    return process


def source_manifest(process):
    from curation_tasks.manifest import read_manifest

    assert process.returncode == 0, process.stderr
    return read_manifest(json.loads(process.stdout)["stages"][1]["manifest"])


def test_broken_files_are_quarantined_beside_good_ones(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(GOOD)[:-20])
    (tmp_path / "c.jsonl").write_bytes(b"")
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(GOOD.replace(b'"g', b'"h')))
    manifest = source_manifest(run(tmp_path, [f"{tmp_path}/*.jsonl*"]))
    assert (manifest.counts["documents"], manifest.counts["quarantined_units"], manifest.counts["units"]) == (40, 1, 4)


def test_only_broken_files_fail_by_name(tmp_path):
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(GOOD)[:-20])
    process = run(tmp_path, [f"{tmp_path}/b.jsonl.gz"])
    assert process.returncode == 65
    assert "b.jsonl.gz" in process.stderr
    assert "max_quarantined_ratio" in process.stderr
    assert "      what to do: fetch it again" in process.stderr  # of the file, apart from that of the stage


def test_a_file_where_a_folder_is_needed(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    process = run(tmp_path, [f"{tmp_path}/a.jsonl"], root=tmp_path / "a.jsonl")
    assert process.returncode == 78
    assert "a file stands where a folder is needed" in process.stderr
    assert "what to do: name another path" in process.stderr


def test_a_truncated_parquet_file_is_quarantined(tmp_path):
    table = pa.table({"id": [f"p{n}" for n in range(50)], "text": [f"Text number {n}." for n in range(50)]})
    for name in ("a", "b"):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    data = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[: len(data) // 2])
    manifest = source_manifest(run(tmp_path, [f"{tmp_path}/*.parquet"], "parquet"))
    assert (manifest.counts["documents"], manifest.counts["quarantined_units"]) == (50, 1)


def test_bad_records_are_rejected_with_a_reason_each(tmp_path):
    lines = [
        b'{"id": "1", "text": "Good."}', b"{broken", b'["not", "an object"]', b'{"id": "2", "text": null}', b'{"id": "3"}',
        b'{"id": "4", "text": 7}', b'{"id": "5", "text": "bad \xff byte"}', b'{"id": "1", "text": "The same id."}', b"",
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    manifest = source_manifest(run(tmp_path, [f"{tmp_path}/a.jsonl"]))
    assert manifest.content["reasons"] == {
        "invalid_utf8": 1, "malformed_json": 1, "missing_text": 2, "not_an_object": 1, "repeated_id": 1, "text_not_a_string": 1,
    }  # fmt: skip
    assert manifest.counts["records"] == manifest.counts["documents"] + manifest.counts["rejected"] == 8


def test_wrong_columns_name_file_and_line_and_what_is_there(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    process = run(tmp_path, [f"{tmp_path}/a.jsonl"], columns="{text: txt}")
    assert process.returncode == 65
    assert "a.jsonl:1" in process.stderr
    assert "did you mean 'text'?" in process.stderr


def test_a_pattern_without_files_is_named(tmp_path):
    process = run(tmp_path, [f"{tmp_path}/none-*.jsonl"])
    assert process.returncode == 65
    assert "none-*.jsonl" in process.stderr


def test_a_document_of_fifty_megabytes_passes_whole(tmp_path):
    text = "A long line of words. " * (50 * 2**20 // 22)
    (tmp_path / "a.jsonl").write_bytes(json.dumps({"id": "long", "text": text}).encode() + b"\n" + GOOD)
    manifest = source_manifest(run(tmp_path, [f"{tmp_path}/a.jsonl"]))
    assert (manifest.counts["documents"], manifest.counts["rejected"]) == (21, 0)
    assert manifest.counts["text_bytes"] > 50_000_000


def test_a_full_disk_is_transient_and_says_so(tmp_path):
    """``/dev/full`` refuses every write as a full disk does; here it stands in for the folder of the lists."""
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system here; tests/storage covers the error itself")
    try:
        (tmp_path / "a.jsonl").write_bytes(
            b"".join(json.dumps({"id": f"r{n}", "text": os.urandom(600).hex()}).encode() + b"\n" for n in range(500))
        )
        process = run(tmp_path, [f"{tmp_path}/a.jsonl"], root=small / "data")
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert process.returncode == 75
    assert "disk is full" in process.stderr


def test_a_missing_bucket_and_wrong_credentials(tmp_path, moto_environment):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    process = run(tmp_path, ["s3://no-such-bucket-here/*.jsonl"], **moto_environment)
    assert process.returncode == 65
    assert "no-such-bucket-here" in process.stderr
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
    process = run(tmp_path, [f"{tmp_path}/a.jsonl"], root="s3://some-bucket/data", **{**moto_environment, **nobody})
    assert process.returncode == 78
    assert "AWS_ACCESS_KEY_ID" in process.stderr
