"""The command as a user meets it: help, exit codes, JSON, and each command on a finished run."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curation_tasks.cli.application import application

COMMANDS = [command.name or command.callback.__name__ for command in application.registered_commands]


def curate(*arguments, check=None, **environment):
    process = subprocess.run(
        [sys.executable, "-m", "curation_tasks.cli", *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment
    )
    if check is not None:
        assert process.returncode == check, process.stderr
    return process


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small published run of JSON Lines: the root, the pipeline file and the published entry."""
    folder = tmp_path_factory.mktemp("cli")
    stories = [f"Story number {n} is about a dog and a cat who met a bird. They were happy all day long." for n in range(50)]
    rows = [
        {"uid": f"s{n}", "text": text, "link": f"http://example.org/{n}"} for n, text in enumerate([*stories, *stories[:5], "“Short.”"])
    ]
    (folder / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    pipeline = folder / "small.yaml"
    pipeline.write_text(f"""
name: small
stages:
  - id: stories
    source: jsonl
    parameters:
      files: [{folder}/stories.jsonl]
      columns: {{id: uid, url: link}}
  - id: clean
    operations: [cleaning.quotes]
  - id: refine
    operations:
      - filters.quality: {{extra_rules: [{{signal: word_count, min: 5}}]}}
  - id: exact
    reduction: dedup.exact
  - id: export
    export: jsonl
  - id: publish
    publish: {{}}
""")
    outcome = json.loads(curate("run", pipeline, "--root", folder / "data", "--json", check=0).stdout)
    return folder, pipeline, outcome["stages"][-1]["published"], outcome["stages"]


def test_help_of_every_command_has_an_example():
    listed = curate("--help", check=0).stdout
    for name in COMMANDS:
        assert name in listed
        assert "Example" in curate(name, "--help", check=0).stdout, name


def test_a_limited_run_that_would_publish_is_refused_before_any_work(finished, tmp_path):
    refused = curate("run", finished[1], "--root", tmp_path / "data", "--limit", 9, check=78)
    assert "give --snapshot all+trial, or stop before it with --until" in " ".join(refused.stderr.split())
    assert not (tmp_path / "data").exists()
    stages = json.loads(curate("run", finished[1], "--root", tmp_path / "data", "--limit", 9, "--until", "clean", "--json", check=0).stdout)
    assert [stage["stage"] for stage in stages["stages"]] == ["resolve", "stories", "clean"]


def test_a_run_accounts_for_every_record(finished):
    counts = {stage["stage"]: stage["counts"] for stage in finished[3]}
    assert counts["stories"] | {"text_bytes": 0} == {
        "records": 57, "documents": 56, "rejected": 1, "text_bytes": 0, "units": 1, "quarantined_units": 0,
    }  # fmt: skip
    assert (counts["refine"]["documents"], counts["exact"]["documents"], counts["export"]["documents"]) == (55, 50, 50)


def test_stages_by_hand_give_the_digests_of_a_run(finished, tmp_path):
    _, pipeline, _, stages = finished
    root = tmp_path / "by-hand"
    result = tmp_path / "result.json"
    curate("stage", "resolve", "--pipeline", pipeline, "--root", root, "--result", result, check=0)
    resolved = json.loads(result.read_text())["manifest"]
    before = None
    for expected in stages[1:]:
        inputs = ["--input", f"{before['stage']}={before['manifest']}"] if before else []
        curate("stage", expected["stage"], "--resolved", resolved, *inputs, "--result", result, check=0)
        before = json.loads(result.read_text())
        assert (before["key"], before["digest"]) == (expected["key"], expected["digest"])
        assert len(result.read_text()) < 4096


def test_a_second_run_says_that_nothing_had_to_be_done(finished):
    folder, pipeline, *_ = finished
    again = curate("run", pipeline, "--root", folder / "data", "--no-report", check=0)
    assert "Nothing had to be done" in again.stdout
    assert "exact_duplicate" in again.stdout


@pytest.mark.parametrize("form", ["published", "manifest", "folder"])
def test_show(finished, form):
    published = finished[2]
    manifest = finished[3][-2]["manifest"]
    uri = {"published": published, "manifest": manifest, "folder": manifest.removesuffix("/manifest.json")}[form]
    shown = json.loads(curate("show", uri, "--json", check=0).stdout)
    assert shown["content"]["counts"]["documents"] == 50
    rows = json.loads(curate("show", uri, "--funnel", "--json", check=0).stdout)
    assert [row["stage"] for row in rows if row["kind"] not in ("resolve", "publish")] == ["stories", "clean", "refine", "exact", "export"]


def test_show_documents(finished):
    for uri in (finished[3][4]["manifest"], finished[2]):
        lines = curate("show", uri, "--documents", "3", check=0).stdout.splitlines()
        assert [json.loads(line)["doc_id"] for line in lines] == ["stories:s0", "stories:s1", "stories:s2"]


@pytest.mark.parametrize(
    ("document", "stage", "outcome", "said"),
    [
        ("stories:s3", "export", "exported", "part-"),
        ("http://example.org/52", "exact", "rejected", "stories:s2"),
        ("stories:s55", "refine", "rejected", "word_count"),
    ],
)
def test_explain_tells_what_happened(finished, document, stage, outcome, said):
    steps = json.loads(curate("explain", document, "--in", finished[2], "--json", check=0).stdout)
    step = next(item for item in steps if item["stage"] == stage)
    assert step["outcome"] == outcome
    assert said in json.dumps(step)


def test_explain_of_an_unknown_document_fails(finished):
    assert curate("explain", "stories:nobody", "--in", finished[2], check=65).stderr


def test_verify_finds_a_flipped_byte(finished, tmp_path):
    import shutil

    folder, _, published, _ = finished
    curate("verify", published, check=0)
    copy = tmp_path / "data"
    shutil.copytree(folder / "data", copy)
    shard = next((copy / "small" / "all" / "clean").rglob("part-*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    found = curate("verify", str(copy / "small" / "all" / "published" / "000001.json"), "--json", check=65)
    assert shard.name in found.stdout


def test_plan_diff_says_what_would_be_recomputed_and_why(finished, tmp_path):
    _, pipeline, published, _ = finished
    same = json.loads(curate("plan", pipeline, "--diff", published, "--json", check=0).stdout)
    assert {row["action"] for row in same} == {"reused"}
    changed = tmp_path / "small.yaml"
    changed.write_text(pipeline.read_text().replace("min: 5", "min: 9"))
    rows = {row["stage"]: row for row in json.loads(curate("plan", changed, "--diff", published, "--json", check=0).stdout)}
    assert rows["clean"]["action"] == "reused"
    assert rows["refine"]["action"] == "recomputed"
    assert any("5" in reason and "9" in reason for reason in rows["refine"]["reasons"])
    assert rows["export"]["reasons"] == ["its input 'exact' is recomputed"]


def test_status_and_expired_folders(finished):
    shown = json.loads(curate("status", "--root", finished[0] / "data", "--expired-days", "0", "--json", check=0).stdout)
    [row] = shown["snapshots"]
    assert (row["pipeline"], row["version"], row["documents"], row["unfinished"]) == ("small", 1, 50, [])
    assert shown["expired"] == []


def test_status_is_for_people_and_knows_its_pipelines(finished):
    shown = curate("status", "--root", finished[0] / "data", check=0).stdout
    assert re.search(r"small +all +1 +20\d\d-\d\d-\d\d \d\d:\d\d +5", shown)
    assert "did you mean 'small'?" in curate("status", "--root", finished[0] / "data", "--pipeline", "smal", check=78).stderr
    assert curate("housekeep", "--root", finished[0] / "data", check=0).stdout == "Nothing has expired.\n"


def test_a_plan_breaks_no_name_on_a_narrow_terminal(tmp_path):
    shown = curate("plan", Path(__file__).parents[2] / "dags/pipelines/quickstart.yaml", check=0, COLUMNS="80").stdout
    assert "tinystories.top_2_gram_ratio.max" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_report_is_written(finished, tmp_path):
    curate("report", finished[2], "-o", tmp_path / "r.html", check=0)
    assert "<svg" in (tmp_path / "r.html").read_text()


def test_signals_lists_signals_and_the_rules_of_a_set():
    listed = json.loads(curate("signals", "--json", check=0).stdout)
    assert {"signal": "hashes_per_word", "formula": "hashes / words"}.items() <= next(
        row for row in listed if row["signal"] == "hashes_per_word"
    ).items()
    rules = json.loads(curate("signals", "--rules", "nemo_english", "--json", check=0).stdout)
    assert (len(rules), rules[0]["signal"], rules[0]["max"]) == (28, "non_alphanumeric_ratio", 0.25)
    assert "did you mean 'fineweb'" in curate("signals", "--rules", "finweb", check=78).stderr


def test_operations_lists_and_describes_parts():
    names = {(part["kind"], part["name"]) for part in json.loads(curate("operations", "--json", check=0).stdout)}
    assert {("source", "jsonl"), ("operation", "filters.quality"), ("reduction", "dedup.exact"), ("export", "parquet")} <= names
    assert "normalization" in curate("operations", "dedup.exact", check=0).stdout
    shown = curate("operations", "warc", check=0, COLUMNS="80").stdout
    assert 'list of text; default ["text/html", "application/xhtml+xml"]' in shown
    assert "None" not in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "missing.yaml"], 78, "no such pipeline file"),
        (["run", "quickstart"], 78, "did you mean 'dags/pipelines/quickstart.yaml'?"),
        (["show", "missing/manifest.json"], 65, "no manifest lies there"),
        (["show", "missing", "--documents", "-1"], 2, "greater than or equal to 0"),
        (["stage", "refine"], 78, "--resolved"),
        (["operations", "dedup.exat"], 78, "did you mean 'dedup.exact'?"),
        (["rum"], 2, "No such command"),
        (["init", "Bad Name"], 78, "lower-case"),
    ],
)
def test_errors_have_an_exit_code_and_say_what_to_do(arguments, code, said, request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    process = curate(*arguments, check=code)
    assert said in process.stderr
    assert "Traceback" not in process.stderr


def test_an_unexpected_error_never_shows_text_of_a_document(pipeline, tmp_path):
    path = pipeline(**{"documents: 40}": "documents: 40, failing: crash}"})
    process = curate("run", path, "--root", tmp_path / "data", check=70)
    assert "failed with ValueError" in process.stderr
    assert "curation_test_parts.py:" in process.stderr
    assert "secret" not in process.stderr + process.stdout
    assert "secret text" in curate("run", path, "--root", tmp_path / "data", check=70, CURATE_SHOW_MESSAGES="1").stderr


def test_init_writes_a_pipeline_that_runs_and_a_test_that_passes(tmp_path):
    folder = tmp_path / "mine"
    curate("init", "my-news", "--folder", folder, check=0)
    environment = {"CURATE_ALLOWED_PACKAGES": "my_news_operations", "PYTHONPATH": str(folder)}
    process = subprocess.run(
        [sys.executable, "-m", "curation_tasks.cli", "run", "my-news.yaml", "--json"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    counts = {stage["stage"]: stage["counts"]["documents"] for stage in json.loads(process.stdout)["stages"][1:-1]}
    assert counts == {"documents": 4, "clean": 3, "exact": 2, "export": 2}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert tested.returncode == 0, tested.stdout
    curate("init", "my-news", "--folder", folder, check=78)


def test_ctrl_c_says_that_the_work_is_kept(tmp_path):
    pipeline = tmp_path / "long.yaml"
    pipeline.write_text("name: long\nstages:\n  - {id: stories, source: story_generator, parameters: {stories: 1000000}}\n")
    command = [sys.executable, "-m", "curation_tasks.cli", "run", str(pipeline), "--root", str(tmp_path / "data")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "stage starts" in line:
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error: stopped; finished units are kept" in said
    assert "Traceback" not in said


def test_version_names_the_libraries():
    assert curate("--version", check=0).stdout.startswith("curate 0.")
    assert {"curation-tasks", "pyarrow", "dask"} <= set(json.loads(curate("version", "--json", check=0).stdout))


def test_logs_are_json_lines_off_a_terminal(finished):
    folder, pipeline, *_ = finished
    process = curate("run", pipeline, "--root", folder / "data", "--no-report", check=0)
    events = [json.loads(line) for line in process.stderr.splitlines()]
    assert {event["event"] for event in events} == {"stage was done before"}
    assert {event["stage"] for event in events} == {"stories", "clean", "refine", "exact", "export", "publish"}


def test_preview_writes_a_page_and_tells_rules(finished, tmp_path):
    _, pipeline, _, stages = finished
    root = stages[0]["manifest"].split("/small/")[0]
    process = curate("preview", pipeline, "--root", root, "--sample", "40", "-o", tmp_path / "page.html", "--json", check=0)
    told = json.loads(process.stdout)
    assert (told["stage"], told["documents"], told["available"]) == ("refine", 40, 56)
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    shown = curate("preview", pipeline, "--root", root, "-o", tmp_path / "page.html", COLUMNS="200", check=0).stdout
    assert "extra.word_count.min" in shown
    assert "keeps 55" in shown


def test_rejudge_tells_verdicts_and_commits(finished, tmp_path):
    stages = finished[3]
    (tmp_path / "house.yaml").write_text("rules: [{signal: word_count, max: 3}]")
    refine = next(stage["manifest"] for stage in stages if stage["stage"] == "refine")
    told = json.loads(curate("rejudge", refine, "--rules", tmp_path / "house.yaml", "--commit", "--json", check=0).stdout)
    assert (told["kept_before"], told["kept"], told["admitted"], told["excluded"]) == (55, 1, 1, 55)
    assert told["committed"]["counts"]["documents"] == 1
    shown = curate("rejudge", refine, "--rules", tmp_path / "house.yaml", check=0).stdout
    assert "house.word_count.max" in shown
    wrong = curate("rejudge", refine, "--rules", "tinystorie", check=78)
    assert "did you mean 'tinystories'?" in wrong.stderr
    wrong = curate("rejudge", refine, "--rules", tmp_path / "hose.yaml", check=78)
    assert "did you mean 'house.yaml'?" in wrong.stderr


def test_a_plan_estimates_what_deduplication_costs(finished):
    _, pipeline, *_ = finished
    estimated = json.loads(curate("plan", pipeline, "--estimate", "--documents", "1e11", "--bytes", "4e14", "--json", check=0).stdout)
    assert estimated["size"] == {
        "documents": 10**11, "text_bytes": 4 * 10**14, "memory_bytes": 4 * 2**30, "shards": 1986822, "threads": 1, "earlier_documents": 0,
    }  # fmt: skip
    [stage] = estimated["stages"]
    assert (stage["stage"], stage["reduction"]) == ("exact", "dedup.exact")
    assert [step["step"] for step in stage["steps"]] == ["hashes", "removed", "decisions"]
    assert stage["steps"][0]["rows"] == 10**11
    small = ["plan", pipeline, "--estimate", "--documents", "1e6", "--bytes", "4e9"]
    table = curate(*small, "--assume", "duplicate_ratio=0.5", check=0).stdout
    assert "1,000,000 documents, 4.0 GB of text" in table
    assert "duplicate_ratio 0.5" in table
    assert "expected" in curate("plan", pipeline, "--estimate", check=78).stderr
    assert "did you mean 'grey_ratio'" in curate(*small, "--assume", "gray_ratio=1", check=78).stderr


def test_unindex_says_that_there_is_no_index(finished):
    folder, *_ = finished
    assert "has no published index" in curate("unindex", "stories:s0", "--pipeline", "small", "--root", folder / "data", check=78).stderr


LEFT_BEHIND = """
import io, threading, time
import pyarrow as pa, pyarrow.parquet as pq
from curation_tasks.cli import application

class Slow(io.BytesIO):
    def readinto(self, *arguments):
        reading.set()
        time.sleep(0.3)
        return super().readinto(*arguments)
    def read(self, *arguments):
        reading.set()
        time.sleep(0.3)
        return super().read(*arguments)

def command():
    table = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["a"], "url": ["b"]}), table)
    file = pq.ParquetFile(io.BytesIO(table.getvalue().to_pybytes()), pre_buffer=True)
    slow = pq.ParquetFile(Slow(table.getvalue().to_pybytes()), metadata=file.metadata, pre_buffer=True)
    reading.clear()
    threading.Thread(target=slow.read_row_group, args=(0,), daemon=True).start()
    reading.wait()
    print("done")

reading = threading.Event()
application.application = command
{end}
"""


@pytest.mark.parametrize(("end", "code"), [("application.main()", 0), ("command()", -6)])
def test_a_thread_of_arrow_that_outlives_a_command_does_not_abort_it(end, code):
    """Where the interpreter is taken down, as the second program does, it aborts: the day it no longer does, ``main`` may do so too."""
    program = LEFT_BEHIND.replace("{end}", end)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (code, "done\n"), ended.stderr


def test_output_that_cannot_be_written_is_no_success(finished):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "curation_tasks.cli", "show", finished[2]], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 70
    assert "No space left" in ended.stderr
