"""The source of a paper in one piece: encodings, the main file, and what it includes.

``\\input`` and its kin are followed inside the package only, within bounds; what is not there is left out and counted.
"""

from __future__ import annotations

import codecs
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from curation_tasks.sources.tex_commands import ENCODINGS
from curation_tasks.sources.tex_reading import without_comments

_INPUTENC = re.compile(rb"\\usepackage\s*\[([^\[\]]{0,1000})\]\s*\{(?:inputenc|inputenx)\}")
_DOCUMENT_CLASS = re.compile(r"\\document(?:class|style)(?![a-zA-Z])")
_PLAIN_TEX = re.compile(r"\\bye(?![a-zA-Z])|\\end\s*\Z|\\magnification|\\input\s+(?:amstex|harvmac|phyzzx|lanlmac|jytex)|\\font\\")
_INPUT = re.compile(
    r"\\(?:(?:input|include|subfile|loadglsentries|InputIfFileExists)\s*\{([^{}]*)\}|(?:input)\s+([^\s{}\\%]+)"
    r"|(?:sub)?(?:import|inputfrom|includefrom)\*?\s*\{([^{}]*)\}\s*\{([^{}]*)\})"
)
_END_INPUT = re.compile(r"\\endinput(?![a-zA-Z])[\s\S]*")
_MAIN_NAMES = ("ms", "main", "paper", "article", "manuscript", "arxiv", "root")
#: Bounds of what is put together: files within files, files in all, characters.
_DEPTH, _INPUTS, _CHARACTERS = 16, 2_000, 32 * 2**20
#: Characters in all for a small package: so many, and so many times its bytes, since one file may be included again and again.
_REPEATED_CHARACTERS, _REPEATS = 2**20, 4


@dataclass(frozen=True)
class Source:
    """A source in one piece, comments removed.

    Attributes:
        text: Of the main file, with what it includes in its place.
        missing: Includes whose file the package has not.
        bounded: Whether an include was left out because of the bounds.
    """

    text: str
    missing: int = 0
    bounded: bool = False


def decoded(data: bytes) -> str:
    """The text of a file: by its byte order mark, as UTF-8, by what it tells ``inputenc``, by detection; as Windows-1252 at last."""
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    if match := _INPUTENC.search(data):
        encoding = ENCODINGS.get(match[1].decode("ascii", "replace").split(",")[-1].strip(), "")
        if encoding and encoding != "utf-8":
            return data.decode(encoding, "replace")
    return data.decode(_detected(data), "replace")


