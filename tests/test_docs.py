"""The documentation names only what exists."""

import re
import tomllib

import pytest
from typer.main import get_command

from curation_tasks.catalog import load_catalog
from curation_tasks.cli.application import application
from curation_tasks.plan import plan
from curation_tasks.spec import parse_pipeline

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "curation_tasks/dedup/README.md", "dags/README.md", "k8s/README.md"]


@pytest.fixture(params=DOCUMENTS)
def document(request):
    return request.config.rootpath / request.param


def test_linked_files_exist(document):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_make_targets_exist(document, request):
    makefile = (request.config.rootpath / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_commands_exist(document):
    commands = set(get_command(application).commands)
    for name in re.findall(r"[`$ ]curate ([a-z-]+)\b", document.read_text(encoding="utf-8")):
        assert name in commands, name


def test_the_pipeline_of_the_readme_can_be_planned(request):
    text = (request.config.rootpath / "README.md").read_text(encoding="utf-8")
    [pipeline] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(plan(parse_pipeline(pipeline)).stages) == 7


def test_the_changelog_names_every_part_and_dependency(request):
    root = request.config.rootpath
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    for part in load_catalog():
        assert f"`{part.name}`" in text, part.name
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    listed = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for group in project["project"]["optional-dependencies"].values():
        listed += group
    for requirement in listed:
        name = re.split(r"[\[<>=; ]", requirement)[0]
        short = name.removesuffix("-cu13").removeprefix("apache-airflow-providers")
        assert short in text.replace("ruamel.yaml", "ruamel-yaml"), name


def test_the_builder_of_contributing_builds(request, tmp_path):
    text = (request.config.rootpath / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    letter = "From ann Sat Mar  1 00:00:00 2025\nMessage-ID: <{0}@x>\nSubject: Letter {0}\n\n{1}\n\n"
    (tmp_path / "2025-03.mbox").write_text(letter.format(1, "> What do you think?\nI agree.") + letter.format(2, "> What do you think?"))
    part = names["LETTERS"]
    parameters = part.parameters(base=str(tmp_path))
    [unit] = part.load_units()(parameters, "2025-03")
    rows = [row for batch in part.load()(unit, parameters, None) for row in batch.to_pylist()]
    assert [(row["native_id"], row["subject"], row["text"] if row["reject_reason"] is None else row["reject_reason"]) for row in rows] == [
        ("<1@x>", "Letter 1", "I agree."), ("<2@x>", "Letter 2", "only_quotes"),
    ]  # fmt: skip
