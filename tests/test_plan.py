"""Planning: parts found, parameters checked, columns followed, commands made; all without an engine."""

import json
import re
import subprocess
import sys

import pytest

from curation_tasks.catalog import load_catalog
from curation_tasks.errors import ConfigError
from curation_tasks.plan import override, pipeline_json_schema, plan
from curation_tasks.spec import parse_pipeline


def planned(text):
    return plan(parse_pipeline(text, "p.yaml"))


def test_columns_are_followed_through_the_stages(pipeline_text):
    stages = planned(pipeline_text).by_id
    assert "characters" not in stages["lines"].columns_out
    assert stages["refine"].signals() == {"characters": "int64"}
    assert stages["text"].columns_out["characters"] == "int64"
    assert stages["refine"].thresholds() == {"too_short": ("characters", 25)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dedup.exact", "dedup.exat", "did you mean 'dedup.exact'?"),
        ("reduction: dedup.exact", "reduction: cleaning.quotes", "it is an operation"),
        ("{min_characters: 25}", "{min_character: 25}", "did you mean 'min_characters'?"),
        ("{min_characters: 25}", "{min_characters: many}", "valid integer"),
        ("reduction: dedup.exact", "reduction: dedup.exact\n    parameters: {column: title}", "'title', which does not exist"),
        ("curation_test_parts:LINES", "curation_test_parts:LINE", "did you mean 'LINES'?"),
        ("curation_test_parts:LINES", "os:system", "may not be named"),
        ("curation_test_parts:LINES", "curation_test_parts:short", "is an operation, not a source"),
    ],
)
def test_an_error_names_the_line(pipeline_text, old, new, said):
    text = pipeline_text.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        planned(text)
    assert said in str(caught.value)
    wrong = new.splitlines()[-1].strip()
    number = next(number for number, line in enumerate(text.splitlines(), 1) if wrong in line)
    assert f"p.yaml:{number}" in str(caught.value)


def test_a_stage_cannot_read_an_export(pipeline_text):
    text = pipeline_text.replace("  - id: publish\n    publish: {}", "  - id: again\n    compact: {}")
    with pytest.raises(ConfigError, match="cannot read 'text', which is a stage of kind export"):
        planned(text)


def test_the_commands_of_a_run(pipeline_text):
    calls = planned(pipeline_text).calls("p.yaml", "all", "data", limit=7)
    assert calls[0].argv() == ["curate", "stage", "resolve", "--pipeline", "p.yaml", "--snapshot", "all", "--root", "data", "--limit", "7"]
    assert calls[2].argv() == ["curate", "stage", "refine", "--resolved", "{resolve}", "--input", "lines={lines}"]


def test_overrides_reach_operations_and_sources(pipeline_text):
    spec = override(parse_pipeline(pipeline_text), {"lines.units": 2, "refine.curation_test_parts:short.min_characters": 3})
    stages = plan(spec).by_id
    assert stages["lines"].calls[0].parameters.units == 2
    assert stages["refine"].calls[0].parameters.min_characters == 3
    with pytest.raises(ConfigError, match="did you mean 'refine'"):
        override(spec, {"refin.x.y": 1})
    with pytest.raises(ConfigError):
        plan(override(spec, {"lines.unit": 2}))


def test_planning_imports_no_engine():
    code = (
        "import sys; from curation_tasks.catalog import load_catalog; from curation_tasks.plan import plan; "
        "from curation_tasks.spec import load_pipeline; load_catalog(); import glob; "
        "[plan(load_pipeline(p)) for p in sorted(glob.glob('dags/pipelines/*.yaml'))]; "
        "engines = ('pyarrow', 'numpy', 'numba', 'dask', 'distributed', 'pandas', 'polars', 'presidio_analyzer', 'airflow'); "
        "print([name for name in engines if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_committed_json_schema_is_current_and_accepts_the_pipelines(request):
    import jsonschema

    from curation_tasks.yaml_files import plain, read_yaml

    folder = request.config.rootpath / "dags" / "pipelines"
    schema = json.loads((folder / "pipeline.schema.json").read_text(encoding="utf-8"))
    assert schema == json.loads(json.dumps(pipeline_json_schema(load_catalog()))), "run `make schema`"
    validator = jsonschema.Draft202012Validator(schema)
    files = sorted(folder.glob("*.yaml"))
    assert files
    for file in files:
        document = plain(read_yaml(file.read_text(encoding="utf-8"), file.name))
        assert not list(validator.iter_errors(document)), file.name
        assert list(validator.iter_errors(document | {"stages": [{"id": "x", "sourc": "jsonl"}]}))
    for against, keep in (("earlier", "longest"), (["earlier", "books"], {"policy": "score", "column": "quality"})):
        stage = {"id": "x", "reduction": "dedup.exact", "against": against, "parameters": {"keep": keep}}
        assert not list(validator.iter_errors(document | {"stages": [stage]}))


REDUCTION = """name: typed
stages:
  - id: read
    source: parquet
    parameters: {files: a.parquet, columns: {id: id, keep: {quality: double, words: int32, title: string, marks: "list<string>"}}}
  - id: dedup
    reduction: USE
    parameters:
      PARAMETER
"""


@pytest.mark.parametrize(
    ("use", "parameter", "message"),
    [
        ("exact", "column: quality", "`column` names column 'quality', which holds double"),
        ("exact", "column: [text, mark]", "`column` names column 'mark', which does not exist"),
        ("exact", "keep: {policy: score, column: tittle}", "`keep` names column 'tittle', which does not exist"),
        ("exact", "keep: {policy: score, column: title}", "`keep` names column 'title', which holds string; known: quality, words"),
        ("exact", "keep: {policy: longest, column: words}", "`keep` names column 'words', which holds int32"),
        ("fuzzy", "column: words", "`column` names column 'words', which holds int32"),
        ("simhash", "keep: {policy: score, column: qualty}", "which does not exist; did you mean 'quality'"),
        ("paragraphs", "keep: {policy: source, column: quality, priority: [a]}", "`keep` names column 'quality', which holds double"),
    ],
)
def test_a_reduction_says_in_which_line_a_column_of_a_wrong_type_is_named(use, parameter, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as told:
        planned(REDUCTION.replace("USE", f"dedup.{use}").replace("PARAMETER", parameter))
    assert told.value.where == "p.yaml:9"
    assert told.value.expected.startswith("a column of type ")
    assert told.value.remedy
