"""Reads every file of a collection of archives, and compares the kinds of records with what two other readers found.

    python tests/benchmarks/check_archives.py FOLDER

The folder has ``warc_truth.jsonl``: for each file the kinds that warcio and fastwarc read, and their errors. Where both agree, ours
must be the same. Where they differ this is what we do, and ``tests/sources/test_archives.py`` has a case of each made by hand:

- one gzip member for a whole file, lz4: read (fastwarc does, warcio does not);
- ARC: read, also when the file is one gzip member; a line that has no address and date is no record (warcio takes any line);
- bytes between records that belong to none: counted as one damaged place, and reading goes on at the next record (fastwarc stops,
  warcio passes over them);
- a length that is too short or too long: the record is read as it says, and reading goes on at the next record that begins;
- a record that is shorter than it says: counted as lost, and not used (both others give what is there).
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

from curation_tasks.errors import InputError
from curation_tasks.sources.archive_salvage import LostRecord
from curation_tasks.sources.archives import ArchiveReader

_ALL = frozenset(["warcinfo", "request", "response", "metadata", "resource", "conversion", "revisit", "continuation", "unknown"])


def main() -> int:
    folder = Path(sys.argv[1])
    truth = [json.loads(line) for line in (folder / "warc_truth.jsonl").read_text(encoding="utf-8").splitlines()]
    wrong = 0
    for item in truth:
        wrong += not _check(folder, item)
    listed = {item["file"] for item in truth}
    others = [path for path in sorted(folder.rglob("*")) if path.is_file() and str(path.relative_to(folder)) not in listed]
    for path in others:
        _, said = _read(path)
        print(f"other    {path.relative_to(folder)}: {said}")
    print(f"{len(truth)} archives, {len(others)} other files, {wrong} not as both readers agree")
    return 1 if wrong else 0


def _check(folder: Path, item: dict) -> bool:
    kinds, said = _read(folder / item["file"])
    one, other = item["warcio"], item["fastwarc"] or {"types": None, "error": "not read"}
    agree = one["types"] == other["types"] and not one["error"] and not other["error"]
    right = kinds == one["types"] if agree else True
    verdict = ("agreed" if right else "WRONG") if agree else "decided"
    print(f"{verdict:8} {item['file']}: {said}" + ("" if agree else f"; warcio {_said(one)}; fastwarc {_said(other)}"))
    return right


def _read(path: Path) -> tuple[dict[str, int], str]:
    with open(path, "rb") as file:
        reader = ArchiveReader(file, str(path), _ALL)
        try:
            lost = [item for item in reader if isinstance(item, LostRecord)]
        except InputError as error:
            return {}, error.what
    # Both others count a record whose header they could read, whatever its block is.
    begun = Counter(_kind(item) for item in lost if item.head is not None)
    places = [f"{item.reason} {item.start}-{item.stop}" for item in lost]
    return dict(reader.kinds + begun), f"{dict(reader.kinds)} {', '.join(places)}".strip()


def _kind(lost: LostRecord) -> str:
    found = re.search(rb"(?im)^warc-type:[ \t]*([\w-]+)", lost.head.data if lost.head else b"")
    return found[1].decode() if found else "response"


def _said(truth: dict) -> str:
    error = (truth["error"] or "").strip().splitlines()
    return f"{truth['types']}" + (f" and {error[0][:50]!r}" if error else "")


if __name__ == "__main__":
    sys.exit(main())
