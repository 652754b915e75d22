"""Bounds for source code by the extension of its file, as in BigCode's table."""

import numpy as np
import pyarrow as pa
import pytest

from curation_tasks.errors import InputError
from curation_tasks.filters.catalog import PARTS
from curation_tasks.filters.extension import extension
from curation_tasks.filters.extension_parameters import ExtensionParameters
from curation_tasks.testing import check_operation, context_for

PART = next(part for part in PARTS if part.name == "filters.extension")
BIGCODE = """,extension,language,count,Name,Include,Alphanum_threshold,Long_line_threshold,,XML filter,Alpha filter,Near-dedup settings
1,py,python,1000,x,1,0.25,40,,1,,
2,mat,matlab,1000,x,1,0.25,remove,,1,0.5,
3,sexp,common-lisp,1000,x,0,,,,1,,
4,cs,c-sharp,1000,x,1,0.25,1000,,1,,
5,cmake,cmake,1000,x,1,0.25,remove,,1,,
6,cmake,makefile,1,x,1,0.25,20,,1,,
7,asm,assembly,1000,x,1,0.25,Custom! Can we,,1,remove,
8,,makefile,1000,x,1,0.25,1000,,1,,
"""
LONG = "x = 1\n" + "y = '" + "a" * 40 + "'\n"


def bigcode(text, name, language, rows):
    """BigCode's decision, in plain Python."""
    row = next((row for row in rows if row["extension"] == name and language in (None, row["language"])), None)
    if row is None or row["Include"] != "1":
        return False
    number = lambda value: float(value) if value.replace(".", "", 1).isdigit() else None  # noqa: E731
    longest, alphanum, alpha = (number(row[column]) for column in ("Long_line_threshold", "Alphanum_threshold", "Alpha filter"))
    lengths = [len(line) for line in text.splitlines()]
    if longest and (max(lengths) > longest or np.mean(lengths) > 100):
        return False
    if alphanum and np.mean([character.isalnum() for character in text]) < alphanum:
        return False
    return not (alpha and sum(map(str.isalpha, text)) < alpha * len(text))


def run(rows, content, tmp_path, **given):
    """``rows`` are ``(text, extension, language)``."""
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8")
    parameters = ExtensionParameters(file=str(path), **given)
    names = ("text", "extension", "language")
    batch = pa.record_batch({name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(names)})
    return extension(batch, parameters, context_for(parameters)).to_pylist()


def test_decisions_are_bigcodes(tmp_path):
    import csv

    texts = ["x = 1\n", LONG, "a b c d e\n", "1 2 3 4 5\n\n1\n", "{}[]();;;;\n" * 3, "caf\u00e9 \u00bd\n", "\n".join(["z" * 120] * 3)]
    extensions = ["py", "src/a.py", ".mat", "sexp", "cs", "cmake", "asm", "zz", ""]
    table = list(csv.DictReader(BIGCODE.splitlines()))
    rows = [(text, name, None) for text in texts for name in extensions]
    found = run(rows, BIGCODE, tmp_path)
    for (text, name, _), row in zip(rows, found, strict=True):
        assert (row.get("reject_reason") is None) == bigcode(text, name.rsplit(".", 1)[-1], None, table), (text, name, row)
    languages = ["Python", "C#", "CMake", "Makefile", "Common Lisp"]
    rows = [(text, name, language) for text in texts for name in extensions for language in languages]
    found = run(rows, BIGCODE, tmp_path, language_column="language")
    for (text, name, language), row in zip(rows, found, strict=True):
        said = {"C#": "c-sharp"}.get(language, language.lower().replace(" ", "-"))
        assert (row.get("reject_reason") is None) == bigcode(text, name.rsplit(".", 1)[-1], said, table), (text, name, language, row)


def test_the_first_reason_all_reasons_and_the_bound(tmp_path):
    content = "extension,max_line_length,avg_line_length,alphanum,include\npy,5,4,0.9,1\njs,6,,,1\nmd,,,,0\n"
    rows = run([("1234567 ++\n", "py", None), ("1234567\n", "js", None), ("12345\n1\n", "py", None), ("x", "md", None), ("x", "zz", None)],
               content, tmp_path)  # fmt: skip
    assert [row["reject_reason"] for row in rows] == [
        "extension.longest_line_length.max", "extension.longest_line_length.max", "extension.unicode_alphanumeric_ratio.min",
        "extension.excluded", "extension.unlisted",
    ]  # fmt: skip
    assert [row["reject_threshold"] for row in rows] == [5, 6, 0.9, None, None]
    assert rows[0]["reject_value"] == 10
    assert [name.split(".")[1] for name in rows[0]["failed_rules"]] == [
        "longest_line_length", "mean_split_line_length", "unicode_alphanumeric_ratio",
    ]  # fmt: skip
    # A bound is inclusive: five characters are not more than five.
    assert rows[2]["failed_rules"] == ["extension.unicode_alphanumeric_ratio.min"]
    assert run([("x", "zz", None)], content, tmp_path, unlisted="keep")[0]["reject_reason"] is None


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("name,alphanum\npy,1\n", "no column `extension`"),
        ("extension,count\npy,1\n", "or no bounds"),
        ("extension,alpha\npy,1\npy,2\n", "two lines for 'py'"),
        ("extension,alpha\n", "is empty"),
        ("", "no column `extension`"),
    ],
)
def test_what_is_no_table_is_refused(content, what, tmp_path):
    with pytest.raises(InputError, match=what):
        run([("x", "py", None)], content, tmp_path)


def test_keeps_the_contract(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(BIGCODE)
    check_operation(PART, {"file": str(path), "language_column": "language"}, huge=False)