def _detected(data: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding

    # A few letters with accents are too little to tell encodings of Western Europe apart: those are nearly all.
    if sum(byte >= 0x80 for byte in data[: 2**16]) < 32:
        return "cp1252"
    name = detect_encoding(data[: 2**20])
    try:
        codecs.lookup(name or "")
    except LookupError:
        return "cp1252"
    return "cp1252" if name in ("utf-8", "ascii", None) else name


def source_of(files: Mapping[str, bytes]) -> Source | None:
    """The source of a paper from the files of its package; None when no file is the main one."""
    texts: dict[str, str] = {}

    def text_of(name: str) -> str:
        if name not in texts:
            texts[name] = without_comments(decoded(files[name]))
        return texts[name]

    main = main_file(files, text_of)
    return _Assembly(files, text_of).source(main) if main else None


def main_file(files: Mapping[str, bytes], text_of) -> str | None:
    """The file that TeX is run on: what 00README says, else by ``\\documentclass``, names, and who includes whom."""
    said, ignored = _readme(files)
    if said and said in files:
        return said
    names = [name for name in sorted(files) if name not in ignored and not _is_auxiliary(name)]
    candidates = [name for name in names if _DOCUMENT_CLASS.search(text_of(name))]
    candidates = candidates or [name for name in names if _PLAIN_TEX.search(text_of(name))]
    if not candidates:
        tex = [name for name in names if name.lower().endswith((".tex", ".ltx", ".latex"))]
        candidates = [name for name in tex or names if (tex or len(files) == 1) and "\\" in text_of(name)]
    if not candidates:
        return None
    included = {stem for name in candidates for stem in _included_stems(text_of(name))}

    def rank(name: str) -> tuple:
        stem = posixpath.splitext(posixpath.basename(name))[0].lower()
        return (
            "\\begin{document}" not in text_of(name).replace(" ", ""),
            posixpath.splitext(name)[0] in included or name in included,
            name.count("/"),
            stem not in _MAIN_NAMES,
            -len(text_of(name)),
            name,
        )

    return min(candidates, key=rank)


def _is_auxiliary(name: str) -> bool:
    return name.lower().endswith((".sty", ".cls", ".def", ".bbl", ".pstex_t", ".tikz")) or posixpath.basename(name).upper().startswith(
        "00README"
    )


def _included_stems(text: str) -> list[str]:
    return [posixpath.splitext((match[1] or match[2] or match[4] or "").strip())[0] for match in _INPUT.finditer(text)]


def _readme(files: Mapping[str, bytes]) -> tuple[str | None, set[str]]:
    """The main file that 00README names, and those that it excludes."""
    main, ignored = None, set()
    for name, data in sorted(files.items()):
        if not posixpath.basename(name).upper().startswith("00README"):
            continue
        text = data[: 2**16].decode("utf-8", "replace")
        if name.lower().endswith(".json"):
            for file, usage in _usages(text):
                main, ignored = (main or file if usage == "toplevel" else main), (ignored | {file} if usage == "ignore" else ignored)
            continue
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 2 and words[1].lower() == "toplevelfile":
                main = main or words[0]
            elif len(words) >= 2 and words[1].lower() == "ignore":
                ignored.add(words[0])
    return main, ignored


def _usages(text: str) -> list[tuple[str, str]]:
    try:
        sources = json.loads(text).get("sources", [])
        return [(str(item["filename"]), str(item.get("usage", ""))) for item in sources]
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return []


class _Assembly:
    """Puts a main file and what it includes together."""

    def __init__(self, files: Mapping[str, bytes], text_of):
        self._files, self._text_of = files, text_of
        most = _REPEATED_CHARACTERS + _REPEATS * sum(map(len, files.values()))
        self._inputs, self._characters, self._missing, self._bounded = _INPUTS, min(_CHARACTERS, most), 0, False

    def source(self, main: str) -> Source:
        self._folder = posixpath.dirname(main)
        return Source(self._with_inputs(main, (main,)), self._missing, self._bounded)

    def _with_inputs(self, name: str, above: tuple[str, ...]) -> str:
        text = _END_INPUT.sub("", self._text_of(name)) if "\\endinput" in self._text_of(name) else self._text_of(name)
        self._characters -= len(text)
        return _INPUT.sub(lambda match: self._included(match, above), text)

    def _included(self, match: re.Match[str], above: tuple[str, ...]) -> str:
        wanted = posixpath.join(match[3].strip(), match[4].strip()) if match[3] is not None else (match[1] or match[2] or "").strip()
        found = self._found(wanted.strip('"'), posixpath.dirname(above[-1]))
        if found is None:
            self._missing += 1
            return " "
        self._inputs -= 1
        if found in above or len(above) >= _DEPTH or self._inputs < 0 or self._characters < len(self._text_of(found)):
            self._bounded = True
            return " "
        return f"\n{self._with_inputs(found, (*above, found))}\n"

    def _found(self, wanted: str, folder: str) -> str | None:
        """The file that an include names: beside the main file, or beside the including one; never outside of the package."""
        for base in dict.fromkeys((self._folder, folder, "")):
            name = posixpath.normpath(posixpath.join(base, wanted))
            for candidate in (f"{name}.tex", name, f"{name}.ltx"):
                if candidate in self._files and not _is_auxiliary(candidate):
                    return candidate
        return None
